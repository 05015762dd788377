//! The spec of an early `RedisFailover`, for its schema and for messages about wrong types.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::status::RedisFailoverStatus;

/// A Redis master with its replicas, kept alive by Sentinels.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "storage.spotahome.com",
    version = "v1alpha2",
    kind = "RedisFailover",
    plural = "redisfailovers",
    singular = "redisfailover",
    shortname = "rf",
    namespaced,
    status = "RedisFailoverStatus",
    doc = "A Redis master with its replicas, kept alive by Sentinels: the early form of v1."
)]
#[serde(rename_all = "camelCase")]
pub struct RedisFailoverSpec {
    /// The redis servers.
    #[serde(default)]
    pub redis: RedisSpec,
    /// The Sentinels.
    #[serde(default)]
    pub sentinel: SentinelSpec,
    /// No two redis servers, and no two Sentinels, on one node. Otherwise they avoid each other where they can.
    #[serde(default)]
    pub hard_anti_affinity: bool,
    /// Which nodes the pods may run on, or prefer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_affinity: Option<core::NodeAffinity>,
    /// Tolerations of all pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<core::Toleration>,
}

/// The redis servers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisSpec {
    /// Number of servers, the master included. 0 is the default, 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Requests and limits of each server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<core::ResourceRequirements>,
    /// Run a metrics exporter beside each server.
    #[serde(default)]
    pub exporter: bool,
    /// Image of the exporter, without its version. Default `oliver006/redis_exporter` where a version is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exporter_image: Option<String>,
    /// Version of the exporter's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exporter_version: Option<String>,
    /// Kept and without effect: the exporter has no probes.
    #[serde(default)]
    pub disable_exporter_probes: bool,
    /// Image of redis servers and Sentinels, without its version. Default `redis` where a version is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Version of the image of redis servers and Sentinels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Settings as in redis.conf, one `name value` per entry; applied without a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_config: Vec<String>,
    /// Name of a ConfigMap in the same namespace with the key `shutdown.sh`, run before a server stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_config_map: Option<String>,
    /// Replaces the servers' command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Where the data lives.
    #[serde(default)]
    pub storage: StorageSpec,
}

/// The Sentinels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SentinelSpec {
    /// Number of Sentinels. 0 is the default, 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Requests and limits of each Sentinel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<core::ResourceRequirements>,
    /// Sentinel settings, one `name value` per entry without the master's name; applied without a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_config: Vec<String>,
    /// Replaces the Sentinels' command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

/// Where the data of the redis servers lives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageSpec {
    /// Keep the PersistentVolumeClaims when the RedisFailover is deleted.
    #[serde(default)]
    pub keep_after_deletion: bool,
    /// Data that lives as long as the pod. The default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<core::EmptyDirVolumeSource>,
    /// Data that lives in a volume of its own, as a whole PersistentVolumeClaim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<Claim>,
}

/// A PersistentVolumeClaim as a template for each server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Accepted and ignored: always `v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Accepted and ignored: always `PersistentVolumeClaim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name (prefix of the claims' names and name of the volume), labels and annotations.
    #[serde(default)]
    pub metadata: ClaimMetadata,
    /// What is claimed.
    #[serde(default)]
    pub spec: core::PersistentVolumeClaimSpec,
    /// Accepted and ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<core::PersistentVolumeClaimStatus>,
}

/// The metadata that manifests of claims have; Go wrote `creationTimestamp: null` into each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimMetadata {
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Accepted and ignored: that of the RedisFailover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Accepted and ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
}
