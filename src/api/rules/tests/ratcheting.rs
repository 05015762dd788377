//! What was stored before a rule existed is not held up by it: every refusal of the catalogue, as the webhook gives it.

use webhook::{Admit, Request, Verdict as Answer};

use super::super::catalogue::{x4, x16, x256};
use super::catalogue::{rules, yaml};
use super::*;
use crate::admission::Admission;

/// For each rule, how its field can be changed to another bad value. None for what no update can change.
const WORSE: &[(&str, &str)] = &[
    ("name-too-long", ""),
    ("name-with-dot", ""),
    ("reference-not-a-name", "auth: {secretPath: Other_Password}"),
    ("label-whitelist-not-a-regex", "labelWhitelist: ['owner-(']"),
    ("zero-replicas", "redis: {replicas: -1}"),
    ("port-out-of-range", "redis: {port: 70001}"),
    ("port-of-sentinel", "redis: {port: 0}"),
    ("port-of-exporter", "redis: {port: 9121, exporter: {enabled: true, args: [--debug]}}"),
    ("termination-grace-period-zero", "redis: {terminationGracePeriod: -1}"),
    ("pull-policy", "redis: {imagePullPolicy: Rarely}"),
    ("not-an-image", "redis: {image: ''}"),
    ("bootstrap-node", "bootstrapNode: {host: other.example.com}"),
    ("sentinel-master-name", "sentinel: {masterName: ''}"),
    ("sentinel-master-name-changed", ""),
    ("too-many-entries", concat!("redis: {customConfig: [", x256!("hz 20, "), "hz 20]}")),
    ("entry-too-long", concat!("redis: {customConfig: [proc-title-template ", x256!("LONG"), "]}")),
    ("malformed-option", "redis: {customConfig: [hz]}"),
    ("owned-option", "redis: {customConfig: [port 7001]}"),
    ("fixed-option", "redis: {customConfig: [io-threads 8]}"),
    ("option-value", "sentinel: {customConfig: [parallel-syncs many]}"),
    ("duplicate-option", "redis: {customConfig: [save 900 1, save 60 10]}"),
    ("sentinel-long-form", "sentinel: {customConfig: [sentinel down-after-milliseconds mymaster 3000]}"),
    ("sentinel-quorum-too-high", "sentinel: {customConfig: [quorum 5]}"),
    ("rename-of-nothing", "redis: {customCommandRenames: [{to: fast-keys}]}"),
    ("rename-odd-characters", "redis: {customCommandRenames: [{from: KEYS, to: 'a b'}]}"),
    ("rename-subcommand", "redis: {customCommandRenames: [{from: OBJECT|HELP, to: ''}]}"),
    ("rename-needed-command", "redis: {customCommandRenames: [{from: INFO, to: ''}]}"),
    ("rename-twice", "redis: {customCommandRenames: [{from: KEYS, to: a}, {from: keys, to: b}]}"),
    ("rename-to-existing-command", "redis: {customCommandRenames: [{from: KEYS, to: get}]}"),
    (
        "storage-claim-and-empty-dir",
        "redis: {storage: {emptyDir: {sizeLimit: 1Gi}, persistentVolumeClaim: {metadata: {name: data}, \
         spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
    ),
    (
        "storage-claim-without-size",
        "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, \
         spec: {accessModes: [ReadWriteMany]}}}}",
    ),
    (
        "storage-claim-size-not-a-quantity",
        "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, \
         spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 2gb}}}}}}",
    ),
    (
        "storage-claim-access-modes",
        "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, \
         spec: {accessModes: [Often], resources: {requests: {storage: 1Gi}}}}}}",
    ),
    (
        "storage-claim-volume-mode",
        "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, \
         spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, volumeMode: Raw}}}}",
    ),
    (
        "storage-claim-name",
        "redis: {storage: {persistentVolumeClaim: {metadata: {name: My_Other}, \
         spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
    ),
    ("storage-claim-removed", ""),
    ("storage-claim-added", ""),
    ("storage-claim-class", ""),
    ("storage-claim-renamed", ""),
    ("storage-claim-shrunk", ""),
    ("storage-claim-grown", ""),
    ("storage-claim-changed", ""),
    ("not-a-quantity", "redis: {resources: {limits: {memory: 2gb}}}"),
    ("request-above-limit", "redis: {resources: {requests: {memory: 2Gi}, limits: {memory: 512Mi}}}"),
    ("unknown-resource", "redis: {resources: {limits: {mem: 2Gi}}}"),
    ("toleration", "redis: {tolerations: [{key: dedicated, operator: Same}]}"),
    (
        "spread-constraint",
        "redis: {topologySpreadConstraints: [{maxSkew: -1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]}",
    ),
    ("label-or-annotation", "redis: {podAnnotations: {'my key': b}}"),
    ("dns-policy", "redis: {dnsPolicy: Always}"),
    ("probe", "redis: {customLivenessProbe: {periodSeconds: 6}}"),
    ("container-name", "redis: {extraContainers: [{name: redis, image: 'busybox:2'}]}"),
    ("container-without-image", "redis: {extraContainers: [{name: other}]}"),
    ("volume-name", "redis: {extraVolumes: [{name: redis-auth, emptyDir: {}}]}"),
    ("volume-source", "redis: {extraVolumes: [{name: scratch, emptyDir: {}, configMap: {name: b}}]}"),
    ("mount-of-unknown-volume", "redis: {extraVolumeMounts: [{name: other, mountPath: /scratch}]}"),
    (
        "mount-path",
        "redis: {extraVolumes: [{name: scratch, emptyDir: {}}], \
         extraVolumeMounts: [{name: scratch, mountPath: /redis/}]}",
    ),
    ("env-name", "redis: {exporter: {enabled: true, env: [{name: ''}]}}"),
];

