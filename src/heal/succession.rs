//! After the death of a master that is certain: who follows it, without waiting for the Sentinels' timeout.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::election::{Answering, holds_data, is_wanted, outdated};
use super::handover::{Closed, Handover};
use super::master::{Decision, wait};
use super::sentinels::{failing_over, is_nobody, monitored};
use super::{Master, Memory};
use crate::api::Valid;
use crate::observe::facts::{Monitored, Observed, RedisNode, Role, ServerFacts};
use crate::redis::Address;

/// How long the Sentinels may be unfit for an announcement before one of them is told to fail over instead: they greet
/// each other, and so tell their epochs, every 2 s.
pub(super) const UNFIT: Duration = Duration::from_secs(3);

/// The handover from the dead master that the Sentinels name. None where its death is not certain, or where no server
/// was in sync with it until then: then all others are asked before one is chosen.
pub(super) fn decide<'a>(
    valid: &Valid,
    observed: &'a Observed,
    memory: &Memory,
    named: &Address,
    answering: &[Answering<'a>],
    now: Timestamp,
) -> Option<Decision<'a>> {
    let old = observed.redis.iter().find(|node| super::address_of(valid, node) == *named);
    if !is_certain(old, observed, named) {
        return None;
    }
    let history = old.and_then(|node| node.before.as_ref()).map(|facts| facts.replication_id.as_str());
    let heirs = answering.iter().filter(|(node, facts)| {
        let same = history.is_none_or(|id| id == facts.replication_id || id == facts.second_replication_id);
        is_wanted(valid, node) && !facts.loading && same && was_linked(node, facts, named)
    });
    let (_, linked) = heirs.min_by_key(|heir| rank(heir, answering))?;
    // One that came back with more of the same history, as the old master may from its disk, is ahead of them all.
    let ahead = answering.iter().filter(|(node, facts)| {
        let same = facts.replication_id == linked.replication_id && facts.offset >= linked.offset;
        is_wanted(valid, node) && !facts.loading && same
    });
    let (heir, facts) = ahead.min_by_key(|heir| rank(heir, answering))?;
    // The old master that came back with data would follow an heir without any, and lose it: then all are asked.
    if !holds_data(facts) && answering.iter().any(|(_, other)| holds_data(other)) {
        return None;
    }
    let offset = facts.offset;
    if old.is_some_and(|old| old.pod.name == heir.pod.name) {
        return Some(in_place(observed, heir, offset));
    }
    let why =
        format!("the master at {named} is dead, and this one has the most of its data (offset {offset})");
    Some(hand_over(valid, observed, memory, named, heir, why, now))
}

/// The newest history first, then the furthest, then the lowest ordinal; but not an old master that is no further than
/// its replicas, which the Sentinels may already hold to be down.
fn rank(
    (node, facts): &Answering<'_>,
    answering: &[Answering<'_>],
) -> (bool, Reverse<i64>, bool, Option<u32>) {
    let linked = matches!(&facts.role, Role::Replica { source, .. } if !is_nobody(&source.host));
    (outdated(facts, answering), Reverse(facts.offset), !linked, node.pod.ordinal)
}

/// The Sentinels name the old master already.
fn in_place<'a>(observed: &Observed, old: &RedisNode, offset: i64) -> Decision<'a> {
    if failing_over(observed) {
        return wait("WaitingForSentinels", "no server is master; a failover of the Sentinels runs");
    }
    let why = format!("it was master and came back with the most of the data (offset {offset})");
    Decision::Promote { pod: old.pod.name.clone(), why }
}

/// The announcement where the Sentinels are fit for it, else their own failover, else patience.
pub(super) fn hand_over<'a>(
    valid: &Valid,
    observed: &Observed,
    memory: &Memory,
    from: &Address,
    heir: &RedisNode,
    why: String,
    now: Timestamp,
) -> Decision<'a> {
    let to = Master { pod: heir.pod.name.clone(), address: super::address_of(valid, heir) };
    let former =
        if memory.masterless_for(now) < UNFIT { BTreeSet::new() } else { former_masters(valid, observed) };
    match Handover::after_a_crash(valid, observed, from.clone(), to.clone(), why, former) {
        Ok(handover) => Decision::HandOver(Box::new(handover)),
        Err(closed) => match proxy(observed, from, &to.address) {
            Some(pod) if matches!(closed, Closed::NoMajority(..)) && memory.masterless_for(now) >= UNFIT => {
                Decision::Failover { pod, why: format!("the master at {from} is dead, and {closed}") }
            }
            _ => wait("WaitingForSentinels", format!("the master at {from} is dead; {closed}")),
        },
    }
}

/// What Sentinels name and is certainly no master. Early on such a name may be news that we lack; later it is a Sentinel
/// that was left behind, and nobody else tells it better while there is no master.
fn former_masters(valid: &Valid, observed: &Observed) -> BTreeSet<Address> {
    let named = observed.sentinels.iter().filter_map(monitored).map(Monitored::address);
    let server =
        |address: &Address| observed.redis.iter().find(|node| super::address_of(valid, node) == *address);
    named.filter(|address| is_certain(server(address), observed, address)).collect()
}

/// Whether the process that was master serves no more: proof of its end, an answer as something else, or a pod that is
/// gone while no server has a link to it any more.
fn is_certain(old: Option<&RedisNode>, observed: &Observed, named: &Address) -> bool {
    let Some(old) = old else {
        let mut links = observed.redis.iter().filter_map(|node| node.server.as_ref().ok());
        return !links.any(|facts| is_linked(facts, named));
    };
    match &old.server {
        Ok(facts) => matches!(facts.role, Role::Replica { .. }),
        Err(_) => old.death.is_some(),
    }
}

/// In sync with the dead master until it died. The same process: one that restarted since may have lost its data.
fn was_linked(node: &RedisNode, facts: &ServerFacts, named: &Address) -> bool {
    let before = node.before.as_ref().filter(|before| before.run_id == facts.run_id);
    is_linked(facts, named) || before.is_some_and(|before| is_linked(before, named))
}

pub(super) fn is_linked(facts: &ServerFacts, named: &Address) -> bool {
    matches!(&facts.role, Role::Replica { source, link_up: true, syncing: false } if source == named)
}

/// A Sentinel that can fail over by itself: it names the dead master and has a living link to the heir.
fn proxy(observed: &Observed, from: &Address, heir: &Address) -> Option<String> {
    let fit = observed.sentinels.iter().find(|node| {
        monitored(node).is_some_and(|seen| seen.address() == *from)
            && node.server.as_ref().is_ok_and(|facts| {
                let well = |flag: &str| ["s_down", "o_down", "disconnected"].contains(&flag);
                facts
                    .known_replicas
                    .iter()
                    .any(|known| known.address == *heir && !known.flags.iter().any(|flag| well(flag)))
            })
    });
    fit.map(|node| node.pod.name.clone())
}
