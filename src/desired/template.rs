//! A mark on the pod template of the redis servers, by which a pod shows whether it runs what the spec says today.

use serde_json::Value;

use super::{ChildKind, Desired};
use crate::api::GROUP;

/// Where the mark stands in the `StatefulSet`.
const ANNOTATIONS: &str = "/spec/template/metadata/annotations";

/// Name of the annotation on redis pods.
#[must_use]
pub fn annotation() -> String {
    format!("{GROUP}/template")
}

impl Desired {
    /// Marks the pod template of the redis servers with a digest of itself.
    pub(super) fn mark_template(&mut self) {
        let set = self
            .present
            .iter_mut()
            .find(|child| child.kind == ChildKind::StatefulSet);
        let Some(template) = set.and_then(|set| set.body.pointer_mut("/spec/template")) else {
            return;
        };
        let digest = ring::digest::digest(&ring::digest::SHA256, template.to_string().as_bytes());
        let start = digest
            .as_ref()
            .iter()
            .take(8)
            .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        template["metadata"]["annotations"][annotation()] = Value::String(format!("{start:016x}"));
    }

    /// The mark of the redis servers' pod template.
    #[must_use]
    pub fn redis_template(&self) -> Option<String> {
        let set = self
            .present
            .iter()
            .find(|child| child.kind == ChildKind::StatefulSet)?;
        set.body
            .pointer(ANNOTATIONS)?
            .get(annotation())?
            .as_str()
            .map(str::to_owned)
    }
}
