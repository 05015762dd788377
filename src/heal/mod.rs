//! The planner: from what should be and what is to what must be done. Pure, total and deterministic.
//!
//! What it cannot heal it does not guess at: the state becomes a [`Finding`], and so a condition and an event.

mod election;
mod handover;
mod master;
mod memory;
mod replicas;
mod rivals;
mod roll;
mod sentinels;
mod settings;
mod strangers;
mod succession;
pub mod switchover;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::Valid;
use crate::observe::facts::{Observed, RedisNode};
use crate::redis::Address;

pub use handover::{Announcement, Closed, Handover, Step};
pub use memory::{Memory, Outcome, SettingKey, Trouble};

/// When to look again where the next look shows what was done.
const AT_ONCE: Duration = Duration::from_millis(20);
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

/// The address that servers and Sentinels start with, which means nobody yet.
const NOBODY: &str = "127.0.0.1";

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
    /// Make a second master a replica of the first, and cut off its clients: they find the right one anew.
    Demote {
        /// Its pod.
        pod: String,
        /// The master.
        master: Address,
    },
    /// Cut off replicas that are no pods of ours.
    Expel {
        /// The pod of the server that they follow.
        pod: String,
        /// Their host.
        host: String,
    },
    /// Have a Sentinel fail over now, instead of after its timeout.
    Failover {
        /// The Sentinel's pod.
        pod: String,
        /// Why it must.
        why: String,
    },
    /// Delete a pod, so that its StatefulSet makes it anew from today's template.
    Restart {
        /// The pod.
        pod: String,
    },
    /// Remove the annotation that asked for a switchover: it is answered.
    Dismiss {
        /// What it said.
        request: String,
        /// What came of it; the error is why it cannot be.
        outcome: Result<String, String>,
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

    /// This one, where it is bad or there is no other that is.
    fn unless(self, other: Option<Self>) -> Self {
        if self.ok { other.unwrap_or(self) } else { self }
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
    /// The replacement of the master, before all else.
    pub handover: Option<Handover>,
    /// To do after that, in this order, each whether or not the one before it worked. Where the handover fails, none of
    /// them is done.
    pub actions: Vec<Action>,
    /// The master that is and stays, if there is one.
    pub master: Option<Master>,
    /// Whether there is one master.
    pub available: Finding,
    /// Whether every replica follows it and is in sync.
    pub in_sync: Finding,
    /// Whether the Sentinels agree on it.
    pub quorum: Finding,
    /// Whether every redis pod runs what the spec says.
    pub up_to_date: Finding,
    /// What is acted upon only when it lasts.
    pub troubles: BTreeSet<Trouble>,
    /// Whether every server has the settings of customConfig.
    pub config: Finding,
    /// When to look again.
    pub look_again: Duration,
}

impl Plan {
    /// There is nothing to do.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.handover.is_none() && self.actions.is_empty()
    }

    /// Everything is as it should be.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.idle()
            && [&self.available, &self.in_sync, &self.quorum, &self.config, &self.up_to_date]
                .iter()
                .all(|f| f.ok)
    }
}

/// Decides what to do now. `memory` is what earlier looks left behind; see [`Memory::update`].
#[must_use]
pub fn plan(valid: &Valid, observed: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    use master::Decision;
    match master::decide(valid, observed, memory, now) {
        Decision::Stable(node) => with_master(valid, observed, memory, node, now),
        Decision::Promote { pod, why } => Plan {
            available: Finding::bad("Electing", format!("promoting {pod}: {why}")),
            actions: vec![Action::Promote { pod, why }],
            ..without_master(observed, SOON)
        },
        Decision::StepDown { node, follow } => {
            let pod = node.pod.name.clone();
            let message = format!("{pod} is master, but not the one that the Sentinels name; it steps down");
            Plan {
                available: Finding::bad("OldMaster", message),
                actions: vec![Action::Demote { pod, master: follow }],
                ..without_master(observed, SOON)
            }
        }
        Decision::HandOver(handover) => hand_over(valid, observed, *handover),
        Decision::Failover { pod, why } => Plan {
            available: Finding::bad("SentinelsFailOver", format!("{pod} is told to fail over: {why}")),
            actions: vec![Action::Failover { pod, why }],
            ..without_master(observed, SOON)
        },
        Decision::Wait { reason, message, troubles } => {
            let look_again = if reason == master::WAITING_FOR_PODS { WHILE_PODS_START } else { SOON * 2 };
            Plan {
                available: Finding::bad(reason, message),
                actions: strangers::without_master(valid, observed),
                troubles,
                ..without_master(observed, look_again)
            }
        }
    }
}

