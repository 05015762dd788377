//! Two `RedisFailovers` whose pods get one another's addresses: no key crosses, and nobody follows a foreign server.
//!
//! Each node has one free pod address only, so a pod that is made anew gets one that another pod just left. Both have
//! Sentinels that call their master `mymaster`, and no password: nothing but the operator keeps them apart.

mod watcher;

use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::json;

use crate::operator;
use crate::servers::{self, Server};
use crate::stage::Stage;
use crate::wait::{ensure, until};
use watcher::Watcher;

/// The two.
const NAMES: [&str; 2] = ["left", "right"];
/// Keys that each one has; they begin with its name.
const KEYS: usize = 50;
/// How long a foreign address may stay: what the project promises, and what fails the test on a busy machine.
const STAYS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10));
/// How long all may take to be well again. Kubelets wait longer and longer for a free address.
const PATIENCE: Duration = Duration::from_secs(180);

/// Which pods are deleted at once, without a farewell.
#[derive(Clone, Copy, Debug)]
enum Gone {
    Masters,
    Replicas,
    Sentinels,
    OneWholeAndReplicas,
    Everything,
}

const ALL: [Gone; 5] =
    [Gone::Masters, Gone::Replicas, Gone::Sentinels, Gone::OneWholeAndReplicas, Gone::Everything];

pub(crate) async fn play(stage: Stage) {
    if !operator::is_local_cluster() {
        stage.say("left out: only the local cluster lets nodes run out of addresses");
        return;
    }
    for name in NAMES {
        stage.create(name, json!({})).await;
    }
    for name in NAMES {
        stage.ready(name).await;
        until("all agree", PATIENCE, || servers::agreed(&stage, name, 2, 3)).await;
    }
    let crowd = Crowd::on(&stage).await;
    let watcher = Watcher::start(&stage, NAMES);
    let rounds = std::env::var("ISOLATION_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for gone in (0..rounds).flat_map(|_| ALL) {
        round(&stage, gone).await;
    }
    let seen = watcher.end().await;
    drop(crowd);
    stage.say(format!("{} addresses moved from one to the other", seen.moved));
    for (what, stays) in &seen.stays {
        let longest = stays.iter().max().copied().unwrap_or_default();
        stage.say(format!("{what}: {} times, at most {longest:.1?} (limit {:?})", stays.len(), STAYS.0));
        assert!(longest <= STAYS.1, "{what}: a foreign address stayed for {longest:?}");
    }
    assert!(seen.moved > 0, "no address was used by both: nothing was tested");
}

/// Deletes pods of both, and waits until both are as they were.
async fn round(stage: &Stage, gone: Gone) {
    for name in NAMES {
        fill(stage, name).await;
    }
    let mut pods = Vec::new();
    for (at, name) in NAMES.into_iter().enumerate() {
        let redis = servers::redis(stage, name).await;
        let sentinels = servers::sentinels(stage, name).await;
        let master = stage.rf(name).await.status.and_then(|status| status.master).expect("a master").pod;
        let (masters, replicas): (Vec<_>, _) = redis.iter().cloned().partition(|server| server.pod == master);
        let chosen = match gone {
            Gone::Masters => masters,
            Gone::Replicas => replicas,
            Gone::Sentinels => sentinels,
            Gone::OneWholeAndReplicas if at == 1 => replicas,
            Gone::OneWholeAndReplicas | Gone::Everything => [redis, sentinels].concat(),
        };
        pods.extend(chosen.into_iter().map(|server: Server| server.pod));
    }
    let arguments = [&["delete", "pod", "--force", "--grace-period=0"], &*refs(&pods)].concat();
    stage.kubectl(&arguments).await;
    for name in NAMES {
        let (_, took) = until("all agree again", PATIENCE, || servers::agreed(stage, name, 2, 3)).await;
        stage.say(format!("{gone:?}: {name} is well after {:.1} s more", took.as_secs_f64()));
        stage.ready(name).await;
    }
}

fn refs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Gives it its keys, which every replica has in the end.
async fn fill(stage: &Stage, name: &str) {
    until("a master that takes writes", PATIENCE, async || {
        let mut connection = servers::through_sentinel(stage, name, None).await?;
        let mut pipe = redis::pipe();
        for number in 0..KEYS {
            pipe.cmd("SET").arg(format!("{name}:{number}")).arg(name).ignore();
        }
        let (replicas,): (usize,) =
            pipe.cmd("WAIT").arg(2).arg(500).query_async(&mut connection).await.map_err(|e| e.to_string())?;
        ensure(replicas == 2, || format!("{replicas} replicas have the keys of {name}"))
    })
    .await;
}

/// Nodes that have hardly any free addresses, until this is dropped.
struct Crowd {
    nodes: Vec<String>,
}

impl Crowd {
    async fn on(stage: &Stage) -> Self {
        let nodes: Api<Node> = Api::all(stage.client.clone());
        let nodes = nodes.list(&ListParams::default()).await.expect("nodes");
        let crowd = Self { nodes: nodes.items.iter().map(ResourceExt::name_any).collect() };
        crowd.tell("crowd");
        crowd
    }

    fn tell(&self, command: &str) {
        for node in &self.nodes {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/cluster");
            let done = Command::new(script).args([command, node]).status();
            assert!(
                done.is_ok_and(|status| status.success()) || std::thread::panicking(),
                "{command} {node}"
            );
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.tell("uncrowd");
    }
}
