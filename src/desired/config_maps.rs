//! ConfigMaps, and the Secret with the passwords: what the pods mount.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use super::labels::{self, Component};
use super::{config, names};
use crate::api::Valid;
use crate::secret::Passwords;

/// Key of the lines of sentinel.conf with the Sentinels' password, in the Secret with the passwords.
pub(super) const SENTINEL_AUTH_CONF: &str = "sentinel-auth.conf";
/// Key of the Sentinels' password as bare text.
pub(super) const SENTINEL_PASSWORD: &str = "sentinel-password";
/// The script of the readiness probe.
pub(super) const READY_SCRIPT: &str = include_str!("scripts/ready.sh");

/// The script that runs before a redis server stops.
pub(super) fn shutdown_script(valid: &Valid) -> String {
    asking_script(valid, include_str!("scripts/shutdown.sh"))
}

/// The script that starts a redis server.
pub(super) fn start_script(valid: &Valid) -> String {
    asking_script(valid, include_str!("scripts/start.sh"))
}

/// A script that asks who is master. Without a password of the Sentinels it is the same to the byte as one that knows
/// of no such password: another text would mark every redis pod as outdated.
fn asking_script(valid: &Valid, script: &str) -> String {
    let sentinel = match valid.sentinel_auth_secret {
        Some(_) => include_str!("scripts/sentinel_closed.sh"),
        None => include_str!("scripts/sentinel_open.sh"),
    };
    [include_str!("scripts/ask.sh"), sentinel, include_str!("scripts/ask_master.sh"), script].concat()
}

/// redis.conf, and the script that starts a server with it.
pub(super) fn redis(valid: &Valid) -> ConfigMap {
    let name = names::redis(&valid.identity.name);
    let mut config_map = config_map(valid, Component::Redis, name, "redis.conf", config::redis(valid));
    config_map.data.get_or_insert_default().insert("start.sh".to_owned(), start_script(valid));
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
    Some(config_map(valid, Component::Redis, name, "shutdown.sh", shutdown_script(valid)))
}

/// sentinel.conf.
pub(super) fn sentinel(valid: &Valid) -> ConfigMap {
    let name = names::sentinel(&valid.identity.name);
    config_map(valid, Component::Sentinel, name, "sentinel.conf", config::sentinel(valid))
}

/// The passwords, for the servers and for their scripts: copies of the user's, each as lines of a configuration and as
/// bare text. None where there is no password.
pub(super) fn auth(valid: &Valid, passwords: &Passwords) -> Option<Secret> {
    let mut data = BTreeMap::new();
    let mut keep = |key: &str, text: String| data.insert(key.to_owned(), ByteString(text.into_bytes()));
    if let Some(password) = &passwords.redis {
        keep("auth.conf", config::redis_auth(password));
        keep("password", password.expose().to_owned());
    }
    if let Some(password) = &passwords.sentinel {
        keep(SENTINEL_AUTH_CONF, config::sentinel_auth(password));
        keep(SENTINEL_PASSWORD, password.expose().to_owned());
    }
    (!data.is_empty()).then(|| Secret {
        metadata: labels::metadata(valid, Component::Redis, names::auth(&valid.identity.name)),
        type_: Some("Opaque".to_owned()),
        data: Some(data),
        ..Secret::default()
    })
}

fn config_map(valid: &Valid, component: Component, name: String, key: &str, text: String) -> ConfigMap {
    ConfigMap {
        metadata: labels::metadata(valid, component, name),
        data: Some(BTreeMap::from([(key.to_owned(), text)])),
        ..ConfigMap::default()
    }
}
