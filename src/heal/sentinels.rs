//! The Sentinels monitor the master, know one another, and have the right quorum.

use std::time::Duration;

use jiff::Timestamp;

use super::election::STUCK;
use super::{Action, Finding, Master, Memory, SettingKey};
use crate::api::{MASTER_NAME, SENTINEL_PORT, Valid};
use crate::observe::facts::{Monitored, Observed, Role, SentinelFacts, SentinelNode};

/// A Sentinel asks a master for its replicas when it begins to monitor it, and then every 10 s only. So it is told of
/// a new master when the replicas are there, but after this time at the latest.
const WAIT_FOR_REPLICAS: Duration = Duration::from_secs(5);

/// Sentinels never forget a replica or a peer by themselves, and votes of the dead make a majority impossible. They are
/// made to forget when the dead stay that long in a world that is otherwise healthy, one Sentinel at a time: the next
/// one only when this one has found the others again.
const GHOSTS_STAY: Duration = Duration::from_secs(10);

/// How long a Sentinel may name an address that is no server of ours before it is told better: seen more than once.
const STRANGERS_STAY: Duration = Duration::from_secs(1);

/// What a Sentinel monitors, if it answers and monitors anything.
pub(super) fn monitored(node: &SentinelNode) -> Option<&Monitored> {
    node.server.as_ref().ok().and_then(|facts| facts.monitored.as_ref()).filter(|_| !node.pod.terminating)
}

