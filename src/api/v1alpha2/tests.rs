#![allow(clippy::needless_pass_by_value)] // for `json!` at the call

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::api::{Identity, Valid, schema};
use crate::desired::{self, ChildKind};
use crate::secret::Passwords;

mod properties;

/// JSON values of a few levels whose keys meet often.
pub(super) fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        "[a-c~/]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c~/]{1,2}", inner, 0..4)
                .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn object(version: &str, spec: Value) -> Value {
    json!({
        "apiVersion": api_version(version),
        "kind": "RedisFailover",
        "metadata": {"name": "x", "uid": "u", "annotations": {"mine": "kept"}},
        "spec": spec,
        "status": {"phase": "Ready"},
    })
}

pub(super) fn early(spec: Value) -> Value {
    object("v1alpha2", spec)
}

pub(super) fn stored(spec: Value) -> Value {
    object("v1", spec)
}

pub(super) fn to_early(object: Value) -> Value {
    convert(object, "storage.spotahome.com/v1alpha2").unwrap()
}

fn remembered(object: &Value) -> Value {
    let [of_early, of_stored] = [ANNOTATION_OF_V1ALPHA2, ANNOTATION_OF_V1];
    let annotations = &object["metadata"]["annotations"];
    let text = annotations.get(of_early).or_else(|| annotations.get(of_stored)).and_then(Value::as_str);
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
}

/// What is said in one version, and what the other makes of it with nothing to remember.
#[rstest]
#[case::nothing(json!({}), json!({}))]
#[case::same(
    json!({"redis": {"replicas": 5, "customConfig": ["hz 50"], "shutdownConfigMap": "s", "command": ["c"],
        "resources": {"limits": {"cpu": "1"}}, "storage": {"keepAfterDeletion": true, "emptyDir": {}}},
        "sentinel": {"replicas": 3, "customConfig": ["parallel-syncs 1"], "command": [], "resources": {}}}),
    json!({"redis": {"replicas": 5, "customConfig": ["hz 50"], "shutdownConfigMap": "s", "command": ["c"],
        "resources": {"limits": {"cpu": "1"}}, "storage": {"keepAfterDeletion": true, "emptyDir": {}}},
        "sentinel": {"replicas": 3, "customConfig": ["parallel-syncs 1"], "command": [], "resources": {}}})
)]
#[case::image(
    json!({"redis": {"image": "registry:5000/redis", "version": "7.2"}}),
    json!({"redis": {"image": "registry:5000/redis:7.2"}, "sentinel": {"image": "registry:5000/redis:7.2"}})
)]
#[case::image_without_version(
    json!({"redis": {"image": "registry:5000/redis"}}),
    json!({"redis": {"image": "registry:5000/redis"}, "sentinel": {"image": "registry:5000/redis"}})
)]
#[case::digest(
    json!({"redis": {"image": "redis@sha256:12ab"}}),
    json!({"redis": {"image": "redis@sha256:12ab"}, "sentinel": {"image": "redis@sha256:12ab"}})
)]
#[case::exporter(
    json!({"redis": {"exporter": true, "exporterImage": "e", "exporterVersion": "1"}}),
    json!({"redis": {"exporter": {"enabled": true, "image": "e:1"}}})
)]
#[case::tolerations(
    json!({"tolerations": [{"key": "k"}]}),
    json!({"redis": {"tolerations": [{"key": "k"}]}, "sentinel": {"tolerations": [{"key": "k"}]}})
)]
fn both_versions_say_the_same(#[case] of_early: Value, #[case] of_stored: Value) {
    assert_eq!(to_v1(early(of_early.clone())), Ok(stored(of_stored.clone())));
    assert_eq!(to_early(stored(of_stored)), early(of_early));
}

/// What `v1` takes of an early spec; the rest is remembered.
#[rstest]
#[case::version(
    json!({"redis": {"version": "7.2"}}),
    json!({"redis": {"image": "redis:7.2"}, "sentinel": {"image": "redis:7.2"}})
)]
#[case::exporter_version(
    json!({"redis": {"exporter": false, "exporterVersion": "1"}}),
    json!({"redis": {"exporter": {"enabled": false, "image": "oliver006/redis_exporter:1"}}})
)]
#[case::probes(json!({"redis": {"exporter": true, "disableExporterProbes": true}}), json!({"redis": {"exporter": {"enabled": true}}}))]
#[case::zero(json!({"redis": {"replicas": 0}, "sentinel": {"replicas": 0}}), json!({"redis": {}, "sentinel": {}}))]
#[case::soft(json!({"hardAntiAffinity": false}), json!({}))]
#[case::empty_texts(
    json!({"redis": {"image": "", "version": "", "resources": {"limits": {"cpu": "", "memory": "1Gi"}}}}),
    json!({"redis": {"resources": {"limits": {"memory": "1Gi"}}}})
)]
#[case::claim(
    json!({"redis": {"storage": {"persistentVolumeClaim": {"metadata": {"name": "d", "creationTimestamp": null}}}}}),
    json!({"redis": {"storage": {"persistentVolumeClaim": {"metadata": {"name": "d"}}}}})
)]
fn what_v1_cannot_say_is_remembered(#[case] of_early: Value, #[case] of_stored: Value) {
    let converted = to_v1(early(of_early.clone())).unwrap();
    assert_eq!(converted["spec"], of_stored);
    assert_ne!(remembered(&converted), Value::Null);
    assert_eq!(to_early(converted), early(of_early));
}

