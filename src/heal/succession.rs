//! After the death of a master that is certain: who follows it, without waiting for the Sentinels' timeout.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;

use super::election::{Answering, is_wanted, outdated};
use super::handover::{Closed, Handover};
use super::master::{Decision, wait};
use super::sentinels::monitored;
use super::{Master, Memory};
use crate::api::Valid;
use crate::observe::facts::{Observed, RedisNode, Role, ServerFacts};
use crate::redis::Address;

/// How long the Sentinels may be unfit for an announcement before one of them is told to fail over instead: they greet
/// each other, and so tell their epochs, every 2 s.
const UNFIT: Duration = Duration::from_secs(3);

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
    let (heir, facts) = heirs
        .min_by_key(|(node, facts)| (outdated(facts, answering), Reverse(facts.offset), node.pod.ordinal))?;
    let why = format!(
        "the master at {named} is dead, and of the servers that were in sync with it this one is at the \
         highest offset ({})",
        facts.offset
    );
    Some(hand_over(valid, observed, memory, named, heir, why, now))
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
    match Handover::after_a_crash(valid, observed, from.clone(), to.clone(), why) {
        Ok(handover) => Decision::HandOver(Box::new(handover)),
        Err(closed) => match proxy(observed, from, &to.address) {
            Some(pod) if matches!(closed, Closed::NoMajority(..)) && memory.masterless_for(now) >= UNFIT => {
                Decision::Failover { pod, why: format!("the master at {from} is dead, and {closed}") }
            }
            _ => wait("WaitingForSentinels", format!("the master at {from} is dead; {closed}")),
        },
    }
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

/// In sync with the dead master until it died.
fn was_linked(node: &RedisNode, facts: &ServerFacts, named: &Address) -> bool {
    is_linked(facts, named) || node.before.as_ref().is_some_and(|before| is_linked(before, named))
}

fn is_linked(facts: &ServerFacts, named: &Address) -> bool {
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
