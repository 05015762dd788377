//! The reviews of the basic example, as the API server sends them when `kubectl create` brings it.

use std::fs;

use redis_operator::admission::patch;
use redis_operator::api::defaults::Images;
use serde_json::{Value, json};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/example/redisfailover/basic.yaml");

/// Paths and bodies. What is validated has been filled by the mutation before.
pub(crate) fn all() -> [(&'static str, Vec<u8>); 2] {
    let text = fs::read_to_string(EXAMPLE).expect("the example");
    let mut object: Value = serde_saphyr::from_str(&text).expect("YAML");
    let fields = managed(&object["spec"]);
    object["metadata"] = json!({
        "name": "redisfailover",
        "namespace": "default",
        "uid": "e9ad4fb6-30a5-4e54-9f2c-8f1f5d4f23e2",
        "creationTimestamp": "2026-11-20T09:41:07Z",
        "generation": 1,
        "managedFields": [{
            "manager": "kubectl-create",
            "operation": "Update",
            "apiVersion": "storage.spotahome.com/v1",
            "time": "2026-11-20T09:41:07Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": fields},
        }],
    });
    let mut filled = object.clone();
    json_patch::patch(&mut filled, &patch(&object, &Images::default())).expect("a patch that applies");
    [("/mutate", review(&object)), ("/validate", review(&filled))]
}

/// The fields of a value, as `managedFields` have them.
fn managed(value: &Value) -> Value {
    let fields = value.as_object().into_iter().flatten();
    let mut managed: serde_json::Map<_, _> =
        fields.map(|(key, value)| (format!("f:{key}"), managed(value))).collect();
    if !managed.is_empty() {
        managed.insert(".".to_owned(), json!({}));
    }
    managed.into()
}

fn review(object: &Value) -> Vec<u8> {
    let kind = json!({"group": "storage.spotahome.com", "version": "v1", "kind": "RedisFailover"});
    let resource = json!({"group": "storage.spotahome.com", "version": "v1", "resource": "redisfailovers"});
    let review = json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "5f5b7f3e-2c0d-4a53-9f7e-6f4c1f0f5a11",
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": "redisfailover",
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {
                "username": "kubernetes-admin",
                "groups": ["kubeadm:cluster-admins", "system:authenticated"],
                "extra": {"authentication.kubernetes.io/credential-id": [
                    "X509SHA256=6d0d3d63a7f0c2b4c65b1e8b7e5d2f0f9a1c3e5d7b9f1a3c5e7d9b1f3a5c7e9d"
                ]},
            },
            "object": object,
            "oldObject": null,
            "dryRun": false,
            "options": {
                "kind": "CreateOptions",
                "apiVersion": "meta.k8s.io/v1",
                "fieldManager": "kubectl-create",
                "fieldValidation": "Strict",
            },
        },
    });
    serde_json::to_vec(&review).expect("JSON")
}