#[rstest]
#[case(json!({"redis": {"port": 7000, "podAnnotations": {"a/b": "c"}}, "auth": {"secretPath": "s"}}))]
#[case(json!({"auth": {"sentinelSecretPath": "s"}}))]
#[case(json!({"redis": {"image": "a:1"}, "sentinel": {"image": "b:2"}}))]
#[case(json!({"redis": {"exporter": {"enabled": true, "args": ["-x"]}}, "sentinel": {"exporter": {"enabled": true}}}))]
#[case(json!({"redis": {"tolerations": [{"key": "k"}]}}))]
#[case(json!({"redis": {"affinity": {"podAffinity": {}}}, "sentinel": {}}))]
#[case(json!({"redis": {"image": 7}, "sentinel": []}))]
fn what_v1alpha2_cannot_say_is_remembered(#[case] spec: Value) {
    let converted = to_early(stored(spec.clone()));
    assert_ne!(remembered(&converted), Value::Null, "{converted}");
    assert_eq!(to_v1(converted), Ok(stored(spec)));
}

fn hard() -> Value {
    to_v1(early(json!({"hardAntiAffinity": true}))).unwrap()
}

#[test]
fn hard_anti_affinity_keeps_the_pods_of_a_component_apart() {
    let spec = hard()["spec"].take();
    for component in ["redis", "sentinel"] {
        let term = &spec[component]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            [0];
        assert_eq!(term["topologyKey"], "kubernetes.io/hostname");
        let labels = &term["labelSelector"]["matchLabels"];
        assert_eq!(
            (&labels["app.kubernetes.io/name"], &labels["app.kubernetes.io/component"]),
            (&json!("x"), &json!(component))
        );
    }
    assert_eq!(to_early(hard())["spec"], json!({"hardAntiAffinity": true}));
}

/// With a node affinity of one's own, pods avoid each other as they do by default.
#[test]
fn a_node_affinity_leaves_the_default_anti_affinity_in_place() {
    let affinities = |spec: Value| {
        let typed = parse::spec(&spec).unwrap();
        let identity = Identity { name: "x".to_owned(), ..Identity::default() };
        let children = desired::build(&Valid::new(identity, typed).unwrap(), &Passwords::default()).present;
        let pods = children
            .into_iter()
            .filter(|child| matches!(child.kind, ChildKind::StatefulSet | ChildKind::Deployment));
        pods.map(|child| child.body["spec"]["template"]["spec"]["affinity"].clone()).collect::<Vec<_>>()
    };
    let node = json!({"preferredDuringSchedulingIgnoredDuringExecution": []});
    let converted = to_v1(early(json!({"nodeAffinity": node}))).unwrap();
    let mut found = affinities(converted["spec"].clone());
    for affinity in &mut found {
        assert!(affinity.as_object_mut().unwrap().remove("nodeAffinity").is_some());
    }
    assert_eq!(found, affinities(json!({})));
    assert_eq!(to_early(converted), early(json!({"nodeAffinity": node})));
}

/// As in `kubectl edit`: the annotation is there and the user changes a field of his version.
#[rstest]
#[case::known("/spec/redis/replicas", json!(5), json!({"redis": {"replicas": 5, "image": "a:1", "port": 7}, "sentinel": {"image": "b:2"}}))]
#[case::covered("/spec/redis/version", json!("9"), json!({"redis": {"replicas": 3, "image": "a:9", "port": 7}, "sentinel": {"image": "a:9"}}))]
fn an_edit_in_v1alpha2_wins_and_spares_the_rest(
    #[case] path: &str,
    #[case] value: Value,
    #[case] expected: Value,
) {
    let spec = json!({"redis": {"replicas": 3, "image": "a:1", "port": 7}, "sentinel": {"image": "b:2"}});
    let mut edited = to_early(stored(spec));
    *edited.pointer_mut(path).unwrap() = value;
    assert_eq!(to_v1(edited), Ok(stored(expected)));
}

