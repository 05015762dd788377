//! Environment of containers.

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, ObjectFieldSelector, SecretKeySelector};

use super::config_maps::{SENTINEL_AUTH_CONF, SENTINEL_PASSWORD};
use super::names;
use crate::api::Valid;

/// The password of the server in a pod.
pub(super) const PASSWORD: &str = "REDIS_PASSWORD";
/// Lines to add to sentinel.conf.
pub(super) const AUTH_CONF: &str = "AUTH_CONF";

/// What the server's container, the exporter and the user's own containers know of their redis server.
pub(super) fn redis(valid: &Valid) -> Vec<EnvVar> {
    let port = valid.redis.port;
    let mut env = vec![
        text("REDIS_ADDR", format!("redis://127.0.0.1:{port}")),
        text("REDIS_PORT", port.to_string()),
        text("REDIS_USER", "default"),
    ];
    env.extend(valid.auth_secret.as_ref().map(|_| secret(valid, PASSWORD, "password")));
    env
}

/// The password of the Sentinels, where they have one: for the Sentinel's container and its exporter.
pub(super) fn sentinel(valid: &Valid) -> Option<EnvVar> {
    valid.sentinel_auth_secret.as_ref().map(|_| secret(valid, PASSWORD, SENTINEL_PASSWORD))
}

/// The lines of sentinel.conf that hold the password, where there is one.
pub(super) fn sentinel_auth_conf(valid: &Valid) -> Option<EnvVar> {
    valid.sentinel_auth_secret.as_ref().map(|_| secret(valid, AUTH_CONF, SENTINEL_AUTH_CONF))
}

/// A part of our copy of the passwords: it has them as the servers do; the user's may end in a line break.
fn secret(valid: &Valid, name: &str, key: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: names::auth(&valid.identity.name),
                key: key.to_owned(),
                ..SecretKeySelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

/// What the scripts of start and stop need besides.
pub(super) fn scripts(valid: &Valid) -> Vec<EnvVar> {
    vec![
        pod_field("POD_IP", "status.podIP"),
        text("MASTER_NAME", valid.sentinel.master_name.clone()),
        text("SENTINEL_HOST", names::sentinel(&valid.identity.name)),
        text("STOP_SECONDS", valid.redis.grace_seconds.to_string()),
    ]
}

/// A fixed value.
pub(super) fn text(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.into()), ..EnvVar::default() }
}

/// A field of the pod itself.
pub(super) fn pod_field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: path.to_owned(),
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

/// The user's variables, then those of ours that the user did not set: server-side apply refuses a name twice.
pub(super) fn merged(own: &[EnvVar], ours: Vec<EnvVar>) -> Vec<EnvVar> {
    let mut env = own.to_vec();
    env.extend(ours.into_iter().filter(|variable| own.iter().all(|taken| taken.name != variable.name)));
    env
}

/// The user's containers with our variables.
pub(super) fn given_to(containers: &[Container], ours: &[EnvVar]) -> Vec<Container> {
    let with_env = |container: &Container| {
        let own = container.env.as_deref().unwrap_or_default();
        Container { env: Some(merged(own, ours.to_vec())), ..container.clone() }
    };
    containers.iter().map(with_env).collect()
}
