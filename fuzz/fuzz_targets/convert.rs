//! Any object is converted or refused, both ways; what was converted comes back whole, and fits the other version.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_operator::api::v1alpha2::{ANNOTATION_OF_V1, ANNOTATION_OF_V1ALPHA2, LABEL_OF_V1ALPHA2, convert};
use redis_operator::api::{parse, schema};
use serde_json::{Value, json};

const STORED: &str = "storage.spotahome.com/v1";
const EARLY: &str = "storage.spotahome.com/v1alpha2";

fuzz_target!(|bytes: &[u8]| {
    let Ok(object) = serde_json::from_slice::<Value>(bytes) else { return };
    for wanted in [STORED, EARLY] {
        let _ = convert(object.clone(), wanted);
    }
    let Value::Object(mut object) = object else { return };
    for (version, other) in [(STORED, EARLY), (EARLY, STORED)] {
        object.insert("apiVersion".to_owned(), version.into());
        there_and_back(&object.clone().into(), version, other);
    }
});

fn there_and_back(object: &Value, version: &str, other: &str) {
    let is_known = schema::unknown_fields(object).is_empty();
    let is_storable = version == STORED && is_known && fits_v1(object);
    let converted = match convert(object.clone(), other) {
        Ok(converted) => converted,
        Err(problem) => {
            assert!(!is_storable || problem.path.starts_with("metadata"), "stored, but not shown: {problem}");
            return;
        }
    };
    assert_eq!(converted["apiVersion"], other);
    // What somebody wrote into our annotations may be anything; without it, the result is one of its version.
    if ![ANNOTATION_OF_V1, ANNOTATION_OF_V1ALPHA2].iter().any(|key| annotations(object).get(key).is_some()) {
        assert!(!is_known || schema::unknown_fields(&converted).is_empty(), "{converted}");
        // An early object that converts is one whose types are right.
        assert!(other == EARLY || !is_known || fits_v1(&converted), "{converted}");
        assert!(
            !is_storable || is_not_whole(&converted) || convert(converted.clone(), version).is_ok(),
            "shown, but not stored: {converted}"
        );
    }
    if let Ok(back) = convert(converted.clone(), version) {
        assert_eq!(plain(back), plain(object.clone()), "by way of {converted}");
    }
}

fn fits_v1(object: &Value) -> bool {
    object.get("spec").is_none_or(|spec| parse::spec(spec).is_ok())
}

/// Whether there was no room for what only `v1` says.
fn is_not_whole(early: &Value) -> bool {
    early.pointer("/metadata/labels").is_some_and(|labels| labels.get(LABEL_OF_V1ALPHA2).is_some())
}

fn annotations(object: &Value) -> &Value {
    object.pointer("/metadata/annotations").unwrap_or(&Value::Null)
}

/// An object without our annotations and label, and without metadata that is empty: Kubernetes leaves that out.
fn plain(mut object: Value) -> Value {
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| ![ANNOTATION_OF_V1, ANNOTATION_OF_V1ALPHA2].contains(&key.as_str()));
    }
    if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(LABEL_OF_V1ALPHA2);
    }
    let is_empty = |value: &Value| value.is_null() || *value == json!({});
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, value| !(["annotations", "labels"].contains(&key.as_str()) && is_empty(value)));
    }
    if object.get("metadata").is_some_and(is_empty)
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("metadata");
    }
    object
}