#[test]
fn an_edit_of_affinities_wins_as_a_whole() {
    let own =
        json!({"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}});
    let mut edited = to_early(stored(json!({"redis": own, "sentinel": own})));
    edited["spec"]["hardAntiAffinity"] = json!(true);
    assert_eq!(to_v1(edited).unwrap()["spec"], hard()["spec"]);
}

#[test]
fn an_edit_in_v1_wins_and_spares_the_rest() {
    let spec = json!({"redis": {"exporterVersion": "1", "version": "7", "disableExporterProbes": true}});
    let mut edited = to_v1(early(spec)).unwrap();
    edited["spec"]["redis"]["exporter"]["image"] = json!("own:2");
    let expected = json!({"redis": {
        "exporterImage": "own", "exporterVersion": "2", "version": "7", "disableExporterProbes": true,
    }});
    let shown = to_early(edited.clone());
    assert_eq!(shown["spec"]["redis"]["exporterImage"], "own");
    assert_eq!(shown["spec"]["redis"]["disableExporterProbes"], true);
    assert_eq!(shown["spec"]["redis"]["exporterVersion"], expected["redis"]["exporterVersion"]);
    assert_eq!(to_v1(shown).unwrap()["spec"], edited["spec"]);
}

#[test]
fn without_the_annotation_only_what_it_held_is_lost() {
    let mut shown = to_early(stored(
        json!({"redis": {"replicas": 5, "port": 7, "image": "a:1"}, "sentinel": {"image": "a:1"}}),
    ));
    shown["metadata"].as_object_mut().unwrap().remove("annotations");
    let back = to_v1(shown).unwrap();
    assert_eq!(back["spec"], json!({"redis": {"replicas": 5, "image": "a:1"}, "sentinel": {"image": "a:1"}}));
    assert_eq!(back["metadata"], json!({"name": "x", "uid": "u"}));
}

#[rstest]
#[case("not JSON")]
#[case("[]")]
#[case(r#"{"added": 7}"#)]
#[case(r#"{"added": {"/spec": {"redis": 7}, "/metadata/uid": 1}, "changed": {"": [1, 2]}}"#)]
fn a_forged_annotation_does_no_harm(#[case] text: &str) {
    let mut forged = early(json!({"redis": {"replicas": 5}}));
    forged["metadata"]["annotations"][ANNOTATION_OF_V1ALPHA2] = json!(text);
    assert_eq!(to_v1(forged), Ok(stored(json!({"redis": {"replicas": 5}}))));
}

#[test]
fn the_same_version_stays_as_it_is() {
    for object in [early(json!({"redis": {"exporter": "odd"}})), stored(json!({"a": null}))] {
        let version = object["apiVersion"].as_str().unwrap().to_owned();
        assert_eq!(convert(object.clone(), &version), Ok(object));
    }
}

#[rstest]
#[case(json!({"redis": {"exporter": "yes"}}), "spec.redis.exporter: \"yes\": is a text, but must be true or false")]
#[case(json!({"hardAntiAffinity": 1}), "spec.hardAntiAffinity: \"1\": is a number, but must be true or false")]
#[case(json!({"redis": {"version": 7.2}}), "spec.redis.version: \"7.2\": is a number with a fraction, but must be a text; write it in quotes")]
#[case(json!({"tolerations": {}}), "spec.tolerations: is an object, but must be a list")]
#[case(json!("x"), "spec: \"x\": is a text, but must be an object")]
fn a_wrong_type_is_named(#[case] spec: Value, #[case] text: &str) {
    let problem = to_v1(early(spec)).unwrap_err().to_string();
    assert!(problem.starts_with(text), "{problem}");
}

#[rstest]
#[case(json!({"apiVersion": "v1", "kind": "Pod"}), "apiVersion: \"v1\": is not served; write storage.spotahome.com/v1 or")]
#[case(json!("text"), "apiVersion: is not served")]
#[case(json!({"apiVersion": "storage.spotahome.com/v1alpha2", "metadata": 7}), "metadata: must be an object")]
#[case(json!({"apiVersion": "storage.spotahome.com/v1alpha2", "metadata": {"annotations": []}}), "metadata.annotations: must be an object")]
fn what_is_no_object_of_ours_is_named(#[case] object: Value, #[case] text: &str) {
    let problem = to_v1(object).unwrap_err().to_string();
    assert!(problem.starts_with(text), "{problem}");
}

#[test]
fn another_version_cannot_be_asked_for() {
    let problem = convert(stored(json!({})), "storage.spotahome.com/v2").unwrap_err().to_string();
    assert!(problem.contains("cannot become storage.spotahome.com/v2"), "{problem}");
}

#[test]
fn few_servers_are_warned_of() {
    let texts = |spec: Value| {
        remarks(&stored(spec)).warnings.iter().map(|problem| problem.path.clone()).collect::<Vec<_>>()
    };
    let both = json!({"redis": {"replicas": 2}, "sentinel": {"replicas": 1}});
    assert_eq!(texts(both), ["spec.redis.replicas", "spec.sentinel.replicas"]);
    assert!(texts(json!({"redis": {"replicas": 3}, "sentinel": {"replicas": 0}})).is_empty());
}
