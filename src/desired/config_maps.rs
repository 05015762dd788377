//! ConfigMaps, and the Secret with the password: what the pods mount.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use super::labels::{self, Component};
use super::{config, names};
use crate::api::Valid;
use crate::secret::Password;

/// The script of the readiness probe.
pub(super) const READY_SCRIPT: &str = include_str!("scripts/ready.sh");
/// The script that runs before a redis server stops.
pub(super) const SHUTDOWN_SCRIPT: &str =
    concat!(include_str!("scripts/ask.sh"), include_str!("scripts/shutdown.sh"));
/// The script that starts a redis server.
pub(super) const START_SCRIPT: &str =
    concat!(include_str!("scripts/ask.sh"), include_str!("scripts/start.sh"));

/// redis.conf, and the script that starts a server with it.
pub(super) fn redis(valid: &Valid) -> ConfigMap {
    let name = names::redis(&valid.identity.name);
    let mut config_map = config_map(valid, Component::Redis, name, "redis.conf", config::redis(valid));
    config_map.data.get_or_insert_default().insert("start.sh".to_owned(), START_SCRIPT.to_owned());
    config_map
}

/// The user's customConfig, in a ConfigMap of its own: it never shows in the servers' main files.
pub(super) fn custom(valid: &Valid) -> ConfigMap {
    let name = names::custom_config(&valid.identity.name);
    config_map(valid, Component::Redis, name, "custom.conf", config::custom(&valid.redis.config))
}

/// The readiness script.
pub(super) fn readiness(valid: &Valid) -> ConfigMap {
    let name = names::readiness(&valid.identity.name);
    config_map(valid, Component::Redis, name, "ready.sh", READY_SCRIPT.to_owned())
}

/// The shutdown script, unless the user brings one.
pub(super) fn shutdown(valid: &Valid) -> Option<ConfigMap> {
    if valid.redis.shutdown_config_map.is_some() {
        return None;
    }
    let name = names::shutdown(&valid.identity.name);
    Some(config_map(valid, Component::Redis, name, "shutdown.sh", SHUTDOWN_SCRIPT.to_owned()))
}

/// sentinel.conf.
pub(super) fn sentinel(valid: &Valid) -> ConfigMap {
    let name = names::sentinel(&valid.identity.name);
    config_map(valid, Component::Sentinel, name, "sentinel.conf", config::sentinel(valid))
}

/// The password, for the servers and for their scripts. A copy of the user's: pods mount one file for each.
pub(super) fn auth(valid: &Valid, password: &Password) -> Secret {
    let entry = |key: &str, text: String| (key.to_owned(), ByteString(text.into_bytes()));
    Secret {
        metadata: labels::metadata(valid, Component::Redis, names::auth(&valid.identity.name)),
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from([
            entry("auth.conf", config::auth(password)),
            entry("password", password.expose().to_owned()),
        ])),
        ..Secret::default()
    }
}

fn config_map(valid: &Valid, component: Component, name: String, key: &str, text: String) -> ConfigMap {
    ConfigMap {
        metadata: labels::metadata(valid, component, name),
        data: Some(BTreeMap::from([(key.to_owned(), text)])),
        ..ConfigMap::default()
    }
}
