//! What Sentinels are told of the master and of one another.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::election::STUCK;
use super::handover::{greeting, voice};
use super::{Action, Finding, Master, Memory, SettingKey, Trouble};
use crate::api::Valid;
use crate::observe::facts::{Monitored, Observed, Role, SentinelFacts, SentinelNode};

/// A Sentinel asks a master for its replicas when it begins to monitor it, and then every 10 s only. So it is told of
/// a new master when the replicas are there, but after this time at the latest.
const WAIT_FOR_REPLICAS: Duration = Duration::from_secs(5);

/// How long a Sentinel may monitor an address that is no server of ours before it is told better: seen more than once.
/// All that do are told at once: they do not guard our master, and send clients to the foreign one.
const WRONG_MASTER_STAYS: Duration = Duration::from_secs(1);

/// How long a Sentinel may monitor another of our servers. Its peers tell it within two seconds, unless its epoch is the
/// same as theirs.
const ASTRAY_STAYS: Duration = Duration::from_secs(10);

/// What a Sentinel monitors, if it answers and monitors anything.
pub(super) fn monitored(node: &SentinelNode) -> Option<&Monitored> {
    node.server.as_ref().ok().and_then(|facts| facts.monitored.as_ref()).filter(|_| !node.pod.terminating)
}

/// The address that stands in a fresh sentinel.conf and redis.conf, and means "nobody yet".
pub(super) fn is_nobody(host: &str) -> bool {
    host == super::NOBODY
}

/// Whether no Sentinel sees the master down or is failing over.
pub(super) fn calm(observed: &Observed) -> bool {
    let mut seen = observed.sentinels.iter().filter_map(monitored).filter(|seen| !is_nobody(&seen.host));
    !seen.any(|seen| {
        ["s_down", "o_down", "failover_in_progress"].iter().any(|flag| seen.flags.contains(*flag))
    })
}

/// Whether a Sentinel is failing over.
pub(super) fn failing_over(observed: &Observed) -> bool {
    observed.sentinels.iter().filter_map(monitored).any(|seen| seen.flags.contains("failover_in_progress"))
}

/// What is to be done about the Sentinels.
pub(super) struct Sentinels {
    pub(super) actions: Vec<Action>,
    pub(super) finding: Finding,
    pub(super) troubles: BTreeSet<Trouble>,
    /// All that the spec wants agree on the master, and know one another and the replicas.
    pub(super) agree: bool,
}

pub(super) fn plan(
    valid: &Valid,
    observed: &Observed,
    memory: &Memory,
    master: &Master,
    now: Timestamp,
) -> Sentinels {
    let may_point =
        replicas_connected(valid, observed, master) || memory.stable_for(now) >= WAIT_FOR_REPLICAS;
    let mut actions = Vec::new();
    let mut wrong = Vec::new();
    let mut told_better: Vec<(Trouble, &SentinelNode)> = Vec::new();
    let mut agreeing = 0;
    for node in observed.sentinels.iter().filter(|node| !node.pod.terminating) {
        let pod = &node.pod.name;
        match judge(valid, observed, node, master) {
            Verdict::Agrees => agreeing += 1,
            Verdict::Point { replace } if may_point => {
                actions.push(point(valid, pod, master, replace));
                wrong.push(format!("{pod} is told of the master"));
            }
            Verdict::Point { .. } => wrong.push(format!("{pod} is told once the replicas are connected")),
            Verdict::Set(key) => {
                wrong.push(format!("{pod} is told the quorum"));
                actions.push(Action::SetSentinel(key));
            }
            Verdict::Misled(trouble, why) => {
                told_better.push((trouble, node));
                wrong.push(format!("{pod} {why}"));
            }
            Verdict::Shut(why) => {
                actions.push(Action::Authenticate { pod: pod.clone() });
                wrong.push(format!("{pod} {why}"));
            }
            Verdict::Lonely(why) => {
                // The epoch is the one that the peer has: nothing but the acquaintance is new.
                let epoch = |peer: &SentinelNode| {
                    let seen = monitored(peer).filter(|seen| seen.address() == master.address)?;
                    Some(seen.config_epoch)
                };
                actions.extend(introductions(valid, observed, node, master, epoch));
                wrong.push(format!("{pod} {why}"));
            }
            Verdict::Astray(why) => wrong.push(format!("{pod} {why}")),
        }
    }
    let due = |(trouble, _): &&(Trouble, _)| memory.suffered(*trouble, now) >= patience(*trouble, observed);
    let strangers = told_better.iter().filter(|(trouble, _)| *trouble == Trouble::WrongMaster).filter(due);
    let astray = told_better.iter().filter(|(trouble, _)| *trouble == Trouble::Astray).find(due);
    for (_, node) in strangers.chain(astray) {
        actions.extend(tell_better(valid, observed, node, master));
    }
    let troubles = told_better.iter().map(|(trouble, _)| *trouble).collect();
    let agree = agreeing >= valid.sentinel.replicas && wrong.is_empty();
    Sentinels { actions, finding: finding(valid, agreeing, &wrong), troubles, agree }
}

