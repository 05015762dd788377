//! The metrics exporters beside the servers.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{env, pod, security};
use crate::api::spec::ExporterSpec;
use crate::api::{SENTINEL_PORT, Valid};

/// Port of the exporter beside a redis server.
pub(super) const REDIS_METRICS_PORT: i32 = 9121;
/// Port of the exporter beside a Sentinel.
pub(super) const SENTINEL_METRICS_PORT: i32 = 9355;

/// Beside a redis server, where it is enabled.
pub(super) fn redis(valid: &Valid) -> Option<Container> {
    let own = valid.redis_exporter()?;
    let mut env = vec![env::pod_field("REDIS_ALIAS", "metadata.name")];
    env.extend(env::redis(valid));
    Some(container("redis-exporter", own, REDIS_METRICS_PORT, env))
}

/// Beside a Sentinel, where it is enabled.
pub(super) fn sentinel(valid: &Valid) -> Option<Container> {
    let own = valid.sentinel_exporter()?;
    let mut env = vec![
        env::pod_field("REDIS_ALIAS", "metadata.name"),
        env::text("REDIS_EXPORTER_WEB_LISTEN_ADDRESS", format!("0.0.0.0:{SENTINEL_METRICS_PORT}")),
        env::text("REDIS_ADDR", format!("redis://127.0.0.1:{SENTINEL_PORT}")),
    ];
    env.extend(env::sentinel(valid));
    Some(container("sentinel-exporter", own, SENTINEL_METRICS_PORT, env))
}

fn container(name: &str, own: &ExporterSpec, port: i32, ours: Vec<EnvVar>) -> Container {
    Container {
        name: name.to_owned(),
        image: own.image.clone(),
        image_pull_policy: own.image_pull_policy.clone(),
        args: pod::list(&own.args),
        env: Some(env::merged(&own.env, ours)),
        ports: Some(vec![pod::port("metrics", port)]),
        resources: Some(own.resources.clone().unwrap_or_else(default_resources)),
        security_context: Some(security::container(own.container_security_context.as_ref())),
        ..Container::default()
    }
}

fn default_resources() -> ResourceRequirements {
    ResourceRequirements {
        requests: Some(amounts("10m", "50Mi")),
        limits: Some(amounts("1", "100Mi")),
        ..ResourceRequirements::default()
    }
}

/// CPU and memory, in the form in which the API server stores them.
pub(super) fn amounts(cpu: &str, memory: &str) -> BTreeMap<String, Quantity> {
    BTreeMap::from([
        ("cpu".to_owned(), Quantity(cpu.to_owned())),
        ("memory".to_owned(), Quantity(memory.to_owned())),
    ])
}
