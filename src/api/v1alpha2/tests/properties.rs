//! Any spec of either version, and what becomes of it in the other and back.

use super::*;

/// Fields of both versions, with values of the right types and now and then of none.
fn spec(fields: &'static [(&'static str, &'static [&'static str])]) -> impl Strategy<Value = Value> {
    let field = |(path, choices): &'static (&'static str, &'static [&'static str])| {
        prop::option::of(prop::sample::select(*choices)).prop_map(move |choice| {
            choice.map(|choice| (*path, serde_json::from_str::<Value>(choice).unwrap()))
        })
    };
    fields.iter().map(field).collect::<Vec<_>>().prop_map(|fields| {
        let mut spec = json!({});
        for (path, value) in fields.into_iter().flatten() {
            let mut place = &mut spec;
            for step in path.split('.') {
                place = &mut place[step];
            }
            *place = value;
        }
        spec
    })
}

const IMAGES: &[&str] = &[r#""redis:7""#, r#""r:5000/x""#, r#""a@sha256:1""#, r#""""#];
const NODES: &[&str] = &["{}", r#"{"preferredDuringSchedulingIgnoredDuringExecution": []}"#];
const TOLERATIONS: &[&str] = &["[]", r#"[{"key": "a"}]"#, r#"[{"key": "b"}]"#];
const RESOURCES: &[&str] = &["{}", r#"{"limits": {"cpu": 1, "memory": ""}}"#];
const CLAIMS: &[&str] = &["{}", r#"{"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"]}}"#];

const EARLY: &[(&str, &[&str])] = &[
    ("redis", &["{}"]),
    ("sentinel", &["{}"]),
    ("redis.replicas", &["0", "3"]),
    ("redis.resources", RESOURCES),
    ("redis.exporter", &["true", "false", "null"]),
    ("redis.exporterImage", &[r#""e""#, r#""""#]),
    ("redis.exporterVersion", &[r#""1""#, r#""""#]),
    ("redis.disableExporterProbes", &["true", "false"]),
    ("redis.image", IMAGES),
    ("redis.version", &[r#""7""#, r#""""#]),
    ("redis.customConfig", &["[]", r#"["hz 50"]"#]),
    ("redis.storage.keepAfterDeletion", &["true"]),
    ("redis.storage.persistentVolumeClaim", CLAIMS),
    ("redis.storage.persistentVolumeClaim.metadata.creationTimestamp", &["null"]),
    ("redis.storage.persistentVolumeClaim.metadata.namespace", &[r#""n""#]),
    ("sentinel.replicas", &["0", "5"]),
    ("sentinel.resources", RESOURCES),
    ("hardAntiAffinity", &["true", "false"]),
    ("nodeAffinity", NODES),
    ("tolerations", TOLERATIONS),
];

const STORED: &[(&str, &[&str])] = &[
    ("redis", &["{}"]),
    ("sentinel", &["{}"]),
    ("redis.replicas", &["3"]),
    ("redis.port", &["7000"]),
    ("redis.image", IMAGES),
    ("redis.resources", RESOURCES),
    ("redis.exporter", &["{}", "null"]),
    ("redis.exporter.enabled", &["true", "false"]),
    ("redis.exporter.image", IMAGES),
    ("redis.exporter.args", &[r#"["-x"]"#]),
    ("redis.tolerations", TOLERATIONS),
    ("redis.affinity.nodeAffinity", NODES),
    ("redis.affinity.podAffinity", &["{}"]),
    ("redis.podAnnotations", &[r#"{"a/b": "c"}"#]),
    ("redis.storage.persistentVolumeClaim", CLAIMS),
    ("sentinel.image", IMAGES),
    ("sentinel.exporter.enabled", &["true"]),
    ("sentinel.tolerations", TOLERATIONS),
    ("sentinel.affinity", &["{}", "null"]),
    ("sentinel.affinity.nodeAffinity", NODES),
    ("auth.secretPath", &[r#""s""#]),
    ("auth.sentinelSecretPath", &[r#""s""#]),
    ("labelWhitelist", &[r#"["a"]"#]),
];

/// The fields at `path` in `from`, put into `to`: somebody edits one field of his version.
fn edit(to: &mut Value, from: &Value, path: &str) {
    let (mut place, mut value) = (&mut to["spec"], &from["spec"]);
    for step in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        (place, value) = (&mut place[step], &value[step]);
    }
    *place = value.clone();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn v1alpha2_comes_back_from_v1(spec in spec(EARLY), edited in spec(STORED)) {
        let object = early(spec);
        let converted = to_v1(object.clone()).unwrap();
        prop_assert_eq!(schema::unknown_fields(&converted), Vec::<String>::new());
        prop_assert_eq!(to_early(converted.clone()), object);
        // One who changes the whole spec of v1, and keeps the annotation, gets what he wrote.
        let mut converted = converted;
        converted["spec"] = edited.clone();
        prop_assert_eq!(&to_v1(to_early(converted)).unwrap()["spec"], &edited);
    }

    #[test]
    fn v1_comes_back_from_v1alpha2(spec in spec(STORED), edited in spec(EARLY)) {
        let object = stored(spec);
        let converted = to_early(object.clone());
        prop_assert_eq!(schema::unknown_fields(&converted), Vec::<String>::new());
        prop_assert_eq!(to_v1(converted.clone()).unwrap(), object);
        let mut converted = converted;
        converted["spec"] = edited.clone();
        prop_assert_eq!(&to_early(to_v1(converted).unwrap())["spec"], &edited);
    }

    /// An edit of one field is all that changes in the version that was edited, and it is there after the way to the
    /// other version and back.
    #[test]
    fn an_edit_of_one_field_survives(
        spec in spec(STORED),
        other in spec(EARLY),
        (path, _) in prop::sample::select(EARLY),
    ) {
        let mut shown = to_early(stored(spec));
        edit(&mut shown, &early(other), path);
        let again = to_early(to_v1(shown.clone()).unwrap());
        prop_assert_eq!(&again["spec"], &shown["spec"]);
    }

    /// Somebody copies the annotations of another object, or of this one as it was earlier, in either version: nothing
    /// of the user's gets lost, and no field of `v1` comes back.
    #[test]
    fn annotations_by_mistake_change_nothing_that_is_stored(
        spec in spec(STORED),
        of_early in spec(EARLY),
        of_stored in spec(STORED),
    ) {
        let object = stored(spec);
        let mut copied = object.clone();
        copied["metadata"]["annotations"] = json!({"mine": "kept"});
        for donor in [to_v1(early(of_early)).unwrap(), to_early(stored(of_stored))] {
            let annotations = donor["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
            copied["metadata"]["annotations"].as_object_mut().unwrap().extend(annotations);
        }
        let shown = to_early(copied);
        prop_assert_eq!(&shown["metadata"]["annotations"]["mine"], "kept");
        let back = to_v1(shown).unwrap();
        prop_assert_eq!(&back["spec"], &object["spec"]);
        prop_assert_eq!(&back["metadata"]["annotations"]["mine"], "kept");
    }

    /// The annotation of an early object says nothing on one of `v1`.
    #[test]
    fn an_annotation_of_the_other_version_is_dropped(spec in spec(STORED), other in spec(STORED)) {
        let object = stored(spec);
        let stale = &to_early(stored(other))["metadata"]["annotations"];
        let mut copied = object.clone();
        if !stale.is_null() {
            copied["metadata"]["annotations"] = stale.clone();
        }
        prop_assert_eq!(to_early(copied), to_early(object));
    }

    /// Whatever is stored, it can be shown and comes back as it was.
    #[test]
    fn anything_stored_comes_back(redis in values(), sentinel in values(), other in values()) {
        let object = stored(json!({"redis": redis, "sentinel": sentinel, "other": other}));
        let shown = to_early(object.clone());
        if parse::early_spec(&shown["spec"]).is_ok() {
            prop_assert_eq!(to_v1(shown).unwrap(), object);
        }
    }
}