/// The handover with all that is to follow it: the labels, the old master's first, and the other servers' new source.
fn hand_over(valid: &Valid, observed: &Observed, handover: Handover) -> Plan {
    let mut actions = replicas::labels(observed, &handover.to);
    actions.extend(replicas::followers(valid, observed, &handover.to));
    let (to, why) = (&handover.to, &handover.why);
    Plan {
        available: Finding::bad("HandingOver", format!("{} at {} becomes master: {why}", to.pod, to.address)),
        handover: Some(handover),
        actions,
        ..without_master(observed, AT_ONCE)
    }
}

fn without_master(observed: &Observed, look_again: Duration) -> Plan {
    let unknown =
        |what: &str| Finding::bad("NoMaster", format!("{what} cannot be judged while there is no master"));
    Plan {
        handover: None,
        actions: Vec::new(),
        master: None,
        available: unknown("availability"),
        in_sync: unknown("replication"),
        quorum: unknown("the Sentinels' agreement"),
        up_to_date: roll::without_master(observed),
        troubles: BTreeSet::new(),
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
    let sentinels = sentinels::plan(valid, observed, memory, &master, now);
    actions.extend(sentinels.actions);
    let strangers = strangers::plan(valid, observed, memory, node, in_sync.ok && sentinels.agree, now);
    actions.extend(strangers.actions);
    let quorum = sentinels.finding.unless(strangers.finding);
    let (set, config) = settings::plan(valid, observed, memory);
    actions.extend(set);
    let mut troubles: BTreeSet<_> = sentinels.troubles.into_iter().chain(strangers.troubles).collect();
    match switchover::requested(valid, observed, memory, node, now) {
        Some(switchover::Answer::HandOver(handover, answered)) => {
            let mut plan = hand_over(valid, observed, *handover);
            plan.actions.push(answered);
            return plan;
        }
        Some(switchover::Answer::Dismiss(answered)) => actions.push(answered),
        Some(switchover::Answer::Wait) => drop(troubles.insert(Trouble::Request)),
        None => {}
    }
    let calm = actions.is_empty() && in_sync.ok && quorum.ok;
    let roll = roll::plan(valid, observed, memory, node, calm, now);
    if let Some(handover) = roll.handover {
        return Plan { up_to_date: roll.finding, ..hand_over(valid, observed, handover) };
    }
    actions.extend(roll.action);
    let look_again = match actions.is_empty() {
        false => SOON,
        true if troubles.contains(&Trouble::Request) => SOON,
        true if in_sync.ok && quorum.ok && config.ok && roll.finding.ok => STEADY,
        true if !pods_complete(valid, observed) => WHILE_PODS_START,
        true if memory.stable_for(now) < SETTLING => SOON,
        true => UNHEALTHY,
    };
    let message = format!("{} at {} is the master", master.pod, master.address);
    Plan {
        handover: None,
        actions,
        master: Some(master),
        available: Finding::good("MasterFound", message),
        in_sync,
        quorum,
        up_to_date: roll.finding,
        troubles,
        config,
        look_again,
    }
}

/// More than half.
fn majority_of(wanted: i32) -> usize {
    usize::try_from(wanted).unwrap_or_default() / 2 + 1
}

/// Whom a server follows that is to wait for better news.
fn nobody(valid: &Valid) -> Address {
    Address { host: NOBODY.to_owned(), port: valid.redis.port }
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
