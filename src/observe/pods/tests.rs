use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn facts(name: &str, component: &str, status: &Value) -> PodFacts {
    let pod_object: Pod = serde_json::from_value(json!({
        "metadata": {"name": name, "uid": "u-1", "labels": {COMPONENT_LABEL: component, ROLE_LABEL: "slave"}},
        "status": status,
    }))
    .unwrap();
    pod(&pod_object)
}

fn container(name: &str, state: &Value) -> Value {
    json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state})
}

fn running() -> Value {
    container("redis", &json!({"running": {}}))
}

#[test]
fn a_ready_pod() {
    let status = json!({
        "phase": "Running", "podIP": "10.0.0.7",
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
        "containerStatuses": [container("exporter", &json!({"waiting": {"reason": "ImagePullBackOff"}})), running()],
    });
    let expected = PodFacts {
        name: "rfr-cache-12".into(),
        uid: "u-1".into(),
        ip: Some("10.0.0.7".into()),
        ordinal: Some(12),
        ready: true,
        running: true,
        terminating: false,
        role_label: Some("slave".into()),
        ..PodFacts::default()
    };
    assert_eq!(facts("rfr-cache-12", REDIS, &status), expected);
}

#[rstest]
#[case::no_status(json!(null), None)]
#[case::unschedulable(
    json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}),
    Some("Unschedulable")
)]
#[case::not_scheduled_yet(
    json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}),
    Some("Unschedulable")
)]
#[case::pull(
    json!({"phase": "Pending", "containerStatuses": [container("redis", &json!({"waiting": {"reason": "ImagePullBackOff"}}))]}),
    Some("ImagePullBackOff")
)]
#[case::crash_loop(
    json!({"phase": "Running", "containerStatuses": [container("redis", &json!({"waiting": {"reason": "CrashLoopBackOff"}}))]}),
    Some("CrashLoopBackOff")
)]
#[case::just_died(
    json!({"phase": "Running", "containerStatuses": [container("redis", &json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}))]}),
    Some("OOMKilled")
)]
#[case::init_cannot_start(
    json!({"phase": "Pending",
        "initContainerStatuses": [container("copy", &json!({"waiting": {"reason": "ErrImagePull"}}))],
        "containerStatuses": [container("redis", &json!({"waiting": {"reason": "PodInitializing"}}))]}),
    Some("ErrImagePull")
)]
#[case::second_init_fails(
    json!({"phase": "Pending",
        "initContainerStatuses": [
            container("copy", &json!({"terminated": {"exitCode": 0, "reason": "Completed"}})),
            container("own", &json!({"terminated": {"exitCode": 1, "reason": "Error"}}))],
        "containerStatuses": [container("redis", &json!({"waiting": {"reason": "PodInitializing"}}))]}),
    Some("Error")
)]
#[case::init_works(
    json!({"phase": "Pending",
        "initContainerStatuses": [container("copy", &json!({"running": {}}))],
        "containerStatuses": [container("redis", &json!({"waiting": {"reason": "PodInitializing"}}))]}),
    Some("PodInitializing")
)]
#[case::evicted(json!({"phase": "Failed", "reason": "Evicted", "podIP": ""}), Some("Evicted"))]
#[case::failed_with_a_stale_container(
    json!({"phase": "Failed", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [running()]}),
    Some("Failed")
)]
#[case::succeeded(json!({"phase": "Succeeded"}), Some("Succeeded"))]
#[case::only_another_container_runs(
    json!({"phase": "Running", "containerStatuses": [container("exporter", &json!({"running": {}}))]}),
    None
)]
fn pods_whose_server_does_not_run(#[case] status: Value, #[case] waiting: Option<&str>) {
    let facts = facts("rfr-cache-0", REDIS, &status);
    assert_eq!((facts.running, facts.ready, facts.ip), (false, false, None));
    assert_eq!(facts.waiting.as_deref(), waiting);
}

#[test]
fn a_deleted_pod_is_terminating_and_still_runs() {
    let mut object: Pod = serde_json::from_value(json!({
        "metadata": {"name": "rfs-cache-7d9-4", "labels": {COMPONENT_LABEL: SENTINEL}, "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"phase": "Running", "containerStatuses": [container("sentinel", &json!({"running": {}}))]},
    }))
    .unwrap();
    let seen = pod(&object);
    assert!(seen.terminating && seen.running);
    assert_eq!(seen.ordinal, None, "the end of a Deployment pod's name is no ordinal");
    object.metadata.labels = None;
    assert_eq!(component(&object), "");
    assert!(!pod(&object).running, "a pod that is neither has no server");
}

#[test]
fn the_end_of_a_container_is_when_the_kubelet_saw_it() {
    let terminated = |reason: &str, at: Value| json!({"terminated": {"exitCode": 137, "reason": reason, "finishedAt": at}});
    let (first, second) = ("1970-01-01T00:00:05Z", "1970-01-01T00:00:09Z");
    let cases = [
        (json!({"running": {}}), json!({}), None),
        (json!({"running": {}}), terminated("OOMKilled", json!(first)), Some(5)),
        (terminated("Error", json!(second)), terminated("OOMKilled", json!(first)), Some(9)),
        (json!({"waiting": {"reason": "CrashLoopBackOff"}}), terminated("Error", json!(first)), Some(5)),
        (terminated("ContainerStatusUnknown", json!(null)), json!({}), None),
    ];
    for (state, last, expected) in cases {
        let mut server = container("redis", &state);
        server["lastState"] = last;
        let status = json!({"phase": "Failed", "containerStatuses": [container("exporter", &terminated("Error", json!(second))), server]});
        assert_eq!(facts("rfr-a-0", REDIS, &status).ended, expected, "{status}");
    }
}
