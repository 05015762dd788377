//! The status of a `RedisFailover`: what the operator saw, never what it wished.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator saw last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisFailoverStatus {
    /// The state in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The master.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<MasterStatus>,
    /// Redis servers, for the scale subresource and the printer column.
    #[serde(default)]
    pub redis: CountStatus,
    /// Sentinels.
    #[serde(default)]
    pub sentinel: CountStatus,
    /// Label selector of the redis pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Ready servers of those wanted, as `3/3`: redis and Sentinels together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions, each with reason and message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// The state in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Accepted, nothing made yet.
    Pending,
    /// First start: servers come up and a master is elected.
    Creating,
    /// Everything as wanted.
    Ready,
    /// No master at the moment; one is being chosen.
    FailingOver,
    /// A change of the spec is on its way to the servers.
    Updating,
    /// It serves, but something is missing.
    Degraded,
    /// The spec breaks a rule; nothing was changed for it.
    Invalid,
    /// The operator keeps its hands off.
    Paused,
}

/// The master.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MasterStatus {
    /// Name of its pod.
    pub pod: String,
    /// Its address as clients get it from Sentinel, `host:port`.
    pub address: String,
}

/// How many servers are wanted and how many are ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CountStatus {
    /// Wanted by the spec.
    #[serde(default)]
    pub replicas: i32,
    /// Ready as Kubernetes sees it.
    #[serde(default)]
    pub ready: i32,
}
