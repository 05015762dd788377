//! The operator: facts from the simulated world, the real planner, the real hands. It dies between any two of its deeds.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, OnceLock};

use futures::FutureExt;
use futures::future::{BoxFuture, pending, ready};
use jiff::Timestamp;
use redis_operator::act::servers::Hands;
use redis_operator::api::defaults::{self, Images};
use redis_operator::api::{Identity, Valid, parse};
use redis_operator::heal::{self, Action, Memory, Plan};
use redis_operator::observe::facts::{
    Death, KnownServer, Monitored, Observed, PodFacts, RedisNode, ReplicaLink, Role, SentinelFacts,
    SentinelNode, ServerFacts, Silence,
};
use redis_operator::redis::{Address, Error, Peer, Reply, Servers};
use redis_operator::secret::Passwords;

use super::council::{DOWN_AFTER, Seen};
use super::world::{Ip, Server, World};

/// A planner; the honest one, or one with a fault.
pub(crate) type Planner = fn(&Valid, &Observed, &Memory, Timestamp) -> Plan;

pub(crate) fn honest(valid: &Valid, observed: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    heal::plan(valid, observed, memory, now)
}

#[derive(Default)]
pub(crate) struct Operator {
    pub(crate) memory: Memory,
    evidence: BTreeMap<u64, Evidence>,
    /// What the Sentinels said at the last look, and what was made of it: they say the same most of the time.
    said: Vec<Words>,
    pub(crate) sentinels: Vec<SentinelNode>,
}

/// All that a Sentinel says, in numbers.
#[derive(PartialEq)]
struct Words {
    ip: Ip,
    id: u64,
    up: bool,
    answers: bool,
    master: Ip,
    flags: Vec<&'static str>,
    config_epoch: i64,
    heard: Option<i64>,
    /// Address, and whether it is down.
    replicas: Vec<(Ip, bool)>,
    /// Id, address, and whether it is down.
    peers: Vec<(u64, Ip, bool)>,
}

/// What is remembered of the process in one pod.
#[derive(Clone)]
struct Evidence {
    run: u64,
    said: ServerFacts,
    linked: Option<ServerFacts>,
    dead: Option<Death>,
}

pub(crate) fn spec() -> &'static Valid {
    static SPEC: OnceLock<Valid> = OnceLock::new();
    SPEC.get_or_init(|| {
        let mut spec = serde_json::json!({"sentinel": {"customConfig": []}});
        defaults::fill(&mut spec, &Images::default());
        let identity = Identity { name: "x".to_owned(), ..Identity::default() };
        let mut valid = Valid::new(identity, parse::spec(&spec).unwrap()).unwrap();
        valid.sentinel.config.clear();
        valid
    })
}

fn address(ip: Ip) -> Address {
    Address { host: host(ip), port: 6379 }
}

fn host(ip: Ip) -> String {
    static HOSTS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let named = |ip| if ip == 0 { "127.0.0.1".to_owned() } else { format!("10.0.0.{ip}") };
        (0..=Ip::MAX).map(named).collect()
    });
    HOSTS[usize::from(ip)].clone()
}

fn ip_of(host: &str) -> Ip {
    host.strip_prefix("10.0.0.").and_then(|last| last.parse().ok()).unwrap_or_default()
}

