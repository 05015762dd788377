//! One look at all servers of a `RedisFailover`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all, try_join, try_join_all, try_join4};
use k8s_openapi::api::core::v1::Pod;
use tokio::time::timeout;

use super::facts::{
    KnownServer, Monitored, Observed, PodFacts, RedisNode, SentinelFacts, SentinelNode, ServerFacts, Silence,
};
use super::{pods, read};
use crate::api::{SENTINEL_PORT, Valid};
use crate::redis::{Address, Error, Peer, Servers, reply};
use crate::secret::{Password, Passwords};

/// The longest that one server is waited for, all its commands together: a connection and one round of replies.
pub const SERVER_DEADLINE: Duration = Duration::from_secs(2);
/// What a Sentinel answers that monitors nothing of that name.
const NO_SUCH_MASTER: &str = "No such master";

/// Asks all servers at the same time. One that does not answer costs its deadline and leaves the others' facts alone.
pub async fn observe(
    servers: &dyn Servers,
    valid: &Valid,
    pods: &[Arc<Pod>],
    passwords: &Passwords,
) -> Observed {
    let facts = |component| {
        pods.iter().filter(move |pod| pods::component(pod) == component).map(|pod| pods::pod(pod))
    };
    let settings: BTreeSet<&str> =
        valid.redis.config.iter().map(|directive| directive.key.as_str()).collect();
    let settings = &settings;

    let redis = facts(pods::REDIS).map(|pod| async move {
        let peer = redis_peer(valid, &pod, passwords);
        let server = look(peer, async |peer| redis_server(servers, &peer, settings).await).await;
        RedisNode { pod, server, death: None, before: None }
    });
    let sentinels = facts(pods::SENTINEL).map(|pod| async move {
        let peer = sentinel_peer(&pod, passwords);
        let server =
            look(peer, async |peer| sentinel(servers, &peer, &valid.sentinel.master_name).await).await;
        SentinelNode { pod, server }
    });
    let (mut redis, mut sentinels) = join(join_all(redis), join_all(sentinels)).await;

    redis.sort_by(|a, b| {
        let place = |pod: &PodFacts| pod.ordinal.unwrap_or(u32::MAX);
        place(&a.pod).cmp(&place(&b.pod)).then_with(|| a.pod.name.cmp(&b.pod.name))
    });
    sentinels.sort_by(|a, b| a.pod.name.cmp(&b.pod.name));
    Observed { redis, sentinels }
}

/// The redis server of a pod, if it can be asked.
#[must_use]
pub fn redis_peer(valid: &Valid, pod: &PodFacts, passwords: &Passwords) -> Option<Peer> {
    peer(pod, valid.redis.port, passwords.redis.clone())
}

/// The Sentinel of a pod, if it can be asked.
#[must_use]
pub fn sentinel_peer(pod: &PodFacts, passwords: &Passwords) -> Option<Peer> {
    peer(pod, SENTINEL_PORT, passwords.sentinel.clone())
}

fn peer(pod: &PodFacts, port: u16, password: Option<Password>) -> Option<Peer> {
    let host = pod.ip.clone().filter(|_| pod.running)?;
    Some(Peer { address: Address { host, port }, incarnation: pod.uid.clone(), password })
}

async fn look<T>(peer: Option<Peer>, ask: impl AsyncFnOnce(Peer) -> Result<T, Error>) -> Result<T, Silence> {
    let Some(peer) = peer else {
        return Err(Silence::NotAsked);
    };
    timeout(SERVER_DEADLINE, ask(peer)).await.unwrap_or(Err(Error::Timeout)).map_err(Silence::Failed)
}

/// One plain `INFO`, so that role, offset, ids and keys are of the same moment, and the settings beside it.
async fn redis_server(
    servers: &dyn Servers,
    peer: &Peer,
    settings: &BTreeSet<&str>,
) -> Result<ServerFacts, Error> {
    let info = async { reply::text(servers.ask(peer, &["INFO"]).await?) };
    let config = try_join_all(settings.iter().map(|name| setting(servers, peer, name)));
    let (info, config) = try_join(info, config).await?;
    read::server(&info, config.into_iter().flatten().collect())
}

/// The value of one setting; redis 6.2 takes one name per `CONFIG GET`. A server that refuses the question, or does not
/// know the setting, has none.
async fn setting(servers: &dyn Servers, peer: &Peer, name: &str) -> Result<Option<(String, String)>, Error> {
    let found = match servers.ask(peer, &["CONFIG", "GET", name]).await {
        Ok(found) => reply::pairs(found)?,
        Err(Error::Server(_)) => BTreeMap::new(),
        Err(error) => return Err(error),
    };
    let lower = name.to_ascii_lowercase();
    // The name is a pattern to the server, so only the setting of that very name counts.
    Ok(found.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(&lower)).map(|(_, value)| (lower, value)))
}

async fn sentinel(servers: &dyn Servers, peer: &Peer, name: &str) -> Result<SentinelFacts, Error> {
    let id = async { reply::text(servers.ask(peer, &["SENTINEL", "MYID"]).await?) };
    let replicas = known(servers, peer, name, "REPLICAS");
    let peers = known(servers, peer, name, "SENTINELS");
    let (id, monitored, known_replicas, known_peers) =
        try_join4(id, monitored(servers, peer, name), replicas, peers).await?;
    Ok(SentinelFacts { id, monitored, current_epoch: None, known_replicas, known_peers })
}

/// Whom the Sentinel knows. An entry that makes no sense is left out, as is all of it where it monitors nothing.
async fn known(
    servers: &dyn Servers,
    peer: &Peer,
    name: &str,
    list: &str,
) -> Result<Vec<KnownServer>, Error> {
    match servers.ask(peer, &["SENTINEL", list, name]).await {
        Ok(rows) => Ok(reply::table(rows)?.iter().filter_map(read::known).collect()),
        Err(Error::Server(text)) if text.contains(NO_SUCH_MASTER) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

async fn monitored(servers: &dyn Servers, peer: &Peer, name: &str) -> Result<Option<Monitored>, Error> {
    match servers.ask(peer, &["SENTINEL", "MASTER", name]).await {
        Ok(fields) => read::monitored(reply::pairs(fields)?).map(Some),
        Err(Error::Server(text)) if text.contains(NO_SUCH_MASTER) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
