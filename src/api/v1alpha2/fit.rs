//! Annotations have a limit, so not all that only `v1` says has room on a `v1alpha2` object.

use serde_json::{Map, Value};

use super::{ANNOTATION_OF_V1ALPHA2, LABEL_OF_V1ALPHA2, LEFT_OUT, annotate, lower};
use crate::api::Problem;

/// Bytes of all annotations of an object, keys and values (`TotalAnnotationSizeLimitB` of Kubernetes).
const MAX_BYTES: usize = 256 * 1024;
/// How many times as long as a spec its memory is, at most. A field is in it with its own value and that of the mapping,
/// which is part of the same spec.
const MEMORY_OF_SPEC: usize = 3;
/// Bytes for the paths of fields and for values that the mapping makes by itself, at most.
const PATHS: usize = 4096;
/// The longest number as JSON, a negative fraction with an exponent.
const NUMBER: usize = 24;
/// What an escaped character has more than one that is not: `\u001f`.
const ESCAPE: usize = 5;

/// A spec and annotations whose texts in JSON are no longer than this always have room. Each number of the spec, two bytes
/// with its comma, may come to 25, defaults that are filled in to 40,000.
const SHORT_SPEC: usize = 4096;
const SHORT_ANNOTATIONS: usize = 32 * 1024;

/// Whether an object has room in `v1alpha2` for certain, by the bytes of JSON of its spec and of its annotations.
#[must_use]
pub fn surely_fits(spec: usize, annotations: usize) -> bool {
    spec <= SHORT_SPEC && annotations <= SHORT_ANNOTATIONS
}

/// Whether the annotations of an object have at most as many bytes as Kubernetes allows.
pub(super) fn fits(object: &Map<String, Value>) -> bool {
    annotation_bytes(object) <= MAX_BYTES
}

fn annotation_bytes(object: &Map<String, Value>) -> usize {
    let annotations = object.get("metadata").and_then(|metadata| metadata.get("annotations"));
    let annotations = annotations.and_then(Value::as_object).into_iter().flatten();
    annotations.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum()
}

/// A `v1alpha2` object that its fields of `v1` were left out of must not become one of `v1`: they would be lost.
pub(super) fn refuse_what_is_not_whole(object: &Map<String, Value>) -> Result<(), Problem> {
    let labels = object.get("metadata").and_then(|metadata| metadata.get("labels"));
    if labels.and_then(|labels| labels.get(LABEL_OF_V1ALPHA2)).and_then(Value::as_str) != Some(LEFT_OUT) {
        return Ok(());
    }
    Err(Problem::new(
        "metadata.labels",
        format!("{LABEL_OF_V1ALPHA2}: {LEFT_OUT}"),
        "says that fields of v1 are left out here, because annotations have no room for them",
        "write the object in v1",
    ))
}

/// What of a stored object with this spec has no room in `v1alpha2`, by the field that takes most.
#[must_use]
pub fn too_long(object: &Value, spec: &Value) -> Option<Problem> {
    let object = object.as_object()?;
    if MEMORY_OF_SPEC * json_bytes(spec) + PATHS + annotation_bytes(object) <= MAX_BYTES {
        return None;
    }
    let fields = ["apiVersion", "metadata"].into_iter();
    let mut early: Map<_, _> =
        fields.filter_map(|key| Some((key.to_owned(), object.get(key)?.clone()))).collect();
    early.insert("spec".to_owned(), spec.clone());
    // Metadata of a wrong shape are for the API server to refuse.
    let lost = lower(&mut early).ok()?;
    annotate(&mut early, ANNOTATION_OF_V1ALPHA2, &lost).ok()?;
    let bytes = annotation_bytes(&early);
    let (pointer, value) = lost.longest().filter(|_| bytes > MAX_BYTES)?;
    let reason = format!(
        "takes most of the {bytes} bytes of annotations that the object has as v1alpha2, where at most {MAX_BYTES} \
         have room"
    );
    Some(Problem::new(
        most_of(pointer, value),
        "",
        reason,
        "shorten it, for example with a ConfigMap that holds the long texts",
    ))
}

