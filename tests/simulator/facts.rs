//! What the operator sees of the simulated world.

use std::sync::LazyLock;

use redis_operator::observe::facts::{
    KnownServer, Monitored, PodFacts, RedisNode, ReplicaLink, Role, SentinelFacts, SentinelNode, ServerFacts,
    Silence,
};
use redis_operator::redis::{Address, Error};

use super::sentinel::{DOWN_AFTER, Seen};
use super::server::Server;
use super::world::{Ip, World};

/// All that a Sentinel says, in numbers.
#[derive(PartialEq)]
pub(crate) struct Words {
    ordinal: usize,
    ip: Ip,
    leaves: bool,
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

fn address(ip: Ip) -> Address {
    Address { host: host(ip), port: 6379 }
}

pub(crate) fn host(ip: Ip) -> String {
    static HOSTS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let named = |ip| if ip == 0 { "127.0.0.1".to_owned() } else { format!("10.0.0.{ip}") };
        (0..=Ip::MAX).map(named).collect()
    });
    HOSTS[usize::from(ip)].clone()
}

pub(crate) fn ip_of(host: &str) -> Ip {
    host.strip_prefix("10.0.0.").and_then(|last| last.parse().ok()).unwrap_or_default()
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

pub(crate) fn redis_node(world: &World, ordinal: usize, server: &Server) -> RedisNode {
    let pod = pod(format!("rfr-x-{ordinal}"), server.ip, Some(ordinal), server.up, server.label);
    RedisNode {
        pod: PodFacts { terminating: server.leaves_at.is_some(), ..pod },
        server: facts(world, server),
        death: None,
        before: None,
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
    if server.is_loading(world.now) {
        // Of the history on its disk it says nothing yet.
        let (run_id, loading, keys) = (server.run.to_string(), true, u64::from(server.data.count_ones() / 2));
        let replication_id = run_id.clone();
        return Ok(ServerFacts { run_id, role, replication_id, loading, keys, ..ServerFacts::default() });
    }
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

pub(crate) fn words(world: &World, ordinal: usize, number: usize) -> Words {
    let sentinel = &world.sentinels[number];
    let silent = |ip: Ip| !world.sentinels.iter().any(|peer| peer.ip == ip && peer.answers());
    let lost = |seen: &Seen| world.now - seen.alive_at > DOWN_AFTER;
    Words {
        ordinal,
        ip: sentinel.ip,
        leaves: sentinel.leaves_at.is_some(),
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

pub(crate) fn sentinel_node(words: &Words) -> SentinelNode {
    let facts = words.answers.then(|| sentinel_facts(words));
    SentinelNode {
        pod: PodFacts {
            terminating: words.leaves,
            ..pod(format!("rfs-x-{}", words.ordinal), words.ip, None, words.up, None)
        },
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

pub(crate) fn flags(world: &World, number: usize) -> Vec<&'static str> {
    let sentinel = &world.sentinels[number];
    let mut flags = vec!["master"];
    flags.extend((sentinel.master != 0 && sentinel.is_down(world.now)).then_some("s_down"));
    flags.extend(sentinel.failover.as_ref().map(|_| "failover_in_progress"));
    flags
}
