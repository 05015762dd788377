//! A mark on the pod template of the redis servers, by which a pod shows whether it runs what the spec says today.

use serde_json::Value;

use super::{ChildKind, Desired};
use crate::api::GROUP;

/// The pod template in the `StatefulSet`.
const TEMPLATE: &str = "/spec/template";

/// Name of the annotation on redis pods.
#[must_use]
pub fn annotation() -> String {
    format!("{GROUP}/template")
}

impl Desired {
    /// Marks the pod template of the redis servers with a digest of all that they take up at their start only: the
    /// template itself and redis.conf, not the scripts beside it, which the kubelet renews in running pods.
    pub(super) fn mark_template(&mut self) {
        let text = |kind: ChildKind, path: &str| {
            let child = self.present.iter().find(|child| child.kind == kind);
            child.and_then(|child| child.body.pointer(path)).map(Value::to_string).unwrap_or_default()
        };
        // The first ConfigMap is that of redis.conf: see `build`.
        let file = text(ChildKind::ConfigMap, "/data/redis.conf");
        let start = format!("{}{file}", text(ChildKind::StatefulSet, TEMPLATE));
        let digest = ring::digest::digest(&ring::digest::SHA256, start.as_bytes());
        let mark = digest.as_ref().iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        let set = self.present.iter_mut().find(|child| child.kind == ChildKind::StatefulSet);
        if let Some(template) = set.and_then(|set| set.body.pointer_mut(TEMPLATE)) {
            template["metadata"]["annotations"][annotation()] = Value::String(format!("{mark:016x}"));
        }
    }

    /// Holds back a new pod template of the Sentinels: they are not replaced while redis pods are.
    pub fn hold_sentinels(&mut self) {
        let sentinels = self.present.iter_mut().find(|child| child.kind == ChildKind::Deployment);
        if let Some(spec) = sentinels.and_then(|child| child.body.pointer_mut("/spec")) {
            spec["paused"] = Value::Bool(true);
        }
    }

    /// The mark of the redis servers' pod template.
    #[must_use]
    pub fn redis_template(&self) -> Option<String> {
        let set = self.present.iter().find(|child| child.kind == ChildKind::StatefulSet)?;
        set.body.pointer(TEMPLATE)?["metadata"]["annotations"][annotation()].as_str().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::heal::tests::world::valid;
    use crate::secret::Passwords;

    fn mark(spec: serde_json::Value) -> String {
        crate::desired::build(&valid(spec), &Passwords::default()).redis_template().unwrap()
    }

    #[test]
    fn sentinels_are_held_by_a_pause_and_nothing_else() {
        let free = crate::desired::build(&valid(json!({})), &crate::secret::Passwords::default());
        let mut held = free.clone();
        held.hold_sentinels();
        let changed: Vec<_> =
            free.present.iter().zip(&held.present).filter(|(one, other)| one != other).collect();
        let [(before, after)] = changed[..] else { panic!("{changed:?}") };
        let mut wanted = before.body.clone();
        wanted["spec"]["paused"] = json!(true);
        assert_eq!((&wanted, after.kind), (&after.body, crate::desired::ChildKind::Deployment));
    }

    #[test]
    fn what_needs_a_restart_changes_the_mark_and_nothing_else_does() {
        let plain = mark(json!({}));
        assert_eq!(
            plain,
            mark(json!({"redis": {"replicas": 5, "customConfig": ["hz 50"]}, "sentinel": {"replicas": 5}}))
        );
        assert_eq!(plain, mark(json!({"auth": {"sentinelSecretPath": "secret"}})), "another start.sh");
        for spec in [
            json!({"redis": {"image": "redis:9"}}),
            json!({"redis": {"customCommandRenames": [{"from": "KEYS", "to": "K"}]}}),
            json!({"redis": {"port": 7000}}),
        ] {
            assert_ne!(plain, mark(spec.clone()), "{spec}");
        }
    }
}
