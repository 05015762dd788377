//! The Kubernetes objects that a [`Valid`] asks for. Pure: the same input gives the same objects, byte for byte.

pub mod labels;
pub mod names;
pub mod template;

mod budgets;
mod config;
mod config_maps;
mod env;
mod exporter;
mod pod;
mod probes;
mod redis;
mod security;
mod sentinel;
mod services;
#[cfg(test)]
mod tests;

use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::Value;

use crate::api::Valid;
use crate::secret::Passwords;

/// The kinds of children that a `RedisFailover` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChildKind {
    /// Configuration and scripts.
    ConfigMap,
    /// The servers' own copy of the passwords.
    Secret,
    /// Ways in.
    Service,
    /// How many pods may be away.
    PodDisruptionBudget,
    /// The redis servers.
    StatefulSet,
    /// The Sentinels.
    Deployment,
}

/// One object to apply, whole: `apiVersion`, `kind`, `metadata` and the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Its kind.
    pub kind: ChildKind,
    /// Its name.
    pub name: String,
    /// The object as server-side apply takes it.
    pub body: Value,
}

/// Everything that should be, and everything that should not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// Objects to apply, in this order: what pods mount comes before the pods.
    pub present: Vec<Child>,
    /// Objects to delete where they exist and belong to this `RedisFailover`.
    pub absent: Vec<(ChildKind, String)>,
}

/// Builds all children.
///
/// Where the spec asks for a password that is not known (the user's Secret is missing), the servers' copy of the
/// passwords is neither made nor removed: running servers keep theirs.
#[must_use]
pub fn build(valid: &Valid, passwords: &Passwords) -> Desired {
    use ChildKind::{ConfigMap, Deployment, PodDisruptionBudget, Secret, Service, StatefulSet};

    let name = &valid.identity.name;
    let mut desired = Desired::default();
    let known = [(&valid.auth_secret, &passwords.redis), (&valid.sentinel_auth_secret, &passwords.sentinel)];
    if known.iter().all(|(secret, password)| secret.is_none() || password.is_some()) {
        desired.keep_or_remove(Secret, names::auth(name), config_maps::auth(valid, passwords).as_ref());
    }
    desired.keep(ConfigMap, &config_maps::redis(valid));
    desired.keep(ConfigMap, &config_maps::custom(valid));
    desired.keep(ConfigMap, &config_maps::readiness(valid));
    desired.keep_or_remove(ConfigMap, names::shutdown(name), config_maps::shutdown(valid).as_ref());
    desired.keep(ConfigMap, &config_maps::sentinel(valid));
    desired.keep(Service, &services::sentinel(valid));
    desired.keep(Service, &services::master(valid));
    desired.keep(Service, &services::replicas(valid));
    desired.keep_or_remove(Service, names::redis(name), services::metrics(valid).as_ref());
    desired.keep_or_remove(PodDisruptionBudget, names::redis(name), budgets::redis(valid).as_ref());
    desired.keep_or_remove(PodDisruptionBudget, names::sentinel(name), budgets::sentinel(valid).as_ref());
    desired.keep(StatefulSet, &redis::stateful_set(valid));
    desired.keep(Deployment, &sentinel::deployment(valid));
    desired.mark_template();
    desired
}

impl Desired {
    fn keep<K: Serialize + Metadata<Ty = ObjectMeta>>(&mut self, kind: ChildKind, object: &K) {
        self.present.push(Child {
            kind,
            name: object.metadata().name.clone().unwrap_or_default(),
            // Typed Kubernetes objects always serialise: their maps have text keys.
            body: serde_json::to_value(object).unwrap_or_default(),
        });
    }

    fn remove(&mut self, kind: ChildKind, name: String) {
        self.absent.push((kind, name));
    }

    fn keep_or_remove<K>(&mut self, kind: ChildKind, name: String, object: Option<&K>)
    where
        K: Serialize + Metadata<Ty = ObjectMeta>,
    {
        match object {
            Some(object) => self.keep(kind, object),
            None => self.remove(kind, name),
        }
    }
}
