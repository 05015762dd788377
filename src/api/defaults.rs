//! Defaults, filled into the raw spec: by `/mutate` into the stored object, by the reconcile in memory.

use serde_json::{Map, Value};

/// Replicas of redis and of Sentinel.
pub const REPLICAS: i32 = 3;
/// Port of the redis servers.
pub const REDIS_PORT: i32 = 6379;
/// Seconds that a redis server has to stop.
pub const GRACE_SECONDS: i64 = 30;
/// Image of servers whose spec names none, unless the operator is told another.
pub const REDIS_IMAGE: &str = "redis:7.2-alpine";
/// Image of exporters whose spec names none, unless the operator is told another.
pub const EXPORTER_IMAGE: &str = "quay.io/oliver006/redis_exporter:v1.43.0";
/// When the kubelet pulls an image.
pub const PULL_POLICY: &str = "IfNotPresent";
/// Sentinel settings where the user set neither: time without an answer after which a master counts as down, and
/// time that a failover may take, both in milliseconds.
pub const SENTINEL_CONFIG: [&str; 2] = ["down-after-milliseconds 5000", "failover-timeout 10000"];

/// The images that the operator's settings name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// For redis servers and Sentinels.
    pub redis: String,
    /// For both exporters.
    pub exporter: String,
}

impl Default for Images {
    fn default() -> Self {
        Self { redis: REDIS_IMAGE.to_owned(), exporter: EXPORTER_IMAGE.to_owned() }
    }
}

/// Fills what the user left out and rewrites nothing; filling twice changes nothing more.
///
/// `null` counts as left out. What has the wrong type stays as it is, for [`super::parse`] to name.
pub fn fill(spec: &mut Value, images: &Images) {
    let Some(spec) = object(spec) else { return };
    if let Some(redis) = child(spec, "redis") {
        pod(redis, images);
        absent(redis, "replicas", || REPLICAS.into());
        absent(redis, "port", || REDIS_PORT.into());
    }
    if let Some(sentinel) = child(spec, "sentinel") {
        pod(sentinel, images);
        absent(sentinel, "replicas", || REPLICAS.into());
        sentinel_config(sentinel);
    }
}

fn pod(pod: &mut Map<String, Value>, images: &Images) {
    absent(pod, "image", || images.redis.as_str().into());
    absent(pod, "imagePullPolicy", || PULL_POLICY.into());
    let Some(exporter) = pod.get_mut("exporter").and_then(Value::as_object_mut) else {
        return;
    };
    if exporter.get("enabled") == Some(&Value::Bool(true)) {
        absent(exporter, "image", || images.exporter.as_str().into());
        absent(exporter, "imagePullPolicy", || PULL_POLICY.into());
    }
}

/// The two times belong together, so they are added only where the user set neither.
fn sentinel_config(sentinel: &mut Map<String, Value>) {
    absent(sentinel, "customConfig", || Value::Array(Vec::new()));
    let Some(entries) = sentinel.get_mut("customConfig").and_then(Value::as_array_mut) else {
        return;
    };
    let key = |entry: &str| entry.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let owns = |entry: &Value| {
        entry.as_str().is_some_and(|own| SENTINEL_CONFIG.iter().any(|ours| key(own) == key(ours)))
    };
    if !entries.iter().any(owns) {
        entries.extend(SENTINEL_CONFIG.map(Value::from));
    }
}

fn absent(object: &mut Map<String, Value>, key: &str, default: impl FnOnce() -> Value) {
    if object.get(key).is_none_or(Value::is_null) {
        object.insert(key.to_owned(), default());
    }
}

fn child<'a>(object: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    absent(object, key, || Value::Object(Map::new()));
    object.get_mut(key).and_then(Value::as_object_mut)
}

fn object(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

#[cfg(test)]
mod tests;
