//! Planners with known faults, to show that the simulator finds them.

use jiff::Timestamp;
use redis_operator::api::Valid;
use redis_operator::heal::{Action, Memory, Plan};
use redis_operator::observe::facts::{Observed, Role};
use redis_operator::redis::Address;

use super::operator::{Planner, honest};

/// Each with its name.
pub(crate) const FAULTS: [(&str, Planner); 5] = [
    ("promote the first, whatever it holds", promote_the_first),
    ("RESET at every mismatch", reset_at_every_mismatch),
    ("skip the unreachable", skip_the_unreachable),
    ("RESET while failing over", reset_while_failing_over),
    ("accept a stranger", accept_a_stranger),
];

/// The same with two groups.
pub(crate) const FAULTS_OF_TWINS: [(&str, Planner); 2] = [
    ("leave strangers alone", leave_strangers_alone),
    ("have one forget after the other, and tell better without the epoch", without_a_cut),
];

fn masterless(observed: &Observed) -> bool {
    !observed
        .redis
        .iter()
        .any(|node| node.server.as_ref().is_ok_and(|facts| matches!(facts.role, Role::Master { .. })))
}

fn promotes(plan: &mut Plan, pod: &str) {
    plan.handover = None;
    plan.actions = vec![Action::Promote { pod: pod.to_owned(), why: "a fault".to_owned() }];
}

fn promote_the_first(valid: &Valid, observed: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    let mut plan = honest(valid, observed, memory, now);
    let first = observed.redis.iter().find(|node| node.server.is_ok());
    if let Some(first) = first.filter(|_| masterless(observed)) {
        promotes(&mut plan, &first.pod.name);
    }
    plan
}

fn reset_at_every_mismatch(valid: &Valid, observed: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    let mut plan = honest(valid, observed, memory, now);
    for node in &observed.sentinels {
        let wrong = |facts: &redis_operator::observe::facts::SentinelFacts| {
            facts.known_peers.len() != 2 || facts.known_replicas.len() != 2
        };
        if node.server.as_ref().is_ok_and(wrong) {
            plan.actions.push(Action::Reset { pod: node.pod.name.clone() });
        }
    }
    plan
}

/// Takes a server that does not answer for one that is no master and holds nothing.
fn skip_the_unreachable(valid: &Valid, observed: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    let mut plan = honest(valid, observed, memory, now);
    let best = observed.redis.iter().filter_map(|node| Some((node, node.server.as_ref().ok()?)));
    if let Some((node, _)) = best.max_by_key(|(_, facts)| facts.offset).filter(|_| masterless(observed)) {
        promotes(&mut plan, &node.pod.name);
    }
    plan
}

fn reset_while_failing_over(valid: &Valid, observed: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    let mut plan = honest(valid, observed, memory, now);
    let busy = observed.sentinels.iter().find(|node| {
        let seen = node.server.as_ref().ok().and_then(|facts| facts.monitored.as_ref());
        seen.is_some_and(|seen| seen.flags.contains("failover_in_progress"))
    });
    plan.actions.extend(busy.map(|node| Action::Reset { pod: node.pod.name.clone() }));
    plan
}

/// Follows whatever master a Sentinel names, ours or not.
fn accept_a_stranger(valid: &Valid, observed: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    let mut plan = honest(valid, observed, memory, now);
    let ours = |host: &str| observed.redis.iter().any(|node| node.pod.ip.as_deref() == Some(host));
    let known = observed.sentinels.iter().filter_map(|node| node.server.as_ref().ok());
    let stranger = known.flat_map(|facts| &facts.known_replicas).find(|known| !ours(&known.address.host));
    if let (Some(stranger), Some(node)) = (stranger, observed.redis.iter().find(|node| node.server.is_ok())) {
        let master: Address = stranger.address.clone();
        plan.actions.push(Action::Follow { pod: node.pod.name.clone(), master });
    }
    plan
}

/// Takes Sentinels that know strangers, and servers that serve them, for healthy ones.
fn leave_strangers_alone(valid: &Valid, observed: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    let mut plan = honest(valid, observed, memory, now);
    plan.actions.retain(|action| match action {
        Action::Reset { .. } | Action::Expel { .. } => false,
        Action::Introduce { hello, .. } => hello.split(',').nth(1) != Some("0"),
        _ => true,
    });
    plan.quorum.ok |= plan.quorum.reason == "StrangersKnown";
    plan
}

/// Sentinels that know each other make themselves known again, and the higher epoch wins again.
fn without_a_cut(valid: &Valid, observed: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    let mut plan = honest(valid, observed, memory, now);
    let told: Vec<String> = plan
        .actions
        .iter()
        .filter(|action| matches!(action, Action::Monitor { .. }))
        .map(|action| action.pod().to_owned())
        .collect();
    plan.actions.retain(|action| match action {
        Action::Introduce { pod, hello } => hello.split(',').nth(1) != Some("0") && !told.contains(pod),
        _ => true,
    });
    plan
}
