//! What pods are made of.

use super::*;

/// Fields of a pod as YAML on one line.
fn yaml(fields: &str) -> Value {
    catalogue::yaml(&format!("{{{fields}}}"))
}

#[rstest]
#[case("resources: {limits: {cpu: 500m, memory: 1Gi, example.com/gpu: 1}, requests: {cpu: 0.5}}")]
#[case("resources: {limits: {hugepages-2Mi: 4Mi, ephemeral-storage: 1G}}")]
#[case("resources: {limits: {cpu: 300m}, requests: {cpu: 0.3}}")]
#[case("tolerations: [{operator: Exists}, {key: a, effect: NoExecute, tolerationSeconds: 5}]")]
#[case("tolerations: [{key: example.com/cores, operator: Gt, value: '4'}]")]
#[case("tolerations: [{key: a, value: b, effect: ''}]")]
#[case("nodeSelector: {kubernetes.io/arch: amd64, disk: ''}")]
#[case("podAnnotations: {Example.com/A_b.c: 'any text, also: this'}")]
#[case("dnsPolicy: ''")]
#[case("customReadinessProbe: {exec: {command: [a]}, successThreshold: 2}")]
#[case("customStartupProbe: {httpGet: {port: 1}, terminationGracePeriodSeconds: 5}")]
#[case("extraContainers: [{name: redis-exporter, image: a}, {name: sentinel-exporter, image: b}]")]
#[case(
    "extraContainers: [{name: a, image: a, volumeMounts: [{name: v, mountPath: /redis}]}], extraVolumes: [{name: v, emptyDir: {}}]"
)]
#[case(
    "extraVolumes: [{name: v, emptyDir: {}}], extraVolumeMounts: [{name: v, mountPath: /data/a}, {name: v, mountPath: /b}]"
)]
#[case("exporter: {enabled: true, env: [{name: A.b-c d}, {name: REDIS_ADDR, value: x}]}")]
fn accepted_for_both(#[case] pod: &str) {
    accepts(json!({"redis": yaml(pod), "sentinel": yaml(pod)}));
}

#[rstest]
#[case("resources: {limits: {cpu: -1}}", "resources.limits.cpu", "is not a quantity")]
#[case(
    "resources: {limits: {cpu: 1, memory: 1Gi}, requests: {memory: 1025Mi}}",
    "resources.requests.memory",
    "is more than the limit of 1Gi"
)]
#[case(
    "exporter: {enabled: true, resources: {limits: {cpus: 1}}}",
    "exporter.resources.limits",
    "is not a resource"
)]
#[case(
    "tolerations: [{operator: Exists, value: a}]",
    "tolerations[0].value",
    "does not go with the operator Exists"
)]
#[case("tolerations: [{operator: Equal}]", "tolerations[0].operator", "does not go without a key")]
#[case("tolerations: [{key: a b, operator: Exists}]", "tolerations[0].key", "cannot be the key")]
#[case("tolerations: [{key: a, value: b c}]", "tolerations[0].value", "cannot be the value")]
#[case("tolerations: [{key: a, effect: Evict}]", "tolerations[0].effect", "choose one of NoSchedule")]
#[case("tolerations: [{key: a, tolerationSeconds: 3}]", "tolerations[0].effect", "write NoExecute")]
#[case(
    "topologySpreadConstraints: [{maxSkew: 1, topologyKey: '', whenUnsatisfiable: ScheduleAnyway}]",
    "topologySpreadConstraints[0].topologyKey",
    "is missing"
)]
#[case(
    "topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: Never}]",
    "topologySpreadConstraints[0].whenUnsatisfiable",
    "DoNotSchedule"
)]
#[case("nodeSelector: {a: b c}", "nodeSelector", "cannot be the value of \"a\"")]
#[case("nodeSelector: {Example.com/a: b}", "nodeSelector", "cannot be a key")]
#[case("serviceAnnotations: {/a: b}", "serviceAnnotations", "cannot be a key")]
#[case(
    "customLivenessProbe: {exec: {command: [a]}, tcpSocket: {port: 1}}",
    "customLivenessProbe",
    "exactly one way"
)]
#[case(
    "customLivenessProbe: {exec: {command: [a]}, successThreshold: 2}",
    "customLivenessProbe.successThreshold",
    "only for readiness"
)]
#[case(
    "customStartupProbe: {exec: {command: [a]}, periodSeconds: -1}",
    "customStartupProbe.periodSeconds",
    "is below 0"
)]
#[case(
    "customReadinessProbe: {exec: {command: [a]}, terminationGracePeriodSeconds: 1}",
    "customReadinessProbe.terminationGracePeriodSeconds",
    "is not for readiness"
)]
#[case(
    "extraContainers: [{name: A, image: a}]",
    "extraContainers[0].name",
    "cannot be the name of a container"
)]
#[case(
    "extraContainers: [{name: a, image: a}], initContainers: [{name: a, image: a}]",
    "initContainers[0].name",
    "is the name of another"
)]
#[case(
    "extraVolumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]",
    "extraVolumes[1].name",
    "is the name of another"
)]
#[case(
    "extraVolumes: [{name: v, emptyDir: {}, hostPath: {path: /a}}]",
    "extraVolumes[0]",
    "more than one source"
)]
#[case(
    "initContainers: [{name: a, image: a, volumeMounts: [{name: v, mountPath: /v}]}]",
    "initContainers[0].volumeMounts[0].name",
    "is not a volume of the pod"
)]
#[case(
    "extraVolumes: [{name: v, emptyDir: {}}], extraVolumeMounts: [{name: v, mountPath: /redis/}]",
    "extraVolumeMounts[0].mountPath",
    "another volume is mounted"
)]
#[case(
    "extraContainers: [{name: a, image: a, env: [{name: X}, {name: X}]}]",
    "extraContainers[0].env[1].name",
    "is set twice"
)]
fn refused_for_both(#[case] pod: &str, #[case] field: &str, #[case] text: &str) {
    for part in ["redis", "sentinel"] {
        refuses(json!({part: yaml(pod)}), &format!("spec.{part}.{field}"), text);
    }
}

