//! Labels and metadata of the children and of their pods.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

pub use crate::api::selector::{Component, selector};
use crate::api::{FIELD_MANAGER, GROUP, Identity, PLURAL, ROLE_LABEL, Valid};

/// Value of the role label on every new redis pod, and on every pod that is not the master.
pub const ROLE_REPLICA: &str = "slave";
/// Value of the role label on the master's pod.
pub const ROLE_MASTER: &str = "master";

/// Whether an annotation of the user's object speaks of that object alone: all of ours do.
fn is_own(annotation: &str) -> bool {
    annotation == "kubectl.kubernetes.io/last-applied-configuration"
        || annotation.split_once('/').is_some_and(|(prefix, _)| prefix == GROUP)
}

type Map = BTreeMap<String, String>;

fn map<const N: usize>(pairs: [(&str, &str); N]) -> Map {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Name of the label that holds the name of the `RedisFailover`.
#[must_use]
pub fn name_label() -> String {
    format!("{PLURAL}.{GROUP}/name")
}

/// Name of the label on pods that holds the unique id of the `RedisFailover`: pods of a deleted one that are still there
/// are not those of a new one of the same name.
#[must_use]
pub fn uid_label() -> String {
    format!("{PLURAL}.{GROUP}/uid")
}

/// The same as a selector of the typed kind.
pub(super) fn label_selector(name: &str, component: Component) -> LabelSelector {
    LabelSelector { match_labels: Some(selector(name, component)), ..LabelSelector::default() }
}

/// What every child and every pod carries: the selector's labels, who manages it, and the plain `component`.
fn base(name: &str, component: Component) -> Map {
    let mut labels = selector(name, component);
    labels.extend(map([
        ("app.kubernetes.io/managed-by", FIELD_MANAGER),
        ("component", component.as_str()),
        (&name_label(), name),
    ]));
    labels
}

/// Labels of a pod. The user's own are not among them: a change of those would restart every server.
pub(super) fn pod(identity: &Identity, component: Component) -> Map {
    let mut labels = base(&identity.name, component);
    labels.insert(uid_label(), identity.uid.clone());
    if component == Component::Redis {
        labels.insert(ROLE_LABEL.to_owned(), ROLE_REPLICA.to_owned());
    }
    labels
}

/// Metadata of a child: the user's labels below ours, which the operator finds its children by.
pub(super) fn metadata(valid: &Valid, component: Component, child: String) -> ObjectMeta {
    let identity = &valid.identity;
    let mut labels = valid.child_labels.clone();
    labels.extend(base(&identity.name, component));
    let mut annotations = identity.annotations.clone();
    annotations.retain(|key, _| !is_own(key));
    ObjectMeta {
        name: Some(child),
        namespace: Some(identity.namespace.clone()),
        labels: Some(labels),
        annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
        owner_references: Some(vec![identity.owner()]),
        ..ObjectMeta::default()
    }
}
