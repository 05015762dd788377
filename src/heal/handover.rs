//! The announced handover: a new master made known in the words in which Sentinels greet one another.
//!
//! A Sentinel takes over the master of a greeting whose epoch is above its own, tells its clients, stores it and passes
//! it on. So the one who knows more and sooner publishes such a greeting to each of them, in the voice of a peer that it
//! knows. Here is the pure part: what must hold before, what is said, and what must hold after.

use std::collections::BTreeSet;

use super::Master;
use super::sentinels::{is_nobody, monitored};
use crate::api::{SENTINEL_PORT, Valid};
use crate::observe::facts::{Monitored, Observed, SentinelFacts, SentinelNode};
use crate::redis::Address;

/// A master replaced by another, step by step. Each step is taken only when the one before it has worked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The master that the Sentinels agree on until now.
    pub from: Address,
    /// Its pod, where it still serves and so has to be paused and demoted.
    pub serving: Option<String>,
    /// The server that becomes master.
    pub to: Master,
    /// Why this one and why now.
    pub why: String,
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// What each Sentinel is told.
    pub announcements: Vec<Announcement>,
    /// Epoch of the new configuration: above every one that the Sentinels have.
    pub epoch: i64,
    /// Sentinels that must agree before and after: more than half of those that the spec wants.
    pub majority: usize,
    /// Name under which the Sentinels know the master.
    pub master_name: String,
    /// Servers that certainly are no masters, though a Sentinel may name one: it was left behind and is told better.
    pub former: BTreeSet<Address>,
}

/// One step of a handover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask the Sentinels once more whether it may be: a failover of their own may have begun since the look.
    Gate,
    /// Have the old master take no more writes for a while: its clients wait.
    Pause,
    /// Wait until the new master has all that the old one acknowledged.
    CatchUp,
    /// Make the new master one. Nobody writes to it yet: no Sentinel names it.
    Promote,
    /// Make the old master its replica, while it still holds back writes: it never takes one again, whoever dies now.
    Demote,
    /// Tell all Sentinels.
    Announce,
    /// Ask whether most of them took it over.
    Check,
    /// Send the old master's clients away, to look for the new one.
    Release,
}

/// The steps after a crash.
const AFTER_A_CRASH: [Step; 4] = [Step::Gate, Step::Promote, Step::Announce, Step::Check];
/// The steps while the old master serves.
const FROM_A_SERVING_MASTER: [Step; 8] = [
    Step::Gate,
    Step::Pause,
    Step::CatchUp,
    Step::Promote,
    Step::Demote,
    Step::Announce,
    Step::Check,
    Step::Release,
];

/// What one Sentinel is told, and in whose voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The pod of the Sentinel that is told.
    pub pod: String,
    /// A peer that this Sentinel knows: address, port and id, as they begin a greeting.
    pub voice: String,
}

/// Why a handover cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// A failover of the Sentinels runs.
    #[error("a failover of the Sentinels runs")]
    FailingOver,
    /// A Sentinel names a third server.
    #[error("a Sentinel names {0}")]
    Disagreement(Address),
    /// A Sentinel has an epoch that the announcement does not exceed.
    #[error("a Sentinel has the epoch {0} already")]
    Epoch(i64),
    /// Too few Sentinels can be asked, agree and know one another.
    #[error("only {0} of the {1} Sentinels that are needed can be told")]
    NoMajority(usize, usize),
    /// Not enough Sentinels took the announcement over.
    #[error("only {0} of the {1} Sentinels that are needed took it over")]
    NotTaken(usize, usize),
}

impl Closed {
    /// Fixed name, for log fields, event reasons and metric labels.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::FailingOver => "SentinelsFailOver",
            Self::Disagreement(_) => "SentinelsDisagree",
            Self::Epoch(_) => "EpochTooLow",
            Self::NoMajority(..) => "NoMajority",
            Self::NotTaken(..) => "NotTakenOver",
        }
    }
}

impl Handover {
    /// A handover from a master that is gone, if the Sentinels are fit for one as far as this look shows.
    pub(super) fn after_a_crash(
        valid: &Valid,
        observed: &Observed,
        from: Address,
        to: Master,
        why: String,
        former: BTreeSet<Address>,
    ) -> Result<Self, Closed> {
        Self { steps: AFTER_A_CRASH.to_vec(), former, ..Self::new(valid, observed, from, to, why) }
            .open(observed)
    }

    /// A handover from a master that serves, without the loss of a write.
    pub(super) fn planned(
        valid: &Valid,
        observed: &Observed,
        from: &Master,
        to: Master,
        why: String,
    ) -> Result<Self, Closed> {
        let serving = Some(from.pod.clone());
        Self {
            steps: FROM_A_SERVING_MASTER.to_vec(),
            serving,
            ..Self::new(valid, observed, from.address.clone(), to, why)
        }
        .open(observed)
    }

    fn new(valid: &Valid, observed: &Observed, from: Address, to: Master, why: String) -> Self {
        let announcements = observed.sentinels.iter().filter_map(|listener| announcement(listener, observed));
        Self {
            from,
            serving: None,
            to,
            why,
            steps: Vec::new(),
            epoch: next_epoch(valid, observed),
            majority: super::majority_of(valid.sentinel.replicas),
            master_name: valid.sentinel.master_name.clone(),
            announcements: announcements.collect(),
            former: BTreeSet::new(),
        }
    }

