//! Addresses that are no pods of ours: dead ones, whose votes make a majority impossible, and living ones. An address
//! that a pod left is given to another pod sooner or later, maybe of another `RedisFailover`, and a Sentinel that still
//! knows it would make that server a replica of our master.
//!
//! A Sentinel forgets by `SENTINEL RESET` alone, which makes it forget everybody: so one at a time, the next one only
//! when this one has found the others again, and never while the master is down or a failover runs.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::handover::greeting;
use super::master::majority;
use super::sentinels::{calm, failing_over, is_nobody, monitored};
use super::succession::is_linked;
use super::{Action, Finding, Memory, Trouble};
use crate::api::{SENTINEL_PORT, Valid};
use crate::observe::facts::{KnownServer, Observed, RedisNode, Role, SentinelFacts, SentinelNode};
use crate::redis::Address;

/// How long the dead may be remembered in a world that is otherwise healthy. Nobody waits for it.
const GHOSTS_STAY: Duration = Duration::from_secs(5);

/// How long a living stranger may stay: longer than the address of a new pod of ours takes to reach the caches, and
/// shorter by far than the 8 s after which a Sentinel gives orders to it.
const STRANGERS_STAY: Duration = Duration::from_millis(1500);

/// What is to be done about strangers, and what is said of them if there are any.
#[derive(Default)]
pub(super) struct Strangers {
    pub(super) actions: Vec<Action>,
    pub(super) finding: Option<Finding>,
    pub(super) troubles: BTreeSet<Trouble>,
}

pub(super) fn plan(
    valid: &Valid,
    observed: &Observed,
    memory: &Memory,
    master: &RedisNode,
    otherwise_healthy: bool,
    now: Timestamp,
) -> Strangers {
    let mut found = Strangers::default();
    let mut said = Vec::new();
    let lasts = |trouble, stay| memory.suffered(trouble, now) >= stay;
    for host in serves(valid, observed, master) {
        found.troubles.insert(Trouble::Strangers);
        said.push(format!("{} serves {host}", master.pod.name));
        if lasts(Trouble::Strangers, STRANGERS_STAY) {
            found.actions.push(Action::Expel { pod: master.pod.name.clone(), host });
        }
    }
    found.actions.extend(cut_off(valid, observed));
    let mut haunted = Vec::new();
    for node in observed.sentinels.iter().filter(|node| monitored(node).is_some()) {
        let Ok(facts) = &node.server else { continue };
        for known in unknown_to_us(valid, observed, facts) {
            let trouble = if is_dead(known) { Trouble::Ghosts } else { Trouble::Strangers };
            said.push(format!("{} knows {}", node.pod.name, known.address));
            found.troubles.insert(trouble);
            haunted.push((trouble, &node.pod.name));
        }
    }
    if !(otherwise_healthy && nobody_leaves(observed)) {
        found.troubles.remove(&Trouble::Ghosts);
    }
    let due = haunted.iter().find(|(trouble, _)| match trouble {
        Trouble::Ghosts => lasts(Trouble::Ghosts, GHOSTS_STAY) && found.troubles.contains(trouble),
        _ => lasts(Trouble::Strangers, STRANGERS_STAY),
    });
    let due = due.filter(|(trouble, _)| calm(observed) && acquainted(observed, *trouble == Trouble::Ghosts));
    found.actions.extend(due.map(|(_, pod)| Action::Reset { pod: (*pod).clone() }));
    found.finding = (!said.is_empty()).then(|| {
        let who = said.join(", ");
        Finding::bad("StrangersKnown", format!("no pods of this RedisFailover, to be forgotten: {who}"))
    });
    found
}

/// Foreign Sentinels that ours know, each with the port 0. A Sentinel takes that for an invalid address and speaks to
/// nobody there; it greets the others directly, every 2 s, and thereby makes itself known to those that forgot it. So a
/// group of Sentinels and another one would never forget each other, where one is made to forget after the other. This
/// takes nothing from a Sentinel, so it need not wait: where it is wrong, the peer's next greeting puts it right.
fn cut_off(valid: &Valid, observed: &Observed) -> Vec<Action> {
    let mut actions = Vec::new();
    for node in &observed.sentinels {
        let (Some(seen), Ok(facts)) = (monitored(node), &node.server) else { continue };
        let foreign = facts.known_peers.iter().filter(|known| !is_sentinel(observed, known));
        for peer in foreign.filter(|peer| !is_dead(peer) && !peer.id.is_empty()) {
            let nowhere = format!("{},0,{}", peer.address.host, peer.id);
            let hello = greeting(&nowhere, 0, &valid.sentinel.master_name, &seen.address(), 0);
            actions.push(Action::Introduce { pod: node.pod.name.clone(), hello });
        }
    }
    actions
}

