//! The Kubernetes objects that a [`Valid`] asks for. Pure: the same input gives the same objects, byte for byte.

use serde_json::Value;

use crate::api::Valid;
use crate::secret::Password;

/// The kinds of children that a `RedisFailover` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChildKind {
    /// Configuration and scripts.
    ConfigMap,
    /// The servers' own copy of the password.
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
#[must_use]
pub fn build(_valid: &Valid, _password: Option<&Password>) -> Desired {
    Desired::default()
}
