#![allow(clippy::needless_pass_by_value)] // for `json!` at the call

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::api::defaults::{self, Images};
use crate::api::parse;

mod catalogue;
mod configs;
mod pods;
mod ratcheting;
mod updates;

fn spec(mut raw: Value) -> RedisFailoverSpec {
    defaults::fill(&mut raw, &Images::default());
    parse::spec(&raw).unwrap()
}

fn created(raw: Value) -> Verdict {
    check("x", &spec(raw), None)
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn accepts(raw: Value) {
    assert_eq!(created(raw), Verdict::default());
}

/// One problem at this path, with this in its text.
fn refuses(raw: Value, path: &str, text: &str) {
    let problems = created(raw).problems;
    assert!(
        matches!(&problems[..], [one] if one.path == path && one.to_string().contains(text)),
        "{problems:?}"
    );
}

/// No problem, and one warning at this path, with this in its text.
fn warns(raw: Value, path: &str, text: &str) {
    let Verdict { problems, warnings } = created(raw);
    assert_eq!(problems, []);
    assert!(
        matches!(&warnings[..], [one] if one.path == path && one.to_string().contains(text)),
        "{warnings:?}"
    );
}

#[test]
fn an_empty_spec_is_accepted() {
    accepts(json!({}));
}

#[rstest]
#[case("x")]
#[case("1-redis")]
#[case("a23456789012345678901234567890123456789012345678")]
fn names_accepted(#[case] name: &str) {
    assert_eq!(check(name, &spec(json!({})), None), Verdict::default());
}

#[rstest]
#[case("", "metadata.name: is missing; give the object a name")]
#[case(
    "a234567890123456789012345678901234567890123456789",
    "metadata.name: \"a234567890123456789012345678901234567890123456789\": is longer than 48 characters, \
     and names of objects are made from it; choose a shorter name"
)]
#[case("a.b", "metadata.name: \"a.b\": cannot be part of a Service's name; use lower case letters")]
#[case("Redis", "metadata.name: \"Redis\": cannot be part of a Service's name")]
#[case("-x", "metadata.name: \"-x\": cannot be part of a Service's name")]
fn names_refused(#[case] name: &str, #[case] text: &str) {
    let new = spec(json!({}));
    let problems = check(name, &new, None).problems;
    assert!(matches!(&problems[..], [one] if one.to_string().starts_with(text)), "{problems:?}");
    let update = check(name, &new, Some(&spec(json!({"redis": {"replicas": 5}}))));
    assert_eq!((update.problems, update.warnings), (vec![], problems), "a name cannot refuse an update");
}

#[test]
fn references_must_be_names() {
    accepts(json!({
        "auth": {"secretPath": "my.secret-1"},
        "redis": {"shutdownConfigMap": "scripts", "startupConfigMap": ""},
        "sentinel": {"startupConfigMap": "scripts", "serviceAccountName": "sa"},
    }));
    accepts(json!({"auth": {"secretPath": ""}}));
    refuses(json!({"auth": {"secretPath": "a/b"}}), "spec.auth.secretPath", "cannot be the name of a Secret");
    refuses(
        json!({"auth": {"sentinelSecretPath": "a/b"}}),
        "spec.auth.sentinelSecretPath",
        "cannot be the name of a Secret",
    );
    refuses(
        json!({"redis": {"shutdownConfigMap": "Up"}}),
        "spec.redis.shutdownConfigMap",
        "name of a ConfigMap",
    );
    refuses(
        json!({"redis": {"startupConfigMap": "a..b"}}),
        "spec.redis.startupConfigMap",
        "name of a ConfigMap",
    );
    refuses(
        json!({"sentinel": {"priorityClassName": "a_b"}}),
        "spec.sentinel.priorityClassName",
        "PriorityClass",
    );
}

