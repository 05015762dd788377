//! The StatefulSet of the redis servers.

use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    Container, ExecAction, Lifecycle, LifecycleHandler, PersistentVolumeClaim, PodTemplateSpec,
    SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::config::{AUTH_DIR, CUSTOM_DIR};
use super::labels::{self, Component};
use super::pod::{self, Parts};
use super::probes::{self, REDIS_STARTUP_DIR};
use super::{env, exporter, names, security};
use crate::api::Valid;
use crate::api::spec::EmbeddedClaim;
use crate::api::valid::Storage;

/// Name of the volume with the data, unless the user's claim has one.
const DATA_VOLUME: &str = "redis-data";

/// The StatefulSet. Its pods are replaced by the operator alone, in an order that Kubernetes does not know.
pub(super) fn stateful_set(valid: &Valid) -> StatefulSet {
    let name = names::redis(&valid.identity.name);
    StatefulSet {
        metadata: labels::metadata(valid, Component::Redis, name.clone()),
        spec: Some(StatefulSetSpec {
            replicas: Some(valid.redis.replicas),
            service_name: Some(name),
            selector: labels::label_selector(&valid.identity.name, Component::Redis),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                ..StatefulSetUpdateStrategy::default()
            }),
            template: template(valid),
            volume_claim_templates: claim(&valid.redis.storage).map(|claim| vec![claim]),
            persistent_volume_claim_retention_policy: Some(retention(&valid.redis.storage)),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

/// What becomes of the claims. A policy and no ownerReference in the template, which could not be changed later.
fn retention(storage: &Storage) -> StatefulSetPersistentVolumeClaimRetentionPolicy {
    let when_deleted = match storage {
        Storage::Claim { keep: false, .. } => "Delete",
        Storage::Claim { keep: true, .. } | Storage::EmptyDir(_) => "Retain",
    };
    StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_deleted: Some(when_deleted.to_owned()),
        when_scaled: Some("Retain".to_owned()),
    }
}

fn claim(storage: &Storage) -> Option<PersistentVolumeClaim> {
    let Storage::Claim { template, .. } = storage else {
        return None;
    };
    let own = &template.metadata;
    Some(PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(claim_name(template).to_owned()),
            labels: Some(own.labels.clone()).filter(|labels| !labels.is_empty()),
            annotations: Some(own.annotations.clone()).filter(|annotations| !annotations.is_empty()),
            ..ObjectMeta::default()
        },
        spec: Some(template.spec.clone()),
        status: None,
    })
}

fn claim_name(template: &EmbeddedClaim) -> &str {
    template.metadata.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(DATA_VOLUME)
}

fn data_volume(storage: &Storage) -> &str {
    match storage {
        Storage::EmptyDir(_) => DATA_VOLUME,
        Storage::Claim { template, .. } => claim_name(template),
    }
}

fn template(valid: &Valid) -> PodTemplateSpec {
    let own = &valid.redis.pod;
    let env = env::redis(valid);
    let mut containers = vec![server(valid)];
    containers.extend(exporter::redis(valid));
    containers.extend(env::given_to(&own.extra_containers, &env));
    let parts = Parts {
        component: Component::Redis,
        init_containers: env::given_to(&own.init_containers, &env),
        containers,
        volumes: volumes(valid),
        grace_seconds: Some(valid.redis.grace_seconds),
    };
    pod::template(valid, own, parts)
}

fn server(valid: &Valid) -> Container {
    let own = &valid.redis.pod;
    let probes = probes::redis(valid);
    let mut env = env::redis(valid);
    env.extend(env::scripts(valid));
    let before_stop = pod::command(&[], &["/bin/sh", "/redis-shutdown/shutdown.sh"]);
    Container {
        name: "redis".to_owned(),
        image: own.image.clone(),
        image_pull_policy: own.image_pull_policy.clone(),
        command: Some(pod::command(&own.command, &["/bin/sh", "/redis/start.sh"])),
        env: Some(env),
        ports: Some(vec![pod::port("redis", i32::from(valid.redis.port))]),
        resources: own.resources.clone(),
        volume_mounts: Some(mounts(valid)),
        liveness_probe: Some(probes.liveness),
        readiness_probe: Some(probes.readiness),
        startup_probe: probes.startup,
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                exec: Some(ExecAction { command: Some(before_stop) }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        security_context: Some(security::container(own.container_security_context.as_ref())),
        ..Container::default()
    }
}

fn mounts(valid: &Valid) -> Vec<VolumeMount> {
    let own = &valid.redis.pod;
    let mut mounts = vec![
        pod::mount("redis-config", "/redis"),
        pod::mount("redis-shutdown-config", "/redis-shutdown"),
        pod::mount("redis-readiness-config", "/redis-readiness"),
        pod::mount(data_volume(&valid.redis.storage), "/data"),
        pod::mount("redis-custom-config", CUSTOM_DIR),
        pod::mount("redis-auth", AUTH_DIR),
    ];
    mounts.extend(probes::script(own).map(|_| pod::mount("redis-startup-config", REDIS_STARTUP_DIR)));
    mounts.extend(own.extra_volume_mounts.clone());
    mounts
}

fn volumes(valid: &Valid) -> Vec<Volume> {
    let name = &valid.identity.name;
    let own = &valid.redis.pod;
    let shutdown = valid.redis.shutdown_config_map.clone().unwrap_or_else(|| names::shutdown(name));
    let mut volumes = vec![
        pod::config_volume("redis-config", names::redis(name)),
        pod::script_volume("redis-shutdown-config", shutdown),
        pod::script_volume("redis-readiness-config", names::readiness(name)),
        pod::config_volume("redis-custom-config", names::custom_config(name)),
        passwords_volume(valid),
    ];
    let startup = probes::script(own).map(str::to_owned);
    volumes.extend(startup.map(|script| pod::script_volume("redis-startup-config", script)));
    volumes.extend(own.extra_volumes.clone());
    if let Storage::EmptyDir(source) = &valid.redis.storage {
        let empty_dir = Some(source.clone());
        volumes.push(Volume { name: DATA_VOLUME.to_owned(), empty_dir, ..Volume::default() });
    }
    volumes
}

/// The passwords. Optional and always there, so that a password which is set or taken away later reaches pods that
/// run already: redis.conf changes under them, and a container that restarts must find what it includes.
fn passwords_volume(valid: &Valid) -> Volume {
    let own = valid.redis.pod.security_context.as_ref();
    // Without a group that owns the volume, a server that is not root could not read it.
    let readable_by_group = own.is_none_or(|context| context.fs_group.is_some());
    let source = SecretVolumeSource {
        secret_name: Some(names::auth(&valid.identity.name)),
        default_mode: Some(if readable_by_group { 0o440 } else { 0o444 }),
        optional: Some(true),
        ..SecretVolumeSource::default()
    };
    Volume { name: "redis-auth".to_owned(), secret: Some(source), ..Volume::default() }
}
