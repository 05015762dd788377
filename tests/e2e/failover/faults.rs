//! What is done to a `RedisFailover` and its surroundings.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::Api;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::processes::{self, signal};
use crate::operator;
use crate::servers::{self, Server};
use crate::shell;
use crate::stage::Stage;

/// How long the API server stands still.
const API_SERVER_DOWN: Duration = Duration::from_secs(60);
/// How long a node stays cut off after the writes go on.
const NODE_STAYS_AWAY: Duration = Duration::from_secs(5);

/// A fault, and how it is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL for the master's process; the kubelet restarts the container in place.
    MasterKilled,
    /// The same while no operator runs.
    MasterKilledWithoutOperator,
    /// `kubectl delete` of the master's pod, which has its grace period.
    MasterDeleted,
    /// Another pod template: every redis pod is replaced.
    Rolled,
    /// The annotation that asks for another master.
    SwitchedOver,
    /// `kubectl delete --force --grace-period=0` of the master's pod.
    MasterForceDeleted,
    /// The master's node loses its network, and has it again later.
    NodeCutOff,
    /// SIGKILL for a replica.
    ReplicaKilled,
    /// SIGKILL for a Sentinel.
    SentinelKilled,
    /// SIGKILL for all Sentinels at once.
    SentinelsKilled,
    /// SIGKILL for all servers and Sentinels at once, with an emptyDir.
    EverythingKilled,
    /// The same with claims and an append-only file.
    EverythingKilledWithClaims,
    /// SIGKILL for the master, and for the leading operator a moment later.
    OperatorKilledToo,
    /// SIGKILL for the master right after the API server stopped for a minute.
    ApiServerDown,
}

/// All, in the order in which they are played.
pub(crate) const ALL: [Fault; 14] = [
    Fault::MasterDeleted,
    Fault::Rolled,
    Fault::SwitchedOver,
    Fault::MasterKilled,
    Fault::MasterKilledWithoutOperator,
    Fault::MasterForceDeleted,
    Fault::NodeCutOff,
    Fault::ReplicaKilled,
    Fault::SentinelKilled,
    Fault::SentinelsKilled,
    Fault::EverythingKilled,
    Fault::EverythingKilledWithClaims,
    Fault::OperatorKilledToo,
    Fault::ApiServerDown,
];

