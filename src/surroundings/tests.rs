use serde_json::{Value, json};

use super::*;
use crate::api::defaults::{self, Images};
use crate::api::parse;

fn spec(mut raw: Value) -> RedisFailoverSpec {
    defaults::fill(&mut raw, &Images::default());
    parse::spec(&raw).unwrap()
}

fn names(list: &[(&str, &str)]) -> Names {
    let mut names = Names::default();
    for (namespace, name) in list {
        names.insert(namespace, name);
    }
    names
}

const NOTHING: [Vec<String>; 2] = [Vec::new(), Vec::new()];

/// What is said of `ns/name`: problems, then warnings.
fn said(
    name: &str,
    spec: &RedisFailoverSpec,
    old: Option<&RedisFailoverSpec>,
    view: &View,
) -> [Vec<String>; 2] {
    let verdict = check(&Asked { namespace: "ns", name, spec, old }, view);
    [verdict.problems, verdict.warnings].map(|problems| problems.iter().map(ToString::to_string).collect())
}

fn references() -> Value {
    json!({
        "auth": {"secretPath": "password", "sentinelSecretPath": "other"},
        "redis": {"shutdownConfigMap": "shutdown", "startupConfigMap": "startup"},
        "sentinel": {"startupConfigMap": "startup"},
    })
}

#[test]
fn a_name_that_collides_is_refused_in_both_directions() {
    let spec = spec(json!({}));
    for (stored, asked, shared) in [
        ("x", "s-x", "rfr-s-x"),
        ("s-x", "x", "rfr-s-x"),
        ("x", "readiness-x", "rfr-readiness-x"),
        ("readiness-x", "x", "rfr-readiness-x"),
        ("x", "custom-x", "rfr-custom-x"),
        ("custom-x", "x", "rfr-custom-x"),
    ] {
        let view = View { redis_failovers: Some(names(&[("ns", stored)])), ..View::default() };
        let refusal = format!(
            "metadata.name: {asked:?}: wants the ConfigMap {shared:?}, and so does the RedisFailover {stored:?}; \
             choose another name"
        );
        assert_eq!(said(asked, &spec, None, &view), [vec![refusal], vec![]]);
        assert_eq!(said(asked, &spec, Some(&spec), &view), NOTHING, "it is stored already");
    }
}

#[test]
fn names_that_share_nothing_pass() {
    let spec = spec(json!({}));
    let others = [("ns", "x"), ("ns", "y-s-x"), ("ns", "s"), ("ns", "auth-x"), ("other", "s-x")];
    let view = View { redis_failovers: Some(names(&others)), ..View::default() };
    for name in ["x", "y", "xs-x", "auth-y", "s-s-x"] {
        assert_eq!(said(name, &spec, None, &view), NOTHING, "{name}");
    }
}

#[test]
fn what_is_missing_is_warned_of_until_it_is_there() {
    let spec = spec(references());
    let nothing = View {
        secrets: Some(names(&[])),
        config_maps: Some(names(&[("other", "startup")])),
        ..View::default()
    };
    let warnings = [
        "spec.auth.secretPath: \"password\": there is no Secret of this name in the namespace; \
         create it with the key `password`",
        "spec.auth.sentinelSecretPath: \"other\": there is no Secret of this name in the namespace; \
         create it with the key `password`",
        "spec.redis.shutdownConfigMap: \"shutdown\": there is no ConfigMap of this name in the namespace; \
         create it with the key `shutdown.sh`",
        "spec.redis.startupConfigMap: \"startup\": there is no ConfigMap of this name in the namespace; \
         create it with the key `startup.sh`",
        "spec.sentinel.startupConfigMap: \"startup\": there is no ConfigMap of this name in the namespace; \
         create it with the key `startup.sh`",
    ];
    assert_eq!(said("x", &spec, None, &nothing), [vec![], warnings.map(str::to_owned).to_vec()]);
    let all = View {
        secrets: Some(names(&[("ns", "password"), ("ns", "other")])),
        config_maps: Some(names(&[("ns", "startup"), ("ns", "shutdown")])),
        ..View::default()
    };
    assert_eq!(said("x", &spec, None, &all), NOTHING);
}

#[test]
fn an_update_is_warned_of_what_it_changes_alone() {
    let view = View { secrets: Some(names(&[])), config_maps: Some(names(&[])), ..View::default() };
    let old = spec(references());
    let mut scaled = references();
    scaled["redis"]["replicas"] = json!(5);
    assert_eq!(said("x", &spec(scaled), Some(&old), &view), NOTHING);
    let mut changed = references();
    changed["sentinel"]["startupConfigMap"] = json!("another");
    let [_, warnings] = said("x", &spec(changed), Some(&old), &view);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("spec.sentinel.startupConfigMap: \"another\""), "{warnings:?}");
    assert_eq!(said("x", &spec(json!({})), Some(&old), &view), NOTHING, "an empty reference is none");
    let empty = spec(json!({"auth": {"secretPath": ""}}));
    assert_eq!(said("x", &empty, None, &view), NOTHING);
}

#[test]
fn of_what_is_not_known_nothing_is_said() {
    assert_eq!(said("s-x", &spec(references()), None, &View::default()), NOTHING);
}

#[test]
fn names_that_are_removed_leave_nothing_behind() {
    let mut names = Names::default();
    names.insert("ns", "a");
    names.insert("ns", "b");
    names.remove("ns", "a");
    names.remove("ns", "never");
    names.remove("nowhere", "a");
    assert!(!names.contains("ns", "a") && names.contains("ns", "b"));
    names.remove("ns", "b");
    assert!(names.0.is_empty());
}