#[test]
fn names_are_taken_only_where_they_are_used() {
    let with = |redis: Value| json!({"redis": redis});
    let container = json!([{"name": "redis-exporter", "image": "a"}]);
    let both = json!({"exporter": {"enabled": true}, "extraContainers": container});
    refuses(with(both), "spec.redis.extraContainers[0].name", "of the operator's");
    let volume = |name: &str| json!([{"name": name, "emptyDir": {}}]);
    accepts(with(json!({"extraVolumes": volume("redis-startup-config")})));
    let both = json!({"startupConfigMap": "a", "extraVolumes": volume("redis-startup-config")});
    refuses(with(both), "spec.redis.extraVolumes[0].name", "of the operator's");
    refuses(
        with(json!({"extraVolumes": volume("redis-data")})),
        "spec.redis.extraVolumes[0].name",
        "another",
    );
    let storage = json!({"persistentVolumeClaim": claim(json!("1Gi"))});
    accepts(with(json!({"storage": storage, "extraVolumes": volume("redis-data")})));
    refuses(
        with(json!({"storage": storage, "extraVolumes": volume("data")})),
        "spec.redis.extraVolumes[0].name",
        "another",
    );
}

#[test]
fn a_claim_cannot_have_the_name_of_a_volume_of_the_operators() {
    let path = "spec.redis.storage.persistentVolumeClaim.metadata.name";
    let of = |name: &str, others: Value| {
        let mut claim = claim(json!("1Gi"));
        claim["metadata"]["name"] = json!(name);
        let mut redis = json!({"storage": {"persistentVolumeClaim": claim}});
        redis.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        json!({"redis": redis})
    };
    for (name, _) in own::REDIS.volumes {
        refuses(of(name, json!({})), path, "is the name of a volume of the operator's; choose another");
    }
    accepts(of("redis-startup-config", json!({})));
    let both = || of("redis-startup-config", json!({"startupConfigMap": "a"}));
    refuses(both(), path, "is the name of a volume of the operator's");
    let added = check("x", &spec(both()), Some(&spec(of("redis-startup-config", json!({})))));
    assert_eq!(added.problems.len(), 1, "the script was added");
    let stored = of("redis-auth", json!({}));
    let scaled = check("x", &spec(of("redis-auth", json!({"replicas": 5}))), Some(&spec(stored)));
    assert_eq!((scaled.problems.len(), scaled.warnings.len()), (0, 1), "it was stored before");
}

/// Keys have dots, so the comparison is of the field as a whole.
#[test]
fn a_change_of_a_key_with_dots_is_seen() {
    let limits = |amount: &str| json!({"redis": {"resources": {"limits": {"example.com/gpu": amount}}}});
    let verdict = |new: &str, old: &str| check("x", &spec(limits(new)), Some(&spec(limits(old))));
    assert_eq!(verdict("a", "1").problems.len(), 1);
    assert_eq!(verdict("a", "a").problems, []);
    let selector = |key: &str| spec(json!({"redis": {"nodeSelector": {key: "a"}}}));
    assert_eq!(check("x", &selector("a.b/c d"), Some(&selector("a.b/c"))).problems.len(), 1);
}
