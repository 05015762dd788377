//! Every other server follows the master; the role labels say who is who.

use super::election::{holds_data, related};
use super::{Action, Finding, Master, strangers};
use crate::api::Valid;
use crate::observe::facts::{Observed, RedisNode, Role, ServerFacts};

/// Role labels that are wrong, the old master's first: the Service of the master never has two endpoints.
pub(super) fn labels(observed: &Observed, master: &Master) -> Vec<Action> {
    let mut wrong: Vec<Action> = observed
        .redis
        .iter()
        .map(|node| (node, if node.pod.name == master.pod { "master" } else { "slave" }))
        .filter(|(node, role)| node.pod.role_label.as_deref() != Some(role))
        .map(|(node, role)| Action::Label { pod: node.pod.name.clone(), role })
        .collect();
    wrong.sort_by_key(|action| matches!(action, Action::Label { role: "master", .. }));
    wrong
}

/// Servers that follow nobody or somebody else, and whether all is in sync.
pub(super) fn plan(
    valid: &Valid,
    observed: &Observed,
    master: &RedisNode,
    place: &Master,
) -> (Vec<Action>, Finding) {
    let mut actions = Vec::new();
    let mut behind = Vec::new();
    let mut in_sync = 0;
    for node in observed.redis.iter().filter(|node| node.pod.name != place.pod && !node.pod.terminating) {
        match judge(node, master, place) {
            Verdict::InSync => in_sync += 1,
            Verdict::Follow => {
                actions.push(Action::Follow { pod: node.pod.name.clone(), master: place.address.clone() });
                behind.push(format!("{} is told to follow the master", node.pod.name));
            }
            Verdict::Demote => {
                actions.push(Action::Demote { pod: node.pod.name.clone(), master: place.address.clone() });
                behind.push(format!("{} is master too and is demoted", node.pod.name));
            }
            Verdict::Behind(why) => {
                // It keeps its data, but must not copy a stranger's.
                if strangers::foreign_source(valid, observed, node).is_some() {
                    actions.push(strangers::follow_nobody(valid, node));
                }
                behind.push(format!("{} {why}", node.pod.name));
            }
        }
    }
    let wanted = valid.redis.replicas - 1;
    let finding = if in_sync >= wanted && behind.is_empty() {
        Finding::good("InSync", format!("{in_sync} of {wanted} replicas are in sync"))
    } else {
        let details = if behind.is_empty() { String::new() } else { format!(": {}", behind.join(", ")) };
        Finding::bad("ReplicasMissing", format!("{in_sync} of {wanted} replicas are in sync{details}"))
    };
    (actions, finding)
}

/// Every other server that answers, told to follow the master to be. What it holds is no more than what that one has:
/// the dead master's replicas and, if it came back, the dead master itself.
pub(super) fn followers(valid: &Valid, observed: &Observed, place: &Master) -> Vec<Action> {
    let others = observed.redis.iter().filter(|node| node.pod.name != place.pod && !node.pod.terminating);
    let Some(master) = observed.redis.iter().find(|node| super::address_of(valid, node) == place.address)
    else {
        return Vec::new();
    };
    let judged = others.map(|node| (node, judge(node, master, place)));
    judged
        .filter_map(|(node, verdict)| match verdict {
            Verdict::Follow => {
                Some(Action::Follow { pod: node.pod.name.clone(), master: place.address.clone() })
            }
            Verdict::Demote => {
                Some(Action::Demote { pod: node.pod.name.clone(), master: place.address.clone() })
            }
            Verdict::InSync | Verdict::Behind(_) => None,
        })
        .collect()
}

enum Verdict {
    InSync,
    Follow,
    Demote,
    Behind(String),
}

fn judge(node: &RedisNode, master: &RedisNode, place: &Master) -> Verdict {
    let facts = match (&node.server, &node.pod.waiting) {
        (Ok(facts), _) => facts,
        (Err(_), Some(waiting)) => return Verdict::Behind(format!("does not run: {waiting}")),
        (Err(silence), None) => return Verdict::Behind(format!("does not answer: {silence}")),
    };
    match &facts.role {
        Role::Replica { source, link_up, syncing } if *source == place.address => {
            if *link_up && !syncing {
                Verdict::InSync
            } else {
                Verdict::Behind("is syncing".to_owned())
            }
        }
        Role::Replica { .. } if !empty_over_data(master, facts) => Verdict::Follow,
        Role::Master { .. } if !empty_over_data(master, facts) => Verdict::Demote,
        _ => Verdict::Behind(format!(
            "holds {} keys but the master {} is empty: it is left alone so that nothing is lost",
            facts.keys, place.pod
        )),
    }
}

/// A server with data never becomes the replica of an empty one with another history: the first sync would wipe it. An
/// empty master of the same history was emptied on purpose.
fn empty_over_data(master: &RedisNode, facts: &ServerFacts) -> bool {
    holds_data(facts)
        && master.server.as_ref().is_ok_and(|master| !holds_data(master) && !related(master, facts))
}