#[test]
fn replicas_are_at_least_one() {
    accepts(json!({"redis": {"replicas": 2}}));
    warns(json!({"sentinel": {"replicas": 1}}), "spec.sentinel.replicas", "starts no failover");
    for number in [0, -1] {
        refuses(
            json!({"redis": {"replicas": number}}),
            "spec.redis.replicas",
            "is below 1; choose at least 1",
        );
        refuses(json!({"sentinel": {"replicas": number}}), "spec.sentinel.replicas", "is below 1");
    }
    warns(json!({"sentinel": {"replicas": 4}}), "spec.sentinel.replicas", "no more failures than 3 would");
}

#[test]
fn ports_are_in_range_and_not_sentinels() {
    for port in [1, 6380, 65535] {
        accepts(json!({"redis": {"port": port}}));
    }
    for port in [0, -1, 65536] {
        refuses(
            json!({"redis": {"port": port}}),
            "spec.redis.port",
            "is not a port; choose one from 1 to 65535",
        );
    }
    refuses(json!({"redis": {"port": 26379}}), "spec.redis.port", "\"26379\": is the port of Sentinel");
    let exporter = |own: Value| {
        let mut exporter = json!({"enabled": true});
        exporter.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        json!({"redis": {"port": 9121, "exporter": exporter}})
    };
    accepts(json!({"redis": {"port": 9121}}));
    refuses(exporter(json!({})), "spec.redis.port", "is the port of the exporter in the same pod");
    accepts(exporter(json!({"args": ["--web.listen-address=:9122"]})));
    accepts(exporter(json!({"env": [{"name": "REDIS_EXPORTER_WEB_LISTEN_ADDRESS", "value": ":9122"}]})));
}

#[test]
fn single_fields() {
    accepts(
        json!({"redis": {"imagePullPolicy": "Never", "terminationGracePeriod": 1, "image": "r.io:5000/redis@sha256:0"}}),
    );
    refuses(
        json!({"redis": {"imagePullPolicy": "Sometimes"}}),
        "spec.redis.imagePullPolicy",
        "IfNotPresent, Never",
    );
    refuses(json!({"redis": {"image": ""}}), "spec.redis.image", "leave the field out");
    refuses(
        json!({"redis": {"terminationGracePeriod": 0}}),
        "spec.redis.terminationGracePeriod",
        "is below 1",
    );
    let exporter = json!({"enabled": true, "imagePullPolicy": "x"});
    refuses(
        json!({"sentinel": {"exporter": exporter}}),
        "spec.sentinel.exporter.imagePullPolicy",
        "pull policy",
    );
    warns(
        json!({"sentinel": {"exporter": {"enabled": false, "image": ""}}}),
        "spec.sentinel.exporter",
        "no effect",
    );
    warns(json!({"redis": {"hostNetwork": true}}), "spec.redis.hostNetwork", "want the same port");
}

#[test]
fn the_bootstrap_node_is_not_supported_yet() {
    let problems = created(json!({"bootstrapNode": {"host": "10.0.0.1", "port": "6379"}})).problems;
    assert_eq!(texts(&problems), ["spec.bootstrapNode: is not supported yet; remove it"]);
    for node in [json!({}), json!({"host": "", "port": "6379"})] {
        refuses(
            json!({"bootstrapNode": node}),
            "spec.bootstrapNode",
            "has no host, and is not supported yet",
        );
    }
}

#[test]
fn label_expressions_must_compile() {
    accepts(json!({"labelWhitelist": ["^app", "team|owner"]}));
    refuses(json!({"labelWhitelist": ["ok", "["]}), "spec.labelWhitelist[1]", "is not a regular expression");
}

fn claim(size: Value) -> Value {
    json!({
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    })
}

const CLAIM: &str = "spec.redis.storage.persistentVolumeClaim";

