//! Tests over whole sets of children; each file takes one question.

mod configs;
mod objects;
mod overrides;
mod pods;
mod scripts;
mod security;
mod sentinel_password;
mod start;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, EnvVar, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;

use super::{ChildKind, Desired, build};
use crate::api::rules::directive::Directive;
use crate::api::spec::{CommandRename, EmbeddedClaim, EmbeddedMetadata, ExporterSpec, PodSpec};
use crate::api::valid::{Redis, Sentinel, Storage};
use crate::api::{Identity, Valid};
use crate::secret::{Password, Passwords};

const PASSWORD: &str = r#"p"s$w\d #1"#;
const SENTINEL_PASSWORD: &str = r#"s"p$w\d #2"#;

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

fn pod_spec() -> PodSpec {
    PodSpec {
        image: Some("redis:7.2-alpine".to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        ..PodSpec::default()
    }
}

/// What a minimal manifest becomes.
fn minimal() -> Valid {
    Valid {
        identity: Identity {
            namespace: "shop".to_owned(),
            name: "cart".to_owned(),
            uid: "u-1".to_owned(),
            ..Identity::default()
        },
        redis: Redis {
            replicas: 3,
            port: 6379,
            config: Vec::new(),
            renames: Vec::new(),
            shutdown_config_map: None,
            storage: Storage::EmptyDir(EmptyDirVolumeSource::default()),
            grace_seconds: 30,
            pod: pod_spec(),
        },
        sentinel: Sentinel {
            replicas: 3,
            master_name: "mymaster".to_owned(),
            config: Vec::new(),
            config_copy: None,
            pod: pod_spec(),
        },
        auth_secret: None,
        sentinel_auth_secret: None,
        child_labels: BTreeMap::new(),
    }
}

fn exporter() -> ExporterSpec {
    ExporterSpec {
        enabled: true,
        image: Some("exporter:1".to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        ..ExporterSpec::default()
    }
}

fn claim(name: Option<&str>) -> EmbeddedClaim {
    EmbeddedClaim {
        metadata: EmbeddedMetadata {
            name: name.map(str::to_owned),
            labels: map(&[("tier", "data")]),
            annotations: map(&[("backup", "nightly")]),
        },
        spec: PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), Quantity("1Gi".to_owned()))])),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        },
        ..EmbeddedClaim::default()
    }
}

/// What a manifest with nearly everything becomes.
fn full() -> Valid {
    let mut valid = minimal();
    valid.identity.labels = map(&[("team", "a")]);
    valid.identity.annotations =
        map(&[("note", "n"), ("kubectl.kubernetes.io/last-applied-configuration", "{}")]);
    valid.child_labels = map(&[("team", "a"), ("app.kubernetes.io/managed-by", "Helm"), ("component", "x")]);
    valid.auth_secret = Some("user-secret".to_owned());
    valid.redis.port = 6380;
    valid.redis.config = directives(&[("maxclients", "100"), ("appendonly", "yes")]);
    valid.redis.renames = vec![CommandRename { from: "FLUSHALL".to_owned(), to: String::new() }];
    valid.redis.storage = Storage::Claim { template: Box::new(claim(Some("disk"))), keep: false };
    valid.redis.pod.exporter = exporter();
    valid.redis.pod.startup_config_map = Some("slow-start".to_owned());
    valid.redis.pod.init_containers = vec![container("prepare")];
    valid.redis.pod.extra_containers = vec![container("beside")];
    valid.redis.pod.pod_annotations = map(&[("pod", "p")]);
    valid.redis.pod.service_annotations = map(&[("service", "s")]);
    valid.sentinel.config = directives(&[("down-after-milliseconds", "7777"), ("quorum", "2")]);
    valid.sentinel.pod.exporter = exporter();
    valid.sentinel.pod.startup_config_map = Some("slow-start".to_owned());
    valid.sentinel.pod.init_containers = vec![container("prepare")];
    valid.sentinel.pod.extra_containers = vec![container("beside")];
    valid
}

fn container(name: &str) -> Container {
    let own = EnvVar { name: "REDIS_USER".to_owned(), value: Some("mine".to_owned()), ..EnvVar::default() };
    Container { name: name.to_owned(), env: Some(vec![own]), ..Container::default() }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn directives(pairs: &[(&str, &str)]) -> Vec<Directive> {
    pairs.iter().map(|&(key, value)| Directive { key: key.to_owned(), value: value.to_owned() }).collect()
}

fn built(valid: &Valid) -> Desired {
    let redis = valid.auth_secret.as_ref().map(|_| password(PASSWORD));
    let sentinel = valid.sentinel_auth_secret.as_ref().map(|_| password(SENTINEL_PASSWORD));
    build(valid, &Passwords { redis, sentinel })
}

fn body<'a>(desired: &'a Desired, kind: ChildKind, name: &str) -> &'a Value {
    let found = desired.present.iter().find(|child| child.kind == kind && child.name == name);
    &found.unwrap_or_else(|| panic!("no {kind:?} {name}")).body
}

fn stateful_set(desired: &Desired) -> &Value {
    body(desired, ChildKind::StatefulSet, "rfr-cart")
}

fn deployment(desired: &Desired) -> &Value {
    body(desired, ChildKind::Deployment, "rfs-cart")
}

/// The pod of a workload.
fn pod(workload: &Value) -> &Value {
    &workload["spec"]["template"]["spec"]
}

/// A field of every element of a list.
fn each<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().into_iter().flatten().filter_map(|element| element[field].as_str()).collect()
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().into_iter().flatten().find(|element| element["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list}"))
}
