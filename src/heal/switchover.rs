//! A master that serves is replaced by another server, and no write is lost: it hands over before it stops.

use std::cmp::Reverse;

use super::Master;
use super::election::{Answering, is_wanted};
use super::handover::{Closed, Handover};
use super::master::{Decision, wait};
use crate::api::Valid;
use crate::observe::facts::{Observed, RedisNode, Role, ServerFacts};
use crate::redis::Address;

/// The handover from a master whose pod was deleted or evicted, or is drained. It serves until it stops, and beside it
/// there must not be another: where nobody can follow it, its end is waited for.
pub(super) fn before_it_stops<'a>(
    valid: &Valid,
    observed: &Observed,
    leaving: &RedisNode,
    answering: &[Answering<'a>],
) -> Decision<'a> {
    let pod = &leaving.pod.name;
    let from = Master { pod: pod.clone(), address: super::address_of(valid, leaving) };
    let Some(heir) = heir(valid, &from.address, answering) else {
        return wait("WaitingForStop", format!("the master {pod} is stopping, and no replica is in sync"));
    };
    let to = Master { pod: heir.pod.name.clone(), address: super::address_of(valid, heir) };
    match Handover::planned(valid, observed, &from, to, format!("the master {pod} is stopping")) {
        Ok(handover) => Decision::HandOver(Box::new(handover)),
        Err(Closed::FailingOver) => {
            wait("WaitingForSentinels", format!("the master {pod} is stopping; {}", Closed::FailingOver))
        }
        Err(closed) => wait("WaitingForStop", format!("the master {pod} is stopping; {closed}")),
    }
}

/// The replica that can take over with the least delay: in sync, of today's template, furthest, of the lowest ordinal.
fn heir<'a>(valid: &Valid, from: &Address, answering: &[Answering<'a>]) -> Option<&'a RedisNode> {
    let fit = answering.iter().filter(|(node, facts)| is_wanted(valid, node) && follows(facts, from));
    fit.min_by_key(|(node, facts)| (node.pod.outdated, Reverse(facts.offset), node.pod.ordinal))
        .map(|(node, _)| *node)
}

fn follows(facts: &ServerFacts, from: &Address) -> bool {
    let linked =
        matches!(&facts.role, Role::Replica { source, link_up: true, syncing: false } if source == from);
    linked && !facts.loading
}