pub(crate) fn ordinal(pod: &str) -> usize {
    pod.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

impl Operator {
    /// What is seen now.
    pub(crate) fn look(&mut self, world: &World) -> Observed {
        let mut redis: Vec<RedisNode> = Vec::with_capacity(3);
        for (number, server) in world.servers.iter().enumerate().filter(|(_, server)| server.exists) {
            let mut node = RedisNode {
                pod: pod(format!("rfr-x-{number}"), server.ip, Some(number), server.up, server.label),
                server: facts(world, server),
                death: None,
                before: None,
            };
            self.remember(server, &mut node);
            redis.push(node);
        }
        Observed { redis, sentinels: self.listen(world) }
    }

    fn listen(&mut self, world: &World) -> Vec<SentinelNode> {
        let mut before = std::mem::take(&mut self.said).into_iter().zip(std::mem::take(&mut self.sentinels));
        let mut nodes = Vec::with_capacity(3);
        for number in 0..world.sentinels.len() {
            let words = words(world, number);
            nodes.push(match before.next() {
                Some((old, node)) if old == words => node,
                _ => sentinel_node(number, &words),
            });
            self.said.push(words);
        }
        nodes
    }

    fn remember(&mut self, server: &Server, node: &mut RedisNode) {
        let known = self.evidence.get_mut(&server.uid);
        match (&node.server, known) {
            (Ok(facts), Some(known)) if known.run == server.run => {
                let linked = |facts: &ServerFacts| matches!(facts.role, Role::Replica { link_up: true, .. });
                if linked(&known.said) && !linked(facts) {
                    known.linked = Some(known.said.clone());
                } else if linked(facts) {
                    known.linked = None;
                }
                known.said = facts.clone();
                (known.dead, node.before) = (None, known.linked.clone());
            }
            (Ok(facts), known) => {
                node.death = known.as_ref().map(|_| Death::Restarted);
                node.before = known.map(|known| known.said.clone());
                let fresh = Evidence { run: server.run, said: facts.clone(), linked: None, dead: None };
                self.evidence.insert(server.uid, fresh);
            }
            (Err(_), Some(known)) => {
                if !server.up && !server.silent {
                    known.dead = Some(Death::Refused);
                }
                (node.death, node.before) = (known.dead, Some(known.said.clone()));
            }
            (Err(_), None) => {}
        }
    }

    /// Carries out a plan; false where it died before the end of it.
    pub(crate) fn act(&mut self, world: &mut World, observed: &Observed, plan: &Plan, deeds: u64) -> bool {
        let cell = Mutex::new((world, deeds));
        let reality = Reality(&cell);
        let passwords = Passwords::default();
        let hands = Hands { servers: &reality, valid: spec(), observed, passwords: &passwords };
        if let Some(handover) = &plan.handover {
            match hands.hand_over(handover).now_or_never() {
                None => return false,
                Some(Err(_)) => return true,
                Some(Ok(())) => {}
            }
        }
        for action in &plan.actions {
            if let Action::Label { pod, role } = action {
                cell.lock().unwrap().0.servers[ordinal(pod)].label = Some(role);
            } else if hands.carry_out(action, &mut self.memory).now_or_never().is_none() {
                return false;
            }
        }
        true
    }
}

fn pod(name: String, ip: Ip, ordinal: Option<usize>, running: bool, label: Option<&str>) -> PodFacts {
    PodFacts {
        name,
        ip: Some(host(ip)),
        ordinal: ordinal.and_then(|ordinal| u32::try_from(ordinal).ok()),
        ready: running,
        running: true,
        role_label: label.map(str::to_owned),
        ..PodFacts::default()
    }
}

fn facts(world: &World, server: &Server) -> Result<ServerFacts, Silence> {
    if !server.answers() {
        return Err(Silence::Failed(if server.up { Error::Timeout } else { Error::Refused }));
    }
    let links =
        world.servers.iter().filter(|other| other.answers() && other.link && other.source == server.ip);
    let role = if server.master {
        let link =
            |other: &Server| ReplicaLink { address: address(other.ip), online: true, offset: other.offset };
        Role::Master { replicas: links.map(link).collect() }
    } else {
        Role::Replica { source: address(server.source), link_up: server.link, syncing: server.copying > 0 }
    };
    let id = |id: u64| if id == 0 { String::new() } else { id.to_string() };
    Ok(ServerFacts {
        run_id: server.run.to_string(),
        role,
        replication_id: id(server.id),
        second_replication_id: id(server.id2),
        offset: server.offset,
        keys: u64::from(server.data.count_ones()),
        ..ServerFacts::default()
    })
}

fn words(world: &World, number: usize) -> Words {
    let sentinel = &world.sentinels[number];
    let silent = |ip: Ip| !world.sentinels.iter().any(|peer| peer.ip == ip && peer.answers());
    let lost = |seen: &Seen| world.now - seen.alive_at > DOWN_AFTER;
    Words {
        ip: sentinel.ip,
        id: sentinel.id,
        up: sentinel.up,
        answers: sentinel.answers(),
        master: sentinel.master,
        flags: flags(world, number),
        config_epoch: sentinel.config_epoch,
        heard: sentinel.heard,
        replicas: sentinel.replicas.iter().map(|(ip, seen)| (*ip, lost(seen))).collect(),
        peers: sentinel.peers.iter().map(|(id, ip)| (*id, *ip, silent(*ip))).collect(),
    }
}

fn sentinel_node(number: usize, words: &Words) -> SentinelNode {
    let facts = words.answers.then(|| sentinel_facts(words));
    SentinelNode {
        pod: pod(format!("rfs-x-{number}"), words.ip, None, words.up, None),
        server: facts.ok_or(Silence::Failed(Error::Timeout)),
    }
}

fn sentinel_facts(words: &Words) -> SentinelFacts {
    let known = |address: Address, id: String, kind: &str, down: bool| KnownServer {
        address,
        id,
        flags: [kind].into_iter().chain(down.then_some("s_down")).map(str::to_owned).collect(),
    };
    let replicas = words.replicas.iter().map(|(ip, down)| known(address(*ip), String::new(), "slave", *down));
    let peers = words.peers.iter().map(|(id, ip, down)| {
        known(Address { host: host(*ip), port: 26379 }, id.to_string(), "sentinel", *down)
    });
    let (known_replicas, known_peers): (Vec<_>, Vec<_>) = (replicas.collect(), peers.collect());
    let monitored = Monitored {
        host: host(words.master),
        port: 6379,
        flags: words.flags.iter().map(|flag| (*flag).to_owned()).collect(),
        quorum: 2,
        config_epoch: words.config_epoch,
        ..Monitored::default()
    };
    let (id, current_epoch) = (words.id.to_string(), words.heard);
    SentinelFacts { id, monitored: Some(monitored), current_epoch, known_replicas, known_peers }
}

fn flags(world: &World, number: usize) -> Vec<&'static str> {
    let sentinel = &world.sentinels[number];
    let mut flags = vec!["master"];
    flags.extend((sentinel.master != 0 && sentinel.is_down(world.now)).then_some("s_down"));
    flags.extend(sentinel.failover.as_ref().map(|_| "failover_in_progress"));
    flags
}

