//! Which children there are, and their metadata, ports, selectors and policies.

use serde_json::{Value, json};

use super::*;
use crate::desired::names;

fn identities(desired: &Desired) -> Vec<String> {
    desired.present.iter().map(|child| format!("{:?} {}", child.kind, child.name)).collect()
}

#[test]
fn what_pods_mount_comes_before_the_pods() {
    assert_eq!(
        identities(&built(&full())),
        [
            "Secret rfr-auth-cart",
            "ConfigMap rfr-cart",
            "ConfigMap rfr-custom-cart",
            "ConfigMap rfr-readiness-cart",
            "ConfigMap rfr-s-cart",
            "ConfigMap rfs-cart",
            "Service rfs-cart",
            "Service rfrm-cart",
            "Service rfrs-cart",
            "Service rfr-cart",
            "PodDisruptionBudget rfr-cart",
            "PodDisruptionBudget rfs-cart",
            "StatefulSet rfr-cart",
            "Deployment rfs-cart",
        ]
    );
}

#[test]
fn every_possible_child_is_either_there_or_named_as_absent() {
    fn small() -> Valid {
        let mut valid = minimal();
        valid.redis.replicas = 1;
        valid.sentinel.pod.disable_pod_disruption_budget = true;
        valid.redis.shutdown_config_map = Some("mine".to_owned());
        valid
    }
    let specs: [fn() -> Valid; 3] = [minimal, full, small];
    for spec in specs {
        let desired = built(&spec());
        let mut children: Vec<_> =
            desired.present.iter().map(|child| (child.kind, child.name.clone())).collect();
        children.extend(desired.absent);
        children.sort();
        let mut all = names::all("cart");
        all.sort();
        assert_eq!(children, all);
    }
}

#[test]
fn absent_is_what_the_spec_switches_off() {
    assert_eq!(
        built(&minimal()).absent,
        [(ChildKind::Secret, "rfr-auth-cart".to_owned()), (ChildKind::Service, "rfr-cart".to_owned())]
    );
    let mut valid = full();
    valid.redis.replicas = 1;
    valid.sentinel.pod.disable_pod_disruption_budget = true;
    valid.redis.shutdown_config_map = Some("mine".to_owned());
    assert_eq!(
        built(&valid).absent,
        [
            (ChildKind::ConfigMap, "rfr-s-cart".to_owned()),
            (ChildKind::PodDisruptionBudget, "rfr-cart".to_owned()),
            (ChildKind::PodDisruptionBudget, "rfs-cart".to_owned()),
        ]
    );
}

#[test]
fn an_unknown_password_leaves_the_servers_copy_alone() {
    let desired = build(&full(), &Passwords::default());
    assert!(desired.present.iter().all(|child| child.kind != ChildKind::Secret));
    assert!(desired.absent.iter().all(|(kind, _)| *kind != ChildKind::Secret));
}

