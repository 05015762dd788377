//! Our own containers pass the Pod Security level `restricted`.

use serde_json::Value;

use super::*;

/// The rules of <https://kubernetes.io/docs/concepts/security/pod-security-standards/> that a pod can break.
fn broken_rules(pod: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let of_pod = &pod["securityContext"];
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod[field] == true {
            broken.push(format!("pod: {field}"));
        }
    }
    let allowed = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        if !volume.as_object().unwrap().keys().any(|key| allowed.contains(&key.as_str())) {
            broken.push(format!("volume {volume}"));
        }
    }
    let lists = [&pod["initContainers"], &pod["containers"]];
    for container in lists.into_iter().filter_map(Value::as_array).flatten() {
        let own = &container["securityContext"];
        let inherited = |field: &str| {
            if own[field].is_null() { of_pod[field].clone() } else { own[field].clone() }
        };
        let checks = [
            ("allowPrivilegeEscalation", own["allowPrivilegeEscalation"] == false),
            ("privileged", own["privileged"] != true),
            ("capabilities.drop", own["capabilities"]["drop"] == serde_json::json!(["ALL"])),
            ("capabilities.add", own["capabilities"]["add"].as_array().is_none_or(Vec::is_empty)),
            ("runAsNonRoot", inherited("runAsNonRoot") == true),
            ("runAsUser", inherited("runAsUser") != 0),
            ("seccompProfile", inherited("seccompProfile")["type"] == "RuntimeDefault"),
            ("readOnlyRootFilesystem", own["readOnlyRootFilesystem"] == true),
            (
                "hostPort",
                container["ports"].as_array().into_iter().flatten().all(|port| port["hostPort"].is_null()),
            ),
        ];
        let failed = checks.into_iter().filter(|(_, kept)| !kept);
        broken.extend(failed.map(|(rule, _)| format!("{}: {rule}", container["name"])));
    }
    broken
}

/// Without the user's containers, whose contexts are the user's.
fn with_our_containers_only(mut valid: Valid) -> Valid {
    for pod in [&mut valid.redis.pod, &mut valid.sentinel.pod] {
        pod.init_containers.clear();
        pod.extra_containers.clear();
    }
    valid
}

#[test]
fn our_pods_keep_every_rule() {
    for valid in [minimal(), with_our_containers_only(full())] {
        let desired = built(&valid);
        for workload in [stateful_set(&desired), deployment(&desired)] {
            assert_eq!(broken_rules(pod(workload)), Vec::<String>::new());
        }
    }
}

#[test]
fn our_containers_keep_them_in_a_pod_context_of_the_users() {
    let mut valid = with_our_containers_only(full());
    valid.redis.pod.security_context = Some(k8s_openapi::api::core::v1::PodSecurityContext::default());
    let desired = built(&valid);
    assert_eq!(broken_rules(pod(stateful_set(&desired))), Vec::<String>::new());
}

#[test]
fn the_check_can_fail() {
    let desired = built(&full());
    let broken = broken_rules(pod(stateful_set(&desired)));
    assert!(broken.iter().any(|rule| rule == "\"beside\": capabilities.drop"), "{broken:?}");
    let mut valid = minimal();
    valid.redis.pod.host_network = true;
    let desired = built(&valid);
    assert_eq!(broken_rules(pod(stateful_set(&desired))), ["pod: hostNetwork"]);
}