fn object(rule: &Rule, spec: Value) -> Value {
    let name = if rule.example.name.is_empty() { "x" } else { rule.example.name };
    json!({"apiVersion": "storage.spotahome.com/v1", "kind": "RedisFailover", "metadata": {"name": name}, "spec": spec})
}

fn request(operation: &str, old: Option<&Value>, new: &Value) -> Request<'static> {
    let text = json!({
        "uid": "1",
        "kind": {"group": "storage.spotahome.com", "version": "v1", "kind": "RedisFailover"},
        "operation": operation,
        "object": new,
        "oldObject": old,
    });
    serde_json::from_str(text.to_string().leak()).unwrap()
}

/// What both webhooks say of it.
fn refusal(request: &Request<'_>) -> Option<String> {
    let admission = Admission::default();
    let answers = [admission.mutate(request), admission.validate(request)];
    answers.into_iter().find_map(|answer| match answer {
        Answer::Deny { message, .. } => Some(message),
        Answer::Allow { .. } => None,
    })
}

#[track_caller]
fn passes(rule: &Rule, what: &str, old: &Value, new: &Value) {
    assert_eq!(refusal(&request("UPDATE", Some(old), new)), None, "{}: {what}", rule.id);
}

/// Changes of a stored object that have nothing to do with any rule.
const ELSEWHERE: [(&str, &str, &str); 8] = [
    ("a label", "/metadata/labels", "{a: b}"),
    ("an annotation", "/metadata/annotations", "{a: b}"),
    ("a finalizer", "/metadata/finalizers", "[a.example.com/b]"),
    ("its deletion", "/metadata/deletionTimestamp", "'2026-01-01T00:00:00Z'"),
    ("its scale", "/spec/redis/replicas", "5"),
    ("the number of Sentinels", "/spec/sentinel/replicas", "2"),
    ("the other servers", "/spec/sentinel/disablePodDisruptionBudget", "true"),
    ("a field beside", "/spec/redis/disablePodDisruptionBudget", "true"),
];

fn set(object: &mut Value, path: &str, value: Value) {
    let mut keys: Vec<_> = path.split('/').skip(1).collect();
    let last = keys.pop().unwrap();
    let parent = keys.into_iter().fold(object, |object, key| &mut object[key]);
    parent[last] = value;
}

fn refusals() -> impl Iterator<Item = &'static Rule> {
    rules().filter(|rule| rule.severity == Severity::Refuse)
}

#[test]
fn a_stored_object_that_breaks_a_rule_can_change_elsewhere_and_leave() {
    for rule in refusals().filter(|rule| rule.example.before.is_empty()) {
        let stored = object(rule, yaml(rule.example.bad));
        assert!(refusal(&request("CREATE", None, &stored)).is_some(), "{}", rule.id);
        for (what, path, value) in ELSEWHERE {
            let mut changed = stored.clone();
            set(&mut changed, path, yaml(value));
            passes(rule, what, &stored, &changed);
        }
        let mut scale = request("UPDATE", Some(&stored), &stored);
        scale.sub_resource = Some("scale".into());
        assert_eq!(refusal(&scale), None, "{}: the scale subresource", rule.id);
        assert_eq!(refusal(&request("DELETE", Some(&stored), &Value::Null)), None, "{}: a deletion", rule.id);
    }
}

#[test]
fn defaults_that_are_filled_later_are_no_change() {
    for rule in refusals().filter(|rule| rule.example.before.is_empty()) {
        let stored = object(rule, yaml(rule.example.bad));
        let mut filled = stored.clone();
        defaults::fill(&mut filled["spec"], &Images::default());
        passes(rule, "filled defaults", &stored, &filled);
    }
}

#[test]
fn a_broken_field_can_be_mended_and_not_be_broken_otherwise() {
    assert_eq!(
        refusals().map(|rule| rule.id).collect::<Vec<_>>(),
        WORSE.iter().map(|(id, _)| *id).collect::<Vec<_>>()
    );
    for (rule, (_, worse)) in refusals().zip(WORSE) {
        let [before, bad, good] = [rule.example.before, rule.example.bad, rule.example.good]
            .map(|text| object(rule, if text.is_empty() { json!({}) } else { yaml(text) }));
        if !rule.example.before.is_empty() {
            let text = refusal(&request("UPDATE", Some(&before), &bad));
            assert!(text.is_some(), "{}: the update", rule.id);
            passes(rule, "another update", &before, &good);
            continue;
        }
        passes(rule, "the mended spec", &bad, &good);
        if rule.example.name.is_empty() {
            assert!(
                refusal(&request("UPDATE", Some(&good), &bad)).is_some(),
                "{}: a fault that is new",
                rule.id
            );
            let worse = object(rule, yaml(worse));
            let text = refusal(&request("UPDATE", Some(&bad), &worse));
            assert!(text.is_some(), "{}: another fault", rule.id);
        }
    }
}
