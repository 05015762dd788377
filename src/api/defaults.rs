//! Defaults, filled into the raw spec: by `/mutate` into the stored object, by the reconcile in memory.

use json_patch::jsonptr::Pointer;
use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::{Map, Value};

use super::RedisFailoverSpec;
use super::parse::Given;
use super::spec::{ExporterSpec, PodSpec};

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

/// A field that gets a value where the user gave none.
struct Field {
    /// Where it stands in the object.
    at: &'static Pointer,
    value: Preset,
    /// Its place in a typed spec; none where it gets no value, as those of an exporter that is not enabled.
    place: fn(&mut RedisFailoverSpec) -> Option<Place<'_>>,
}

/// What a field gets.
#[derive(Clone, Copy)]
enum Preset {
    RedisImage,
    ExporterImage,
    PullPolicy,
    Number(i32),
}

/// A field of a typed spec.
enum Place<'a> {
    Text(&'a mut Option<String>),
    Number(&'a mut Option<i32>),
}

/// All fields with a default but Sentinel's `customConfig`, which [`SENTINEL_CONFIG`] is added to.
const FIELDS: [Field; 11] = [
    field("/spec/redis/image", Preset::RedisImage, |s| Some(Place::Text(&mut s.redis.pod.image))),
    field("/spec/redis/imagePullPolicy", Preset::PullPolicy, |s| {
        Some(Place::Text(&mut s.redis.pod.image_pull_policy))
    }),
    field("/spec/redis/exporter/image", Preset::ExporterImage, |s| {
        enabled(&mut s.redis.pod).map(|exporter| Place::Text(&mut exporter.image))
    }),
    field("/spec/redis/exporter/imagePullPolicy", Preset::PullPolicy, |s| {
        enabled(&mut s.redis.pod).map(|exporter| Place::Text(&mut exporter.image_pull_policy))
    }),
    field("/spec/redis/replicas", Preset::Number(REPLICAS), |s| Some(Place::Number(&mut s.redis.replicas))),
    field("/spec/redis/port", Preset::Number(REDIS_PORT), |s| Some(Place::Number(&mut s.redis.port))),
    field("/spec/sentinel/image", Preset::RedisImage, |s| Some(Place::Text(&mut s.sentinel.pod.image))),
    field("/spec/sentinel/imagePullPolicy", Preset::PullPolicy, |s| {
        Some(Place::Text(&mut s.sentinel.pod.image_pull_policy))
    }),
    field("/spec/sentinel/exporter/image", Preset::ExporterImage, |s| {
        enabled(&mut s.sentinel.pod).map(|exporter| Place::Text(&mut exporter.image))
    }),
    field("/spec/sentinel/exporter/imagePullPolicy", Preset::PullPolicy, |s| {
        enabled(&mut s.sentinel.pod).map(|exporter| Place::Text(&mut exporter.image_pull_policy))
    }),
    field("/spec/sentinel/replicas", Preset::Number(REPLICAS), |s| {
        Some(Place::Number(&mut s.sentinel.replicas))
    }),
];

const fn field(
    at: &'static str,
    value: Preset,
    place: fn(&mut RedisFailoverSpec) -> Option<Place<'_>>,
) -> Field {
    Field { at: Pointer::from_static(at), value, place }
}

fn enabled(pod: &mut PodSpec) -> Option<&mut ExporterSpec> {
    Some(&mut pod.exporter).filter(|exporter| exporter.enabled)
}

impl Images {
    fn text(&self, preset: Preset) -> &str {
        match preset {
            Preset::RedisImage => &self.redis,
            Preset::ExporterImage => &self.exporter,
            Preset::PullPolicy | Preset::Number(_) => PULL_POLICY,
        }
    }

    fn value(&self, preset: Preset) -> Value {
        match preset {
            Preset::Number(number) => number.into(),
            text => self.text(text).into(),
        }
    }
}

/// Fills a raw spec: what the user left out is added, and nothing rewritten; filling twice changes nothing more.
///
/// `null` counts as left out. What has the wrong type stays as it is, for [`super::parse`] to name.
pub fn fill(spec: &mut Value, images: &Images) {
    let Some(spec) = object(spec) else { return };
    for Field { at, value, .. } in &FIELDS {
        let mut names = at.as_str().split('/').skip(2);
        let (Some(part), Some(name)) = (names.next(), names.next()) else { continue };
        let Some(part) = child(spec, part) else { continue };
        match names.next() {
            None => absent(part, name, || images.value(*value)),
            Some(inner) => {
                let exporter = part.get_mut(name).and_then(Value::as_object_mut);
                let enabled = |exporter: &&mut Map<_, _>| exporter.get("enabled") == Some(&Value::Bool(true));
                if let Some(exporter) = exporter.filter(enabled) {
                    absent(exporter, inner, || images.value(*value));
                }
            }
        }
    }
    if let Some(sentinel) = child(spec, "sentinel") {
        sentinel_config(sentinel);
    }
}

/// Fills a typed spec as [`fill`] does a raw one; returns what that adds to the object.
pub fn complete(given: &mut Given, images: &Images) -> Patch {
    let mut patch = Vec::new();
    let mut add = |at: &Pointer, value: Value| {
        patch.push(PatchOperation::Add(AddOperation { path: at.to_buf(), value }));
    };
    let parts = [
        (given.has_spec, const { Pointer::from_static("/spec") }),
        (given.has_redis, const { Pointer::from_static("/spec/redis") }),
        (given.has_sentinel, const { Pointer::from_static("/spec/sentinel") }),
    ];
    for (_, part) in parts.iter().filter(|(is_there, _)| !is_there) {
        add(part, Value::Object(Map::new()));
    }
    for Field { at, value, place } in &FIELDS {
        match (place(&mut given.spec), *value) {
            (Some(Place::Number(number @ None)), Preset::Number(preset)) => *number = Some(preset),
            (Some(Place::Text(text @ None)), preset) => *text = Some(images.text(preset).to_owned()),
            _ => continue,
        }
        add(at, images.value(*value));
    }
    let config = &mut given.spec.sentinel.custom_config;
    if !config.iter().any(|entry| is_time(entry)) {
        config.extend(SENTINEL_CONFIG.map(str::to_owned));
        add(const { Pointer::from_static("/spec/sentinel/customConfig") }, config.as_slice().into());
    }
    (given.has_spec, given.has_redis, given.has_sentinel) = (true, true, true);
    Patch(patch)
}

/// The two times belong together, so they are added only where the user set neither.
fn sentinel_config(sentinel: &mut Map<String, Value>) {
    absent(sentinel, "customConfig", || Value::Array(Vec::new()));
    let Some(entries) = sentinel.get_mut("customConfig").and_then(Value::as_array_mut) else {
        return;
    };
    if !entries.iter().any(|entry| entry.as_str().is_some_and(is_time)) {
        entries.extend(SENTINEL_CONFIG.map(Value::from));
    }
}

/// Whether an entry sets one of the two times.
fn is_time(entry: &str) -> bool {
    let key = |entry: &'static str| entry.split_whitespace().next();
    let own = entry.split_whitespace().next().unwrap_or_default();
    SENTINEL_CONFIG.into_iter().filter_map(key).any(|ours| own.eq_ignore_ascii_case(ours))
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
pub(crate) mod tests;
