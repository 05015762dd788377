//! Looks at every server of both, again and again, for what belongs to the other one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::join_all;
use redis_operator::redis::Reply;
use redis_operator::redis::reply;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::servers::{self, Server};
use crate::stage::Stage;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(300);
/// How long a server has for an answer; one that hangs is looked at the next time.
const ANSWER: Duration = Duration::from_secs(1);

/// What a server has that belongs to the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Foreign {
    Master,
    Replica,
    Peer,
    Source,
    Served,
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Master => "a Sentinel follows a foreign master",
            Self::Replica => "a Sentinel knows a foreign replica",
            Self::Peer => "a Sentinel knows a foreign Sentinel",
            Self::Source => "a server replicates from a foreign one",
            Self::Served => "a server has a foreign replica",
        })
    }
}

/// What was seen until the end.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Addresses that both had, one after the other.
    pub(super) moved: usize,
    /// How long each foreign address stayed.
    pub(super) stays: BTreeMap<Foreign, Vec<Duration>>,
}

/// A look that goes on in the background.
pub(super) struct Watcher {
    task: JoinHandle<Seen>,
    stop: watch::Sender<bool>,
}

/// Who has what of whom: uids of both pods.
type Sighting = (Foreign, String, String);

#[derive(Default)]
struct Look {
    seen: Seen,
    /// Who had each address.
    owners: BTreeMap<String, BTreeSet<&'static str>>,
    /// Since when.
    open: BTreeMap<Sighting, Instant>,
}

impl Watcher {
    pub(super) fn start(stage: &Stage, names: [&'static str; 2]) -> Self {
        let (stop, stopped) = watch::channel(false);
        let stage = stage.clone();
        let task = tokio::spawn(async move {
            let mut look = Look::default();
            while !*stopped.borrow() {
                look.once(&stage, names).await;
                sleep(PAUSE).await;
            }
            let late: Vec<_> = look.open.keys().cloned().collect();
            assert!(late.is_empty(), "still there at the end: {late:?}");
            look.seen.moved = look.owners.values().filter(|owners| owners.len() > 1).count();
            look.seen
        });
        Self { task, stop }
    }

    /// Stops, and says what was seen; panics if a key crossed.
    pub(super) async fn end(self) -> Seen {
        let _ = self.stop.send(true);
        self.task.await.expect("nothing crossed")
    }
}

impl Look {
    async fn once(&mut self, stage: &Stage, names: [&'static str; 2]) {
        let mut all = Vec::new();
        for name in names {
            let (redis, sentinels) =
                (servers::redis(stage, name).await, servers::sentinels(stage, name).await);
            all.extend(redis.into_iter().map(|server| (name, server, false)));
            all.extend(sentinels.into_iter().map(|server| (name, server, true)));
        }
        let mut at = BTreeMap::new();
        for (name, server, _) in &all {
            at.insert(server.ip.clone(), (*name, server.uid.clone()));
            self.owners.entry(server.ip.clone()).or_default().insert(*name);
        }
        let answers = join_all(all.iter().map(|(name, server, is_sentinel)| async move {
            let asked = timeout(ANSWER, addresses(name, server, *is_sentinel)).await;
            (*name, server, asked.unwrap_or_else(|_| Err("no answer".to_owned())))
        }))
        .await;
        let alive: BTreeSet<_> = all.iter().map(|(_, server, _)| server.uid.clone()).collect();
        let mut now = BTreeSet::new();
        let mut silent = BTreeSet::new();
        for (name, server, answer) in answers {
            let Ok(known) = answer else {
                silent.insert(server.uid.clone());
                continue;
            };
            for (what, address) in known {
                if let Some((owner, uid)) = at.get(&address).filter(|(owner, _)| *owner != name) {
                    let sighting = (what, server.uid.clone(), uid.clone());
                    if !self.open.contains_key(&sighting) {
                        stage.say(format!("{what}: {} has {address} of {owner}", server.pod));
                    }
                    now.insert(sighting);
                }
            }
        }
        self.settle(stage, &now, &silent, &alive);
    }

    /// Opens what is new, and closes what is over. Who does not answer has what it had.
    fn settle(
        &mut self,
        stage: &Stage,
        now: &BTreeSet<Sighting>,
        silent: &BTreeSet<String>,
        alive: &BTreeSet<String>,
    ) {
        let stays = |sighting: &Sighting| {
            let (_, observer, owner) = sighting;
            now.contains(sighting)
                || (silent.contains(observer) && alive.contains(observer) && alive.contains(owner))
        };
        let over: Vec<_> = self.open.keys().filter(|sighting| !stays(sighting)).cloned().collect();
        for sighting in over {
            let lasted = self.open.remove(&sighting).map_or(Duration::ZERO, |since| since.elapsed());
            stage.say(format!("{}: gone after {lasted:.1?}", sighting.0));
            self.seen.stays.entry(sighting.0).or_default().push(lasted);
        }
        for sighting in now {
            self.open.entry(sighting.clone()).or_insert_with(Instant::now);
        }
    }
}

/// Every other server that this one knows. Panics if it has a key that does not begin with its name.
async fn addresses(name: &str, server: &Server, is_sentinel: bool) -> Result<Vec<(Foreign, String)>, String> {
    if is_sentinel { known_to_sentinel(server).await } else { known_to_redis(name, server).await }
}

async fn known_to_sentinel(server: &Server) -> Result<Vec<(Foreign, String)>, String> {
    let master = server.master().await?;
    let mut known = vec![(Foreign::Master, master.get("ip").cloned().unwrap_or_default())];
    for (what, list) in [(Foreign::Replica, "REPLICAS"), (Foreign::Peer, "SENTINELS")] {
        let table = reply::table(server.ask(&["SENTINEL", list, "mymaster"]).await?);
        let table = table.map_err(|error| error.to_string())?;
        known.extend(table.into_iter().filter_map(|row| Some((what, row.get("ip")?.clone()))));
    }
    Ok(known)
}

async fn known_to_redis(name: &str, server: &Server) -> Result<Vec<(Foreign, String)>, String> {
    let keys = server.ask(&["KEYS", "*"]).await?;
    let own = format!("{name}:");
    let Reply::List(keys) = keys else { return Err(format!("{}: KEYS: {keys:?}", server.pod)) };
    for key in &keys {
        assert!(matches!(key, Reply::Text(key) if key.starts_with(&own)), "{}: foreign {key:?}", server.pod);
    }
    let replication = server.info("replication").await?;
    let mut known = Vec::new();
    if let Some(source) = replication.get("master_host") {
        known.push((Foreign::Source, source.clone()));
    }
    let replicas =
        replication.iter().filter(|(key, value)| key.starts_with("slave") && value.contains("ip="));
    for (_, line) in replicas {
        let ip = reply::parts(line).get("ip").copied().unwrap_or_default().to_owned();
        known.push((Foreign::Served, ip));
    }
    Ok(known)
}
