//! The parts of a release: least permissions, webhooks, ports and names that agree, the pod's safety.

use std::ffi::OsString;

use clap::Parser;
use redis_operator::cli::{Cli, Command, two_dashes};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{all, args, container, kinds, named, render, render_as, texts, the};

/// The value of `--name=value`.
fn arg<'a>(objects: &'a [Value], name: &str) -> &'a str {
    let prefix = format!("--{name}=");
    args(objects)
        .into_iter()
        .find_map(|arg| arg.strip_prefix(&prefix))
        .unwrap_or_else(|| panic!("no --{name}"))
}

fn rules(objects: &[Value]) -> Vec<Value> {
    ["ClusterRole", "Role"]
        .iter()
        .flat_map(|kind| the(objects, kind)["rules"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn no_permission_has_a_wildcard() {
    for rule in rules(&render(&[])) {
        for part in ["apiGroups", "resources", "verbs"] {
            let entries = texts(&rule[part]);
            assert!(!entries.is_empty() && entries.iter().all(|entry| !entry.contains('*')), "{rule}");
        }
        let verbs = texts(&rule["verbs"]);
        assert!(
            !verbs.iter().any(|verb| ["escalate", "bind", "impersonate", "deletecollection"].contains(verb))
        );
    }
}

#[test]
fn what_can_be_narrowed_to_a_name_is() {
    let narrow = ["mutatingwebhookconfigurations", "customresourcedefinitions", "leases"];
    for rule in rules(&render(&[])) {
        let resources = texts(&rule["resources"]);
        if resources.iter().any(|resource| narrow.contains(resource)) {
            let narrowed = !texts(&rule["resourceNames"]).is_empty();
            assert!(narrowed || texts(&rule["verbs"]) == ["create"], "{rule}");
        }
    }
}

#[test]
fn redisfailovers_are_read_and_only_patched() {
    let of_ours = |rule: &Value| texts(&rule["apiGroups"]) == ["storage.spotahome.com"];
    let rules: Vec<_> = rules(&render(&[])).into_iter().filter(of_ours).collect();
    let granted: Vec<_> =
        rules.iter().map(|rule| (texts(&rule["resources"]), texts(&rule["verbs"]))).collect();
    let expected = [
        (vec!["redisfailovers"], vec!["get", "list", "watch", "patch"]),
        (vec!["redisfailovers/status"], vec!["patch"]),
        (vec!["redisfailovers/finalizers"], vec!["update"]),
    ];
    assert_eq!(granted, expected);
}

#[rstest]
#[case("default")]
#[case("redis-system")]
fn bindings_and_webhooks_name_the_namespace_of_the_release(#[case] namespace: &str) {
    let objects = render_as("redisoperator", namespace, &[]);
    for kind in ["ClusterRoleBinding", "RoleBinding"] {
        let subject = &the(&objects, kind)["subjects"][0];
        assert_eq!(subject["namespace"], namespace, "{kind}");
        assert_eq!(subject["name"], the(&objects, "ServiceAccount")["metadata"]["name"], "{kind}");
    }
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        assert_eq!(
            the(&objects, kind)["webhooks"][0]["clientConfig"]["service"]["namespace"],
            namespace,
            "{kind}"
        );
    }
    let clusterwide = [
        "ClusterRole",
        "ClusterRoleBinding",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ];
    for object in &objects {
        let expected = if clusterwide.iter().any(|kind| object["kind"] == *kind) {
            Value::Null
        } else {
            json!(namespace)
        };
        assert_eq!(object["metadata"]["namespace"], expected, "{}", object["kind"]);
    }
}

#[rstest]
#[case("MutatingWebhookConfiguration", "mutate.redisfailovers.storage.spotahome.com", "/mutate")]
#[case("ValidatingWebhookConfiguration", "validate.redisfailovers.storage.spotahome.com", "/validate")]
fn a_webhook_selects_redisfailovers_only(#[case] kind: &str, #[case] name: &str, #[case] path: &str) {
    let objects = render(&[]);
    let webhooks = the(&objects, kind)["webhooks"].as_array().unwrap();
    assert_eq!(webhooks.len(), 1);
    let webhook = &webhooks[0];
    let rule = json!({
        "apiGroups": ["storage.spotahome.com"],
        "apiVersions": ["v1"],
        "resources": ["redisfailovers"],
        "operations": ["CREATE", "UPDATE"],
        "scope": "Namespaced",
    });
    assert_eq!(webhook["name"], name);
    assert_eq!(webhook["rules"], json!([rule]));
    assert_eq!(webhook["clientConfig"]["service"]["path"], path);
    assert_eq!(webhook["failurePolicy"], "Fail");
    assert_eq!(webhook["sideEffects"], "None");
    assert_eq!(webhook["timeoutSeconds"], 5);
    // The operator owns it; a value here would undo its injection at every upgrade.
    assert_eq!(webhook["clientConfig"].get("caBundle"), None);
}

#[rstest]
#[case("redisoperator", 8443)]
#[case("prod", 9443)]
fn arguments_services_and_webhooks_agree(#[case] release: &str, #[case] port: u16) {
    let objects = render_as(release, "default", &[&format!("webhook.port={port}")]);
    let listen = |name| arg(&objects, name).strip_prefix(':').unwrap().parse::<u16>().unwrap();
    let ports = &container(&objects)["ports"];
    assert_eq!(ports[0], json!({"name": "metrics", "containerPort": listen("listen-address")}));
    assert_eq!(ports[1], json!({"name": "webhook", "containerPort": listen("webhook-listen-address")}));
    assert_eq!(listen("webhook-listen-address"), port);

    let pod = &the(&objects, "Deployment")["spec"]["template"];
    for service in all(&objects, "Service") {
        for (label, value) in service["spec"]["selector"].as_object().unwrap() {
            assert_eq!(
                &pod["metadata"]["labels"][label], value,
                "the selector of {}",
                service["metadata"]["name"]
            );
        }
    }
    let metrics =
        named(&objects, "Service", the(&objects, "Deployment")["metadata"]["name"].as_str().unwrap());
    assert_eq!(metrics["spec"]["ports"], json!([{"name": "metrics", "port": 9710, "targetPort": "metrics"}]));
    let https = json!([{"name": "https", "port": 443, "targetPort": "webhook"}]);
    let probe = named(&objects, "Service", arg(&objects, "webhook-probe-service"));
    assert_eq!((&probe["spec"]["ports"], &probe["spec"]["publishNotReadyAddresses"]), (&https, &json!(true)));
    let webhook = named(&objects, "Service", arg(&objects, "webhook-service"));
    assert_eq!((&webhook["spec"]["ports"], webhook["spec"].get("publishNotReadyAddresses")), (&https, None));

    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let configuration = the(&objects, kind);
        assert_eq!(configuration["metadata"]["name"], arg(&objects, "webhook-configuration"));
        let service = &configuration["webhooks"][0]["clientConfig"]["service"];
        assert_eq!(service["name"], arg(&objects, "webhook-service"));
        assert_eq!(service["port"], webhook["spec"]["ports"][0]["port"]);
    }
    let role = the(&objects, "Role");
    let names: Vec<_> =
        role["rules"].as_array().unwrap().iter().flat_map(|rule| texts(&rule["resourceNames"])).collect();
    let secrets = ["ca", "tls"].map(|secret| format!("{}-{secret}", arg(&objects, "webhook-service")));
    assert_eq!(names, [arg(&objects, "lease-name"), &secrets[0], &secrets[1]]);
}

#[rstest]
#[case(&[])]
#[case(&["webhook.enabled=false"])]
#[case(&[r#"webhook.certificates.mode="cert-manager""#])]
#[case(&[r#"webhook.certificates={"mode":"secret","secretName":"theirs"}"#])]
#[case(&[r#"logLevel="info,kube=debug""#, r#"logFormat="json""#, "concurrency=5", r#"namespaces.regex="^team-.*$""#])]
#[case(&[r#"redisImage="redis:8""#, r#"exporterImage="exporter:1""#, r#"extraArgs=["--k8s-cli-qps-limit=50"]"#])]
fn the_operator_accepts_its_arguments(#[case] sets: &[&str]) {
    let objects = render(sets);
    let words = ["redis-operator"].into_iter().chain(args(&objects)).map(OsString::from);
    let cli = Cli::try_parse_from(two_dashes(words)).unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(cli.command, Some(Command::Run(_))), "{cli:?}");
}

