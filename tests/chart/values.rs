//! What the values do, and which are refused.

use rstest::rstest;
use serde_json::Value;

use crate::{all, args, container, helm, kinds, named, render, the};

/// What is set, the object and the path where it shows, and what stands there.
const SHOWN: &str = r#"
image.repository="registry/op"         | Container                      | /image                          | "registry/op:dev"
image.tag=""                           | Container                      | /image                          | "redis-operator:0.1.0"
image.pullPolicy="Never"               | Container                      | /imagePullPolicy                | "Never"
resources.limits.memory="64Mi"         | Container                      | /resources/limits/memory        | "64Mi"
webhook.port=9443                      | Container                      | /ports/1/containerPort          | 9443
imagePullSecrets=[{"name":"s"}]        | Pod                            | /spec/imagePullSecrets/0/name   | "s"
affinity.nodeAffinity={"a":1}          | Pod                            | /spec/affinity                  | {"nodeAffinity":{"a":1}}
tolerations=[{"key":"k"}]              | Pod                            | /spec/tolerations/0/key         | "k"
nodeSelector={"a":"b"}                 | Pod                            | /spec/nodeSelector/a            | "b"
topologySpreadConstraints=[{"k":1}]    | Pod                            | /spec/topologySpreadConstraints | [{"k":1}]
priorityClassName="high"               | Pod                            | /spec/priorityClassName         | "high"
podAnnotations={"a":"b"}               | Pod                            | /metadata/annotations/a         | "b"
podLabels={"a":"b"}                    | Pod                            | /metadata/labels/a              | "b"
serviceAccount.name="me"               | Pod                            | /spec/serviceAccountName        | "me"
serviceAccount.name="me"               | ServiceAccount                 | /metadata/name                  | "me"
serviceAccount.name="me"               | ClusterRoleBinding             | /subjects/0/name                | "me"
serviceAccount.name="me"               | RoleBinding                    | /subjects/0/name                | "me"
serviceAccount={"create":false,"name":"me"} | Pod                       | /spec/serviceAccountName        | "me"
serviceAccount.annotations={"a":"b"}   | ServiceAccount                 | /metadata/annotations/a         | "b"
replicas=3                             | Deployment                     | /spec/replicas                  | 3
updateStrategy.type="Recreate"         | Deployment                     | /spec/strategy                  | {"type":"Recreate"}
updateStrategy.rollingUpdate.maxSurge=2 | Deployment                    | /spec/strategy/rollingUpdate/maxSurge | 2
webhook.timeoutSeconds=3               | ValidatingWebhookConfiguration | /webhooks/0/timeoutSeconds      | 3
webhook.timeoutSeconds=3               | MutatingWebhookConfiguration   | /webhooks/0/timeoutSeconds      | 3
labels={"a":"b"}                       | ClusterRole                    | /metadata/labels/a              | "b"
metrics.service.annotations={"a":"b"}  | MetricsService                 | /metadata/annotations/a         | "b"
metrics.serviceMonitor={"enabled":true,"labels":{"a":"b"}}   | ServiceMonitor | /metadata/labels/a      | "b"
metrics.serviceMonitor={"enabled":true,"interval":"5s"}      | ServiceMonitor | /spec/endpoints/0/interval | "5s"
"#;

#[test]
fn a_value_shows_in_an_object() {
    let default = render(&["metrics.serviceMonitor.enabled=true"]);
    for line in SHOWN.trim().lines() {
        let columns: Vec<_> = line.split(" | ").map(str::trim).collect();
        let [set, place, path, expected] = columns[..] else { panic!("four columns: {line}") };
        let expected: Value = serde_json::from_str(expected).unwrap();
        let changed = render(&[set]);
        assert_ne!(find(&default, place).pointer(path), Some(&expected), "the default of {line}");
        assert_eq!(find(&changed, place).pointer(path), Some(&expected), "{line}");
    }
}

/// An object by its kind, or a part of one that several values change.
fn find<'a>(objects: &'a [Value], place: &str) -> &'a Value {
    match place {
        "Container" => container(objects),
        "Pod" => &the(objects, "Deployment")["spec"]["template"],
        "MetricsService" => named(objects, "Service", "redisoperator"),
        kind => the(objects, kind),
    }
}