fn point(valid: &Valid, pod: &str, master: &Master, replace: bool) -> Action {
    let (master, quorum) = (master.address.clone(), valid.sentinel.quorum());
    Action::Monitor { pod: pod.to_owned(), master, quorum, replace }
}

/// A Sentinel that monitors something else is told of the master, and of the highest epoch that it or its peers have. It
/// would begin with 0, and take over the foreign master again with the next greeting of a foreign Sentinel; with the same
/// epoch neither group takes over anything from the other one.
fn tell_better(valid: &Valid, observed: &Observed, node: &SentinelNode, master: &Master) -> Vec<Action> {
    let epochs = observed.sentinels.iter().filter_map(monitored).map(|seen| seen.config_epoch);
    let highest = epochs.max().unwrap_or_default();
    let mut actions = vec![point(valid, &node.pod.name, master, true)];
    actions.extend(introductions(valid, observed, node, master, |_| Some(highest)));
    actions
}

/// None is told better into a failover; but one that cannot end is no failover.
fn patience(trouble: Trouble, observed: &Observed) -> Duration {
    let usual = if trouble == Trouble::Astray { ASTRAY_STAYS } else { WRONG_MASTER_STAYS };
    if failing_over(observed) { usual.max(STUCK) } else { usual }
}

fn finding(valid: &Valid, agreeing: i32, astray: &[String]) -> Finding {
    let wanted = valid.sentinel.replicas;
    if agreeing >= wanted && astray.is_empty() {
        return Finding::good(
            "Agreed",
            format!("{agreeing} of {wanted} Sentinels agree on the master and know one another"),
        );
    }
    let details = if astray.is_empty() { String::new() } else { format!(": {}", astray.join(", ")) };
    let enough = agreeing >= valid.sentinel.quorum().max(wanted / 2 + 1);
    let reason = if enough { "SentinelsMissing" } else { "NoQuorum" };
    Finding::bad(reason, format!("{agreeing} of {wanted} Sentinels agree on the master{details}"))
}

enum Verdict {
    Agrees,
    Point { replace: bool },
    Set(SettingKey),
    Lonely(String),
    Misled(Trouble, String),
    Shut(String),
    Astray(String),
}

fn judge(valid: &Valid, observed: &Observed, node: &SentinelNode, master: &Master) -> Verdict {
    let facts = match (&node.server, &node.pod.waiting) {
        (Ok(facts), _) => facts,
        (Err(_), Some(waiting)) => return Verdict::Astray(format!("does not run: {waiting}")),
        (Err(silence), None) => return Verdict::Astray(format!("does not answer: {silence}")),
    };
    let Some(seen) = &facts.monitored else {
        return Verdict::Point { replace: false };
    };
    if seen.address() != master.address {
        return misled(valid, observed, seen);
    }
    if seen.flags.contains("failover_in_progress") {
        return Verdict::Astray("is failing over".to_owned());
    }
    let cut_off = seen.flags.contains("disconnected") || seen.flags.contains("s_down");
    if valid.auth_secret.is_some() && cut_off && facts.known_replicas.is_empty() {
        return Verdict::Shut("cannot log in to the master and is told the password again".to_owned());
    }
    if seen.quorum != valid.sentinel.quorum() {
        return Verdict::Set(quorum_setting(valid, node, facts));
    }
    let (peers, replicas) =
        (known_peers(observed, node, facts), known_replicas(valid, observed, master, facts));
    let (all_peers, all_replicas) = (valid.sentinel.replicas - 1, valid.redis.replicas - 1);
    let why =
        format!("knows {peers} of {all_peers} other Sentinels and {replicas} of {all_replicas} replicas");
    let knows = |count: usize, all: i32| i32::try_from(count).is_ok_and(|count| count >= all);
    match (knows(peers, all_peers), knows(replicas, all_replicas)) {
        (true, true) => Verdict::Agrees,
        (false, _) if calm(observed) => Verdict::Lonely(why),
        _ => Verdict::Astray(why),
    }
}

