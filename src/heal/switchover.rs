//! A master that serves is replaced by another server, and no write is lost: before it stops, or because it was asked for.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;

use super::election::{Answering, holds_data, is_wanted};
use super::handover::{Closed, Handover};
use super::master::{Decision, wait};
use super::succession::is_linked;
use super::{Action, Master, Memory, Trouble};
use crate::api::{GROUP, Valid};
use crate::observe::facts::{Observed, RedisNode};

/// Pause after a handover that failed: its clients waited for nothing.
const AFTER_A_FAILURE: Duration = Duration::from_secs(10);

/// How long a request waits for the Sentinels to be fit for it: new ones know one another after some seconds.
const REQUEST_WAITS: Duration = Duration::from_secs(30);

/// What a request says that leaves the choice to the operator.
const ANY: &str = "any";

/// Name of the annotation on a `RedisFailover` by which a user asks for another master: the name of a redis pod, or `any`.
#[must_use]
pub fn annotation() -> String {
    format!("{GROUP}/switchover")
}

/// What comes of a request.
pub(super) enum Answer {
    /// It is carried out, and then dismissed.
    HandOver(Box<Handover>, Action),
    /// There is nothing to do, or it cannot be.
    Dismiss(Action),
    /// What stands in its way passes by itself.
    Wait,
}

/// What the user's request asks of this look, if there is one. It is tried once: the annotation may be seen again
/// because it could not be removed, or because the cache is behind.
pub(super) fn requested(
    valid: &Valid,
    observed: &Observed,
    memory: &Memory,
    master: &RedisNode,
    now: Timestamp,
) -> Option<Answer> {
    let request = valid.identity.annotations.get(&annotation())?;
    let answered = |outcome| Action::Dismiss { request: request.clone(), outcome };
    let is_answered = memory.answered.as_ref() == Some(request);
    if is_answered && rests(memory, now) {
        return Some(Answer::Dismiss(answered(Err(Obstacle::Resting.to_string()))));
    }
    if is_answered || *request == master.pod.name {
        return Some(Answer::Dismiss(answered(Ok(format!("{} is the master", master.pod.name)))));
    }
    Some(match to(valid, observed, memory, master, request, now) {
        Ok(handover) => {
            let done = answered(Ok(format!("{} became master", handover.to.pod)));
            Answer::HandOver(Box::new(handover), done)
        }
        Err(Obstacle::Closed(_) | Obstacle::Resting)
            if memory.suffered(Trouble::Request, now) < REQUEST_WAITS =>
        {
            Answer::Wait
        }
        Err(obstacle) => Answer::Dismiss(answered(Err(obstacle.to_string()))),
    })
}

/// The handover from a master whose pod was deleted or evicted, or is drained. It serves until it stops, and beside it
/// there must not be another: where nobody can follow it, its end is waited for.
pub(super) fn before_it_stops<'a>(
    valid: &Valid,
    observed: &Observed,
    memory: &Memory,
    leaving: &RedisNode,
    now: Timestamp,
) -> Decision<'a> {
    let pod = &leaving.pod.name;
    let why = format!("the master {pod} is stopping");
    match to_the_best(valid, observed, memory, leaving, why, now) {
        Ok(handover) => Decision::HandOver(Box::new(handover)),
        Err(obstacle) => {
            let reason = match obstacle {
                Obstacle::Closed(Closed::FailingOver) => "WaitingForSentinels",
                _ => "WaitingForStop",
            };
            wait(reason, format!("the master {pod} is stopping; {obstacle}"))
        }
    }
}

/// Why a master that serves cannot be replaced now.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Obstacle {
    /// Nobody can take over.
    #[error("no replica is in sync")]
    NoHeir,
    /// The one that was asked for cannot.
    #[error("{0} is no replica that is in sync")]
    NotFit(String),
    /// It would go on without the data that another server has.
    #[error("the replicas that are in sync have no data, and another server has some")]
    Empty,
    /// The last handover failed a moment ago.
    #[error("a handover has just failed")]
    Resting,
    /// The Sentinels are not fit for it.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// The handover to the replica that can take over with the least delay: in sync, of today's template, furthest, of the
/// lowest ordinal.
pub(super) fn to_the_best(
    valid: &Valid,
    observed: &Observed,
    memory: &Memory,
    from: &RedisNode,
    why: String,
    now: Timestamp,
) -> Result<Handover, Obstacle> {
    let heirs = heirs(valid, observed, from);
    let best = heirs.min_by_key(|(node, facts)| (node.pod.outdated, Reverse(facts.offset), node.pod.ordinal));
    let (heir, _) = best.ok_or(Obstacle::NoHeir)?;
    hand_over(valid, observed, memory, (from, heir), why, now)
}

/// The handover to a pod of this name.
fn to(
    valid: &Valid,
    observed: &Observed,
    memory: &Memory,
    from: &RedisNode,
    pod: &str,
    now: Timestamp,
) -> Result<Handover, Obstacle> {
    let why = format!("the annotation {} asks for it", annotation());
    if pod == ANY {
        return to_the_best(valid, observed, memory, from, why, now);
    }
    let named = heirs(valid, observed, from).find(|(node, _)| node.pod.name == pod);
    let (heir, _) = named.ok_or_else(|| Obstacle::NotFit(pod.to_owned()))?;
    hand_over(valid, observed, memory, (from, heir), why, now)
}

fn hand_over(
    valid: &Valid,
    observed: &Observed,
    memory: &Memory,
    (from, heir): (&RedisNode, &RedisNode),
    why: String,
    now: Timestamp,
) -> Result<Handover, Obstacle> {
    let holds = |node: &RedisNode| node.server.as_ref().is_ok_and(holds_data);
    if !holds(heir) && observed.redis.iter().any(|other| other.pod.name != from.pod.name && holds(other)) {
        return Err(Obstacle::Empty);
    }
    if rests(memory, now) {
        return Err(Obstacle::Resting);
    }
    let place =
        |node: &RedisNode| Master { pod: node.pod.name.clone(), address: super::address_of(valid, node) };
    Ok(Handover::planned(valid, observed, &place(from), place(heir), why)?)
}

/// Whether the last handover failed a moment ago.
fn rests(memory: &Memory, now: Timestamp) -> bool {
    memory.handover_failed.is_some_and(|at| super::memory::since(Some(at), now) < AFTER_A_FAILURE)
}

fn heirs<'a>(valid: &Valid, observed: &'a Observed, from: &RedisNode) -> impl Iterator<Item = Answering<'a>> {
    let address = super::address_of(valid, from);
    let answering = observed.redis.iter().filter(|node| !node.pod.terminating && is_wanted(valid, node));
    answering
        .filter_map(|node| node.server.as_ref().ok().map(|facts| (node, facts)))
        .filter(move |(_, facts)| is_linked(facts, &address) && !facts.loading)
}
