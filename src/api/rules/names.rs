//! Names: of the object, and of the objects that the spec refers to.

use super::catalogue::{Rule, rule};
use super::{Findings, texts};
use crate::api::{Problem, RedisFailoverSpec};

const TOO_LONG: &Rule = rule("name-too-long");
const WITH_DOT: &Rule = rule("name-with-dot");
const REFERENCE: &Rule = rule("reference-not-a-name");

/// Longest name of a `RedisFailover`, in characters: with the longest prefix and the endings that Kubernetes adds to
/// pods and revisions it stays within a label of DNS.
pub(crate) const NAME_MAX: usize = 48;

/// The name becomes the end of Services' names (`rfr-NAME`), so it must be part of a DNS label.
pub(super) fn object(name: &str, found: &mut Findings) {
    let path = "metadata.name";
    if name.len() > NAME_MAX {
        found.report(TOO_LONG, texts::NAME_LONG.at(path, name));
    }
    if name.is_empty() {
        found.report(WITH_DOT, Problem::new(path, "", "is missing", "give the object a name"));
    } else if !is_label_like(name) {
        found.report(WITH_DOT, texts::NAME_SHAPE.at(path, name));
    }
}

/// Secrets, ConfigMaps, service accounts and priority classes that the spec names. An empty name means none.
pub(super) fn references(spec: &RedisFailoverSpec, found: &mut Findings) {
    let (redis, sentinel, auth) = (&spec.redis, &spec.sentinel, spec.auth.as_ref());
    let named = [
        ("spec.auth.secretPath", "Secret", auth.and_then(|auth| auth.secret_path.as_ref())),
        ("spec.auth.sentinelSecretPath", "Secret", auth.and_then(|auth| auth.sentinel_secret_path.as_ref())),
        ("spec.redis.shutdownConfigMap", "ConfigMap", redis.shutdown_config_map.as_ref()),
        ("spec.redis.startupConfigMap", "ConfigMap", redis.pod.startup_config_map.as_ref()),
        ("spec.sentinel.startupConfigMap", "ConfigMap", sentinel.pod.startup_config_map.as_ref()),
        ("spec.redis.serviceAccountName", "ServiceAccount", redis.pod.service_account_name.as_ref()),
        ("spec.sentinel.serviceAccountName", "ServiceAccount", sentinel.pod.service_account_name.as_ref()),
        ("spec.redis.priorityClassName", "PriorityClass", redis.pod.priority_class_name.as_ref()),
        ("spec.sentinel.priorityClassName", "PriorityClass", sentinel.pod.priority_class_name.as_ref()),
    ];
    for (path, kind, name) in named {
        if let Some(name) = name.filter(|name| !name.is_empty() && !is_subdomain(name)) {
            let reason = format!("cannot be the name of a {kind}");
            let mend = "use lower case letters, digits, '-' and '.', with a letter or digit at both ends";
            found.report(REFERENCE, Problem::new(path, name, reason, mend));
        }
    }
}

/// A label of DNS (RFC 1123), at most 63 characters.
pub(super) fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_label_like(name)
}

/// A subdomain of DNS (RFC 1123), at most 253 characters.
pub(super) fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label_like)
}

fn is_label_like(name: &str) -> bool {
    let ends = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.first().copied().is_some_and(ends)
        && bytes.last().copied().is_some_and(ends)
        && bytes.iter().all(|c| ends(*c) || *c == b'-')
}
