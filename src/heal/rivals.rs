//! Servers that are master beside another, or beside one that the Sentinels name.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;

use super::election::{Answering, holds_data, outdated, related};
use super::master::{Decision, wait};
use super::sentinels::{failing_over, is_nobody, monitored};
use super::succession::hand_over;
use super::{Memory, Trouble};
use crate::api::Valid;
use crate::observe::facts::{Monitored, Observed, RedisNode, Role, ServerFacts};
use crate::redis::Address;

/// How long the contradiction may stay: seen more than once.
const RIVALS_STAY: Duration = Duration::from_secs(1);
/// How long Sentinels that name different masters get to agree: they tell one another every 2 s.
const GOSSIP: Duration = Duration::from_secs(10);

/// One server says that it is master. It is, unless the Sentinels name another server of ours.
pub(super) fn one_master<'a>(
    valid: &Valid,
    observed: &'a Observed,
    memory: &Memory,
    (node, facts): Answering<'a>,
    named: Option<Address>,
    answering: &[Answering<'a>],
    now: Timestamp,
) -> Decision<'a> {
    let address = super::address_of(valid, node);
    let Some(named) = named.filter(|named| *named != address) else {
        return Decision::Stable(node);
    };
    let Some(other) = observed.redis.iter().find(|other| super::address_of(valid, other) == named) else {
        return Decision::Stable(node);
    };
    let lasts = memory.suffered(Trouble::Rivals, now) >= RIVALS_STAY;
    if lasts && other.pod.terminating && is_master(other) && !failing_over(observed) {
        return Decision::StepDown { node, follow: named };
    }
    if failing_over(observed) || !serves_no_more(other) || !lasts {
        let (pod, other) = (&node.pod.name, &other.pod.name);
        let message = format!("{pod} is master, but most Sentinels name {other}; waiting for them");
        return wait("SentinelsNameAnother", message).because(Trouble::Rivals);
    }
    if answering.iter().any(|(_, other)| is_ahead(other, facts, answering)) {
        return Decision::StepDown { node, follow: super::nobody(valid) };
    }
    let why = format!("it is master already, and {} that the Sentinels name is none", other.pod.name);
    hand_over(valid, observed, memory, &named, node, why, now)
}

/// Several servers say that they are master: the one stays that most Sentinels name, then the one with the most replicas,
/// then the one that is furthest.
pub(super) fn several<'a>(
    valid: &Valid,
    observed: &'a Observed,
    memory: &Memory,
    rivals: &[Answering<'a>],
    named: Option<Address>,
    now: Timestamp,
) -> Decision<'a> {
    let lasted = memory.suffered(Trouble::Rivals, now);
    let settled = lasted >= RIVALS_STAY && (lasted >= GOSSIP || agreed(observed));
    if !settled || failing_over(observed) {
        let pods: Vec<_> = rivals.iter().map(|(node, _)| node.pod.name.as_str()).collect();
        let message = format!("{} are masters; waiting for the Sentinels to agree on one", pods.join(", "));
        return wait("SeveralMasters", message).because(Trouble::Rivals);
    }
    let data = rivals.iter().filter(|(_, facts)| holds_data(facts));
    let overwrites =
        |facts: &ServerFacts| !holds_data(facts) && data.clone().any(|(_, other)| !related(facts, other));
    let first = rivals.iter().min_by_key(|(node, facts)| {
        let is_named = named.as_ref() == Some(&super::address_of(valid, node));
        let last = memory.last_master.as_deref() == Some(&node.pod.name);
        let weight =
            (is_named, followers(valid, observed, facts), !outdated(facts, rivals), facts.offset, last);
        (overwrites(facts), Reverse(weight), node.pod.ordinal)
    });
    let Some((first, _)) = first else {
        return wait("SeveralMasters", "no master can be chosen").because(Trouble::Rivals);
    };
    let named_other = named.filter(|named| *named != super::address_of(valid, first));
    let other = named_other
        .as_ref()
        .and_then(|named| observed.redis.iter().find(|node| super::address_of(valid, node) == *named));
    match (named_other.as_ref(), other) {
        (Some(named), Some(other)) if is_rival(other, rivals) || serves_no_more(other) => {
            let why = format!("it stays of {} masters: {} has no data", rivals.len(), other.pod.name);
            hand_over(valid, observed, memory, named, first, why, now)
        }
        (Some(_), Some(other)) => {
            let message = format!("most Sentinels name {}, which does not answer", other.pod.name);
            wait("SeveralMasters", message).because(Trouble::Rivals)
        }
        _ => Decision::Stable(first),
    }
}

fn is_rival(node: &RedisNode, rivals: &[Answering<'_>]) -> bool {
    rivals.iter().any(|(rival, _)| rival.pod.name == node.pod.name)
}

/// Whether all Sentinels that answer name the same server.
fn agreed(observed: &Observed) -> bool {
    let mut named = observed
        .sentinels
        .iter()
        .filter_map(monitored)
        .filter(|m| !is_nobody(&m.host))
        .map(Monitored::address);
    let first = named.next();
    named.all(|other| Some(&other) == first.as_ref())
}

/// Connected replicas that are ours.
fn followers(valid: &Valid, observed: &Observed, facts: &ServerFacts) -> usize {
    let Role::Master { replicas } = &facts.role else { return 0 };
    let ours =
        |address: &Address| observed.redis.iter().any(|node| super::address_of(valid, node) == *address);
    replicas.iter().filter(|link| link.online && ours(&link.address)).count()
}

/// Whether another server has more of the same history, or a newer one.
fn is_ahead(other: &ServerFacts, facts: &ServerFacts, answering: &[Answering<'_>]) -> bool {
    let newer = outdated(facts, answering) && !outdated(other, answering);
    let related = related(other, facts);
    related
        && (newer
            || (other.offset > facts.offset && outdated(other, answering) == outdated(facts, answering)))
        || (!related && holds_data(other) && !holds_data(facts))
}

fn is_master(node: &RedisNode) -> bool {
    node.server.as_ref().is_ok_and(|facts| matches!(facts.role, Role::Master { .. }))
}

/// Whether it is certain that a server is not master any more.
fn serves_no_more(node: &RedisNode) -> bool {
    match &node.server {
        Ok(facts) => matches!(facts.role, Role::Replica { .. }),
        Err(_) => node.death.is_some(),
    }
}