#[test]
fn every_child_says_what_it_is_and_whose() {
    for child in built(&full()).present {
        let Value::Object(_) = &child.body else { panic!("{} is not an object", child.name) };
        let metadata = &child.body["metadata"];
        let version = match child.kind {
            ChildKind::StatefulSet | ChildKind::Deployment => "apps/v1",
            ChildKind::PodDisruptionBudget => "policy/v1",
            ChildKind::ConfigMap | ChildKind::Secret | ChildKind::Service => "v1",
        };
        assert_eq!(child.body["apiVersion"], version);
        assert_eq!(child.body["kind"], format!("{:?}", child.kind));
        assert_eq!(metadata["name"], child.name);
        assert_eq!(metadata["namespace"], "shop");
        assert_eq!(
            metadata["ownerReferences"],
            json!([{"apiVersion": "storage.spotahome.com/v1", "kind": "RedisFailover", "name": "cart",
                    "uid": "u-1", "controller": true, "blockOwnerDeletion": true}])
        );
        let component = if child.name.starts_with("rfs-") { "sentinel" } else { "redis" };
        assert_eq!(
            metadata["labels"],
            json!({
                "app.kubernetes.io/managed-by": "redis-operator",
                "app.kubernetes.io/name": "cart",
                "app.kubernetes.io/component": component,
                "app.kubernetes.io/part-of": "redis-failover",
                "component": component,
                "redisfailovers.storage.spotahome.com/name": "cart",
                "team": "a",
            }),
            "{}: the user's labels, but never over ours",
            child.name
        );
        assert_eq!(metadata["annotations"]["note"], "n");
        assert!(metadata["annotations"].get("kubectl.kubernetes.io/last-applied-configuration").is_none());
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let text = |desired: &Desired| {
        serde_json::to_string(&desired.present.iter().map(|c| &c.body).collect::<Vec<_>>())
    };
    assert_eq!(text(&built(&full())).unwrap(), text(&built(&full())).unwrap());
}

#[test]
fn services_lead_to_named_ports() {
    let desired = built(&full());
    let table = [
        ("rfs-cart", "sentinel", "sentinel", 26379, "sentinel", None),
        ("rfrm-cart", "redis", "redis", 6380, "redis", Some("master")),
        ("rfrs-cart", "redis", "redis", 6380, "redis", Some("slave")),
        ("rfr-cart", "redis", "http-metrics", 9121, "metrics", None),
    ];
    for (name, component, port_name, port, target, role) in table {
        let spec = &body(&desired, ChildKind::Service, name)["spec"];
        let port = json!([{"name": port_name, "port": port, "protocol": "TCP", "targetPort": target}]);
        assert_eq!(spec["ports"], port, "{name}");
        assert_eq!(spec["selector"]["app.kubernetes.io/name"], "cart");
        assert_eq!(spec["selector"]["app.kubernetes.io/component"], component);
        assert_eq!(spec["selector"]["app.kubernetes.io/part-of"], "redis-failover");
        assert_eq!(spec["selector"].get("redisfailovers-role").and_then(Value::as_str), role, "{name}");
        assert_eq!(spec["selector"].as_object().unwrap().len(), 3 + usize::from(role.is_some()));
        assert_eq!(spec["type"], "ClusterIP");
        assert_eq!(spec.get("clusterIP").and_then(Value::as_str), (name == "rfr-cart").then_some("None"));
    }
}

#[test]
fn service_annotations_go_to_the_services_of_their_component() {
    let mut valid = full();
    valid.redis.pod.service_annotations = map(&[("service", "s"), ("prometheus.io/path", "/own")]);
    let desired = built(&valid);
    for name in ["rfr-cart", "rfrm-cart", "rfrs-cart"] {
        assert_eq!(body(&desired, ChildKind::Service, name)["metadata"]["annotations"]["service"], "s");
    }
    assert!(
        body(&desired, ChildKind::Service, "rfs-cart")["metadata"]["annotations"].get("service").is_none()
    );
    let metrics = &body(&desired, ChildKind::Service, "rfr-cart")["metadata"]["annotations"];
    assert_eq!(metrics["prometheus.io/scrape"], "true");
    assert_eq!(metrics["prometheus.io/port"], "9121", "a port that exists");
    assert_eq!(metrics["prometheus.io/path"], "/own", "the user's value wins");
}

#[test]
fn a_budget_lets_one_pod_go() {
    let desired = built(&full());
    for (name, component) in [("rfr-cart", "redis"), ("rfs-cart", "sentinel")] {
        assert_eq!(
            body(&desired, ChildKind::PodDisruptionBudget, name)["spec"],
            json!({
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": {
                    "app.kubernetes.io/name": "cart",
                    "app.kubernetes.io/component": component,
                    "app.kubernetes.io/part-of": "redis-failover",
                }},
            })
        );
    }
}

#[test]
fn the_stateful_set_leaves_its_updates_to_the_operator() {
    let desired = built(&full());
    let spec = &stateful_set(&desired)["spec"];
    assert_eq!(spec["serviceName"], "rfr-cart");
    assert_eq!(spec["updateStrategy"], json!({"type": "OnDelete"}));
    assert_eq!(spec["podManagementPolicy"], "Parallel");
    assert_eq!(spec["replicas"], 3);
    assert_eq!(spec["selector"]["matchLabels"].as_object().unwrap().len(), 3);
}

#[test]
fn sentinels_are_replaced_one_by_one_and_never_too_many() {
    let desired = built(&full());
    let spec = &deployment(&desired)["spec"];
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})
    );
    assert_eq!(spec["replicas"], 3);
}

#[test]
fn claims_go_with_the_redis_failover_unless_they_are_kept() {
    let keeping = |keep| Storage::Claim { template: Box::new(claim(None)), keep };
    let table = [
        (Storage::EmptyDir(EmptyDirVolumeSource::default()), "Retain"),
        (keeping(false), "Delete"),
        (keeping(true), "Retain"),
    ];
    for (storage, deleted) in table {
        let mut valid = minimal();
        valid.redis.storage = storage;
        let desired = built(&valid);
        assert_eq!(
            stateful_set(&desired)["spec"]["persistentVolumeClaimRetentionPolicy"],
            json!({"whenDeleted": deleted, "whenScaled": "Retain"})
        );
    }
}

#[test]
fn the_claim_is_the_users() {
    let desired = built(&full());
    assert_eq!(
        stateful_set(&desired)["spec"]["volumeClaimTemplates"],
        json!([{
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "disk", "labels": {"tier": "data"}, "annotations": {"backup": "nightly"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }])
    );
    let mut valid = minimal();
    valid.redis.storage = Storage::Claim { template: Box::new(claim(None)), keep: true };
    let desired = built(&valid);
    assert_eq!(stateful_set(&desired)["spec"]["volumeClaimTemplates"][0]["metadata"]["name"], "redis-data");
    let emptydir = built(&minimal());
    assert!(stateful_set(&emptydir)["spec"].get("volumeClaimTemplates").is_none());
}
