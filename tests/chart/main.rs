//! The Helm chart: what it renders, what it refuses, and that its parts agree with each other.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test")]

mod certificates;
#[path = "../helm/mod.rs"]
mod helm;
mod parts;
mod values;

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};

const CRD_NAME: &str = "redisfailovers.storage.spotahome.com";

/// The objects that a release called `redisoperator` in the namespace `default` gets.
fn render(sets: &[&str]) -> Vec<Value> {
    render_as("redisoperator", "default", sets)
}

/// As [`render`], under another name or in another namespace.
fn render_as(release: &str, namespace: &str, sets: &[&str]) -> Vec<Value> {
    // The CRD is so long that reading it each time would take most of the time of these tests.
    let mut sets = sets.to_vec();
    sets.insert(0, "crds.install=false");
    objects(&template(release, namespace, &sets))
}

/// As [`render`], with the CRD.
fn render_with_crd(sets: &[&str]) -> Vec<Value> {
    objects(&template("redisoperator", "default", sets))
}

fn template(release: &str, namespace: &str, sets: &[&str]) -> String {
    let mut args = vec![release, helm::CHART, "--namespace", namespace];
    args.extend(sets.iter().flat_map(|set| ["--set-json", set]));
    helm::template(&args)
}

fn objects(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("the chart renders YAML");
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// The one object of a kind.
fn the<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found = all(objects, kind);
    assert_eq!(found.len(), 1, "objects of kind {kind}");
    found[0]
}