#[test]
fn probes_ask_the_operator_itself() {
    let objects = render(&[]);
    let container = container(&objects);
    assert_eq!(container["livenessProbe"]["httpGet"], json!({"path": "/healthz", "port": "metrics"}));
    assert_eq!(container["readinessProbe"]["httpGet"], json!({"path": "/readyz", "port": "metrics"}));
}

#[test]
fn the_pod_passes_the_restricted_level() {
    let objects = render(&[]);
    let pod = &the(&objects, "Deployment")["spec"]["template"]["spec"];
    let of_pod = &pod["securityContext"];
    assert_eq!(of_pod["runAsNonRoot"], true);
    assert_eq!(of_pod["runAsUser"], 65532);
    assert_eq!(of_pod["seccompProfile"]["type"], "RuntimeDefault");
    for key in ["hostNetwork", "hostPID", "hostIPC", "volumes", "initContainers"] {
        assert_eq!(pod.get(key), None, "{key}");
    }
    let of_container = &container(&objects)["securityContext"];
    let expected = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(of_container, &expected);
    assert!(
        container(&objects)["ports"].as_array().unwrap().iter().all(|port| port.get("hostPort").is_none())
    );
}

#[test]
fn a_servicemonitor_finds_the_metrics_and_nothing_else() {
    assert!(!kinds(&render(&[])).contains("ServiceMonitor"));
    let objects = render(&["metrics.serviceMonitor.enabled=true"]);
    let monitor = the(&objects, "ServiceMonitor");
    let wanted = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let selects =
        |service: &&Value| wanted.iter().all(|(key, value)| &service["metadata"]["labels"][key] == value);
    let selected: Vec<_> = all(&objects, "Service").into_iter().filter(selects).collect();
    assert_eq!(selected.len(), 1);
    assert_eq!(selected[0]["spec"]["ports"][0]["name"], monitor["spec"]["endpoints"][0]["port"]);
}
