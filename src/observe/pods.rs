//! From a pod as Kubernetes stores it to [`PodFacts`]. Pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

use super::facts::{PodFacts, is_older};
use crate::api::ROLE_LABEL;
use crate::desired::template;

/// Label that says what a pod of a `RedisFailover` is; its value is also the name of the server's container.
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// The component of redis pods.
pub const REDIS: &str = "redis";
/// The component of Sentinel pods.
pub const SENTINEL: &str = "sentinel";

/// What a pod is, by its label.
#[must_use]
pub fn component(pod: &Pod) -> &str {
    label(pod, COMPONENT_LABEL).unwrap_or_default()
}

/// What Kubernetes knows of a pod.
#[must_use]
pub fn pod(pod: &Pod) -> PodFacts {
    let nothing = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&nothing);
    let component = component(pod);
    let name = pod.metadata.name.clone().unwrap_or_default();
    let ended = matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"));
    let running = !ended && server(status, component).is_some_and(is_running);
    PodFacts {
        ordinal: (component == REDIS).then(|| ordinal(&name)).flatten(),
        name,
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        ip: status.pod_ip.clone().filter(|ip| !ip.is_empty()),
        ready: !ended && condition(status, "Ready").is_some_and(|(state, _)| state == "True"),
        running,
        terminating: pod.metadata.deletion_timestamp.is_some(),
        role_label: label(pod, ROLE_LABEL).map(str::to_owned),
        template: mark(pod).map(str::to_owned),
        outdated: false,
        ended: server(status, component).and_then(ended_at),
        waiting: (!running).then(|| waiting(status, component)).flatten().map(str::to_owned),
    }
}

/// Whether a redis pod was made from another template than the `wanted` one.
#[must_use]
pub fn is_outdated(pod: &Pod, wanted: Option<&str>) -> bool {
    is_older(mark(pod), wanted)
}

/// The mark of the template that a redis pod was made from.
fn mark(pod: &Pod) -> Option<&str> {
    pod.metadata.annotations.as_ref()?.get(&template::annotation()).map(String::as_str)
}

/// Why the server does not run, the deepest cause first: while an init container cannot start, the server's container only
/// says `PodInitializing`.
fn waiting<'a>(status: &'a PodStatus, component: &str) -> Option<&'a str> {
    if let Some(phase @ ("Failed" | "Succeeded")) = status.phase.as_deref() {
        return status.reason.as_deref().filter(|reason| !reason.is_empty()).or(Some(phase));
    }
    if let Some(("False", reason)) = condition(status, "PodScheduled") {
        return reason.or(Some("Unschedulable"));
    }
    let inits = status.init_container_statuses.iter().flatten().filter_map(init_blocked);
    inits.chain(server(status, component).and_then(stopped)).next()
}

fn server<'a>(status: &'a PodStatus, component: &str) -> Option<&'a ContainerStatus> {
    status.container_statuses.iter().flatten().find(|container| container.name == component)
}

fn is_running(container: &ContainerStatus) -> bool {
    container.state.as_ref().is_some_and(|state| state.running.is_some())
}

/// When the kubelet saw the container end last. It writes no time where it only lost sight of it.
fn ended_at(container: &ContainerStatus) -> Option<i64> {
    let ends = [&container.state, &container.last_state].into_iter().flatten();
    let times = ends.filter_map(|state| Some(state.terminated.as_ref()?.finished_at.as_ref()?.0.as_second()));
    times.max()
}

/// Why a container is not running: what it waits for, or how it ended.
fn stopped(container: &ContainerStatus) -> Option<&str> {
    let state = container.state.as_ref()?;
    let waiting = state.waiting.as_ref().map(|waiting| waiting.reason.as_deref().unwrap_or("Waiting"));
    waiting.or_else(|| state.terminated.as_ref().map(|ended| ended.reason.as_deref().unwrap_or("Terminated")))
}

/// Why an init container holds up the pod. One that ended well does not, nor does one that only waits for its turn.
fn init_blocked(container: &ContainerStatus) -> Option<&str> {
    let done = container
        .state
        .as_ref()
        .and_then(|state| state.terminated.as_ref())
        .is_some_and(|end| end.exit_code == 0);
    stopped(container).filter(|reason| !done && *reason != "PodInitializing")
}

/// State and reason of a condition.
fn condition<'a>(status: &'a PodStatus, kind: &str) -> Option<(&'a str, Option<&'a str>)> {
    let condition = status.conditions.iter().flatten().find(|condition| condition.type_ == kind)?;
    Some((&condition.status, condition.reason.as_deref().filter(|reason| !reason.is_empty())))
}

fn label<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    pod.metadata.labels.as_ref()?.get(name).map(String::as_str)
}

fn ordinal(name: &str) -> Option<u32> {
    name.rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests;
