//! The planner: from what should be and what is to what must be done. Pure, total and deterministic.
//!
//! What it cannot heal it does not guess at: the state becomes a [`Finding`], and so a condition and an event.

mod election;
mod master;
mod memory;
mod replicas;
mod sentinels;
mod settings;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use jiff::Timestamp;

use crate::api::Valid;
use crate::observe::facts::{Observed, RedisNode};
use crate::redis::Address;

pub use memory::{Memory, Outcome, SettingKey};

/// When to look again while something is on its way.
const SOON: Duration = Duration::from_millis(250);
/// When to look again while only Kubernetes can move: pod events wake the reconcile sooner.
const WHILE_PODS_START: Duration = Duration::from_secs(1);
/// How long after a change of masters servers and Sentinels are expected to settle.
const SETTLING: Duration = Duration::from_secs(20);
/// When to look again while something is missing that only time or a person can mend.
const UNHEALTHY: Duration = Duration::from_secs(2);
/// When to look again in a healthy world.
const STEADY: Duration = Duration::from_secs(10);

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make this server the master.
    Promote {
        /// Its pod.
        pod: String,
        /// Why this one.
        why: String,
    },
    /// Make this server a replica of the master.
    Follow {
        /// Its pod.
        pod: String,
        /// The master.
        master: Address,
    },
    /// Set the role label of a pod.
    Label {
        /// The pod.
        pod: String,
        /// `master` or `slave`.
        role: &'static str,
    },
    /// Have a Sentinel monitor the master.
    Monitor {
        /// The Sentinel's pod.
        pod: String,
        /// The master.
        master: Address,
        /// Sentinels that must agree that it is down.
        quorum: i32,
        /// It monitors something else under that name, which must be removed first.
        replace: bool,
    },
    /// Tell a Sentinel of a peer, in the words that Sentinels introduce themselves with.
    Introduce {
        /// The Sentinel's pod.
        pod: String,
        /// The peer's greeting, as it would publish it itself.
        hello: String,
    },
    /// Tell a Sentinel the password of the servers again.
    Authenticate {
        /// The Sentinel's pod.
        pod: String,
    },
    /// Have a Sentinel forget all replicas and peers and find them anew.
    Reset {
        /// The Sentinel's pod.
        pod: String,
    },
    /// Change a setting of a redis server.
    SetRedis(SettingKey),
    /// Change a setting of a Sentinel.
    SetSentinel(SettingKey),
}

/// One aspect of the state: whether it is as it should be, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// As it should be.
    pub ok: bool,
    /// Fixed name: condition reason, event reason, metric label.
    pub reason: &'static str,
    /// For the person on call.
    pub message: String,
}

impl Finding {
    fn good(reason: &'static str, message: impl Into<String>) -> Self {
        Self { ok: true, reason, message: message.into() }
    }

    fn bad(reason: &'static str, message: impl Into<String>) -> Self {
        Self { ok: false, reason, message: message.into() }
    }
}

/// The master and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// Its pod.
    pub pod: String,
    /// Its address.
    pub address: Address,
}

/// What to do, what was found, and when to look again.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// To do, in this order.
    pub actions: Vec<Action>,
    /// The master that is and stays, if there is one.
    pub master: Option<Master>,
    /// Whether there is one master.
    pub available: Finding,
    /// Whether every replica follows it and is in sync.
    pub in_sync: Finding,
    /// Whether the Sentinels agree on it.
    pub quorum: Finding,
    /// Whether a Sentinel remembers servers that are gone, in a world that is otherwise healthy.
    pub ghosts: bool,
    /// Whether a Sentinel names a server that is not ours.
    pub strangers: bool,
    /// Whether every server has the settings of customConfig.
    pub config: Finding,
    /// When to look again.
    pub look_again: Duration,
}

impl Plan {
    /// Everything is as it should be.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.actions.is_empty()
            && [&self.available, &self.in_sync, &self.quorum, &self.config].iter().all(|f| f.ok)
    }
}

/// Decides what to do now. `memory` is what earlier looks left behind; see [`Memory::update`].
#[must_use]
pub fn plan(valid: &Valid, observed: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    match master::decide(valid, observed, memory, now) {
        master::Decision::Stable(node) => with_master(valid, observed, memory, node, now),
        master::Decision::Promote { pod, why } => Plan {
            available: Finding::bad("Electing", format!("promoting {pod}: {why}")),
            actions: vec![Action::Promote { pod, why }],
            ..without_master(SOON)
        },
        master::Decision::Wait { reason, message } => {
            let look_again = if reason == master::WAITING_FOR_PODS { WHILE_PODS_START } else { SOON * 2 };
            Plan { available: Finding::bad(reason, message), ..without_master(look_again) }
        }
    }
}

fn without_master(look_again: Duration) -> Plan {
    let unknown =
        |what: &str| Finding::bad("NoMaster", format!("{what} cannot be judged while there is no master"));
    Plan {
        actions: Vec::new(),
        master: None,
        available: unknown("availability"),
        in_sync: unknown("replication"),
        quorum: unknown("the Sentinels' agreement"),
        ghosts: false,
        strangers: false,
        config: unknown("the configuration"),
        look_again,
    }
}

fn with_master(
    valid: &Valid,
    observed: &Observed,
    memory: &Memory,
    node: &RedisNode,
    now: Timestamp,
) -> Plan {
    let address = address_of(valid, node);
    let master = Master { pod: node.pod.name.clone(), address };
    let mut actions = replicas::labels(observed, &master);
    let (follow, in_sync) = replicas::plan(valid, observed, node, &master);
    actions.extend(follow);
    let sentinels = sentinels::plan(valid, observed, memory, &master, in_sync.ok, now);
    actions.extend(sentinels.actions);
    let quorum = sentinels.finding;
    let (set, config) = settings::plan(valid, observed, memory);
    actions.extend(set);
    let look_again = match actions.is_empty() {
        false => SOON,
        true if in_sync.ok && quorum.ok && config.ok => STEADY,
        true if !pods_complete(valid, observed) => WHILE_PODS_START,
        true if memory.stable_for(now) < SETTLING => SOON,
        true => UNHEALTHY,
    };
    let message = format!("{} at {} is the master", master.pod, master.address);
    Plan {
        actions,
        master: Some(master),
        available: Finding::good("MasterFound", message),
        in_sync,
        quorum,
        ghosts: sentinels.ghosts,
        strangers: sentinels.strangers,
        config,
        look_again,
    }
}

/// Where clients and peers reach a redis server.
fn address_of(valid: &Valid, node: &RedisNode) -> Address {
    Address { host: node.pod.ip.clone().unwrap_or_default(), port: valid.redis.port }
}

/// All servers that the spec wants run.
fn pods_complete(valid: &Valid, observed: &Observed) -> bool {
    let alive = |wanted: i32, running: usize| usize::try_from(wanted).is_ok_and(|wanted| running >= wanted);
    alive(valid.redis.replicas, observed.redis.iter().filter(|n| n.pod.running && !n.pod.terminating).count())
        && alive(
            valid.sentinel.replicas,
            observed.sentinels.iter().filter(|n| n.pod.running && !n.pod.terminating).count(),
        )
}
