//! Redis servers and Sentinels, asked one by one at their pods' addresses.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{IntoConnectionInfo, RedisConnectionInfo};
use redis_operator::redis::{Address, Client, Deadlines, Peer, Reply, Servers};
use redis_operator::secret::Password;

use crate::stage::Stage;
use crate::wait::ensure;

const SENTINEL_PORT: u16 = 26379;

/// The tests ask servers about their state, not about their speed: with many pods on two cores an answer may take a while.
const PATIENT: Deadlines = Deadlines { connect: Duration::from_secs(10), response: Duration::from_secs(10) };

/// Commands that change a redis server, as `INFO commandstats` spells them.
const CHANGING: [&str; 11] = [
    "acl|setuser",
    "client|kill",
    "client|pause",
    "config|rewrite",
    "config|set",
    "debug",
    "failover",
    "flushall",
    "replicaof",
    "shutdown",
    "slaveof",
];
/// What a Sentinel logs when it was changed. It counts no commands.
const CHANGED: [&str; 8] = [
    "+set",
    "+monitor",
    "-monitor",
    "+reset-master",
    "+try-failover",
    "+switch-master",
    "+config-update-from",
    "+tilt",
];

/// One server in its pod.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) pod: String,
    pub(crate) uid: String,
    pub(crate) ip: String,
    port: u16,
    password: Option<String>,
}

impl Server {
    /// One command's reply; the error in words.
    pub(crate) async fn ask(&self, command: &[&str]) -> Result<Reply, String> {
        let peer = Peer {
            address: Address { host: self.ip.clone(), port: self.port },
            incarnation: self.uid.clone(),
            password: self.password.clone().map(Password::new),
        };
        let answer = Client::new(PATIENT).ask(&peer, command).await;
        answer.map_err(|error| format!("{}: {}: {error}", self.pod, command.join(" ")))
    }

    /// The same server, asked with a password.
    pub(crate) fn with_password(&self, password: &str) -> Self {
        Self { password: Some(password.to_owned()), ..self.clone() }
    }

