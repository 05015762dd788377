//! Who is the master, or who should become it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Memory;
use super::election::{self, Answering};
use super::sentinels::{is_loopback, monitored};
use crate::api::Valid;
use crate::observe::facts::{Observed, RedisNode, Role};
use crate::redis::Address;

/// Reason while servers of a first start are not there yet.
pub(super) const WAITING_FOR_PODS: &str = "WaitingForServers";
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

pub(super) fn wait<'a>(reason: &'static str, message: impl Into<String>) -> Decision<'a> {
    Decision::Wait { reason, message: message.into() }
}

pub(super) fn decide<'a>(
    valid: &Valid,
    observed: &'a Observed,
    memory: &Memory,
    now: Timestamp,
) -> Decision<'a> {
    let answering: Vec<Answering<'a>> = observed
        .redis
        .iter()
        .filter(|node| !node.pod.terminating)
        .filter_map(|node| node.server.as_ref().ok().map(|facts| (node, facts)))
        .collect();
    let serving: Vec<_> = answering.iter().filter(|(_, f)| matches!(f.role, Role::Master { .. })).collect();
    let named = majority(valid, observed);
    match serving[..] {
        [] => election::decide(valid, observed, memory, named.as_ref(), &answering, now),
        [(node, _)] => one_master(valid, observed, node, named),
        _ => {
            let pods: Vec<_> = serving.iter().map(|(node, _)| node.pod.name.as_str()).collect();
            wait(
                "SeveralMasters",
                format!("{} are masters; waiting for the Sentinels to demote all but one", pods.join(", ")),
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
    let other = named
        .filter(|named| *named != address)
        .and_then(|named| observed.redis.iter().find(|n| super::address_of(valid, n) == named));
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

/// The address that most of the wanted Sentinels monitor, if it is a real one.
fn majority(valid: &Valid, observed: &Observed) -> Option<Address> {
    let mut votes: BTreeMap<Address, i32> = BTreeMap::new();
    for monitored in observed.sentinels.iter().filter_map(monitored).filter(|m| !is_loopback(&m.host)) {
        *votes.entry(Address { host: monitored.host.clone(), port: monitored.port }).or_default() += 1;
    }
    votes.into_iter().find(|(_, count)| *count > valid.sentinel.replicas / 2).map(|(address, _)| address)
}