    /// This one, if its gate is open as far as a look shows.
    fn open(self, observed: &Observed) -> Result<Self, Closed> {
        let seen: Vec<&Monitored> = observed.sentinels.iter().filter_map(monitored).collect();
        self.gate(seen)?;
        let told = self.announcements.len();
        if told < self.majority { Err(Closed::NoMajority(told, self.majority)) } else { Ok(self) }
    }

    /// Whether it may be, by what the Sentinels say: most of them name the old master (or the new one already), and
    /// nothing speaks against it. Asked by the planner and again just before the promotion.
    pub fn gate<'a>(&self, answers: impl IntoIterator<Item = &'a Monitored>) -> Result<(), Closed> {
        let mut agree = 0;
        for seen in answers {
            let named = seen.address();
            if seen.flags.contains("failover_in_progress") {
                return Err(Closed::FailingOver);
            }
            if seen.config_epoch >= self.epoch {
                return Err(Closed::Epoch(seen.config_epoch));
            }
            if named == self.from || named == self.to.address {
                agree += 1;
            } else if !is_nobody(&named.host) && !self.former.contains(&named) {
                return Err(Closed::Disagreement(named));
            }
        }
        if agree < self.majority { Err(Closed::NoMajority(agree, self.majority)) } else { Ok(()) }
    }

    /// Whether most Sentinels took the new master over.
    pub fn taken_over<'a>(&self, answers: impl IntoIterator<Item = &'a Monitored>) -> Result<(), Closed> {
        let taken = answers.into_iter().filter(|seen| seen.address() == self.to.address).count();
        if taken < self.majority { Err(Closed::NotTaken(taken, self.majority)) } else { Ok(()) }
    }

    /// The master that most Sentinels name, where it went wrong: what everything is put back to. None where too few can
    /// be asked: the next look decides.
    pub fn standing<'a>(&self, answers: impl IntoIterator<Item = &'a Monitored>) -> Option<Address> {
        most_named(answers).filter(|(_, count)| *count >= self.majority).map(|(address, _)| address)
    }

    /// The greeting that makes `master` known with this epoch.
    #[must_use]
    pub fn greeting(&self, announcement: &Announcement, master: &Address, epoch: i64) -> String {
        greeting(&announcement.voice, epoch, &self.master_name, master, epoch)
    }
}

/// The address that is named most often, and how often; the lower one where two are.
pub(super) fn most_named<'a>(answers: impl IntoIterator<Item = &'a Monitored>) -> Option<(Address, usize)> {
    let mut votes = std::collections::BTreeMap::<Address, usize>::new();
    for seen in answers.into_iter().filter(|seen| !is_nobody(&seen.host)) {
        *votes.entry(seen.address()).or_default() += 1;
    }
    votes.into_iter().rev().max_by_key(|(_, count)| *count)
}

/// A greeting as Sentinels publish it on the channel `__sentinel__:hello`.
pub(super) fn greeting(voice: &str, epoch: i64, name: &str, master: &Address, config_epoch: i64) -> String {
    format!("{voice},{epoch},{name},{},{},{config_epoch}", master.host, master.port)
}

/// The beginning of a greeting: who speaks.
pub(super) fn voice(node: &SentinelNode) -> Option<String> {
    let (facts, ip) = (node.server.as_ref().ok()?, node.pod.ip.as_ref()?);
    Some(format!("{ip},{SENTINEL_PORT},{}", facts.id))
}

/// A Sentinel can be told something if it was heard itself, so that its epoch is known, and knows a peer of ours whose
/// voice it believes. That peer need not answer: it may have died with the master.
fn announcement(listener: &SentinelNode, observed: &Observed) -> Option<Announcement> {
    let facts = heard(listener)?;
    let ours = |host: &str| {
        observed
            .sentinels
            .iter()
            .any(|peer| peer.pod.name != listener.pod.name && peer.pod.ip.as_deref() == Some(host))
    };
    let peer = facts
        .known_peers
        .iter()
        .find(|peer| !peer.id.is_empty() && peer.address.port == SENTINEL_PORT && ours(&peer.address.host))?;
    Some(Announcement {
        pod: listener.pod.name.clone(),
        voice: format!("{},{},{}", peer.address.host, peer.address.port, peer.id),
    })
}

/// A Sentinel that answers, monitors a real master and was heard to speak of its epoch.
fn heard(node: &SentinelNode) -> Option<&SentinelFacts> {
    let real = monitored(node).is_some_and(|seen| !is_nobody(&seen.host));
    node.server.as_ref().ok().filter(|facts| real && facts.current_epoch.is_some())
}

/// Above every epoch that is known. Greetings are up to two seconds old, and each Sentinel may have begun one election
/// since: that many are left out.
fn next_epoch(valid: &Valid, observed: &Observed) -> i64 {
    let answering = observed.sentinels.iter().filter_map(|node| node.server.as_ref().ok());
    let known = answering
        .flat_map(|facts| [facts.current_epoch, facts.monitored.as_ref().map(|seen| seen.config_epoch)]);
    let begun = observed.sentinels.len().max(usize::try_from(valid.sentinel.replicas).unwrap_or_default());
    let highest = known.flatten().max().unwrap_or_default();
    highest.saturating_add(1).saturating_add(i64::try_from(begun).unwrap_or_default())
}