/// What is to be done about strangers while there is no master. A server that follows an address which our dead master's
/// pod has left would copy whatever lives there next, over what may be the only data; so it follows nobody, at once. Not
/// while one has a link to the address that most Sentinels name: the process may live on though its pod is gone.
pub(super) fn without_master(valid: &Valid, observed: &Observed) -> Vec<Action> {
    let mut actions = cut_off(valid, observed);
    // A failover of the Sentinels may promote one of them just now.
    if failing_over(observed) {
        return actions;
    }
    let answers = || observed.redis.iter().filter_map(|node| node.server.as_ref().ok());
    let living = majority(valid, observed).filter(|named| answers().any(|facts| is_linked(facts, named)));
    let led_astray = observed.redis.iter().filter(|node| {
        foreign_source(valid, observed, node).is_some_and(|source| Some(source) != living.as_ref())
    });
    actions.extend(led_astray.map(|node| follow_nobody(valid, node)));
    actions
}

/// Whom a replica follows, if that is the address of no pod of ours.
pub(super) fn foreign_source<'a>(
    valid: &Valid,
    observed: &Observed,
    node: &'a RedisNode,
) -> Option<&'a Address> {
    match node.server.as_ref().map(|facts| &facts.role) {
        Ok(Role::Replica { source, .. }) => Some(source),
        _ => None,
    }
    .filter(|source| !is_nobody(&source.host) && !is_redis(valid, observed, source))
}

pub(super) fn follow_nobody(valid: &Valid, node: &RedisNode) -> Action {
    Action::Follow { pod: node.pod.name.clone(), master: super::nobody(valid) }
}

/// Hosts of connected replicas that are no pods of ours.
fn serves(valid: &Valid, observed: &Observed, master: &RedisNode) -> BTreeSet<String> {
    let replicas = match master.server.as_ref().map(|facts| &facts.role) {
        Ok(Role::Master { replicas }) => replicas.as_slice(),
        _ => &[],
    };
    let stranger = |address: &&Address| !is_redis(valid, observed, address);
    replicas.iter().map(|link| &link.address).filter(stranger).map(|address| address.host.clone()).collect()
}

/// Replicas and peers of a Sentinel that are no pods of ours.
fn unknown_to_us<'a>(
    valid: &Valid,
    observed: &Observed,
    facts: &'a SentinelFacts,
) -> impl Iterator<Item = &'a KnownServer> {
    let redis = facts.known_replicas.iter().filter(|known| !is_redis(valid, observed, &known.address));
    let peers = facts.known_peers.iter().filter(|known| !is_sentinel(observed, known));
    redis.chain(peers)
}

fn is_redis(valid: &Valid, observed: &Observed, address: &Address) -> bool {
    address.port == valid.redis.port
        && observed.redis.iter().any(|node| lives_at(node.pod.ip.as_ref(), address))
}

/// A Sentinel of ours at this address, and, where both are known, with this id: one that was replaced in place leaves
/// its old id behind.
fn is_sentinel(observed: &Observed, known: &KnownServer) -> bool {
    let same = |node: &SentinelNode| {
        let id = node.server.as_ref().map_or("", |facts| facts.id.as_str());
        lives_at(node.pod.ip.as_ref(), &known.address)
            && (id.is_empty() || known.id.is_empty() || id == known.id)
    };
    known.address.port == SENTINEL_PORT && observed.sentinels.iter().any(same)
}

fn lives_at(ip: Option<&String>, address: &Address) -> bool {
    ip.is_some_and(|ip| *ip == address.host)
}

fn is_dead(known: &KnownServer) -> bool {
    ["s_down", "o_down", "disconnected"].iter().any(|flag| known.flags.contains(*flag))
}

fn nobody_leaves(observed: &Observed) -> bool {
    let redis = observed.redis.iter().map(|node| &node.pod);
    !redis.chain(observed.sentinels.iter().map(|node| &node.pod)).any(|pod| pod.terminating)
}

/// Every Sentinel that answers knows every other one that does, so none of them was made to forget a moment ago. For the
/// dead there is time until each has found a replica too; where the master has none, that lasts 10 s and longer.
fn acquainted(observed: &Observed, with_replicas: bool) -> bool {
    let ids: Vec<_> = observed
        .sentinels
        .iter()
        .filter(|node| monitored(node).is_some())
        .filter_map(|node| node.server.as_ref().ok())
        .collect();
    let some_found = ids.iter().any(|facts| !facts.known_replicas.is_empty());
    ids.iter().all(|facts| {
        let knows = |other: &&SentinelFacts| {
            other.id == facts.id || facts.known_peers.iter().any(|peer| peer.id == other.id)
        };
        let found = !with_replicas || !some_found || !facts.known_replicas.is_empty();
        found && ids.iter().all(knows)
    })
}