#[rstest]
#[case(r#"redisImage="redis:8""#, "--redis-image=redis:8")]
#[case(r#"exporterImage="exporter:1""#, "--exporter-image=exporter:1")]
#[case("concurrency=5", "--concurrency=5")]
#[case(r#"logLevel="debug""#, "--log-level=debug")]
#[case(r#"logFormat="json""#, "--log-format=json")]
#[case(r#"namespaces.regex="team-.*""#, "--supported-namespaces-regex=team-.*")]
#[case(r#"extraArgs=["--one=a b"]"#, "--one=a b")]
#[case("webhook.port=9443", "--webhook-listen-address=:9443")]
fn a_value_becomes_an_argument(#[case] set: &str, #[case] expected: &str) {
    assert!(!args(&render(&[])).contains(&expected), "the default has it too");
    let objects = render(&[set]);
    assert_eq!(args(&objects).iter().filter(|arg| **arg == expected).count(), 1, "{:?}", args(&objects));
}

#[rstest]
#[case("webhook.enabled=false", &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"])]
#[case(r#"serviceAccount={"create":false,"name":"me"}"#, &["ServiceAccount"])]
#[case("rbac.create=false", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"])]
#[case("podDisruptionBudget.enabled=false", &["PodDisruptionBudget"])]
#[case("replicas=1", &["PodDisruptionBudget"])]
fn a_value_leaves_out_kinds(#[case] set: &str, #[case] absent: &[&str]) {
    let (before, after) = (render(&[]), render(&[set]));
    let gone: Vec<_> = kinds(&before).difference(&kinds(&after)).copied().collect();
    assert_eq!(gone, absent);
}

#[test]
fn without_the_webhook_nothing_speaks_of_it() {
    let objects = render(&["webhook.enabled=false"]);
    assert!(args(&objects).contains(&"--no-webhook"));
    assert!(!args(&objects).iter().any(|arg| arg.starts_with("--webhook")));
    let ports: Vec<_> =
        container(&objects)["ports"].as_array().unwrap().iter().map(|port| &port["name"]).collect();
    assert_eq!(ports, ["metrics"]);
    assert_eq!(all(&objects, "Service").len(), 1);
    assert!(!the(&objects, "ClusterRole").to_string().contains("webhookconfigurations"));
    assert!(!the(&objects, "Role").to_string().contains("secrets"));
}

#[rstest]
#[case("replica=3")]
#[case(r#"image.tags="dev""#)]
#[case("webhook.timeout=3")]
#[case("webhook.timeoutSeconds=31")]
#[case("webhook.port=9710")]
#[case(r#"replicas="two""#)]
#[case(r#"image.pullPolicy="Sometimes""#)]
#[case("metrics.serviceMonitor.enable=true")]
fn a_wrong_value_is_refused(#[case] set: &str) {
    let output = helm::run("template", &["redisoperator", helm::CHART, "--set-json", set]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{set} was accepted");
    assert!(errors.contains("values don't meet the specifications of the schema"), "{errors}");
}

#[test]
fn a_service_account_of_ones_own_has_a_name() {
    let set = "serviceAccount.create=false";
    let output = helm::run("template", &["redisoperator", helm::CHART, "--set-json", set]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{set} was accepted");
    assert!(
        errors.contains("serviceAccount.create is false: name an existing one in serviceAccount.name"),
        "{errors}"
    );
}

#[test]
fn schema_and_values_have_the_same_keys() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(helm::CHART);
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let values: Value = serde_saphyr::from_str(&read("values.yaml")).unwrap();
    let mut schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    // Helm sets it, not the user.
    schema["properties"].as_object_mut().unwrap().remove("global");
    compare_keys("values", &values, &schema);
}

/// Compares a closed part of the schema with the values; open parts are the user's own.
fn compare_keys(path: &str, values: &Value, schema: &Value) {
    let (Some(values), Some(properties)) = (values.as_object(), schema["properties"].as_object()) else {
        return;
    };
    assert_eq!(schema["additionalProperties"], false, "{path} takes any key");
    for key in values.keys() {
        assert!(properties.contains_key(key), "{path}.{key} is not in the schema");
    }
    for (key, part) in properties {
        // An empty map is a Kubernetes type that the user fills.
        assert!(values.contains_key(key) || is_kubernetes_type(path), "{path}.{key} is not in values.yaml");
        compare_keys(&format!("{path}.{key}"), values.get(key).unwrap_or(&Value::Null), part);
    }
}

fn is_kubernetes_type(path: &str) -> bool {
    ["values.affinity", "values.resources", "values.webhook.certificates.issuerRef"].contains(&path)
}
