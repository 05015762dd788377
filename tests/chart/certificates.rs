//! The webhook's certificate: what each mode renders, and that cert-manager takes it.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{all, args, helm, kinds, named, render, render_with_crd, texts, the};

const CERT_MANAGER: &str = r#"webhook.certificates.mode="cert-manager""#;
const SECRET: &str = r#"webhook.certificates={"mode":"secret","secretName":"theirs"}"#;

/// The schemas of cert-manager's own definitions; the file names its source.
fn schema(kind: &str) -> Value {
    let text = include_str!("cert-manager.json");
    let schemas: Value = serde_json::from_str(text).unwrap();
    schemas[kind].clone()
}

/// What a value breaks of a schema, as far as definitions of cert-manager go: types, keys, enumerations.
fn faults(path: &str, value: &Value, schema: &Value) -> Vec<String> {
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64(),
        other => panic!("{path}: the schema has the type {other:?}"),
    };
    let mut found = Vec::new();
    if !fits {
        found.push(format!("{path}: {value} is not of type {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        found.push(format!("{path}: {value} is none of {}", schema["enum"]));
    }
    for key in texts(&schema["required"]) {
        if value.get(key).is_none() {
            found.push(format!("{path}.{key} is missing"));
        }
    }
    for (key, part) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(key), schema.get("additionalProperties")) {
            (Some(of_key), _) | (None, Some(of_key)) => {
                found.extend(faults(&format!("{path}.{key}"), part, of_key));
            }
            (None, None) => found.push(format!("{path}.{key} is not known")),
        }
    }
    for (number, part) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(&format!("{path}[{number}]"), part, &schema["items"]));
    }
    found
}

#[test]
fn the_schema_finds_faults() {
    let bad = json!({
        "secretNames": "x",
        "dnsNames": "one",
        "usages": ["server author"],
        "privateKey": {"size": "big"},
        "issuerRef": {"kind": "Issuer"},
    });
    let mut found = faults("spec", &bad, &schema("Certificate"));
    found.sort();
    let starts = [
        "spec.dnsNames: ",
        "spec.issuerRef.name is missing",
        "spec.privateKey.size: ",
        "spec.secretName is missing",
        "spec.secretNames is not known",
        "spec.usages[0]: ",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    assert!(found.iter().zip(starts).all(|(fault, start)| fault.starts_with(start)), "{found:#?}");
}

#[rstest]
#[case(&[CERT_MANAGER], 2, 2)]
#[case(&[CERT_MANAGER, r#"webhook.certificates.issuerRef={"name":"my-ca","kind":"ClusterIssuer"}"#], 1, 0)]
fn cert_manager_takes_what_is_made_for_it(
    #[case] sets: &[&str],
    #[case] certificates: usize,
    #[case] issuers: usize,
) {
    let objects = render(sets);
    for (kind, count) in [("Certificate", certificates), ("Issuer", issuers)] {
        let found = all(&objects, kind);
        assert_eq!(found.len(), count, "{kind}");
        for object in found {
            assert_eq!(object["apiVersion"], "cert-manager.io/v1");
            let faults = faults("spec", &object["spec"], &schema(kind));
            assert!(faults.is_empty(), "{} {}: {faults:#?}", kind, object["metadata"]["name"]);
        }
    }
}

#[test]
fn the_parts_of_cert_managers_mode_agree() {
    let objects = render_with_crd(&[CERT_MANAGER]);
    let leaf = named(&objects, "Certificate", "redisoperator-webhook");
    let ca = named(&objects, "Certificate", "redisoperator-webhook-ca");
    let issuer = named(&objects, "Issuer", leaf["spec"]["issuerRef"]["name"].as_str().unwrap());
    assert_eq!(issuer["spec"]["ca"]["secretName"], ca["spec"]["secretName"]);
    named(&objects, "Issuer", ca["spec"]["issuerRef"]["name"].as_str().unwrap());
    let secret = leaf["spec"]["secretName"].as_str().unwrap();
    assert!(args(&objects).contains(&format!("--webhook-certificate-secret={secret}").as_str()));
    assert!(args(&objects).contains(&"--webhook-certificates=cert-manager"));
    let service = named(&objects, "Service", "redisoperator-webhook")["metadata"]["name"].as_str().unwrap();
    assert!(texts(&leaf["spec"]["dnsNames"]).contains(&format!("{service}.default.svc").as_str()));
    let injected =
        ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "CustomResourceDefinition"];
    for kind in injected {
        let annotation = &the(&objects, kind)["metadata"]["annotations"]["cert-manager.io/inject-ca-from"];
        assert_eq!(annotation, "default/redisoperator-webhook", "{kind}");
    }
}

/// Verbs on a resource, one text for each rule.
fn verbs(objects: &[Value], kind: &str, resource: &str) -> Vec<String> {
    let rules = the(objects, kind)["rules"].as_array().unwrap().iter();
    let about = rules.filter(|rule| texts(&rule["resources"]).contains(&resource));
    about.map(|rule| texts(&rule["verbs"]).join(" ")).collect()
}

#[rstest]
#[case(&[], &["create", "get list watch update delete"], "get list watch patch")]
#[case(&[CERT_MANAGER], &["get list watch"], "get list watch")]
#[case(&[SECRET], &["get list watch"], "get list watch patch")]
fn rights_are_those_that_the_mode_needs(
    #[case] sets: &[&str],
    #[case] secrets: &[&str],
    #[case] bundles: &str,
) {
    let objects = render(sets);
    assert_eq!(verbs(&objects, "Role", "secrets"), secrets);
    for resource in
        ["mutatingwebhookconfigurations", "validatingwebhookconfigurations", "customresourcedefinitions"]
    {
        assert_eq!(verbs(&objects, "ClusterRole", resource), [bundles], "{resource}");
    }
}

#[test]
fn a_secret_of_ones_own_is_named_and_its_ca_can_be_a_value() {
    let objects = render(&[SECRET]);
    assert!(args(&objects).contains(&"--webhook-certificate-secret=theirs"));
    assert!(the(&objects, "Role").to_string().contains(r#"["theirs"]"#));
    assert!(!kinds(&objects).contains("Certificate"));
    let with_ca = render(&[SECRET, r#"webhook.certificates.caBundle="PEM""#]);
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let bundle =
            |objects: &[Value]| the(objects, kind)["webhooks"][0]["clientConfig"].get("caBundle").cloned();
        assert_eq!(bundle(&objects), None, "{kind}");
        assert_eq!(bundle(&with_ca), Some(json!("UEVN")), "{kind}");
    }
}

#[rstest]
#[case(r#"webhook.certificates.mode="secret""#, "name it in webhook.certificates.secretName")]
#[case(r#"webhook.certificates.mode="vault""#, "values don't meet the specifications of the schema")]
#[case(
    r#"webhook.certificates.issuerRef={"kind":"Issuer"}"#,
    "values don't meet the specifications of the schema"
)]
fn a_mode_that_cannot_work_is_refused(#[case] set: &str, #[case] text: &str) {
    let output = helm::run("template", &["redisoperator", helm::CHART, "--set-json", set]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{set} was accepted");
    assert!(errors.contains(text), "{errors}");
}