fn all<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    all(objects, kind)
        .into_iter()
        .find(|object| object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn container(objects: &[Value]) -> &Value {
    &the(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
}

fn args(objects: &[Value]) -> Vec<&str> {
    texts(&container(objects)["args"])
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn kinds(objects: &[Value]) -> BTreeSet<&str> {
    objects.iter().filter_map(|object| object["kind"].as_str()).collect()
}

#[test]
fn the_chart_passes_the_linter() {
    let output = helm::run("lint", &["--strict", helm::CHART]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// `fieldPath` of the CRD's CEL rules is new in 1.28.
#[rstest]
#[case("1.27.16", false)]
#[case("1.28.0", true)]
#[case("1.30.4-gke.100", true)]
fn the_chart_knows_which_kubernetes_it_needs(#[case] version: &str, #[case] enough: bool) {
    let output = helm::run("template", &[helm::CHART, "--kube-version", version]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), enough, "{version}: {errors}");
    assert!(enough || errors.contains("incompatible with Kubernetes"), "{errors}");
}

#[test]
fn chart_and_operator_have_one_version() {
    let chart = std::fs::read_to_string("charts/redisoperator/Chart.yaml").unwrap();
    let chart: Value = serde_saphyr::from_str(&chart).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_default_release_has_these_objects() {
    let objects = render_with_crd(&[]);
    let found: Vec<String> = objects
        .iter()
        .map(|object| {
            format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
        })
        .collect();
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    let expected = BTreeSet::from([
        "ClusterRole redisoperator",
        "ClusterRoleBinding redisoperator",
        "CustomResourceDefinition redisfailovers.storage.spotahome.com",
        "Deployment redisoperator",
        "Lease redisoperator",
        "MutatingWebhookConfiguration redisoperator",
        "PodDisruptionBudget redisoperator",
        "Role redisoperator",
        "RoleBinding redisoperator",
        "Service redisoperator",
        "Service redisoperator-webhook",
        "Service redisoperator-webhook-probe",
        "ServiceAccount redisoperator",
        "ValidatingWebhookConfiguration redisoperator",
    ]);
    assert_eq!(found, expected);
}

#[rstest]
#[case("redisoperator", "redisoperator")]
#[case("my-redisoperator", "my-redisoperator")]
#[case("prod", "prod-redisoperator")]
fn objects_are_named_after_the_release(#[case] release: &str, #[case] fullname: &str) {
    let objects = render_as(release, "default", &[]);
    assert_eq!(the(&objects, "Deployment")["metadata"]["name"], fullname);
}

#[test]
fn the_longest_release_name_still_makes_names_of_services() {
    let objects = render_as(&"r".repeat(53), "default", &[]);
    for service in all(&objects, "Service") {
        let name = service["metadata"]["name"].as_str().unwrap();
        assert!(name.len() <= 63, "{name}");
    }
}

#[test]
fn the_crd_can_be_annotated_and_left_out() {
    let objects = render_with_crd(&[r#"crds.annotations={"a":"b"}"#]);
    assert_eq!(the(&objects, "CustomResourceDefinition")["metadata"]["annotations"]["a"], "b");
    assert!(!kinds(&render_with_crd(&["crds.install=false"])).contains("CustomResourceDefinition"));
}

#[test]
fn the_crd_is_the_generated_one_and_is_kept() {
    let objects = render_with_crd(&[]);
    let crd = the(&objects, "CustomResourceDefinition");
    assert_eq!(crd["metadata"]["name"], CRD_NAME);
    assert_eq!(crd["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    let file = std::fs::read_to_string(format!("{}/files/{CRD_NAME}.yaml", helm::CHART)).unwrap();
    let generated: Value = serde_saphyr::from_str(&file).unwrap();
    // Not assert_eq!: both are long.
    assert!(whole(&crd["spec"]) == whole(&generated["spec"]), "Helm changes the CRD");
}

#[rstest]
#[case("redisoperator", "default", "redisoperator-webhook")]
#[case("prod", "redis-system", "prod-redisoperator-webhook")]
fn the_crd_is_converted_by_the_webhook_of_the_release(
    #[case] release: &str,
    #[case] namespace: &str,
    #[case] service: &str,
) {
    let objects = objects(&template(release, namespace, &[]));
    let conversion = &the(&objects, "CustomResourceDefinition")["spec"]["conversion"];
    assert_eq!(conversion["strategy"], "Webhook");
    let service = json!({"namespace": namespace, "name": service, "path": "/convert", "port": 443});
    // The operator owns the caBundle; a value here would undo its injection at every upgrade.
    assert_eq!(conversion["webhook"]["clientConfig"], json!({"service": service}));
    named(&objects, "Service", service["name"].as_str().unwrap());
    let rule = the(&objects, "ClusterRole")["rules"]
        .as_array()
        .unwrap()
        .iter()
        .find(|rule| texts(&rule["resources"]) == ["customresourcedefinitions"]);
    let rule = rule.expect("a right to inject the CA");
    assert_eq!(texts(&rule["resourceNames"]), [CRD_NAME]);
    assert_eq!(texts(&rule["verbs"]), ["get", "list", "watch", "patch"]);
}

#[test]
fn without_the_webhook_the_early_version_is_not_served() {
    let objects = render_with_crd(&["webhook.enabled=false"]);
    let spec = &the(&objects, "CustomResourceDefinition")["spec"];
    assert_eq!(spec["conversion"], json!({"strategy": "None"}));
    let versions: Vec<_> = spec["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (&v["name"], &v["served"], &v["storage"]))
        .collect();
    let [yes, no] = [json!(true), json!(false)];
    assert_eq!(versions, [(&json!("v1"), &yes, &yes), (&json!("v1alpha2"), &no, &no)]);
    let printed: Value = serde_saphyr::from_str(&redis_operator::api::schema::yaml(None)).unwrap();
    assert!(whole(spec) == whole(&printed["spec"]), "`redis-operator crd --no-webhook` prints another");
    assert!(!the(&objects, "ClusterRole").to_string().contains("customresourcedefinitions"));
}

/// The value with `1.0` written as `1`, as Helm does.
fn whole(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 => json!(format!("{float}")),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(whole).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), whole(value))).collect(),
        _ => value.clone(),
    }
}
