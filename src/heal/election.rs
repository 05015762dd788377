//! Who becomes master where there is none.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;

use super::Memory;
use super::master::{Decision, WAITING_FOR_PODS, wait};
use super::sentinels::{self, is_nobody};
use super::{succession, switchover};
use crate::api::{Storage, Valid};
use crate::observe::facts::{Observed, RedisNode, Role, ServerFacts, Silence};
use crate::redis::Address;

/// How long servers that run are waited for on a first start before the others go on without them.
const STRAGGLERS: Duration = Duration::from_secs(30);
/// How long the Sentinels get to elect a master by themselves, on top of twice their `down-after-milliseconds`: two
/// rounds of votes.
const VOTES: Duration = Duration::from_secs(20);

/// How long a failover of the Sentinels is respected that concerns none of our servers. Sentinel never ends a failover
/// whose new master died before it was over, as when all pods are deleted at once.
pub(super) const STUCK: Duration = Duration::from_secs(15);

/// A promotion by the Sentinels may fall between the questions of one look; it does not in two.
pub(super) const SEEN_TWICE: Duration = Duration::from_millis(500);

/// How long servers that do not answer are waited for because they may hold newer data. After that, one that is there
/// is better than none: a node may be lost for good. Longer than a node takes to boot.
const LOST: Duration = Duration::from_secs(180);

/// A server that can be asked.
pub(super) type Answering<'a> = (&'a RedisNode, &'a ServerFacts);

pub(super) fn decide<'a>(
    valid: &Valid,
    observed: &'a Observed,
    memory: &Memory,
    named: Option<&Address>,
    answering: &[Answering<'a>],
    now: Timestamp,
) -> Decision<'a> {
    if let Some(leaving) = leaving_master(observed) {
        return switchover::before_it_stops(valid, observed, memory, leaving, now);
    }
    if let Some(decision) =
        named.and_then(|named| succession::decide(valid, observed, memory, named, answering, now))
    {
        return decision;
    }
    let masterless = memory.masterless_for(now);
    let first_start = memory.last_master.is_none() && named.is_none();
    if first_start && matches!(valid.redis.storage, Storage::EmptyDir(_)) {
        return first_of_empty(valid, observed, answering, masterless, now);
    }
    let missing = missing(valid, observed, answering);
    let helpless = named.is_some_and(|named| sentinels_are_helpless(valid, observed, named, answering));
    if sentinels::failing_over(observed) && !(helpless && masterless >= STUCK) {
        return wait("WaitingForSentinels", "no server is master; a failover of the Sentinels runs");
    }
    if let Some(missing) = missing {
        if named.is_some() && !helpless && masterless < sentinels_first(valid) {
            return wait(
                "WaitingForSentinels",
                "no server is master; the Sentinels are expected to elect one",
            );
        }
        if named.is_some_and(|named| sees_it_well(valid, observed, named)) {
            let message = format!("the Sentinels see their master well, but {missing} cannot be asked");
            return wait("MasterUnreachable", message);
        }
        let loading = answering.iter().any(|(_, facts)| facts.loading);
        if masterless < LOST || loading || !answering.iter().any(|(_, facts)| has_past(facts)) {
            return wait(WAITING_FOR_PODS, format!("no master, and {missing} may hold newer data"));
        }
    }
    if named.is_some() && masterless < SEEN_TWICE {
        return wait("WaitingForSentinels", "no server is master; looking once more");
    }
    choose(valid, observed, answering, memory, named, now)
}

/// Whether a Sentinel reaches the master that it names: then it serves, wherever the fault is. Not where our pod has left
/// that address, and nobody of ours has a link to it: whoever lives there now is a stranger.
fn sees_it_well(valid: &Valid, observed: &Observed, named: &Address) -> bool {
    let linked =
        |node: &RedisNode| node.server.as_ref().is_ok_and(|facts| succession::is_linked(facts, named));
    let ours = observed.redis.iter().any(|node| super::address_of(valid, node) == *named || linked(node));
    let down = |flag: &String| ["s_down", "o_down", "disconnected"].contains(&flag.as_str());
    let mut seen = observed.sentinels.iter().filter_map(sentinels::monitored);
    ours && seen.any(|seen| seen.address() == *named && !seen.flags.iter().any(down))
}

