//! What stands in the pods: containers, environment, mounts, volumes, probes.

use serde_json::{Value, json};

use super::*;

#[test]
fn containers_stand_in_the_known_order() {
    let desired = built(&full());
    let redis = pod(stateful_set(&desired));
    assert_eq!(each(&redis["containers"], "name"), ["redis", "redis-exporter", "beside"]);
    assert_eq!(each(&redis["initContainers"], "name"), ["prepare"]);
    let sentinel = pod(deployment(&desired));
    assert_eq!(each(&sentinel["containers"], "name"), ["sentinel", "sentinel-exporter", "beside"]);
    assert_eq!(each(&sentinel["initContainers"], "name"), ["sentinel-config-copy", "prepare"]);
}

#[test]
fn pod_labels_are_ours_alone() {
    let desired = built(&full());
    let base = |component: &str| {
        json!({
            "app.kubernetes.io/managed-by": "redis-operator",
            "app.kubernetes.io/name": "cart",
            "app.kubernetes.io/component": component,
            "app.kubernetes.io/part-of": "redis-failover",
            "component": component,
            "redisfailovers.storage.spotahome.com/name": "cart",
            "redisfailovers.storage.spotahome.com/uid": full().identity.uid,
        })
    };
    let mut redis = base("redis");
    redis["redisfailovers-role"] = json!("slave");
    let template = |workload: &Value| workload["spec"]["template"]["metadata"].clone();
    assert_eq!(
        template(stateful_set(&desired)),
        json!({"labels": redis, "annotations": {"pod": "p", (crate::desired::template::annotation()): desired.redis_template()}})
    );
    assert_eq!(template(deployment(&desired)), json!({"labels": base("sentinel")}));
}

#[test]
fn the_users_labels_and_annotations_restart_nothing() {
    let mut other = full();
    other.child_labels = map(&[("team", "b")]);
    other.identity.labels = map(&[("team", "b")]);
    other.identity.annotations = map(&[("note", "changed")]);
    other.redis.pod.service_annotations.clear();
    let (before, after) = (built(&full()), built(&other));
    assert_eq!(stateful_set(&before)["spec"], stateful_set(&after)["spec"]);
    assert_eq!(deployment(&before)["spec"], deployment(&after)["spec"]);
}

#[test]
fn neither_settings_nor_the_password_restart_anything() {
    let mut other = full();
    other.redis.config = directives(&[("hz", "50")]);
    other.sentinel.config = directives(&[("failover-timeout", "3000"), ("quorum", "3")]);
    let before = built(&full());
    let after = build(&other, &Passwords { redis: Some(password("another")), sentinel: None });
    assert_eq!(stateful_set(&before)["spec"], stateful_set(&after)["spec"]);
    assert_eq!(deployment(&before)["spec"], deployment(&after)["spec"]);
}

#[test]
fn redis_mounts_and_volumes_stand_in_the_known_order() {
    let mut valid = full();
    valid.redis.pod.extra_volume_mounts = vec![crate::desired::pod::mount("extra", "/extra")];
    valid.redis.pod.extra_volumes = vec![crate::desired::pod::config_volume("extra", "own".to_owned())];
    let desired = built(&valid);
    let redis = pod(stateful_set(&desired));
    let server = named(&redis["containers"], "redis");
    let mounts: Vec<_> = each(&server["volumeMounts"], "name")
        .into_iter()
        .zip(each(&server["volumeMounts"], "mountPath"))
        .collect();
    assert_eq!(
        mounts,
        [
            ("redis-config", "/redis"),
            ("redis-shutdown-config", "/redis-shutdown"),
            ("redis-readiness-config", "/redis-readiness"),
            ("disk", "/data"),
            ("redis-custom-config", "/redis-custom"),
            ("redis-auth", "/redis-auth"),
            ("redis-startup-config", "/redis-startup"),
            ("extra", "/extra"),
        ]
    );
    assert!(!server.to_string().contains("subPath"), "a file mounted by subPath never changes");
    let script = |name: &str| json!({"name": name, "defaultMode": 0o744});
    let volumes = &redis["volumes"];
    assert_eq!(
        volumes,
        &json!([
            {"name": "redis-config", "configMap": {"name": "rfr-cart"}},
            {"name": "redis-shutdown-config", "configMap": script("rfr-s-cart")},
            {"name": "redis-readiness-config", "configMap": script("rfr-readiness-cart")},
            {"name": "redis-custom-config", "configMap": {"name": "rfr-custom-cart"}},
            {"name": "redis-auth",
             "secret": {"secretName": "rfr-auth-cart", "defaultMode": 0o440, "optional": true}},
            {"name": "redis-startup-config", "configMap": script("slow-start")},
            {"name": "extra", "configMap": {"name": "own"}},
        ])
    );
}

