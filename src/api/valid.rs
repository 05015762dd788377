//! A spec that was filled, parsed and checked: after this, nothing can be malformed.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::EmptyDirVolumeSource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::rules::directive::{self, Directive};
use super::spec::{CommandRename, EmbeddedClaim, ExporterSpec, PodSpec, RedisFailoverSpec};
use super::{GROUP, KIND, Problem, VERSION, rules};

/// Who the object is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// Namespace.
    pub namespace: String,
    /// Name, at most 48 characters.
    pub name: String,
    /// Unique id; empty when a file is checked offline.
    pub uid: String,
    /// The user's labels.
    pub labels: BTreeMap<String, String>,
    /// The user's annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Identity {
    /// The one controller reference that every child carries.
    #[must_use]
    pub fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: format!("{GROUP}/{VERSION}"),
            kind: KIND.to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

/// A checked `RedisFailover`.
#[derive(Clone, Debug, PartialEq)]
pub struct Valid {
    /// Who it is.
    pub identity: Identity,
    /// The redis servers.
    pub redis: Redis,
    /// The Sentinels.
    pub sentinel: Sentinel,
    /// Name of the Secret with the redis servers' password.
    pub auth_secret: Option<String>,
    /// Name of the Secret with the Sentinels' password.
    pub sentinel_auth_secret: Option<String>,
    /// The labels that go to the children: the user's, filtered by `labelWhitelist`.
    pub child_labels: BTreeMap<String, String>,
}

/// The redis servers of a [`Valid`].
#[derive(Clone, Debug, PartialEq)]
pub struct Redis {
    /// Number of servers, at least 1.
    pub replicas: i32,
    /// Port, 1 to 65535, not that of Sentinel.
    pub port: u16,
    /// customConfig, parsed; entries with the same key (classes, several `save`) are kept in order.
    pub config: Vec<Directive>,
    /// Commands to rename.
    pub renames: Vec<CommandRename>,
    /// The user's shutdown ConfigMap.
    pub shutdown_config_map: Option<String>,
    /// Where the data lives.
    pub storage: Storage,
    /// Seconds to stop.
    pub grace_seconds: i64,
    /// The pods, with image and pull policy filled.
    pub pod: PodSpec,
}

/// The Sentinels of a [`Valid`].
#[derive(Clone, Debug, PartialEq)]
pub struct Sentinel {
    /// Number of Sentinels, at least 1.
    pub replicas: i32,
    /// Name under which clients ask for the master: letters, digits, `.`, `-` and `_`.
    pub master_name: String,
    /// customConfig, parsed.
    pub config: Vec<Directive>,
    /// Security context of the copying init container.
    pub config_copy: Option<k8s_openapi::api::core::v1::SecurityContext>,
    /// The pods, with image and pull policy filled.
    pub pod: PodSpec,
}

/// Where data lives.
#[derive(Clone, Debug, PartialEq)]
pub enum Storage {
    /// With the pod.
    EmptyDir(EmptyDirVolumeSource),
    /// In a claim per server.
    Claim {
        /// The template.
        template: Box<EmbeddedClaim>,
        /// Whether claims outlive the `RedisFailover`.
        keep: bool,
    },
}

impl Sentinel {
    /// Sentinels that must agree that the master is down: the user's, or a majority.
    #[must_use]
    pub fn quorum(&self) -> i32 {
        let own = self.config.iter().find(|d| d.key == "quorum").and_then(|d| d.value.parse().ok());
        own.unwrap_or(self.replicas / 2 + 1)
    }
}

impl Valid {
    /// Checks a filled spec and makes it a `Valid`, or says all that is wrong with it.
    pub fn new(identity: Identity, spec: RedisFailoverSpec) -> Result<Self, Vec<Problem>> {
        let problems = rules::check(&identity.name, &spec, None).problems;
        if !problems.is_empty() {
            return Err(problems);
        }
        let child_labels = rules::labels::propagated(&identity.labels, &spec.label_whitelist)?;
        let (redis, auth) = (spec.redis, spec.auth.unwrap_or_default());
        let storage = match redis.storage.persistent_volume_claim {
            Some(template) => {
                Storage::Claim { template: Box::new(template), keep: redis.storage.keep_after_deletion }
            }
            None => Storage::EmptyDir(redis.storage.empty_dir.unwrap_or_default()),
        };
        let port = rules::port(redis.port.unwrap_or(super::defaults::REDIS_PORT))
            .map_err(|problem| vec![problem])?;
        Ok(Self {
            identity,
            child_labels,
            auth_secret: auth.secret_path.filter(|name| !name.is_empty()),
            sentinel_auth_secret: auth.sentinel_secret_path.filter(|name| !name.is_empty()),
            redis: Redis {
                replicas: redis.replicas.unwrap_or(super::defaults::REPLICAS),
                port,
                config: directive::parse_all(&redis.custom_config, "spec.redis.customConfig")?,
                renames: redis.custom_command_renames,
                shutdown_config_map: redis.shutdown_config_map.filter(|name| !name.is_empty()),
                storage,
                grace_seconds: redis.termination_grace_period.unwrap_or(super::defaults::GRACE_SECONDS),
                pod: redis.pod,
            },
            sentinel: Sentinel {
                replicas: spec.sentinel.replicas.unwrap_or(super::defaults::REPLICAS),
                master_name: spec.sentinel.master_name.unwrap_or_else(|| super::MASTER_NAME.to_owned()),
                config: directive::parse_all(&spec.sentinel.custom_config, "spec.sentinel.customConfig")?,
                config_copy: spec.sentinel.config_copy.and_then(|copy| copy.container_security_context),
                pod: spec.sentinel.pod,
            },
        })
    }

    /// Image of the redis servers.
    #[must_use]
    pub fn redis_image(&self) -> &str {
        self.redis.pod.image.as_deref().unwrap_or_default()
    }

    /// The exporter of the redis servers, where it is enabled.
    #[must_use]
    pub fn redis_exporter(&self) -> Option<&ExporterSpec> {
        Some(&self.redis.pod.exporter).filter(|exporter| exporter.enabled)
    }

    /// The exporter of the Sentinels, where it is enabled.
    #[must_use]
    pub fn sentinel_exporter(&self) -> Option<&ExporterSpec> {
        Some(&self.sentinel.pod.exporter).filter(|exporter| exporter.enabled)
    }
}
