//! Every field of the spec is kept as it was written: the API server prunes nothing, at whatever depth.

use redis_operator::api::schema;
use serde_json::{Value, json};

use crate::stage::Stage;

/// Fields that redis servers alone have.
const REDIS_ONLY: [&str; 5] =
    ["customCommandRenames", "port", "shutdownConfigMap", "storage", "terminationGracePeriod"];

/// The spec of `round_trip.yaml`, its Sentinels with the same pods as its redis servers.
fn everything() -> Value {
    let mut spec: Value = serde_saphyr::from_str(include_str!("round_trip.yaml")).unwrap();
    let pod = spec["redis"].as_object().unwrap().clone();
    let sentinel = spec["sentinel"].as_object_mut().unwrap();
    for (key, value) in pod {
        if !REDIS_ONLY.contains(&key.as_str()) {
            sentinel.entry(key).or_insert(value);
        }
    }
    spec
}

#[tokio::test]
async fn every_field_is_stored_as_it_was_written() {
    let stage = Stage::open("round-trip").await;
    let claim = everything();
    let mut empty_dir = everything();
    empty_dir["redis"]["storage"] =
        json!({"keepAfterDeletion": true, "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}});
    for (name, spec) in [("claim", claim), ("empty-dir", empty_dir)] {
        stage.create(name, spec.clone()).await.unwrap();
        let stored = stage.redis_failovers().get(name).await.unwrap();
        let lost = lost("spec", &spec, &stored.data["spec"]);
        assert!(lost.is_empty(), "{name}: {}", lost.join("\n"));
    }
}

#[test]
fn the_spec_of_that_test_has_every_field() {
    let schema = serde_json::to_value(schema::crd()).unwrap();
    let schema = &schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let spec = everything();
    for part in [
        "",
        "/redis",
        "/sentinel",
        "/auth",
        "/redis/exporter",
        "/redis/storage",
        "/redis/storage/persistentVolumeClaim",
        "/redis/storage/persistentVolumeClaim/spec",
        "/sentinel/configCopy",
    ] {
        let fields = schema.pointer(&part.replace('/', "/properties/")).unwrap()["properties"]
            .as_object()
            .unwrap()
            .keys();
        let set = spec.pointer(part).unwrap().as_object().unwrap();
        let missing: Vec<_> = fields
            .filter(|field| !set.contains_key(*field))
            .filter(|field| !["bootstrapNode", "emptyDir"].contains(&field.as_str()))
            .collect();
        assert!(missing.is_empty(), "spec{part} has not {missing:?}");
    }
}

/// Paths whose value is not the one that was sent. What the API server added is no loss.
fn lost(path: &str, sent: &Value, stored: &Value) -> Vec<String> {
    match (sent, stored) {
        (Value::Object(sent), Value::Object(stored)) => sent
            .iter()
            .flat_map(|(key, value)| {
                let path = format!("{path}.{key}");
                match stored.get(key) {
                    Some(stored) => lost(&path, value, stored),
                    None => vec![format!("{path} is gone")],
                }
            })
            .collect(),
        (Value::Array(sent), Value::Array(stored)) if sent.len() == stored.len() => sent
            .iter()
            .zip(stored)
            .enumerate()
            .flat_map(|(index, (sent, stored))| lost(&format!("{path}[{index}]"), sent, stored))
            .collect(),
        _ if sent == stored => Vec::new(),
        _ => vec![format!("{path} was {sent} and is {stored}")],
    }
}