#[test]
fn storage_is_one_place_with_a_size() {
    accepts(json!({"redis": {"storage": {"emptyDir": {"sizeLimit": "1Gi"}}}}));
    accepts(json!({"redis": {"replicas": 1, "storage": {"persistentVolumeClaim": claim(json!("1Gi"))}}}));
    refuses(
        json!({"redis": {"storage": {"emptyDir": {}, "persistentVolumeClaim": claim(json!("1Gi"))}}}),
        "spec.redis.storage.emptyDir",
        "remove one of the two",
    );
    let size = format!("{CLAIM}.spec.resources.requests.storage");
    let of = |spec: Value| json!({"redis": {"storage": {"persistentVolumeClaim": {"spec": spec}}}});
    refuses(of(json!({"accessModes": ["ReadWriteOnce"]})), &size, "a claim needs a size");
    let modes = format!("{CLAIM}.spec.accessModes");
    refuses(
        of(json!({"resources": {"requests": {"storage": "1Gi"}}})),
        &modes,
        "says how its volume is used",
    );
    for bad in ["0", "big", "-1Gi"] {
        refuses(
            json!({"redis": {"storage": {"persistentVolumeClaim": claim(json!(bad))}}}),
            &size,
            "is not a size",
        );
    }
    let mut named = claim(json!(1024));
    named["metadata"]["name"] = json!("Data.x");
    let path = format!("{CLAIM}.metadata.name");
    refuses(
        json!({"redis": {"storage": {"persistentVolumeClaim": named}}}),
        &path,
        "cannot be the name of a volume",
    );
}

#[test]
fn one_server_without_a_volume_warns() {
    warns(json!({"redis": {"replicas": 1}}), "spec.redis.replicas", "every update loses all of it");
    let keep = json!({"redis": {"storage": {"keepAfterDeletion": true}}});
    warns(keep, "spec.redis.storage.keepAfterDeletion", "no persistentVolumeClaim to keep");
}

#[test]
fn maxmemory_below_the_limit() {
    let redis = |entry: &str, limit: Value| json!({"redis": {"customConfig": [entry], "resources": {"limits": {"memory": limit}}}});
    let request = json!({"requests": {"memory": "1Gi"}});
    let requested = json!({"redis": {"customConfig": ["maxmemory 1gb"], "resources": request}});
    warns(requested, "spec.redis.customConfig[0]", "memory request of 1Gi");
    accepts(redis("maxmemory 750mb", json!("1Gi")));
    accepts(redis("maxmemory 0", json!("1Gi")));
    accepts(json!({"redis": {"customConfig": ["maxmemory 9gb"]}}));
    warns(redis("maxmemory 1gb", json!("1Gi")), "spec.redis.customConfig[0]", "memory limit of 1Gi");
    warns(redis("maxmemory 2000", json!(1000)), "spec.redis.customConfig[0]", "memory limit of 1000");
}

#[test]
fn renames() {
    let rename =
        |from: &str, to: &str| json!({"redis": {"customCommandRenames": [{"from": from, "to": to}]}});
    let (from, to) = ("spec.redis.customCommandRenames[0].from", "spec.redis.customCommandRenames[0].to");
    accepts(rename("FLUSHALL", ""));
    accepts(rename("keys", "my_keys"));
    for needed in ["CONFIG", "slaveof", "PSYNC", "AUTH"] {
        refuses(rename(needed, "x"), from, "cannot be renamed, because");
    }
    refuses(rename("FLUSH ALL", "x"), from, "has a character");
    refuses(rename("KEYS", "k\"1"), to, "has a character");
    for taken in ["info", "Get", "commandlog", "VADD", "json.set"] {
        refuses(rename("KEYS", taken), to, "is the name of another command");
    }
    for subcommand in ["Config|Set", "object|help"] {
        refuses(rename(subcommand, "x"), from, "is a subcommand");
    }
    accepts(rename("KEYS", "all|keys"));
    warns(rename("KEYZ", "x"), from, "is no known command");
    refuses(rename("", "x"), from, "is missing");
    let twice = json!([{"from": "KEYS", "to": "a"}, {"from": "keys", "to": "b"}]);
    let path = "spec.redis.customCommandRenames[1].from";
    refuses(json!({"redis": {"customCommandRenames": twice}}), path, "is renamed twice");
    let both = json!([{"from": "KEYS", "to": "a"}, {"from": "SCAN", "to": "A"}]);
    let path = "spec.redis.customCommandRenames[1].to";
    refuses(json!({"redis": {"customCommandRenames": both}}), path, "is the name of another command");
}
