//! Who is the master, or who should become it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::election::{self, Answering};
use super::handover::{Handover, most_named};
use super::sentinels::monitored;
use super::{Memory, Trouble, rivals};
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
    /// This one is master, but the Sentinels name another: it is an old one, or it was promoted by a handover that did
    /// not come to its end.
    StepDown {
        /// The server.
        node: &'a RedisNode,
        /// Whom it follows from now on.
        follow: Address,
    },
    /// The Sentinels are told of a new one.
    HandOver(Box<Handover>),
    /// The Sentinels choose, at once.
    Failover {
        /// The Sentinel that begins.
        pod: String,
        /// Why now.
        why: String,
    },
    /// Nothing can be decided yet.
    Wait {
        /// Fixed name of the state.
        reason: &'static str,
        /// For the person on call.
        message: String,
        /// What is acted upon when it lasts.
        troubles: BTreeSet<Trouble>,
    },
}

impl Decision<'_> {
    /// The same for the sake of a trouble that may pass.
    pub(super) fn because(mut self, trouble: Trouble) -> Self {
        if let Self::Wait { troubles, .. } = &mut self {
            troubles.insert(trouble);
        }
        self
    }
}

pub(super) fn wait<'a>(reason: &'static str, message: impl Into<String>) -> Decision<'a> {
    Decision::Wait { reason, message: message.into(), troubles: BTreeSet::new() }
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
    let serving: Vec<_> =
        answering.iter().filter(|(_, f)| matches!(f.role, Role::Master { .. })).copied().collect();
    let named = majority(valid, observed);
    match serving[..] {
        [] => election::decide(valid, observed, memory, named.as_ref(), &answering, now),
        [one] => rivals::one_master(valid, observed, memory, one, named, &answering, now),
        _ => rivals::several(valid, observed, memory, &serving, named, now),
    }
}

/// The address that most of the wanted Sentinels monitor, if it is a real one.
pub(super) fn majority(valid: &Valid, observed: &Observed) -> Option<Address> {
    let named = most_named(observed.sentinels.iter().filter_map(monitored));
    named
        .filter(|(_, count)| *count >= super::majority_of(valid.sentinel.replicas))
        .map(|(address, _)| address)
}
