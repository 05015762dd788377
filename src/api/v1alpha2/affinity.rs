//! The two wishes of the early API about nodes, as the affinity of both components.

use serde_json::{Value, json};

use super::fields::{Fields, field, put};
use crate::api::selector::{Component, selector};

/// Both components, with the field of each in a spec.
const COMPONENTS: [(&str, Component); 2] = [("redis", Component::Redis), ("sentinel", Component::Sentinel)];

/// Writes the affinities; without a wish, the default one holds, which spreads pods where it can.
pub(super) fn up(early: &Fields, stored: &mut Fields, name: &str) {
    let hard = early.get("hardAntiAffinity") == Some(&Value::Bool(true));
    let node = early.get("nodeAffinity").filter(|node| node.is_object());
    if !hard && node.is_none() {
        return;
    }
    for (part, component) in COMPONENTS {
        let avoided = if hard { apart(name, component) } else { spread(name, component) };
        let mut affinity = json!({"podAntiAffinity": avoided});
        if let Some(node) = node {
            affinity["nodeAffinity"] = node.clone();
        }
        put(stored, part, "affinity", affinity);
    }
}

/// Reads the wishes out of affinities, as far as both components have the same.
pub(super) fn down(stored: &Fields, early: &mut Fields, name: &str) {
    let of = |part: &str, key: &str| field(stored, part, "affinity")?.get(key);
    let hard = |(part, component): (&str, Component)| {
        of(part, "podAntiAffinity").is_some_and(|found| *found == apart(name, component))
    };
    if COMPONENTS.into_iter().all(hard) {
        early.insert("hardAntiAffinity".to_owned(), true.into());
    }
    let [redis, sentinel] = COMPONENTS.map(|(part, _)| of(part, "nodeAffinity"));
    if let Some(node) = redis.filter(|node| node.is_object() && sentinel == Some(*node)) {
        early.insert("nodeAffinity".to_owned(), node.clone());
    }
}

/// No two pods of a component on one node.
fn apart(name: &str, component: Component) -> Value {
    json!({"requiredDuringSchedulingIgnoredDuringExecution": [term(name, component)]})
}

/// Pods of a component on different nodes where possible, as by default.
fn spread(name: &str, component: Component) -> Value {
    let term = json!({"weight": 100, "podAffinityTerm": term(name, component)});
    json!({"preferredDuringSchedulingIgnoredDuringExecution": [term]})
}

fn term(name: &str, component: Component) -> Value {
    json!({
        "labelSelector": {"matchLabels": selector(name, component)},
        "topologyKey": "kubernetes.io/hostname",
    })
}
