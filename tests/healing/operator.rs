//! An operator without Kubernetes: it looks, plans and acts as the real one does, until it dies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use jiff::Timestamp;
use redis_operator::act::servers::Hands;
use redis_operator::heal::{self, Action, Memory, Plan};
use redis_operator::observe::facts::{Death, KnownServer, Observed, ServerFacts};
use redis_operator::observe::observe;
use redis_operator::redis::{Address, Client, Deadlines, Error, Peer, Reply, Servers};
use tokio::sync::Notify;

use crate::stage::{Stage, rows};

/// Passes commands that change something on until the last one that it may; then the operator is dead.
struct Mortal {
    client: Client,
    left: AtomicUsize,
    died: Arc<Notify>,
}

impl Servers for Mortal {
    fn ask<'a>(&'a self, peer: &'a Peer, command: &'a [&'a str]) -> BoxFuture<'a, Result<Reply, Error>> {
        let asks = matches!(
            command,
            ["INFO", ..]
                | ["CONFIG", "GET", ..]
                | ["SENTINEL", "MYID" | "MASTER" | "REPLICAS" | "SENTINELS", ..]
        );
        let alive = asks
            || self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if !alive {
            self.died.notify_one();
            return Box::pin(futures::future::pending());
        }
        self.client.ask(peer, command)
    }
}

/// One process of the operator with what it remembers.
pub(crate) struct Operator {
    servers: Mortal,
    memory: Memory,
    labels: BTreeMap<String, String>,
    last: BTreeMap<String, ServerFacts>,
    /// Pods that it knows to be dead.
    pub(crate) dead: BTreeMap<String, Death>,
}

impl Operator {
    pub(crate) fn new() -> Self {
        Self::mortal(usize::MAX)
    }

    /// One that dies when it is about to change something for the time after `deeds`.
    pub(crate) fn mortal(deeds: usize) -> Self {
        let servers = Mortal {
            client: Client::new(Deadlines::default()),
            left: AtomicUsize::new(deeds),
            died: Arc::default(),
        };
        let (memory, labels) = (Memory::default(), BTreeMap::new());
        Self { servers, memory, labels, last: BTreeMap::new(), dead: BTreeMap::new() }
    }

    /// The process that takes over: it knows the status and nothing else.
    pub(crate) fn successor(&self) -> Self {
        let memory = Memory { last_master: self.memory.last_master.clone(), ..Memory::default() };
        Self { memory, labels: self.labels.clone(), ..Self::new() }
    }

    /// Heals until everything is as it should be, or panics with the last plan.
    pub(crate) async fn heal(&mut self, stage: &Stage, limit: Duration) -> Plan {
        let begun = Instant::now();
        loop {
            let plan = self.step(stage).await;
            if plan.healthy() {
                return plan;
            }
            assert!(begun.elapsed() < limit, "not healthy within {limit:?}: {plan:#?}");
            tokio::time::sleep(plan.look_again.min(Duration::from_millis(250))).await;
        }
    }

    /// Heals until it dies, which it must.
    pub(crate) async fn heal_until_death(&mut self, stage: &Stage) {
        let (died, begun) = (Arc::clone(&self.servers.died), Instant::now());
        loop {
            let plan = self.look(stage).await;
            tokio::select! {
                () = self.act(stage, &plan) => {}
                () = died.notified() => return,
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "it lives: {:#?}", plan.1);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// One pass.
    pub(crate) async fn step(&mut self, stage: &Stage) -> Plan {
        let looked = self.look(stage).await;
        self.act(stage, &looked).await;
        looked.1
    }

    async fn look(&mut self, stage: &Stage) -> (Observed, Plan, Timestamp) {
        let now = Timestamp::now();
        let mut observed = observe(&self.servers, &stage.valid, &stage.pods(), &stage.passwords).await;
        for node in &mut observed.redis {
            let name = &node.pod.name;
            node.pod.role_label = self.labels.get(name).cloned();
            node.death = self.dead.get(name).copied();
            match &node.server {
                Ok(facts) if self.dead.is_empty() => drop(self.last.insert(name.clone(), facts.clone())),
                _ => node.before = self.last.get(name).cloned(),
            }
        }
        self.hear(stage, &mut observed).await;
        let plan = heal::plan(&stage.valid, &observed, &self.memory, now);
        (observed, plan, now)
    }

    /// Whom the Sentinels know. Their epoch is that of their configuration: none of them has lost an election here.
    async fn hear(&self, stage: &Stage, observed: &mut Observed) {
        for node in &mut observed.sentinels {
            let (Ok(facts), Some(ip)) = (&mut node.server, &node.pod.ip) else { continue };
            let at = stage.sentinel_at(ip);
            facts.current_epoch = facts.monitored.as_ref().map(|seen| seen.config_epoch);
            facts.known_replicas = known(self.servers.ask(&at, &["SENTINEL", "REPLICAS", "mymaster"]).await);
            facts.known_peers = known(self.servers.ask(&at, &["SENTINEL", "SENTINELS", "mymaster"]).await);
        }
    }

    async fn act(&mut self, stage: &Stage, (observed, plan, now): &(Observed, Plan, Timestamp)) {
        let hands =
            Hands { servers: &self.servers, valid: &stage.valid, observed, passwords: &stage.passwords };
        let handed_over = match &plan.handover {
            Some(handover) => hands.hand_over(handover).await,
            None => Ok(()),
        };
        if handed_over.is_ok() {
            for action in &plan.actions {
                if let Action::Label { pod, role } = action {
                    self.labels.insert(pod.clone(), (*role).to_owned());
                }
                // What fails is tried again.
                let _ = hands.carry_out(action, &mut self.memory).await;
            }
        }
        self.memory.update(plan, *now);
    }
}

fn known(reply: Result<Reply, Error>) -> Vec<KnownServer> {
    let server = |row: BTreeMap<String, String>| {
        Some(KnownServer {
            address: Address { host: row.get("ip")?.clone(), port: row.get("port")?.parse().ok()? },
            id: row.get("runid").cloned().unwrap_or_default(),
            flags: row.get("flags")?.split(',').map(str::to_owned).collect(),
        })
    };
    rows(reply).into_iter().filter_map(server).collect()
}
