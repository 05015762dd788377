//! The Deployment of the Sentinels.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, PodTemplateSpec, ResourceRequirements, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{self, Component};
use super::pod::{self, Parts};
use super::probes::{self, SENTINEL_STARTUP_DIR};
use super::{env, exporter, names, security};
use crate::api::{SENTINEL_PORT, Valid};

/// The directory that Sentinel may write, where it keeps its configuration.
const WRITABLE: &str = "sentinel-config-writable";

/// Once per pod: a pod whose sandbox is made anew, as after a reboot of its node, keeps its id and what it knows.
/// By way of another file: one that was copied by half must not pass for a whole one.
const COPY: &str = "[ -s /redis-writable/sentinel.conf ] || \
    { cp /redis/sentinel.conf /redis-writable/new && mv /redis-writable/new /redis-writable/sentinel.conf; }";
/// The same, with the lines that hold the password.
const COPY_WITH_PASSWORD: &str = "[ -s /redis-writable/sentinel.conf ] || \
    { { cat /redis/sentinel.conf && printf '%s' \"$AUTH_CONF\"; } >/redis-writable/new && \
    mv /redis-writable/new /redis-writable/sentinel.conf; }";

/// The Deployment. Never more than one Sentinel is away, and none too many votes.
pub(super) fn deployment(valid: &Valid) -> Deployment {
    let name = &valid.identity.name;
    Deployment {
        metadata: labels::metadata(valid, Component::Sentinel, names::sentinel(name)),
        spec: Some(DeploymentSpec {
            replicas: Some(valid.sentinel.replicas),
            selector: labels::label_selector(name, Component::Sentinel),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(0)),
                    max_unavailable: Some(IntOrString::Int(1)),
                }),
            }),
            template: template(valid),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn template(valid: &Valid) -> PodTemplateSpec {
    let own = &valid.sentinel.pod;
    let mut init_containers = vec![config_copy(valid)];
    init_containers.extend(own.init_containers.clone());
    let mut containers = vec![server(valid)];
    containers.extend(exporter::sentinel(valid));
    containers.extend(own.extra_containers.clone());
    let parts = Parts {
        component: Component::Sentinel,
        init_containers,
        containers,
        volumes: volumes(valid),
        grace_seconds: None,
    };
    pod::template(valid, own, parts)
}

fn config_copy(valid: &Valid) -> Container {
    let own = &valid.sentinel.pod;
    let amounts = exporter::amounts("10m", "32Mi");
    let env = env::sentinel_auth_conf(valid).map(|lines| vec![lines]);
    let copy = if env.is_some() { COPY_WITH_PASSWORD } else { COPY };
    Container {
        name: "sentinel-config-copy".to_owned(),
        image: own.image.clone(),
        image_pull_policy: own.image_pull_policy.clone(),
        command: Some(pod::command(&[], &["sh", "-c", copy])),
        env,
        resources: Some(ResourceRequirements {
            requests: Some(amounts.clone()),
            limits: Some(amounts),
            ..ResourceRequirements::default()
        }),
        security_context: Some(security::container(valid.sentinel.config_copy.as_ref())),
        volume_mounts: Some(vec![
            pod::mount("sentinel-config", "/redis"),
            pod::mount(WRITABLE, "/redis-writable"),
        ]),
        ..Container::default()
    }
}

fn server(valid: &Valid) -> Container {
    let own = &valid.sentinel.pod;
    let probes = probes::sentinel(valid);
    Container {
        name: "sentinel".to_owned(),
        image: own.image.clone(),
        image_pull_policy: own.image_pull_policy.clone(),
        command: Some(pod::command(&own.command, &["redis-server", "/redis/sentinel.conf", "--sentinel"])),
        env: env::sentinel(valid).map(|password| vec![password]),
        ports: Some(vec![pod::port("sentinel", i32::from(SENTINEL_PORT))]),
        resources: own.resources.clone(),
        volume_mounts: Some(mounts(valid)),
        liveness_probe: Some(probes.liveness),
        readiness_probe: Some(probes.readiness),
        startup_probe: probes.startup,
        security_context: Some(security::container(own.container_security_context.as_ref())),
        ..Container::default()
    }
}

fn mounts(valid: &Valid) -> Vec<VolumeMount> {
    let own = &valid.sentinel.pod;
    let mut mounts = vec![pod::mount(WRITABLE, "/redis")];
    mounts.extend(probes::script(own).map(|_| pod::mount("sentinel-startup-config", SENTINEL_STARTUP_DIR)));
    mounts.extend(own.extra_volume_mounts.clone());
    mounts
}

fn volumes(valid: &Valid) -> Vec<Volume> {
    let own = &valid.sentinel.pod;
    let writable = Volume {
        name: WRITABLE.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    let mut volumes =
        vec![pod::config_volume("sentinel-config", names::sentinel(&valid.identity.name)), writable];
    let startup = probes::script(own).map(str::to_owned);
    volumes.extend(startup.map(|script| pod::script_volume("sentinel-startup-config", script)));
    volumes.extend(own.extra_volumes.clone());
    volumes
}