#[test]
fn data_lives_in_an_empty_dir_without_a_claim() {
    let desired = built(&minimal());
    let redis = pod(stateful_set(&desired));
    assert_eq!(named(&redis["volumes"], "redis-data"), &json!({"name": "redis-data", "emptyDir": {}}));
    assert_eq!(redis["volumes"].as_array().unwrap().last().unwrap()["name"], "redis-data");
    assert_eq!(named(&redis["containers"][0]["volumeMounts"], "redis-data")["mountPath"], "/data");
}

#[test]
fn sentinel_mounts_and_volumes() {
    let desired = built(&full());
    let sentinel = pod(deployment(&desired));
    assert_eq!(
        sentinel["volumes"],
        json!([
            {"name": "sentinel-config", "configMap": {"name": "rfs-cart"}},
            {"name": "sentinel-config-writable", "emptyDir": {}},
            {"name": "sentinel-startup-config", "configMap": {"name": "slow-start", "defaultMode": 0o744}},
        ])
    );
    assert_eq!(
        named(&sentinel["containers"], "sentinel")["volumeMounts"],
        json!([
            {"name": "sentinel-config-writable", "mountPath": "/redis"},
            {"name": "sentinel-startup-config", "mountPath": "/sentinel-startup"},
        ])
    );
    let copy = named(&sentinel["initContainers"], "sentinel-config-copy");
    assert_eq!(
        copy["volumeMounts"],
        json!([
            {"name": "sentinel-config", "mountPath": "/redis"},
            {"name": "sentinel-config-writable", "mountPath": "/redis-writable"},
        ])
    );
    let amounts = json!({"cpu": "10m", "memory": "32Mi"});
    assert_eq!(copy["resources"], json!({"requests": amounts, "limits": amounts}));
}

#[test]
fn environment_in_the_known_order() {
    let desired = built(&full());
    let redis = pod(stateful_set(&desired));
    let env = |list: &str, name: &str| each(&named(&redis[list], name)["env"], "name");
    let exporter = ["REDIS_ALIAS", "REDIS_ADDR", "REDIS_PORT", "REDIS_USER", "REDIS_PASSWORD"];
    assert_eq!(env("containers", "redis-exporter"), exporter);
    assert_eq!(env("containers", "redis")[..4], exporter[1..]);
    assert_eq!(env("containers", "redis")[4..], ["POD_IP", "MASTER_NAME", "SENTINEL_HOST", "STOP_SECONDS"]);
    // These two set REDIS_USER themselves.
    let given = ["REDIS_USER", "REDIS_ADDR", "REDIS_PORT", "REDIS_PASSWORD"];
    assert_eq!(env("initContainers", "prepare"), given);
    assert_eq!(env("containers", "beside"), given);
    let own = named(&named(&redis["containers"], "beside")["env"], "REDIS_USER");
    assert_eq!(own["value"], "mine", "the user's value stays");

    let server = &named(&redis["containers"], "redis")["env"];
    assert_eq!(named(server, "REDIS_ADDR")["value"], "redis://127.0.0.1:6380");
    assert_eq!(named(server, "REDIS_PORT")["value"], "6380");
    assert_eq!(named(server, "REDIS_USER")["value"], "default");
    assert_eq!(
        named(server, "REDIS_PASSWORD")["valueFrom"],
        json!({"secretKeyRef": {"name": "rfr-auth-cart", "key": "password"}})
    );
    assert_eq!(named(server, "POD_IP")["valueFrom"]["fieldRef"]["fieldPath"], "status.podIP");
    assert_eq!(named(server, "SENTINEL_HOST")["value"], "rfs-cart");
    assert_eq!(named(server, "STOP_SECONDS")["value"], "30");
}

