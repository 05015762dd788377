//! What a `RedisFailover` meets in its namespace: others that want the same objects, and what its spec refers to.
//!
//! [`check`] is pure and judges against a [`View`]. In the operator, [`watch::run`] keeps the view; in a check of
//! files, it is the names in these files.

use std::collections::{HashMap, HashSet};

use crate::api::rules::catalogue::{Rule, around};
use crate::api::{Problem, RedisFailoverSpec, rules};
use crate::desired::names::{self, Rival};

#[cfg(test)]
mod tests;
pub mod watch;

pub(crate) const COLLISION: &Rule = around("name-collision");
pub(crate) const MISSING: &Rule = around("reference-missing");

/// Names of the objects of one kind. Names alone, because there can be thousands.
#[derive(Clone, Debug, Default)]
pub struct Names(HashMap<Box<str>, HashSet<Box<str>>>);

impl Names {
    /// Takes up the object of this name.
    pub fn insert(&mut self, namespace: &str, name: &str) {
        match self.0.get_mut(namespace) {
            Some(names) => _ = names.insert(name.into()),
            None => _ = self.0.insert(namespace.into(), HashSet::from([name.into()])),
        }
    }

    /// Forgets the object of this name.
    pub fn remove(&mut self, namespace: &str, name: &str) {
        let Some(names) = self.0.get_mut(namespace) else { return };
        names.remove(name);
        if names.is_empty() {
            self.0.remove(namespace);
        }
    }

    fn contains(&self, namespace: &str, name: &str) -> bool {
        self.0.get(namespace).is_some_and(|names| names.contains(name))
    }
}

/// What is known of the objects around a `RedisFailover`. Of a kind that is `None` nothing is known, so nothing is said.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// `RedisFailovers`.
    pub redis_failovers: Option<Names>,
    /// Secrets.
    pub secrets: Option<Names>,
    /// ConfigMaps.
    pub config_maps: Option<Names>,
}

/// A `RedisFailover` that somebody wants to store.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its spec, filled.
    pub spec: &'a RedisFailoverSpec,
    /// The stored spec, where this is an update.
    pub old: Option<&'a RedisFailoverSpec>,
}

/// Judges what is asked against what is around. Of an update, only references that it changes are looked at.
#[must_use]
pub fn check(asked: &Asked<'_>, view: &View) -> rules::Verdict {
    let mut verdict = rules::Verdict::default();
    for problem in rivals(asked, view) {
        verdict.report(COLLISION, problem);
    }
    for problem in missing(asked, view) {
        verdict.report(MISSING, problem);
    }
    verdict
}

/// Others that would want the same objects. An object keeps its name for life, so an update brings none about.
fn rivals(asked: &Asked<'_>, view: &View) -> Vec<Problem> {
    let Some(others) = view.redis_failovers.as_ref().filter(|_| asked.old.is_none()) else {
        return Vec::new();
    };
    let there = names::rivals(asked.name).into_iter();
    let there = there.filter(|rival| others.contains(asked.namespace, &rival.name));
    there
        .map(|rival| {
            let Rival { name, kind, child } = rival;
            let reason = format!("wants the {kind:?} {child:?}, and so does the RedisFailover {name:?}");
            Problem::new("metadata.name", asked.name, reason, "choose another name")
        })
        .collect()
}

/// Objects that the spec refers to and that are not there. They may still come, so this is a warning.
fn missing(asked: &Asked<'_>, view: &View) -> Vec<Problem> {
    let old = asked.old.map(references);
    let mut problems = Vec::new();
    for (index, reference) in references(asked.spec).into_iter().enumerate() {
        let unchanged = old.is_some_and(|old| old[index].object == reference.object);
        let known = match reference.kind {
            "Secret" => &view.secrets,
            _ => &view.config_maps,
        };
        let (Some(name), Some(known), false) = (reference.object, known, unchanged) else { continue };
        if !known.contains(asked.namespace, name) {
            let reason = format!("there is no {} of this name in the namespace", reference.kind);
            let mend = format!("create it with the key `{}`", reference.key);
            problems.push(Problem::new(reference.path, name, reason, mend));
        }
    }
    problems
}

/// A field that names an object of the user's, and the key that is read of it.
#[derive(Clone, Copy)]
struct Reference<'a> {
    path: &'static str,
    kind: &'static str,
    key: &'static str,
    object: Option<&'a str>,
}

fn references(spec: &RedisFailoverSpec) -> [Reference<'_>; 5] {
    let auth = spec.auth.as_ref();
    let secret = auth.and_then(|auth| auth.secret_path.as_deref());
    let sentinel_secret = auth.and_then(|auth| auth.sentinel_secret_path.as_deref());
    let shutdown = spec.redis.shutdown_config_map.as_deref();
    let [redis, sentinel] =
        [&spec.redis.pod, &spec.sentinel.pod].map(|pod| pod.startup_config_map.as_deref());
    [
        ("spec.auth.secretPath", "Secret", "password", secret),
        ("spec.auth.sentinelSecretPath", "Secret", "password", sentinel_secret),
        ("spec.redis.shutdownConfigMap", "ConfigMap", "shutdown.sh", shutdown),
        ("spec.redis.startupConfigMap", "ConfigMap", "startup.sh", redis),
        ("spec.sentinel.startupConfigMap", "ConfigMap", "startup.sh", sentinel),
    ]
    .map(|(path, kind, key, name)| Reference {
        path,
        kind,
        key,
        object: name.filter(|name| !name.is_empty()),
    })
}
