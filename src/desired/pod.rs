//! What the pods of both components have in common.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, ConfigMapVolumeSource, Container, ContainerPort, PodAffinityTerm, PodAntiAffinity,
    PodSpec as CorePod, PodTemplateSpec, Volume, VolumeMount, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::labels::{self, Component};
use super::security;
use crate::api::Valid;
use crate::api::spec::PodSpec;

/// Mode of mounted scripts, as the Go operator has it; in octal, as `chmod` takes it.
const SCRIPT_MODE: i32 = 0o744;

/// What differs between the components.
pub(super) struct Parts {
    /// Whose pod it is.
    pub(super) component: Component,
    /// Containers that run first, in this order.
    pub(super) init_containers: Vec<Container>,
    /// The server, its exporter and the user's.
    pub(super) containers: Vec<Container>,
    /// The user's among them.
    pub(super) volumes: Vec<Volume>,
    /// Seconds to stop; Kubernetes' default where there is none.
    pub(super) grace_seconds: Option<i64>,
}

/// The template of a component's pods.
pub(super) fn template(valid: &Valid, own: &PodSpec, parts: Parts) -> PodTemplateSpec {
    let name = &valid.identity.name;
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::pod(&valid.identity, parts.component)),
            annotations: entries(&own.pod_annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(CorePod {
            affinity: Some(own.affinity.clone().unwrap_or_else(|| spread(name, parts.component))),
            containers: parts.containers,
            dns_policy: Some(dns_policy(own)),
            host_network: own.host_network.then_some(true),
            image_pull_secrets: list(&own.image_pull_secrets),
            init_containers: list(&parts.init_containers),
            node_selector: entries(&own.node_selector),
            priority_class_name: text(own.priority_class_name.as_ref()),
            security_context: Some(security::pod(own.security_context.as_ref())),
            service_account_name: text(own.service_account_name.as_ref()),
            termination_grace_period_seconds: parts.grace_seconds,
            tolerations: list(&own.tolerations),
            topology_spread_constraints: list(&own.topology_spread_constraints),
            volumes: list(&parts.volumes),
            ..CorePod::default()
        }),
    }
}

/// Pods in the node's network need another policy to see the names of the cluster, the Sentinels' among them.
fn dns_policy(own: &PodSpec) -> String {
    let default = if own.host_network { "ClusterFirstWithHostNet" } else { "ClusterFirst" };
    text(own.dns_policy.as_ref()).unwrap_or_else(|| default.to_owned())
}

/// On different nodes where possible.
fn spread(name: &str, component: Component) -> Affinity {
    let term = PodAffinityTerm {
        label_selector: Some(labels::label_selector(name, component)),
        topology_key: "kubernetes.io/hostname".to_owned(),
        ..PodAffinityTerm::default()
    };
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
                pod_affinity_term: term,
                weight: 100,
            }]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

/// The user's command, or ours.
pub(super) fn command(own: &[String], ours: &[&str]) -> Vec<String> {
    if own.is_empty() { ours.iter().map(|&word| word.to_owned()).collect() } else { own.to_vec() }
}

/// A TCP port with a name, which Services and scrapers use.
pub(super) fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// A volume from a ConfigMap with data.
pub(super) fn config_volume(volume: &str, config_map: String) -> Volume {
    Volume {
        name: volume.to_owned(),
        config_map: Some(ConfigMapVolumeSource { name: config_map, ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    }
}

/// A volume from a ConfigMap with a script.
pub(super) fn script_volume(volume: &str, config_map: String) -> Volume {
    let source = ConfigMapVolumeSource {
        name: config_map,
        default_mode: Some(SCRIPT_MODE),
        ..ConfigMapVolumeSource::default()
    };
    Volume { name: volume.to_owned(), config_map: Some(source), ..Volume::default() }
}

/// A volume, whole, at a path.
pub(super) fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { name: volume.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

/// A list; an empty one is left out, as the API server does.
pub(super) fn list<T: Clone>(items: &[T]) -> Option<Vec<T>> {
    (!items.is_empty()).then(|| items.to_vec())
}

fn entries(map: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then(|| map.clone())
}

fn text(value: Option<&String>) -> Option<String> {
    value.filter(|value| !value.is_empty()).cloned()
}
