//! Services: the ways in.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::exporter::REDIS_METRICS_PORT;
use super::labels::{self, Component, ROLE_MASTER, ROLE_REPLICA};
use super::names;
use crate::api::{ROLE_LABEL, SENTINEL_PORT, Valid};

/// Where clients ask the Sentinels for the master.
pub(super) fn sentinel(valid: &Valid) -> Service {
    let name = names::sentinel(&valid.identity.name);
    let port = port("sentinel", i32::from(SENTINEL_PORT), "sentinel");
    service(valid, Component::Sentinel, name, port, None)
}

/// The master, for clients that know no Sentinel.
pub(super) fn master(valid: &Valid) -> Service {
    by_role(valid, names::master_service(&valid.identity.name), ROLE_MASTER)
}

/// The replicas.
pub(super) fn replicas(valid: &Valid) -> Service {
    by_role(valid, names::replica_service(&valid.identity.name), ROLE_REPLICA)
}

/// Metrics of the redis servers, while their exporter runs. Headless: each server is scraped by itself.
pub(super) fn metrics(valid: &Valid) -> Option<Service> {
    valid.redis_exporter()?;
    let name = names::redis(&valid.identity.name);
    let mut service =
        service(valid, Component::Redis, name, port("http-metrics", REDIS_METRICS_PORT, "metrics"), None);
    let scraping = [
        ("prometheus.io/scrape", "true".to_owned()),
        ("prometheus.io/port", REDIS_METRICS_PORT.to_string()),
        ("prometheus.io/path", "/metrics".to_owned()),
    ];
    let annotations = service.metadata.annotations.get_or_insert_default();
    for (key, value) in scraping {
        // The user's own value stays.
        annotations.entry(key.to_owned()).or_insert(value);
    }
    if let Some(spec) = &mut service.spec {
        spec.cluster_ip = Some("None".to_owned());
    }
    Some(service)
}

fn by_role(valid: &Valid, name: String, role: &str) -> Service {
    let port = port("redis", i32::from(valid.redis.port), "redis");
    service(valid, Component::Redis, name, port, Some(role))
}

fn port(name: &str, number: i32, target: &str) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(target.to_owned())),
        ..ServicePort::default()
    }
}

fn service(
    valid: &Valid,
    component: Component,
    name: String,
    port: ServicePort,
    role: Option<&str>,
) -> Service {
    let mut metadata = labels::metadata(valid, component, name);
    let own: &BTreeMap<String, String> = match component {
        Component::Redis => &valid.redis.pod.service_annotations,
        Component::Sentinel => &valid.sentinel.pod.service_annotations,
    };
    if !own.is_empty() {
        metadata.annotations.get_or_insert_default().extend(own.clone());
    }
    let mut selector = labels::selector(&valid.identity.name, component);
    selector.extend(role.map(|role| (ROLE_LABEL.to_owned(), role.to_owned())));
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            ports: Some(vec![port]),
            selector: Some(selector),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