/// The path of the field that has most of what is at a pointer, as messages say it.
fn most_of(pointer: &str, value: &Value) -> String {
    let mut path = pointer.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~");
    let mut value = value;
    while let Value::Object(fields) = value
        && let Some((key, most)) = fields.iter().max_by_key(|(_, value)| json_bytes(value))
        // Where no field stands out, and in a map of the user's, it is the whole.
        && 2 * json_bytes(most) > json_bytes(value)
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        path = format!("{path}.{key}");
        value = most;
    }
    path
}

/// The length of a value as JSON, about.
fn json_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text_bytes(text),
        Value::Array(items) => items.iter().map(|item| json_bytes(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| text_bytes(key) + json_bytes(value) + 2).sum::<usize>() + 2
        }
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => NUMBER,
    }
}

fn text_bytes(text: &str) -> usize {
    let escaped = text.bytes().filter(|byte| byte.is_ascii_control() || matches!(byte, b'"' | b'\\')).count();
    text.len() + ESCAPE * escaped + 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::api::v1alpha2::tests::{stored, to_early, values};
    use crate::api::v1alpha2::to_v1;

    /// An object with so many bytes in a field that only `v1` has, and as many in an annotation of the user's.
    fn long(bytes: usize, annotation: usize) -> Value {
        let mut object = stored(json!({"redis": {"port": 7, "exporter": {"args": ["x".repeat(bytes)]}}}));
        object["metadata"]["annotations"] = json!({"user": "y".repeat(annotation)});
        object
    }

    #[test]
    fn what_has_no_room_is_left_out_and_cannot_be_written() {
        for object in [long(MAX_BYTES, 1), long(MAX_BYTES / 2, MAX_BYTES / 2), long(1000, MAX_BYTES - 4)] {
            let shown = to_early(object.clone());
            assert!(annotation_bytes(shown.as_object().unwrap()) <= MAX_BYTES);
            assert_eq!(shown["metadata"]["annotations"], object["metadata"]["annotations"], "the user's");
            assert_eq!(shown["metadata"]["labels"][LABEL_OF_V1ALPHA2], LEFT_OUT);
            let refusal = to_v1(shown.clone()).unwrap_err().to_string();
            assert!(
                refusal.contains("fields of v1 are left out") && refusal.ends_with("write the object in v1")
            );
            assert_eq!(too_long(&object, &object["spec"]).unwrap().path, "spec.redis.exporter.args");
        }
    }

    #[test]
    fn what_has_room_comes_back() {
        for object in [long(MAX_BYTES / 2, 1), long(1000, MAX_BYTES / 2)] {
            assert_eq!(too_long(&object, &object["spec"]), None);
            assert_eq!(to_v1(to_early(object.clone())), Ok(object));
        }
    }

    /// Somebody took labels of an early object over into `v1`.
    #[test]
    fn a_label_by_mistake_is_gone_where_nothing_is_left_out() {
        let mut object = long(10, 1);
        object["metadata"]["labels"] = json!({LABEL_OF_V1ALPHA2: LEFT_OUT, "mine": "1"});
        let shown = to_early(object.clone());
        assert_eq!(shown["metadata"]["labels"], json!({"mine": "1"}));
        assert_eq!(to_v1(shown).unwrap()["spec"], object["spec"]);
    }

    proptest! {
        /// Where the estimate lets an object pass, its memory has room.
        #[test]
        fn no_memory_is_longer_than_estimated(redis in values(), sentinel in values(), text in "[a\"\n]{0,200}") {
            let object = stored(json!({"redis": redis, "sentinel": sentinel, "auth": {"secretPath": text}}));
            let estimate = MEMORY_OF_SPEC * json_bytes(&object["spec"]) + PATHS;
            let mut fields = object.as_object().unwrap().clone();
            let memory = json!(lower(&mut fields).unwrap()).to_string();
            prop_assert!(memory.len() <= estimate, "{} of {estimate}: {memory}", memory.len());
        }
    }
}
