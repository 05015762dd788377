//! The spec of a `RedisFailover`, field by field as its users know it from the Go operator.
//!
//! JSON names are kept, the odd ones included (`terminationGracePeriod` has no `Seconds`). The doc comments become
//! the field descriptions of the CRD. Integers are signed because Kubernetes schemas know no unsigned ones. A list of
//! names follows where a struct is read by [`fields`](super::fields); a test holds it against the schema.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::fields;
use super::status::RedisFailoverStatus;

/// A Redis or Valkey master with its replicas, kept alive by Sentinels.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[kube(
    group = "storage.spotahome.com",
    version = "v1",
    kind = "RedisFailover",
    plural = "redisfailovers",
    singular = "redisfailover",
    shortname = "rf",
    namespaced,
    status = "RedisFailoverStatus",
    derive = "PartialEq",
    doc = "A Redis or Valkey master with its replicas, kept alive by Sentinels."
)]
#[serde(rename_all = "camelCase")]
pub struct RedisFailoverSpec {
    /// The redis servers.
    #[serde(default)]
    pub redis: RedisSpec,
    /// The Sentinels.
    #[serde(default)]
    pub sentinel: SentinelSpec,
    /// Where the passwords come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthSpec>,
    /// Regular expressions on label keys: only labels of this object that match one go to its children. Empty: all do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub label_whitelist: Vec<String>,
    /// An outside master to follow. Not supported yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_node: Option<BootstrapSpec>,
}

fields!(RedisFailoverSpec {
    "auth" => auth,
    "labelWhitelist" => label_whitelist,
    "bootstrapNode" => bootstrap_node,
} parts {
    "redis" => redis,
    "sentinel" => sentinel,
});

/// Where the passwords come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthSpec {
    /// Name of a Secret in the same namespace with the key `password`: what the redis servers ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_path: Option<String>,
    /// Name of a Secret in the same namespace with the key `password`: what the Sentinels ask for. It may be the same
    /// Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentinel_secret_path: Option<String>,
}

/// An outside master to follow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapSpec {
    /// Address of the outside master.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port of the outside master.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Whether Sentinels run while the outside master is followed.
    #[serde(default)]
    pub allow_sentinels: bool,
}

/// The redis servers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisSpec {
    /// Number of servers, the master included. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Port of the servers. Default 6379.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Settings as in redis.conf, one `name value` per entry; applied without a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_config: Vec<String>,
    /// Commands to rename.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_command_renames: Vec<CommandRename>,
    /// Name of a ConfigMap in the same namespace with the key `shutdown.sh`, run before a server stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_config_map: Option<String>,
    /// Where the data lives.
    #[serde(default)]
    pub storage: StorageSpec,
    /// Seconds that a server has to stop. Default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_grace_period: Option<i64>,
    /// What the pods are made of.
    #[serde(flatten)]
    pub pod: PodSpec,
}

fields!(RedisSpec {
    "replicas" => replicas,
    "port" => port,
    "customConfig" => custom_config,
    "customCommandRenames" => custom_command_renames,
    "shutdownConfigMap" => shutdown_config_map,
    "storage" => storage,
    "terminationGracePeriod" => termination_grace_period,
} flat pod);

/// The Sentinels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SentinelSpec {
    /// Number of Sentinels. Default 3; an odd number makes the best use of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Name under which clients ask the Sentinels for the master. Default mymaster; it cannot change later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_name: Option<String>,
    /// Sentinel settings, one `name value` per entry without the master's name; applied without a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_config: Vec<String>,
    /// The init container that makes the configuration writable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_copy: Option<ConfigCopySpec>,
    /// What the pods are made of.
    #[serde(flatten)]
    pub pod: PodSpec,
}

fields!(SentinelSpec {
    "replicas" => replicas,
    "masterName" => master_name,
    "customConfig" => custom_config,
    "configCopy" => config_copy,
} flat pod);

/// The init container that makes Sentinel's configuration writable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigCopySpec {
    /// Security context of that container; replaces the default wholly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_security_context: Option<core::SecurityContext>,
}

