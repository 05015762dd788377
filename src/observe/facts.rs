//! Plain facts about one `RedisFailover` at one moment; no judgement here.

use std::collections::{BTreeMap, BTreeSet};

use crate::redis::{self, Address};

/// Everything that was seen in one look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Redis pods by ordinal.
    pub redis: Vec<RedisNode>,
    /// Sentinel pods by name.
    pub sentinels: Vec<SentinelNode>,
}

impl Observed {
    /// Marks the redis pods that were made from another template than the `wanted` one.
    pub fn mark_outdated(&mut self, wanted: Option<&str>) {
        for node in &mut self.redis {
            node.pod.outdated = is_older(node.pod.template.as_deref(), wanted);
        }
    }
}

/// Whether a pod with this mark was made from another template than the `wanted` one; one without a mark is no redis pod.
pub(super) fn is_older(mark: Option<&str>, wanted: Option<&str>) -> bool {
    mark.is_some() && mark != wanted
}

/// A pod as Kubernetes knows it.
#[allow(clippy::struct_excessive_bools)] // Facts that are independent of one another, as Kubernetes reports them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// Name.
    pub name: String,
    /// Unique id.
    pub uid: String,
    /// Address, once it has one.
    pub ip: Option<String>,
    /// Number at the end of a StatefulSet pod's name.
    pub ordinal: Option<u32>,
    /// Ready as Kubernetes sees it.
    pub ready: bool,
    /// The server's container runs.
    pub running: bool,
    /// It was deleted and is going.
    pub terminating: bool,
    /// Value of the role label.
    pub role_label: Option<String>,
    /// Why it does not run: `Unschedulable`, `ImagePullBackOff`, `CrashLoopBackOff`, …
    pub waiting: Option<String>,
    /// When the server's container ended last, in seconds since 1970 by the clock of its node.
    pub ended: Option<i64>,
    /// Mark of the pod template that it was made from.
    pub template: Option<String>,
    /// It was made from another pod template than the spec asks for today.
    pub outdated: bool,
}

/// A redis pod and its server.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisNode {
    /// The pod.
    pub pod: PodFacts,
    /// What its server said, or why it said nothing.
    pub server: Result<ServerFacts, Silence>,
    /// Proof that the process which last answered as this server has ended; none means unknown, not alive.
    pub death: Option<Death>,
    /// What the server said last before it went silent or was replaced, or before the death of its master took its link
    /// away; while the operator remembers it.
    pub before: Option<ServerFacts>,
}

/// How it is known that a process has ended. A server that merely does not answer has given no such proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The peer closed the connection that was held, and a new one is refused.
    Refused,
    /// Another process answers in its place: the run id changed.
    Restarted,
    /// The kubelet says that the container ended.
    Ended,
}

/// A Sentinel pod and its Sentinel.
#[derive(Clone, Debug, PartialEq)]
pub struct SentinelNode {
    /// The pod.
    pub pod: PodFacts,
    /// What it said, or why it said nothing.
    pub server: Result<SentinelFacts, Silence>,
}

/// Why nothing is known of a server. Unknown is not the same as replica, empty or dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It has no address or does not run, so it was not asked.
    NotAsked,
    /// It was asked and gave no usable answer.
    Failed(redis::Error),
}

/// What a redis server said of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerFacts {
    /// Changes with every start of the process.
    pub run_id: String,
    /// Master or replica.
    pub role: Role,
    /// Id of the history that its data belongs to.
    pub replication_id: String,
    /// Id of the history before the last promotion; empty where there is none.
    pub second_replication_id: String,
    /// Position in that history; never negative here: a replica that never synced has 0.
    pub offset: i64,
    /// Keys in all databases.
    pub keys: u64,
    /// Still loading its data.
    pub loading: bool,
    /// Values of the settings that were asked for, by lower-case name. A setting that the server does not know is absent.
    pub config: BTreeMap<String, String>,
    /// Time of its node when it said this, in seconds since 1970.
    pub clock: Option<i64>,
    /// Seconds since a replica lost the link to its master; none while the link is up and where it never was.
    pub unlinked_for: Option<u64>,
}

/// Master or replica, with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A master with the replicas that are connected.
    Master {
        /// Connected replicas.
        replicas: Vec<ReplicaLink>,
    },
    /// A replica.
    Replica {
        /// The server that it follows.
        source: Address,
        /// The link is up and the first sync is done.
        link_up: bool,
        /// A full sync runs.
        syncing: bool,
    },
}

impl Default for Role {
    fn default() -> Self {
        Self::Master { replicas: Vec::new() }
    }
}

/// A replica as its master sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaLink {
    /// Its address.
    pub address: Address,
    /// State `online`.
    pub online: bool,
    /// Offset that it acknowledged.
    pub offset: i64,
}

/// What a Sentinel said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SentinelFacts {
    /// Its id, stable over restarts of the container.
    pub id: String,
    /// What it monitors under the master's name, if anything.
    pub monitored: Option<Monitored>,
    /// Highest epoch that it was heard to speak of in its greetings on the servers' channel; none if never heard.
    pub current_epoch: Option<i64>,
    /// Every replica of the master that it knows.
    pub known_replicas: Vec<KnownServer>,
    /// Every other Sentinel that it knows.
    pub known_peers: Vec<KnownServer>,
}

/// A replica or another Sentinel as a Sentinel knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownServer {
    /// Its address.
    pub address: Address,
    /// Its run id; empty while the Sentinel has not learned it.
    pub id: String,
    /// Flags: `slave`, `sentinel`, `s_down`, `disconnected`, …
    pub flags: BTreeSet<String>,
}

/// A master as a Sentinel sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitored {
    /// The master's host.
    pub host: String,
    /// The master's port.
    pub port: u16,
    /// Flags: `master`, `s_down`, `o_down`, `failover_in_progress`, …
    pub flags: BTreeSet<String>,
    /// Known replicas.
    pub replicas: u32,
    /// Known other Sentinels.
    pub peers: u32,
    /// Sentinels that must agree.
    pub quorum: i32,
    /// Epoch of the configuration.
    pub config_epoch: i64,
    /// Every field of the reply, by name: settings are compared with these.
    pub settings: BTreeMap<String, String>,
}

impl Monitored {
    /// Where the master is.
    #[must_use]
    pub fn address(&self) -> Address {
        Address { host: self.host.clone(), port: self.port }
    }
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAsked => f.write_str("not started yet"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}