#[test]
fn sentinel_environment() {
    let desired = built(&full());
    let sentinel = pod(deployment(&desired));
    assert_eq!(
        named(&sentinel["containers"], "sentinel-exporter")["env"],
        json!([
            {"name": "REDIS_ALIAS", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "REDIS_EXPORTER_WEB_LISTEN_ADDRESS", "value": "0.0.0.0:9355"},
            {"name": "REDIS_ADDR", "value": "redis://127.0.0.1:26379"},
        ])
    );
    assert_eq!(each(&named(&sentinel["containers"], "beside")["env"], "name"), ["REDIS_USER"]);
    assert!(named(&sentinel["containers"], "sentinel").get("env").is_none());
}

#[test]
fn without_a_password_nothing_asks_for_one() {
    let desired = built(&minimal());
    assert!(!stateful_set(&desired).to_string().contains("REDIS_PASSWORD"));
}

#[test]
fn ports_have_names() {
    let desired = built(&full());
    let table = [
        (stateful_set(&desired), "redis", "redis", 6380),
        (stateful_set(&desired), "redis-exporter", "metrics", 9121),
        (deployment(&desired), "sentinel", "sentinel", 26379),
        (deployment(&desired), "sentinel-exporter", "metrics", 9355),
    ];
    for (workload, container, name, port) in table {
        assert_eq!(
            named(&pod(workload)["containers"], container)["ports"],
            json!([{"name": name, "containerPort": port, "protocol": "TCP"}])
        );
    }
}

#[test]
fn commands_and_stop() {
    let desired = built(&full());
    let redis = named(&pod(stateful_set(&desired))["containers"], "redis");
    assert_eq!(redis["command"], json!(["/bin/sh", "/redis/start.sh"]));
    assert_eq!(
        redis["lifecycle"],
        json!({"preStop": {"exec": {"command": ["/bin/sh", "/redis-shutdown/shutdown.sh"]}}})
    );
    assert_eq!(pod(stateful_set(&desired))["terminationGracePeriodSeconds"], 30);
    let sentinel = named(&pod(deployment(&desired))["containers"], "sentinel");
    assert_eq!(sentinel["command"], json!(["redis-server", "/redis/sentinel.conf", "--sentinel"]));
    assert!(pod(deployment(&desired)).get("terminationGracePeriodSeconds").is_none());
}

#[test]
fn probes_ask_early_and_often_but_kill_late() {
    let desired = built(&full());
    let times = |probe: &Value| {
        ["initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold"]
            .map(|field| probe[field].as_i64())
    };
    let redis = named(&pod(stateful_set(&desired))["containers"], "redis");
    let sentinel = named(&pod(deployment(&desired))["containers"], "sentinel");
    assert_eq!(times(&redis["readinessProbe"]), [None, Some(2), Some(5), Some(1)]);
    assert_eq!(times(&sentinel["readinessProbe"]), [None, Some(5), Some(5), Some(1)]);
    for container in [redis, sentinel] {
        assert_eq!(times(&container["livenessProbe"]), [30, 15, 5, 6].map(Some));
        assert_eq!(times(&container["startupProbe"]), [30, 15, 5, 6].map(Some));
    }
    let command = |probe: &Value| probe["exec"]["command"].clone();
    assert_eq!(command(&redis["readinessProbe"]), json!(["/bin/sh", "/redis-readiness/ready.sh"]));
    assert_eq!(command(&redis["startupProbe"]), json!(["/bin/sh", "/redis-startup/startup.sh"]));
    assert_eq!(command(&sentinel["startupProbe"]), json!(["/bin/sh", "/sentinel-startup/startup.sh"]));
    let plain = built(&minimal());
    assert!(pod(stateful_set(&plain))["containers"][0].get("startupProbe").is_none());
}

#[test]
fn pods_spread_over_nodes() {
    let desired = built(&minimal());
    for (workload, component) in [(stateful_set(&desired), "redis"), (deployment(&desired), "sentinel")] {
        assert_eq!(
            pod(workload)["affinity"],
            json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
                "weight": 100,
                "podAffinityTerm": {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {
                        "app.kubernetes.io/name": "cart",
                        "app.kubernetes.io/component": component,
                        "app.kubernetes.io/part-of": "redis-failover",
                    }},
                },
            }]}})
        );
    }
}