/// The simulated servers behind the operator's own seam. What changes something counts as a deed; after the last one the
/// operator is dead and waits for ever.
struct Reality<'a>(&'a Mutex<(&'a mut World, u64)>);

impl Servers for Reality<'_> {
    fn ask<'a>(&'a self, peer: &'a Peer, command: &'a [&'a str]) -> BoxFuture<'a, Result<Reply, Error>> {
        let mut guard = self.0.lock().unwrap();
        if !matches!(command, ["SENTINEL", "MASTER", ..]) {
            if guard.1 == 0 {
                return Box::pin(pending());
            }
            guard.1 -= 1;
        }
        Box::pin(ready(carry_out(guard.0, &peer.address, command)))
    }
}

fn carry_out(world: &mut World, to: &Address, command: &[&str]) -> Result<Reply, Error> {
    let (ip, now) = (ip_of(&to.host), world.now);
    assert!(!world.foreign.contains(&ip), "the operator gives orders to a stranger: {command:?}");
    if to.port == 26379 {
        let number = world.sentinels.iter().position(|sentinel| sentinel.ip == ip && sentinel.answers());
        return number.map(|number| tell_sentinel(world, number, command, now)).ok_or(Error::Timeout);
    }
    let number =
        world.number_at(ip).filter(|number| world.servers[*number].answers()).ok_or(Error::Timeout)?;
    match command {
        ["REPLICAOF", "NO", "ONE"] => world.promote(number),
        ["REPLICAOF", host, _] => world.follow(number, ip_of(host)),
        _ => {}
    }
    Ok(Reply::Text("OK".to_owned()))
}

fn tell_sentinel(world: &mut World, number: usize, command: &[&str], now: u64) -> Reply {
    world.say(|| {
        if command[1] == "MASTER" { String::new() } else { format!("Sentinel {number} is told {command:?}") }
    });
    let sentinel = &mut world.sentinels[number];
    match command {
        ["SENTINEL", "MASTER", _] => {
            let (master, epoch) = (host(sentinel.master), sentinel.config_epoch.to_string());
            let flags = flags(world, number).join(",");
            let fields = ["ip", &master, "port", "6379", "flags", &flags, "config-epoch", &epoch];
            return Reply::List(fields.iter().map(|field| Reply::Text((*field).to_owned())).collect());
        }
        ["SENTINEL", "MONITOR", _, host, ..] => sentinel.monitor(ip_of(host), now),
        ["SENTINEL", "RESET", _] => sentinel.reset(now),
        ["SENTINEL", "FAILOVER", _] => {
            let epoch = sentinel.current_epoch + 1;
            sentinel.fail_over(epoch, now);
        }
        ["PUBLISH", _, greeting] => {
            let parts: Vec<&str> = greeting.split(',').collect();
            let number = |part: usize| parts[part].parse().unwrap();
            let voice = (ip_of(parts[0]), parts[2].parse().unwrap());
            sentinel.hear(voice, number(3), ip_of(parts[5]), number(7), now);
        }
        _ => {}
    }
    Reply::Text("OK".to_owned())
}