/// Whether the Sentinels can elect nobody: the master that they know is gone for good, and no server follows it, as when
/// all pods were replaced.
fn sentinels_are_helpless(
    valid: &Valid,
    observed: &Observed,
    named: &Address,
    answering: &[Answering<'_>],
) -> bool {
    let gone = !observed.redis.iter().any(|node| super::address_of(valid, node) == *named);
    let fresh =
        |facts: &ServerFacts| matches!(&facts.role, Role::Replica { source, .. } if is_nobody(&source.host));
    gone && answering.iter().all(|(_, facts)| fresh(facts))
}

/// A master that was deleted still serves until it stops; beside it there must not be another.
fn leaving_master(observed: &Observed) -> Option<&RedisNode> {
    let leaving = observed.redis.iter().filter(|node| node.pod.terminating);
    leaving
        .into_iter()
        .find(|node| node.server.as_ref().is_ok_and(|facts| matches!(facts.role, Role::Master { .. })))
}

/// The Sentinels look at a master anew only after their own timeout, which the user may have changed.
fn sentinels_first(valid: &Valid) -> Duration {
    let setting = valid.sentinel.config.iter().find(|directive| directive.key == "down-after-milliseconds");
    let down_after = setting.and_then(|directive| directive.value.parse().ok()).unwrap_or(5000);
    VOTES + Duration::from_millis(down_after) * 2
}

/// The servers that keep the picture from being complete: those that the spec wants and that do not answer with their
/// data loaded, and all others that exist and are silent.
fn missing(valid: &Valid, observed: &Observed, answering: &[Answering<'_>]) -> Option<String> {
    let answers = |name: &str| answering.iter().any(|(node, facts)| node.pod.name == name && !facts.loading);
    let wanted = (0..valid.redis.replicas).map(|ordinal| format!("rfr-{}-{ordinal}", valid.identity.name));
    let others = observed.redis.iter().map(|node| node.pod.name.clone());
    let mut silent: Vec<String> = wanted.chain(others).filter(|name| !answers(name)).collect();
    silent.sort();
    silent.dedup();
    (!silent.is_empty()).then(|| silent.join(", "))
}

/// Nobody ever held data, so the first ordinal need not wait for the others. Servers that run but do not answer are
/// waited for a while: the status may have been lost, and they may hold data after all.
fn first_of_empty<'a>(
    valid: &Valid,
    observed: &'a Observed,
    answering: &[Answering<'a>],
    masterless: Duration,
    now: Timestamp,
) -> Decision<'a> {
    let patient = masterless < STRAGGLERS;
    let failed = |node: &&RedisNode| matches!(node.server, Err(Silence::Failed(_))) && !node.pod.terminating;
    if let Some(node) = observed.redis.iter().find(failed).filter(|_| patient) {
        return wait(WAITING_FOR_PODS, format!("{} runs but does not answer yet", node.pod.name));
    }
    if let Some((node, _)) = answering.iter().find(|(_, facts)| has_past(facts)) {
        return match missing(valid, observed, answering) {
            None => choose(valid, observed, answering, &Memory::default(), None, now),
            Some(missing) => {
                wait(WAITING_FOR_PODS, format!("{} holds data; waiting for {missing}", node.pod.name))
            }
        };
    }
    let first = answering.iter().min_by_key(|(node, _)| node.pod.ordinal);
    match first {
        Some((node, _)) if node.pod.ordinal == Some(0) => {
            Decision::Promote { pod: node.pod.name.clone(), why: "first start, no data anywhere".to_owned() }
        }
        Some((node, _)) if !patient => {
            let why = "first start, no data anywhere, and the servers before it do not run".to_owned();
            Decision::Promote { pod: node.pod.name.clone(), why }
        }
        _ => {
            wait(WAITING_FOR_PODS, format!("{} of {} servers answer", answering.len(), valid.redis.replicas))
        }
    }
}

/// None is master: the best history wins, and within it the newest part and the most advanced server. Never by age, and
/// never one that the spec no longer wants.
fn choose<'a>(
    valid: &Valid,
    observed: &'a Observed,
    answering: &[Answering<'a>],
    memory: &Memory,
    named: Option<&Address>,
    now: Timestamp,
) -> Decision<'a> {
    let was_master = |node: &RedisNode| memory.last_master.as_deref() == Some(&node.pod.name);
    let history = |facts: &ServerFacts| {
        let members = || answering.iter().filter(|(_, other)| related(facts, other));
        let with_past = members().filter(|(_, other)| has_past(other)).count();
        let of_master = members().any(|(node, other)| was_master(node) && has_past(other));
        (with_past > 0, of_master, with_past)
    };
    let candidates = answering.iter().filter(|(node, facts)| is_wanted(valid, node) && !facts.loading);
    let best = candidates.min_by_key(|(node, facts)| {
        let rank = (history(facts), !outdated(facts, answering), facts.offset, was_master(node), facts.keys);
        (Reverse(rank), node.pod.ordinal)
    });
    let Some((node, facts)) = best else {
        return wait(WAITING_FOR_PODS, "no server answers");
    };
    let why = if history(facts).0 {
        let (offset, keys) = (facts.offset, facts.keys);
        format!("of the servers that answer it has the most of the data (offset {offset}, {keys} keys)")
    } else {
        "every server is known and none holds data".to_owned()
    };
    let other = named.filter(|named| **named != super::address_of(valid, node));
    match other.map(|from| succession::hand_over(valid, observed, memory, from, node, why.clone(), now)) {
        Some(told @ (Decision::HandOver(_) | Decision::Failover { .. })) => told,
        // All are known and none is master, so waiting longer can only bring a worse choice by the Sentinels.
        Some(unfit) if memory.masterless_for(now) < succession::UNFIT => unfit,
        _ => Decision::Promote { pod: node.pod.name.clone(), why },
    }
}

/// Whether the spec wants this server.
pub(super) fn is_wanted(valid: &Valid, node: &RedisNode) -> bool {
    node.pod.ordinal.is_some_and(|ordinal| i64::from(ordinal) < i64::from(valid.redis.replicas))
}

/// Whether a newer history began where this one ended: somebody was promoted since. What this server wrote after that
/// was never the master's, however far its offset went.
pub(super) fn outdated(facts: &ServerFacts, answering: &[Answering<'_>]) -> bool {
    answering.iter().any(|(_, other)| {
        !facts.replication_id.is_empty()
            && other.second_replication_id == facts.replication_id
            && other.replication_id != facts.replication_id
            && facts.second_replication_id != other.replication_id
    })
}

/// Whether two servers have the same history, at least up to the last promotion.
pub(super) fn related(one: &ServerFacts, other: &ServerFacts) -> bool {
    let ids = |facts: &ServerFacts| [facts.replication_id.clone(), facts.second_replication_id.clone()];
    ids(one).iter().any(|id| !id.is_empty() && ids(other).contains(id))
}

/// Whether a server took part in its history. One that started empty has none: its id is new and its offset 0.
fn has_past(facts: &ServerFacts) -> bool {
    holds_data(facts) || facts.offset > 0
}

/// Whether anything could be lost by making this server a replica of an empty one.
pub(super) fn holds_data(facts: &ServerFacts) -> bool {
    facts.keys > 0 || facts.loading
}