/// The address that stands in a fresh sentinel.conf and redis.conf, and means "nobody yet".
pub(super) fn is_loopback(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What is to be done about the Sentinels.
pub(super) struct Sentinels {
    pub(super) actions: Vec<Action>,
    pub(super) finding: Finding,
    pub(super) ghosts: bool,
    pub(super) strangers: bool,
}

pub(super) fn plan(
    valid: &Valid,
    observed: &Observed,
    memory: &Memory,
    master: &Master,
    in_sync: bool,
    now: Timestamp,
) -> Sentinels {
    let may_point =
        replicas_connected(valid, observed, master) || memory.stable_for(now) >= WAIT_FOR_REPLICAS;
    let mut actions = Vec::new();
    let mut astray = Vec::new();
    let (mut haunted, mut strangers) = (Vec::new(), Vec::new());
    let mut agreeing = 0;
    for node in observed.sentinels.iter().filter(|node| !node.pod.terminating) {
        let pod = &node.pod.name;
        match judge(valid, observed, node, master) {
            Verdict::Agrees => agreeing += 1,
            Verdict::Haunted(why) => {
                haunted.push(pod);
                astray.push(format!("{pod} {why}"));
            }
            Verdict::Point { replace } if may_point => {
                let (master, quorum) = (master.address.clone(), valid.sentinel.quorum());
                actions.push(Action::Monitor { pod: pod.clone(), master, quorum, replace });
                astray.push(format!("{pod} is told of the master"));
            }
            Verdict::Point { .. } => astray.push(format!("{pod} is told once the replicas are connected")),
            Verdict::Set(key) => {
                astray.push(format!("{pod} is told the quorum"));
                actions.push(Action::SetSentinel(key));
            }
            Verdict::Stranger(why) => {
                strangers.push(pod);
                astray.push(format!("{pod} {why}"));
            }
            Verdict::Shut(why) => {
                actions.push(Action::Authenticate { pod: pod.clone() });
                astray.push(format!("{pod} {why}"));
            }
            Verdict::Lonely(why) => {
                if memory.stable_for(now) < super::SETTLING {
                    actions.extend(introductions(observed, node, master));
                }
                astray.push(format!("{pod} {why}"));
            }
            Verdict::Astray(why) => astray.push(format!("{pod} {why}")),
        }
    }
    let others_agree =
        i32::try_from(haunted.len()).is_ok_and(|count| agreeing + count == valid.sentinel.replicas);
    let leaving = observed.redis.iter().map(|n| &n.pod).chain(observed.sentinels.iter().map(|n| &n.pod));
    let ghosts =
        !haunted.is_empty() && others_agree && in_sync && !leaving.into_iter().any(|pod| pod.terminating);
    if ghosts && memory.ghosts_for(now) >= GHOSTS_STAY {
        actions.extend(haunted.first().map(|pod| Action::Reset { pod: (*pod).clone() }));
    }
    let failing_over =
        observed.sentinels.iter().filter_map(monitored).any(|m| m.flags.contains("failover_in_progress"));
    let patience = if failing_over { STUCK } else { STRANGERS_STAY };
    let astray_long = memory.strangers_for(now) >= patience;
    if let Some(pod) = strangers.first().filter(|_| astray_long) {
        let (master, quorum) = (master.address.clone(), valid.sentinel.quorum());
        actions.push(Action::Monitor { pod: (*pod).clone(), master, quorum, replace: true });
    }
    let strangers = !strangers.is_empty();
    Sentinels { actions, finding: finding(valid, agreeing, &astray), ghosts, strangers }
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
    Haunted(String),
    Lonely(String),
    Stranger(String),
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
    if seen.host != master.address.host || seen.port != master.address.port {
        let ours = observed.redis.iter().any(|node| node.pod.ip.as_deref() == Some(&seen.host));
        let (host, port) = (&seen.host, seen.port);
        return if ours && port == valid.redis.port {
            Verdict::Astray(format!("still names {host}:{port}; the other Sentinels tell it"))
        } else if !is_loopback(host) {
            Verdict::Stranger(format!("names {host}:{port}, which is no server of this RedisFailover"))
        } else if seen.flags.contains("failover_in_progress") {
            Verdict::Astray("fails over".to_owned())
        } else {
            Verdict::Point { replace: true }
        };
    }
    let cut_off = seen.flags.contains("disconnected") || seen.flags.contains("s_down");
    if valid.auth_secret.is_some() && cut_off && seen.replicas == 0 {
        return Verdict::Shut("cannot log in to the master and is told the password again".to_owned());
    }
    if seen.quorum != valid.sentinel.quorum() {
        return Verdict::Set(quorum_setting(valid, node, facts));
    }
    let peers = u32::try_from(valid.sentinel.replicas - 1).unwrap_or_default();
    let replicas = u32::try_from(valid.redis.replicas - 1).unwrap_or_default();
    if seen.peers == peers && seen.replicas == replicas {
        return Verdict::Agrees;
    }
    let (known_peers, known_replicas) = (seen.peers, seen.replicas);
    let why =
        format!("knows {known_peers} of {peers} other Sentinels and {known_replicas} of {replicas} replicas");
    let calm = seen.flags.len() == 1 && seen.flags.contains("master");
    match (known_peers >= peers, known_replicas >= replicas) {
        (true, true) if calm => Verdict::Haunted(why),
        (false, _) if calm => Verdict::Lonely(why),
        _ => Verdict::Astray(why),
    }
}

/// Greetings of the peers that monitor the same master. Sentinels greet each other every 2 s only, so a first start would
/// wait that long for what is known already. The epoch is the one that the peer has: nothing but the acquaintance is new.
fn introductions(observed: &Observed, lonely: &SentinelNode, master: &Master) -> Vec<Action> {
    let others =
        observed.sentinels.iter().filter(|peer| peer.pod.name != lonely.pod.name && !peer.pod.terminating);
    let hello = |peer: &SentinelNode| {
        let (facts, ip) = (peer.server.as_ref().ok()?, peer.pod.ip.as_ref()?);
        let seen = facts
            .monitored
            .as_ref()
            .filter(|m| m.host == master.address.host && m.port == master.address.port)?;
        let (epoch, id) = (seen.config_epoch, &facts.id);
        let (host, port) = (&seen.host, seen.port);
        Some(format!("{ip},{SENTINEL_PORT},{id},{epoch},{MASTER_NAME},{host},{port},{epoch}"))
    };
    let introduce = |hello| Action::Introduce { pod: lonely.pod.name.clone(), hello };
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
