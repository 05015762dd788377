//! Disruption budgets: one pod of a component may be away at a time.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{self, Component};
use super::names;
use crate::api::Valid;
use crate::api::spec::PodSpec;

/// Budget of the redis servers.
pub(super) fn redis(valid: &Valid) -> Option<PodDisruptionBudget> {
    let name = names::redis(&valid.identity.name);
    budget(valid, Component::Redis, name, valid.redis.replicas, &valid.redis.pod)
}

/// Budget of the Sentinels.
pub(super) fn sentinel(valid: &Valid) -> Option<PodDisruptionBudget> {
    let name = names::sentinel(&valid.identity.name);
    budget(valid, Component::Sentinel, name, valid.sentinel.replicas, &valid.sentinel.pod)
}

/// None for a single pod: a budget could only keep its node from being drained, or do nothing.
fn budget(
    valid: &Valid,
    component: Component,
    name: String,
    replicas: i32,
    pod: &PodSpec,
) -> Option<PodDisruptionBudget> {
    if pod.disable_pod_disruption_budget || replicas <= 1 {
        return None;
    }
    Some(PodDisruptionBudget {
        metadata: labels::metadata(valid, component, name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(labels::label_selector(&valid.identity.name, component)),
            // A pod that serves nobody must not keep a node from being drained.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}
