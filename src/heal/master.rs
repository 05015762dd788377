//! Who is the master, or who should become it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Memory;
use super::sentinels::{is_loopback, monitored};
use crate::api::{Storage, Valid};
use crate::observe::facts::{Observed, RedisNode, Role, ServerFacts};
use crate::redis::Address;

/// Reason while servers of a first start are not there yet.
pub(super) const WAITING_FOR_PODS: &str = "WaitingForServers";
/// How long the Sentinels may take to elect a master before the operator does, when every server can be asked: more
/// than their own `down-after-milliseconds` and two rounds of votes.
const SENTINELS_FIRST: Duration = Duration::from_secs(30);

/// What is to be done about the master.
#[derive(Debug, PartialEq)]
pub(super) enum Decision<'a> {
    /// This one is it.
    Stable(&'a RedisNode),
    /// This one becomes it.
    Promote {
        /// Its pod.
        pod: String,
        /// Why this one.
        why: String,
    },
    /// Nothing can be decided yet.
    Wait {
        /// Fixed name of the state.
        reason: &'static str,
        /// For the person on call.
        message: String,
    },
}

fn wait<'a>(reason: &'static str, message: impl Into<String>) -> Decision<'a> {
    Decision::Wait {
        reason,
        message: message.into(),
    }
}

type Answering<'a> = Vec<(&'a RedisNode, &'a ServerFacts)>;

pub(super) fn decide<'a>(
    valid: &Valid,
    observed: &'a Observed,
    memory: &Memory,
    now: Timestamp,
) -> Decision<'a> {
    let answering: Answering<'a> = observed
        .redis
        .iter()
        .filter(|node| !node.pod.terminating)
        .filter_map(|node| node.server.as_ref().ok().map(|facts| (node, facts)))
        .collect();
    let serving: Vec<_> = answering
        .iter()
        .filter(|(_, f)| matches!(f.role, Role::Master { .. }))
        .collect();
    let named = majority(valid, observed);
    match serving[..] {
        [] => no_master(valid, observed, memory, named.is_some(), &answering, now),
        [(node, _)] => one_master(valid, observed, node, named),
        _ => {
            let pods: Vec<_> = serving.iter().map(|(node, _)| node.pod.name.as_str()).collect();
            wait(
                "SeveralMasters",
                format!(
                    "{} are masters; waiting for the Sentinels to demote all but one",
                    pods.join(", ")
                ),
            )
        }
    }
}

/// One server says that it is master. It is, unless the Sentinels name another server of ours.
fn one_master<'a>(
    valid: &Valid,
    observed: &'a Observed,
    node: &'a RedisNode,
    named: Option<Address>,
) -> Decision<'a> {
    let address = super::address_of(valid, node);
    let other = named.filter(|named| *named != address).and_then(|named| {
        observed
            .redis
            .iter()
            .find(|n| super::address_of(valid, n) == named)
    });
    match other {
        Some(other) => wait(
            "SentinelsNameAnother",
            format!(
                "{} is master, but most Sentinels name {}; waiting for their failover to end",
                node.pod.name, other.pod.name
            ),
        ),
        None => Decision::Stable(node),
    }
}

fn no_master<'a>(
    valid: &Valid,
    observed: &Observed,
    memory: &Memory,
    named: bool,
    answering: &Answering<'a>,
    now: Timestamp,
) -> Decision<'a> {
    let wanted = usize::try_from(valid.redis.replicas).unwrap_or(usize::MAX);
    let complete = answering.len() >= wanted && answering.iter().all(|(_, facts)| !facts.loading);
    let first_start = memory.last_master.is_none() && !named;
    if first_start && matches!(valid.redis.storage, Storage::EmptyDir(_)) {
        return first_of_empty(answering, wanted, complete);
    }
    if named && memory.masterless_for(now) < SENTINELS_FIRST {
        let message = "no server is master; the Sentinels are expected to elect one";
        return wait("WaitingForSentinels", message);
    }
    if !complete {
        return wait(
            WAITING_FOR_PODS,
            format!(
                "no master; {} of {wanted} servers answer, and any of the others may hold newer data",
                answering.len()
            ),
        );
    }
    if observed
        .sentinels
        .iter()
        .filter_map(monitored)
        .any(|m| m.flags.contains("failover_in_progress"))
    {
        return wait(
            "WaitingForSentinels",
            "no server is master; a failover of the Sentinels runs",
        );
    }
    choose(answering, memory)
}

/// Nobody ever held data, so nobody need be waited for but the first ordinal; without it, the others must be complete.
fn first_of_empty<'a>(answering: &Answering<'a>, wanted: usize, complete: bool) -> Decision<'a> {
    let holder = answering.iter().find(|(_, facts)| holds_data(facts));
    let first = answering
        .iter()
        .find(|(node, facts)| node.pod.ordinal == Some(0) && !facts.loading);
    match (holder, first) {
        (Some(_), _) if complete => choose(answering, &Memory::default()),
        (Some((node, _)), _) => wait(
            WAITING_FOR_PODS,
            format!(
                "{} holds data; waiting for all servers before choosing a master",
                node.pod.name
            ),
        ),
        (None, Some((node, _))) => Decision::Promote {
            pod: node.pod.name.clone(),
            why: "first start, no data anywhere".to_owned(),
        },
        (None, None) => wait(
            WAITING_FOR_PODS,
            format!("{} of {wanted} servers answer", answering.len()),
        ),
    }
}

/// Every server is known and none is master: the one with the most of the data becomes it, never by age.
fn choose<'a>(answering: &Answering<'a>, memory: &Memory) -> Decision<'a> {
    let was_master = |node: &RedisNode| memory.last_master.as_deref() == Some(&node.pod.name);
    let best = answering.iter().min_by_key(|(node, facts)| {
        (
            Reverse(holds_data(facts)),
            Reverse(facts.offset),
            Reverse(was_master(node)),
            Reverse(facts.keys),
            node.pod.ordinal,
        )
    });
    let Some((node, facts)) = best else {
        return wait(WAITING_FOR_PODS, "no server answers");
    };
    let why = if holds_data(facts) {
        format!(
            "all servers are known and it has the most data (offset {}, {} keys)",
            facts.offset, facts.keys
        )
    } else {
        "all servers are known and none holds data".to_owned()
    };
    Decision::Promote {
        pod: node.pod.name.clone(),
        why,
    }
}

/// Whether anything could be lost by making this server a replica of an empty one.
pub(super) fn holds_data(facts: &ServerFacts) -> bool {
    facts.keys > 0 || facts.loading
}

/// The address that most of the wanted Sentinels monitor, if it is a real one.
fn majority(valid: &Valid, observed: &Observed) -> Option<Address> {
    let mut votes: BTreeMap<Address, i32> = BTreeMap::new();
    for monitored in observed
        .sentinels
        .iter()
        .filter_map(monitored)
        .filter(|m| !is_loopback(&m.host))
    {
        *votes
            .entry(Address {
                host: monitored.host.clone(),
                port: monitored.port,
            })
            .or_default() += 1;
    }
    votes
        .into_iter()
        .find(|(_, count)| *count > valid.sentinel.replicas / 2)
        .map(|(address, _)| address)
}
