use proptest::prelude::*;
use serde_json::json;

use super::*;

fn filled(mut spec: Value) -> Value {
    fill(&mut spec, &Images::default());
    spec
}

#[test]
fn an_empty_spec_gets_all_defaults() {
    let pod = json!({"replicas": 3, "image": "redis:7.2-alpine", "imagePullPolicy": "IfNotPresent"});
    let mut expected = json!({"redis": pod, "sentinel": pod});
    expected["redis"]["port"] = json!(6379);
    expected["sentinel"]["customConfig"] = json!(["down-after-milliseconds 5000", "failover-timeout 10000"]);
    for empty in [json!({}), json!(null), json!({"redis": null, "sentinel": {}})] {
        assert_eq!(filled(empty), expected);
    }
}

#[test]
fn an_exporter_gets_its_image_only_where_it_is_enabled() {
    let spec = filled(
        json!({"redis": {"exporter": {"enabled": true}}, "sentinel": {"exporter": {"enabled": false}}}),
    );
    let expected = json!({"enabled": true, "image": EXPORTER_IMAGE, "imagePullPolicy": "IfNotPresent"});
    assert_eq!(spec["redis"]["exporter"], expected);
    assert_eq!(spec["sentinel"]["exporter"], json!({"enabled": false}));
}

#[test]
fn the_operators_images_are_used() {
    let mut spec = json!({"sentinel": {"exporter": {"enabled": true}}});
    fill(&mut spec, &Images { redis: "valkey:9".to_owned(), exporter: "e:1".to_owned() });
    assert_eq!(spec["redis"]["image"], "valkey:9");
    assert_eq!(spec["sentinel"]["image"], "valkey:9");
    assert_eq!(spec["sentinel"]["exporter"]["image"], "e:1");
}

#[test]
fn one_of_the_two_sentinel_times_keeps_both_defaults_away() {
    for own in ["Failover-Timeout 3000", "  down-after-milliseconds 1"] {
        let spec = filled(json!({"sentinel": {"customConfig": [own]}}));
        assert_eq!(spec["sentinel"]["customConfig"], json!([own]));
    }
    let spec = filled(json!({"sentinel": {"customConfig": ["parallel-syncs 2"]}}));
    assert_eq!(
        spec["sentinel"]["customConfig"],
        json!(["parallel-syncs 2", "down-after-milliseconds 5000", "failover-timeout 10000"])
    );
}

#[test]
fn a_malformed_spec_stays_as_it_is() {
    for spec in [json!("x"), json!([1])] {
        assert_eq!(filled(spec.clone()), spec);
    }
    assert_eq!(filled(json!({"redis": "x", "sentinel": 3})), json!({"redis": "x", "sentinel": 3}));
}

/// Specs with values of right and wrong types at the fields that are filled.
pub(crate) fn specs() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
        Just(json!(["quorum 2"])),
        Just(json!([null, 3, "failover-timeout 1"])),
        Just(json!({"enabled": true, "image": null})),
    ];
    let key = prop::sample::select(vec![
        "image",
        "imagePullPolicy",
        "replicas",
        "port",
        "customConfig",
        "exporter",
        "resources",
    ]);
    let fields = prop::collection::vec((key, leaf.clone()), 0..6)
        .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>());
    let part = prop_oneof![4 => fields, 1 => leaf];
    let parts = prop::collection::vec((prop::sample::select(vec!["redis", "sentinel", "auth"]), part), 0..4);
    parts.prop_map(|parts| parts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>())
}

/// Whether all that the user set in `before` stands in `after`; a list may have grown at its end.
fn keeps(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Null, _) => true,
        (Value::Object(before), Value::Object(after)) => before
            .iter()
            .all(|(key, value)| value.is_null() || after.get(key).is_some_and(|after| keeps(value, after))),
        (Value::Array(before), Value::Array(after)) => after.starts_with(before),
        _ => before == after,
    }
}

proptest! {
    #[test]
    fn filling_is_idempotent_and_rewrites_nothing(spec in specs()) {
        let once = filled(spec.clone());
        prop_assert!(keeps(&spec, &once), "{spec} became {once}");
        prop_assert_eq!(filled(once.clone()), once);
    }
}
