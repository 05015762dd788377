//! Addresses that are no pods of ours: dead ones, whose votes make a majority impossible, and living ones. An address
//! that a pod left is given to another pod sooner or later, maybe of another `RedisFailover`, and a Sentinel that still
//! knows it would make that server a replica of our master.
//!
//! A Sentinel forgets by `SENTINEL RESET` alone, which makes it forget everybody: so one at a time, the next one only
//! when this one has found the others again, and never while the master is down or a failover runs.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::sentinels::{calm, monitored};
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
    if calm(observed) && acquainted(observed) {
        found.actions.extend(due.map(|(_, pod)| Action::Reset { pod: (*pod).clone() }));
    }
    found.finding = (!said.is_empty()).then(|| {
        let who = said.join(", ");
        Finding::bad("StrangersKnown", format!("no pods of this RedisFailover, to be forgotten: {who}"))
    });
    found
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

/// Every Sentinel that answers knows every other one that does, and a replica where there are any: none of them was
/// made to forget a moment ago.
fn acquainted(observed: &Observed) -> bool {
    let ids: Vec<_> = observed
        .sentinels
        .iter()
        .filter(|node| monitored(node).is_some())
        .filter_map(|node| node.server.as_ref().ok())
        .collect();
    let has_replicas = ids.iter().any(|facts| !facts.known_replicas.is_empty());
    ids.iter().all(|facts| {
        let knows = |other: &&SentinelFacts| {
            other.id == facts.id || facts.known_peers.iter().any(|peer| peer.id == other.id)
        };
        ids.iter().all(knows) && (!has_replicas || !facts.known_replicas.is_empty())
    })
}