/// What redis pods and Sentinel pods have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// Image of the server, whole reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Always, IfNotPresent or Never. Default IfNotPresent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// Secrets to pull the images with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<core::LocalObjectReference>,
    /// Replaces the container's command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Name of a ConfigMap in the same namespace with the key `startup.sh`, run as startup probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_config_map: Option<String>,
    /// Requests and limits of the server's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<core::ResourceRequirements>,
    /// The metrics exporter beside the server.
    #[serde(default)]
    pub exporter: ExporterSpec,
    /// Containers that run before the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<core::Container>,
    /// Containers beside the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_containers: Vec<core::Container>,
    /// Volumes added to the pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_volumes: Vec<core::Volume>,
    /// Mounts added to the server's container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_volume_mounts: Vec<core::VolumeMount>,
    /// Replaces the default affinity (spread over nodes where possible) wholly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<core::Affinity>,
    /// Tolerations of the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<core::Toleration>,
    /// Topology spread constraints of the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<core::TopologySpreadConstraint>,
    /// Node labels that the pods ask for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Annotations of the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_annotations: BTreeMap<String, String>,
    /// Annotations of the Services.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_annotations: BTreeMap<String, String>,
    /// Security context of the pods; replaces the default wholly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<core::PodSecurityContext>,
    /// Security context of the server's container; replaces the default wholly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_security_context: Option<core::SecurityContext>,
    /// Run in the node's network.
    #[serde(default)]
    pub host_network: bool,
    /// DNS policy of the pods. Default ClusterFirst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_policy: Option<String>,
    /// Priority class of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Service account of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Replaces the liveness probe wholly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_liveness_probe: Option<core::Probe>,
    /// Replaces the readiness probe wholly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_readiness_probe: Option<core::Probe>,
    /// Replaces the startup probe wholly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_startup_probe: Option<core::Probe>,
    /// Make no PodDisruptionBudget.
    #[serde(default)]
    pub disable_pod_disruption_budget: bool,
}

fields!(PodSpec {
    "image" => image,
    "imagePullPolicy" => image_pull_policy,
    "imagePullSecrets" => image_pull_secrets,
    "command" => command,
    "startupConfigMap" => startup_config_map,
    "resources" => resources,
    "exporter" => exporter,
    "initContainers" => init_containers,
    "extraContainers" => extra_containers,
    "extraVolumes" => extra_volumes,
    "extraVolumeMounts" => extra_volume_mounts,
    "affinity" => affinity,
    "tolerations" => tolerations,
    "topologySpreadConstraints" => topology_spread_constraints,
    "nodeSelector" => node_selector,
    "podAnnotations" => pod_annotations,
    "serviceAnnotations" => service_annotations,
    "securityContext" => security_context,
    "containerSecurityContext" => container_security_context,
    "hostNetwork" => host_network,
    "dnsPolicy" => dns_policy,
    "priorityClassName" => priority_class_name,
    "serviceAccountName" => service_account_name,
    "customLivenessProbe" => custom_liveness_probe,
    "customReadinessProbe" => custom_readiness_probe,
    "customStartupProbe" => custom_startup_probe,
    "disablePodDisruptionBudget" => disable_pod_disruption_budget,
});

/// A command under another name, `""` to disable it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandRename {
    /// The command.
    #[serde(default)]
    pub from: String,
    /// Its new name.
    #[serde(default)]
    pub to: String,
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
    pub persistent_volume_claim: Option<EmbeddedClaim>,
}

/// A PersistentVolumeClaim as a template for each server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmbeddedClaim {
    /// Accepted and ignored: always `v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Accepted and ignored: always `PersistentVolumeClaim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name (prefix of the claims' names and name of the volume), labels and annotations.
    #[serde(default)]
    pub metadata: EmbeddedMetadata,
    /// What is claimed.
    #[serde(default)]
    pub spec: core::PersistentVolumeClaimSpec,
    /// Accepted and ignored, because upstream's schema had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<core::PersistentVolumeClaimStatus>,
}

/// The part of an object's metadata that a template may carry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmbeddedMetadata {
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The metrics exporter beside a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExporterSpec {
    /// Run it.
    #[serde(default)]
    pub enabled: bool,
    /// Image of the exporter, whole reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Always, IfNotPresent or Never. Default IfNotPresent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// Security context of the exporter; replaces the default wholly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_security_context: Option<core::SecurityContext>,
    /// Arguments of the exporter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment of the exporter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<core::EnvVar>,
    /// Requests and limits of the exporter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<core::ResourceRequirements>,
}