/// A Sentinel that monitors something else under the master's name.
fn misled(valid: &Valid, observed: &Observed, seen: &Monitored) -> Verdict {
    let at = seen.address();
    if is_nobody(&seen.host) {
        if seen.flags.contains("failover_in_progress") {
            return Verdict::Astray("fails over".to_owned());
        }
        return Verdict::Point { replace: true };
    }
    if observed.redis.iter().any(|node| super::address_of(valid, node) == at) {
        return Verdict::Misled(Trouble::Astray, format!("still names {at}; the other Sentinels tell it"));
    }
    Verdict::Misled(Trouble::WrongMaster, format!("names {at}, which is no server of this RedisFailover"))
}

/// How many of our other Sentinels it knows, by address and, where they answer, by id.
fn known_peers(observed: &Observed, node: &SentinelNode, facts: &SentinelFacts) -> usize {
    let others =
        observed.sentinels.iter().filter(|other| other.pod.name != node.pod.name && !other.pod.terminating);
    others
        .filter(|other| {
            facts.known_peers.iter().any(|peer| {
                let same_id = other.server.as_ref().map_or(true, |server| server.id == peer.id);
                same_id && other.pod.ip.as_deref() == Some(&peer.address.host) && peer.address.port != 0
            })
        })
        .count()
}

/// How many of our other servers it knows as replicas.
fn known_replicas(valid: &Valid, observed: &Observed, master: &Master, facts: &SentinelFacts) -> usize {
    let others = observed.redis.iter().filter(|node| node.pod.name != master.pod && !node.pod.terminating);
    let known = |node: &&_| {
        let address = super::address_of(valid, node);
        facts.known_replicas.iter().any(|replica| replica.address == address)
    };
    others.filter(known).count()
}

/// Greetings of the peers. Sentinels greet each other every 2 s only: at a first start, and after one was made to forget,
/// that would be waited for although it is known already.
fn introductions(
    valid: &Valid,
    observed: &Observed,
    listener: &SentinelNode,
    master: &Master,
    epoch: impl Fn(&SentinelNode) -> Option<i64>,
) -> Vec<Action> {
    let others =
        observed.sentinels.iter().filter(|peer| peer.pod.name != listener.pod.name && !peer.pod.terminating);
    let hello = |peer: &SentinelNode| {
        let epoch = epoch(peer)?;
        Some(greeting(&voice(peer)?, epoch, &valid.sentinel.master_name, &master.address, epoch))
    };
    let introduce = |hello| Action::Introduce { pod: listener.pod.name.clone(), hello };
    others.filter_map(hello).map(introduce).collect()
}

fn quorum_setting(valid: &Valid, node: &SentinelNode, facts: &SentinelFacts) -> SettingKey {
    SettingKey {
        pod: node.pod.name.clone(),
        process: facts.id.clone(),
        name: "quorum".to_owned(),
        value: valid.sentinel.quorum().to_string(),
    }
}

/// All wanted replicas are connected to the master.
fn replicas_connected(valid: &Valid, observed: &Observed, master: &Master) -> bool {
    let facts =
        observed.redis.iter().find(|node| node.pod.name == master.pod).and_then(|n| n.server.as_ref().ok());
    let connected = match facts.map(|facts| &facts.role) {
        Some(Role::Master { replicas }) => replicas.len(),
        _ => 0,
    };
    usize::try_from(valid.redis.replicas - 1).is_ok_and(|wanted| connected >= wanted)
}