/// Limits on the longest gap, median and worst, in seconds, and on the way back to full health.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) gap: Option<(f64, f64)>,
    pub(crate) health: f64,
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MasterKilled => "master-killed",
            Self::MasterKilledWithoutOperator => "master-killed-alone",
            Self::MasterDeleted => "deleted",
            Self::Rolled => "rolled",
            Self::SwitchedOver => "switched-over",
            Self::MasterForceDeleted => "force-deleted",
            Self::NodeCutOff => "node-cut-off",
            Self::ReplicaKilled => "replica-killed",
            Self::SentinelKilled => "sentinel-killed",
            Self::SentinelsKilled => "sentinels-killed",
            Self::EverythingKilled => "all-killed",
            Self::EverythingKilledWithClaims => "all-killed-claims",
            Self::OperatorKilledToo => "operator-killed-too",
            Self::ApiServerDown => "api-server-down",
        }
    }

    /// What the project promises.
    pub(crate) fn limits(self) -> Limits {
        let gap = match self {
            Self::MasterKilled | Self::ApiServerDown => Some((0.5, 2.0)),
            Self::MasterKilledWithoutOperator | Self::OperatorKilledToo => Some((8.0, 15.0)),
            Self::MasterDeleted | Self::Rolled | Self::SwitchedOver | Self::MasterForceDeleted => {
                Some((0.3, 1.0))
            }
            Self::NodeCutOff => Some((7.0, 10.0)),
            Self::ReplicaKilled | Self::SentinelKilled | Self::SentinelsKilled => Some((0.1, 0.5)),
            Self::EverythingKilled | Self::EverythingKilledWithClaims => None,
        };
        Limits { gap, health: if self == Self::Rolled { 45.0 } else { 30.0 } }
    }

    /// Whether the fault may cost acknowledged writes: replication is asynchronous, and these leave the master no time.
    pub(crate) fn may_lose(self) -> bool {
        !matches!(
            self,
            Self::MasterDeleted
                | Self::Rolled
                | Self::SwitchedOver
                | Self::ReplicaKilled
                | Self::SentinelKilled
                | Self::SentinelsKilled
        )
    }

    /// Whether it is done only when another server is master.
    pub(crate) fn replaces_master(self) -> bool {
        matches!(self, Self::MasterDeleted | Self::Rolled | Self::SwitchedOver)
    }

    pub(crate) fn spec(self) -> Value {
        match self {
            Self::EverythingKilledWithClaims => json!({"redis": {
                "customConfig": ["appendonly yes"],
                "storage": {"persistentVolumeClaim": {
                    "metadata": {"name": "data"},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}},
                }},
            }}),
            _ => json!({}),
        }
    }

    /// What has to be so before the writers start.
    pub(crate) async fn prepare(self, stage: &Stage) {
        if self == Self::MasterKilledWithoutOperator {
            operator::scale(&stage.client, 0).await;
        }
    }

    /// Does it. `master` is the server that everybody agrees on.
    pub(crate) async fn strike(self, stage: &Stage, name: &str, master: &Server) -> Struck {
        let mut struck = Struck { at: Instant::now(), node: None, api_server: Vec::new(), generation: None };
        match self {
            Self::MasterKilled | Self::MasterKilledWithoutOperator => {
                kill(&mut struck, std::slice::from_ref(master)).await;
            }
            Self::MasterDeleted => {
                struck.at = Instant::now();
                stage.kubectl(&["delete", "pod", &master.pod, "--wait=false"]).await;
            }
            Self::Rolled => {
                struck.at = Instant::now();
                let annotations = json!({"rolled-from": master.pod, "rolled-at": master.uid});
                let spec = json!({"redis": {"podAnnotations": annotations}});
                struck.generation = Some(stage.patch(name, spec).await);
            }
            Self::SwitchedOver => {
                struck.at = Instant::now();
                stage.kubectl(&["annotate", "rf", name, "storage.spotahome.com/switchover=any"]).await;
            }
            Self::MasterForceDeleted => {
                struck.at = Instant::now();
                stage.kubectl(&["delete", "pod", &master.pod, "--force", "--grace-period=0"]).await;
            }
            Self::NodeCutOff => {
                let node = node_of(stage, master).await;
                struck.at = Instant::now();
                cluster("unplug", &node).await;
                struck.node = Some(node);
            }
            Self::ReplicaKilled => {
                let redis = servers::redis(stage, name).await;
                let replica = redis.into_iter().find(|server| server.uid != master.uid).expect("a replica");
                kill(&mut struck, &[replica]).await;
            }
            Self::SentinelKilled => kill(&mut struck, &servers::sentinels(stage, name).await[..1]).await,
            Self::SentinelsKilled => kill(&mut struck, &servers::sentinels(stage, name).await).await,
            Self::EverythingKilled | Self::EverythingKilledWithClaims => {
                let all = [servers::redis(stage, name).await, servers::sentinels(stage, name).await].concat();
                kill(&mut struck, &all).await;
            }
            Self::OperatorKilledToo => {
                let leader = operator::leader(&stage.client).await;
                let process = processes::operator_of(&uid(stage, operator::NAMESPACE, &leader).await);
                kill(&mut struck, std::slice::from_ref(master)).await;
                signal("KILL", &process).await;
            }
            Self::ApiServerDown => {
                struck.api_server = processes::api_server();
                let process = processes::server_of(&master.uid);
                signal("STOP", &struck.api_server).await;
                struck.at = Instant::now();
                signal("KILL", &process).await;
            }
        }
        struck
    }

    /// Undoes what does not heal by itself.
    pub(crate) async fn mend(self, stage: &Stage, struck: &Struck) {
        match self {
            Self::MasterKilledWithoutOperator => {
                operator::scale(&stage.client, 2).await;
                operator::leader(&stage.client).await;
            }
            Self::NodeCutOff => {
                sleep(NODE_STAYS_AWAY).await;
                if let Some(node) = &struck.node {
                    cluster("plug", node).await;
                }
            }
            Self::ApiServerDown => {
                sleep(API_SERVER_DOWN.saturating_sub(struck.at.elapsed())).await;
                signal("CONT", &struck.api_server).await;
            }
            _ => {}
        }
    }
}

/// A fault that was done.
pub(crate) struct Struck {
    pub(crate) at: Instant,
    node: Option<String>,
    api_server: Vec<u32>,
    /// Of the spec, where that was changed.
    pub(crate) generation: Option<i64>,
}

async fn kill(struck: &mut Struck, servers: &[Server]) {
    let all: Vec<_> = servers.iter().flat_map(|server| processes::server_of(&server.uid)).collect();
    struck.at = Instant::now();
    signal("KILL", &all).await;
}

async fn cluster(command: &str, node: &str) {
    shell::good("tests/cluster/cluster", &[command, node], "").await;
}

async fn node_of(stage: &Stage, server: &Server) -> String {
    let api: Api<Pod> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let pod = api.get(&server.pod).await.expect("the master's pod");
    pod.spec.and_then(|spec| spec.node_name).expect("a node")
}

async fn uid(stage: &Stage, namespace: &str, pod: &str) -> String {
    let api: Api<Pod> = Api::namespaced(stage.client.clone(), namespace);
    api.get(pod).await.expect("a pod").uid().expect("a uid")
}
