//! What the user sets replaces ours wholly.

use k8s_openapi::api::core::v1::{
    Affinity, ExecAction, LocalObjectReference, NodeAffinity, PodSecurityContext, Probe,
    ResourceRequirements, SecurityContext, Toleration, TopologySpreadConstraint,
};
use serde_json::json;

use super::*;

fn probe(word: &str) -> Probe {
    Probe { exec: Some(ExecAction { command: Some(vec![word.to_owned()]) }), ..Probe::default() }
}

fn own_pod() -> PodSpec {
    PodSpec {
        command: vec!["own".to_owned()],
        image_pull_secrets: vec![LocalObjectReference { name: "pull".to_owned() }],
        affinity: Some(Affinity { node_affinity: Some(NodeAffinity::default()), ..Affinity::default() }),
        tolerations: vec![Toleration { key: Some("t".to_owned()), ..Toleration::default() }],
        topology_spread_constraints: vec![TopologySpreadConstraint {
            topology_key: "zone".to_owned(),
            ..TopologySpreadConstraint::default()
        }],
        node_selector: map(&[("disk", "fast")]),
        security_context: Some(PodSecurityContext { run_as_user: Some(7), ..PodSecurityContext::default() }),
        container_security_context: Some(SecurityContext {
            run_as_user: Some(8),
            ..SecurityContext::default()
        }),
        resources: Some(ResourceRequirements {
            limits: Some(BTreeMap::from([("cpu".to_owned(), Quantity("2".to_owned()))])),
            ..ResourceRequirements::default()
        }),
        priority_class_name: Some("high".to_owned()),
        service_account_name: Some("account".to_owned()),
        custom_liveness_probe: Some(probe("alive")),
        custom_readiness_probe: Some(probe("ready")),
        custom_startup_probe: Some(probe("started")),
        startup_config_map: Some("unused-script".to_owned()),
        ..pod_spec()
    }
}

#[test]
fn pods_are_made_of_what_the_user_gives() {
    let mut valid = minimal();
    valid.redis.pod = own_pod();
    valid.sentinel.pod = own_pod();
    let desired = built(&valid);
    for workload in [stateful_set(&desired), deployment(&desired)] {
        let pod = pod(workload);
        assert_eq!(pod["affinity"], json!({"nodeAffinity": {}}));
        assert_eq!(pod["securityContext"], json!({"runAsUser": 7}));
        assert_eq!(pod["imagePullSecrets"], json!([{"name": "pull"}]));
        assert_eq!(pod["tolerations"], json!([{"key": "t"}]));
        assert_eq!(pod["topologySpreadConstraints"][0]["topologyKey"], "zone");
        assert_eq!(pod["nodeSelector"], json!({"disk": "fast"}));
        assert_eq!(pod["priorityClassName"], "high");
        assert_eq!(pod["serviceAccountName"], "account");
        let server = &pod["containers"][0];
        assert_eq!(server["image"], "redis:7.2-alpine");
        assert_eq!(server["imagePullPolicy"], "IfNotPresent");
        assert_eq!(server["command"], json!(["own"]));
        assert_eq!(server["securityContext"], json!({"runAsUser": 8}));
        assert_eq!(server["resources"], json!({"limits": {"cpu": "2"}}));
        assert_eq!(server["livenessProbe"], json!({"exec": {"command": ["alive"]}}));
        assert_eq!(server["readinessProbe"], json!({"exec": {"command": ["ready"]}}));
        assert_eq!(server["startupProbe"], json!({"exec": {"command": ["started"]}}));
    }
}

#[test]
fn a_password_is_readable_without_a_group_of_the_volume() {
    let mut valid = full();
    valid.redis.pod.security_context = Some(PodSecurityContext::default());
    let desired = built(&valid);
    let volume = named(&pod(stateful_set(&desired))["volumes"], "redis-auth");
    assert_eq!(volume["secret"]["defaultMode"], 0o444);
}

#[test]
fn the_network_of_the_node_keeps_the_names_of_the_cluster() {
    let table = [
        (false, None, None, "ClusterFirst"),
        (true, None, Some(true), "ClusterFirstWithHostNet"),
        (true, Some("Default"), Some(true), "Default"),
    ];
    for (host, own, expected_host, policy) in table {
        let mut valid = minimal();
        for pod in [&mut valid.redis.pod, &mut valid.sentinel.pod] {
            pod.host_network = host;
            pod.dns_policy = own.map(str::to_owned);
        }
        let desired = built(&valid);
        for workload in [stateful_set(&desired), deployment(&desired)] {
            assert_eq!(pod(workload)["dnsPolicy"], policy);
            assert_eq!(pod(workload).get("hostNetwork").and_then(Value::as_bool), expected_host);
        }
    }
}

#[test]
fn the_users_shutdown_script_is_mounted_in_place_of_ours() {
    let mut valid = minimal();
    valid.redis.shutdown_config_map = Some("mine".to_owned());
    let desired = built(&valid);
    let volume = named(&pod(stateful_set(&desired))["volumes"], "redis-shutdown-config");
    assert_eq!(volume["configMap"]["name"], "mine");
    assert!(desired.present.iter().all(|child| child.name != "rfr-s-cart"));
}

#[test]
fn exporters_are_as_the_user_wants_them() {
    let mut valid = full();
    for pod in [&mut valid.redis.pod, &mut valid.sentinel.pod] {
        pod.exporter.args = vec!["--debug".to_owned()];
        pod.exporter.env =
            vec![EnvVar { name: "OWN".to_owned(), value: Some("1".to_owned()), value_from: None }];
        pod.exporter.container_security_context = Some(SecurityContext::default());
        pod.exporter.resources = Some(ResourceRequirements::default());
    }
    let desired = built(&valid);
    for (workload, name) in
        [(stateful_set(&desired), "redis-exporter"), (deployment(&desired), "sentinel-exporter")]
    {
        let exporter = named(&pod(workload)["containers"], name);
        assert_eq!(exporter["image"], "exporter:1");
        assert_eq!(exporter["args"], json!(["--debug"]));
        assert_eq!(each(&exporter["env"], "name")[..2], ["OWN", "REDIS_ALIAS"]);
        assert_eq!(exporter["securityContext"], json!({}));
        assert_eq!(exporter["resources"], json!({}));
    }
    let plain = built(&full());
    assert_eq!(
        named(&pod(stateful_set(&plain))["containers"], "redis-exporter")["resources"],
        json!({"requests": {"cpu": "10m", "memory": "50Mi"}, "limits": {"cpu": "1", "memory": "100Mi"}})
    );
}

#[test]
fn the_copying_container_has_a_context_of_its_own() {
    let mut valid = minimal();
    valid.sentinel.config_copy = Some(SecurityContext { run_as_user: Some(9), ..SecurityContext::default() });
    let desired = built(&valid);
    assert_eq!(pod(deployment(&desired))["initContainers"][0]["securityContext"], json!({"runAsUser": 9}));
}

#[test]
fn a_kept_empty_dir_is_the_users() {
    let mut valid = minimal();
    let medium = Some("Memory".to_owned());
    valid.redis.storage =
        Storage::EmptyDir(EmptyDirVolumeSource { medium, ..EmptyDirVolumeSource::default() });
    let desired = built(&valid);
    let volume = named(&pod(stateful_set(&desired))["volumes"], "redis-data");
    assert_eq!(volume["emptyDir"], json!({"medium": "Memory"}));
}
