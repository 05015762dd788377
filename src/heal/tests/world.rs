//! Small worlds for the planner's tests.

use std::collections::BTreeMap;

use serde_json::json;

use crate::api::defaults::{self, Images};
use crate::api::{Identity, Valid, parse};
use crate::observe::facts::{
    KnownServer, Monitored, Observed, PodFacts, RedisNode, ReplicaLink, Role, SentinelFacts, SentinelNode,
    ServerFacts, Silence,
};
use crate::redis::Address;

pub(crate) const LOOPBACK: &str = "127.0.0.1";

/// A checked spec: 3 servers and 3 Sentinels, changed by `edit`.
pub(crate) fn valid(edit: serde_json::Value) -> Valid {
    let mut spec = edit;
    defaults::fill(&mut spec, &Images::default());
    let spec = parse::spec(&spec).unwrap();
    let identity = Identity {
        namespace: "ns".to_owned(),
        name: "x".to_owned(),
        uid: "uid".to_owned(),
        ..Identity::default()
    };
    Valid::new(identity, spec).unwrap()
}

pub(crate) fn plain() -> Valid {
    valid(json!({}))
}

pub(crate) fn persistent() -> Valid {
    valid(json!({"redis": {"storage": {"persistentVolumeClaim": {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    }}}}))
}

pub(crate) fn ip(ordinal: u32) -> String {
    format!("10.0.0.{}", ordinal + 1)
}

pub(crate) fn address(ordinal: u32) -> Address {
    Address { host: ip(ordinal), port: 6379 }
}

fn redis_pod(ordinal: u32) -> PodFacts {
    PodFacts {
        name: format!("rfr-x-{ordinal}"),
        uid: format!("redis-{ordinal}"),
        ip: Some(ip(ordinal)),
        ordinal: Some(ordinal),
        ready: true,
        running: true,
        role_label: Some("slave".to_owned()),
        ..PodFacts::default()
    }
}

/// A server that follows `source`, in sync when that is a real one.
pub(crate) fn replica(ordinal: u32, source: &str) -> RedisNode {
    let link_up = source != LOOPBACK;
    let role =
        Role::Replica { source: Address { host: source.to_owned(), port: 6379 }, link_up, syncing: false };
    let facts = ServerFacts { run_id: format!("run-{ordinal}"), role, ..ServerFacts::default() };
    RedisNode { pod: redis_pod(ordinal), server: Ok(facts), death: None, before: None }
}

/// A server that is master, with the other two connected.
pub(crate) fn master(ordinal: u32) -> RedisNode {
    let replicas = (0..3).filter(|o| *o != ordinal).map(|o| ReplicaLink {
        address: address(o),
        online: true,
        offset: 0,
    });
    let role = Role::Master { replicas: replicas.collect() };
    let facts = ServerFacts { run_id: format!("run-{ordinal}"), role, ..ServerFacts::default() };
    let mut node = RedisNode { pod: redis_pod(ordinal), server: Ok(facts), death: None, before: None };
    node.pod.role_label = Some("master".to_owned());
    node
}

pub(crate) fn silent(ordinal: u32) -> RedisNode {
    let server = Err(Silence::Failed(crate::redis::Error::Timeout));
    RedisNode { pod: redis_pod(ordinal), server, death: None, before: None }
}

/// The same server with data.
pub(crate) fn with_data(mut node: RedisNode, offset: i64, keys: u64) -> RedisNode {
    if let Ok(facts) = &mut node.server {
        facts.offset = offset;
        facts.keys = keys;
        facts.replication_id = "history".to_owned();
    }
    node
}

pub(crate) fn sentinel_ip(number: u32) -> String {
    format!("10.0.1.{number}")
}

/// A Sentinel that monitors `host` and knows everybody.
pub(crate) fn sentinel(number: u32, host: &str) -> SentinelNode {
    let (peers, replicas) = if host == LOOPBACK { (0, 0) } else { (2, 2) };
    let settings = [("down-after-milliseconds", "5000"), ("failover-timeout", "10000"), ("quorum", "2")];
    let known = |host: String, port, id: String, flag: &str| KnownServer {
        address: Address { host, port },
        id,
        flags: std::iter::once(flag.to_owned()).collect(),
    };
    let known_replicas = (0..3)
        .filter(|ordinal| host != LOOPBACK && ip(*ordinal) != host)
        .map(|ordinal| known(ip(ordinal), 6379, format!("run-{ordinal}"), "slave"));
    let known_peers = (0..3)
        .filter(|other| host != LOOPBACK && *other != number)
        .map(|other| known(sentinel_ip(other), 26379, format!("id-{other}"), "sentinel"));
    let monitored = Monitored {
        host: host.to_owned(),
        port: 6379,
        flags: std::iter::once("master".to_owned()).collect(),
        replicas,
        peers,
        quorum: 2,
        config_epoch: 0,
        settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    };
    SentinelNode {
        pod: PodFacts {
            name: format!("rfs-x-{number}"),
            uid: format!("sentinel-{number}"),
            ip: Some(sentinel_ip(number)),
            ready: true,
            running: true,
            ..PodFacts::default()
        },
        server: Ok(SentinelFacts {
            id: format!("id-{number}"),
            monitored: Some(monitored),
            current_epoch: Some(0),
            known_replicas: known_replicas.collect(),
            known_peers: known_peers.collect(),
        }),
    }
}

pub(crate) fn sentinels(host: &str) -> Vec<SentinelNode> {
    (0..3).map(|number| sentinel(number, host)).collect()
}

pub(crate) fn observed(redis: Vec<RedisNode>, sentinels: Vec<SentinelNode>) -> Observed {
    Observed { redis, sentinels }
}

/// Master 0, replicas 1 and 2, all agreed.
pub(crate) fn healthy() -> Observed {
    observed(vec![master(0), replica(1, &ip(0)), replica(2, &ip(0))], sentinels(&ip(0)))
}

/// First start: everybody follows the loopback address.
pub(crate) fn newborn() -> Observed {
    observed((0..3).map(|ordinal| replica(ordinal, LOOPBACK)).collect(), sentinels(LOOPBACK))
}

pub(crate) fn set_config(observed: &mut Observed, name: &str, value: &str) {
    for node in &mut observed.redis {
        if let Ok(facts) = &mut node.server {
            facts.config = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        }
    }
}