    /// A section of `INFO`, its lines as names and values.
    pub(crate) async fn info(&self, section: &str) -> Result<BTreeMap<String, String>, String> {
        let text = text(&self.ask(&["INFO", section]).await?);
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// A setting of a redis server.
    pub(crate) async fn setting(&self, name: &str) -> Result<String, String> {
        let shown = flat(&self.ask(&["CONFIG", "GET", name]).await?);
        shown.get(name).cloned().ok_or_else(|| format!("{}: no setting {name}", self.pod))
    }

    /// What a Sentinel says of the master.
    pub(crate) async fn master(&self) -> Result<BTreeMap<String, String>, String> {
        Ok(flat(&self.ask(&["SENTINEL", "MASTER", "mymaster"]).await?))
    }

    /// How often this server was changed since its start: by command for redis, by event for a Sentinel.
    pub(crate) async fn changes(&self, stage: &Stage) -> BTreeMap<String, u64> {
        if self.port == SENTINEL_PORT {
            return events(&stage.kubectl(&["logs", &self.pod]).await);
        }
        let stats = self.info("commandstats").await.unwrap_or_else(|error| panic!("{error}"));
        let calls = |value: &str| value.strip_prefix("calls=")?.split(',').next()?.parse().ok();
        let changes = stats.iter().filter_map(|(key, value)| {
            let command = key.strip_prefix("cmdstat_")?;
            let changing = CHANGING.contains(&command);
            changing.then(|| (command.to_owned(), calls(value).unwrap_or(0)))
        });
        changes.collect()
    }

    /// How often this server had this change since its start.
    pub(crate) async fn count(&self, stage: &Stage, change: &str) -> u64 {
        assert!(CHANGING.contains(&change) || CHANGED.contains(&change), "{change} is not counted");
        self.changes(stage).await.get(change).copied().unwrap_or(0)
    }
}

/// Changes in a Sentinel's log.
fn events(log: &str) -> BTreeMap<String, u64> {
    assert!(log.contains("+monitor master mymaster"), "a Sentinel's log without its start: {log}");
    let mut counts = BTreeMap::new();
    let words = log.lines().flat_map(str::split_whitespace);
    for event in words.filter(|word| CHANGED.contains(word)) {
        *counts.entry(event.to_owned()).or_default() += 1;
    }
    counts
}

/// The running redis servers, in the order of their names.
pub(crate) async fn redis(stage: &Stage, name: &str) -> Vec<Server> {
    of(stage, name, "redis", 6379).await
}

/// The running Sentinels, in the order of their names.
pub(crate) async fn sentinels(stage: &Stage, name: &str) -> Vec<Server> {
    of(stage, name, "sentinel", SENTINEL_PORT).await
}

async fn of(stage: &Stage, name: &str, component: &str, port: u16) -> Vec<Server> {
    let api: Api<Pod> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let labels = format!("app.kubernetes.io/name={name},component={component}");
    let pods = api.list(&ListParams::default().labels(&labels)).await.expect("pods");
    let running = pods.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let mut servers: Vec<_> = running
        .filter_map(|pod| {
            Some(Server {
                pod: pod.name_any(),
                uid: pod.uid()?,
                ip: pod.status?.pod_ip?,
                port,
                password: None,
            })
        })
        .collect();
    servers.sort_by(|a, b| a.pod.cmp(&b.pod));
    servers
}

/// Whether `count` Sentinels, each asked by itself, agree on one master with its replicas, which are online there.
pub(crate) async fn agreed(
    stage: &Stage,
    name: &str,
    replicas: usize,
    count: usize,
) -> Result<Server, String> {
    let sentinels = sentinels(stage, name).await;
    ensure(sentinels.len() == count, || format!("{} Sentinels", sentinels.len()))?;
    let mut address = None;
    for sentinel in &sentinels {
        let master = sentinel.master().await?;
        let field = |name: &str| master.get(name).cloned().unwrap_or_default();
        let seen = (field("flags"), field("num-other-sentinels"), field("num-slaves"));
        let wanted = ("master".to_owned(), (count - 1).to_string(), replicas.to_string());
        ensure(seen == wanted, || format!("{} sees {seen:?}", sentinel.pod))?;
        let named = field("ip");
        ensure(address.as_ref().is_none_or(|first| *first == named), || {
            format!("{} names {named}, another {address:?}", sentinel.pod)
        })?;
        address = Some(named);
    }
    let address = address.ok_or("no Sentinel")?;
    let servers = redis(stage, name).await;
    let master = servers.iter().find(|server| server.ip == address);
    let master = master.ok_or_else(|| format!("{address} is not a pod of {name}"))?;
    let replication = master.info("replication").await?;
    let online = replication
        .iter()
        .filter(|(key, value)| key.starts_with("slave") && value.contains("state=online"))
        .count();
    ensure(online == replicas, || format!("{online} replicas are online: {replication:?}"))?;
    Ok(master.clone())
}

/// A connection to the master, found by a client library that knows the Sentinels only.
pub(crate) async fn through_sentinel(
    stage: &Stage,
    name: &str,
    password: Option<&str>,
) -> Result<MultiplexedConnection, String> {
    let addresses: Vec<_> = sentinels(stage, name)
        .await
        .iter()
        .map(|server| format!("redis://{}:{SENTINEL_PORT}", server.ip).into_connection_info())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let mut node = SentinelNodeConnectionInfo::default();
    if let Some(password) = password {
        node = node.set_redis_connection_info(RedisConnectionInfo::default().set_password(password));
    }
    let wanted = "mymaster".to_owned();
    let client = SentinelClient::build(addresses, wanted, Some(node), SentinelServerType::Master);
    let mut client = client.map_err(|error| error.to_string())?;
    client.get_async_connection().await.map_err(|error| error.to_string())
}

/// Sets a key through Sentinel, and waits until two replicas have it.
pub(crate) async fn write(stage: &Stage, name: &str, password: Option<&str>, key: &str, value: &str) {
    let mut connection = through_sentinel(stage, name, password)
        .await
        .unwrap_or_else(|error| panic!("{name} through Sentinel: {error}"));
    let answer: Result<(String, usize), _> = redis::pipe()
        .cmd("SET")
        .arg(key)
        .arg(value)
        .cmd("WAIT")
        .arg(2)
        .arg(400)
        .query_async(&mut connection)
        .await;
    assert_eq!(answer.expect("SET and WAIT"), ("OK".to_owned(), 2), "{name}");
}

/// Reads a key through Sentinel.
pub(crate) async fn read(
    stage: &Stage,
    name: &str,
    password: Option<&str>,
    key: &str,
) -> Result<Option<String>, String> {
    let mut connection = through_sentinel(stage, name, password).await?;
    let answer = redis::cmd("GET").arg(key).query_async(&mut connection).await;
    answer.map_err(|error| error.to_string())
}

fn text(reply: &Reply) -> String {
    match reply {
        Reply::Text(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// A flat list of names and values.
fn flat(reply: &Reply) -> BTreeMap<String, String> {
    let Reply::List(items) = reply else {
        return BTreeMap::new();
    };
    items.chunks(2).filter_map(|pair| Some((text(pair.first()?), text(pair.get(1)?)))).collect()
}
