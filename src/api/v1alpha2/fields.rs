//! The fields that both versions know, each under the name of the other. What has no such name is not here.

use serde_json::{Map, Value, json};

use super::affinity;

pub(super) type Fields = Map<String, Value>;

/// Fields of the redis servers that are the same in both versions.
const REDIS: [&str; 6] = ["replicas", "resources", "customConfig", "shutdownConfigMap", "command", "storage"];
/// Fields of the Sentinels that are the same in both versions.
const SENTINEL: [&str; 4] = ["replicas", "resources", "customConfig", "command"];
/// What `v1` keeps of a claim's metadata.
const CLAIM_METADATA: [&str; 3] = ["name", "labels", "annotations"];

/// What the early operator took where only a version was given.
const REDIS_IMAGE: &str = "redis";
const EXPORTER_IMAGE: &str = "oliver006/redis_exporter";

/// `{"spec": …}` of `v1` for one of `v1alpha2`. Selectors in it need the object's name.
pub(super) fn up(early: &Value, name: &str) -> Value {
    spec(early, |early| {
        let mut stored = same(early);
        for part in ["redis", "sentinel"] {
            if let Some(part) = stored.get_mut(part) {
                simplify(part);
            }
        }
        if let Some(image) = image(early, "image", "version", REDIS_IMAGE) {
            put(&mut stored, "redis", "image", image.clone());
            put(&mut stored, "sentinel", "image", image);
        }
        let mut exporter = Fields::new();
        exporter.extend(field(early, "redis", "exporter").map(|on| ("enabled".to_owned(), on.clone())));
        let image = image(early, "exporterImage", "exporterVersion", EXPORTER_IMAGE);
        exporter.extend(image.map(|image| ("image".to_owned(), image)));
        if !exporter.is_empty() {
            put(&mut stored, "redis", "exporter", exporter.into());
        }
        if let Some(tolerations) = early.get("tolerations").filter(|list| list.is_array()) {
            put(&mut stored, "redis", "tolerations", tolerations.clone());
            put(&mut stored, "sentinel", "tolerations", tolerations.clone());
        }
        affinity::up(early, &mut stored, name);
        stored
    })
}

/// `{"spec": …}` of `v1alpha2` for one of `v1`.
pub(super) fn down(stored: &Value, name: &str) -> Value {
    spec(stored, |stored| {
        let mut early = same(stored);
        split(field(stored, "redis", "image"), &mut early, "image", "version");
        let exporter = field(stored, "redis", "exporter");
        if let Some(enabled @ Value::Bool(_)) = exporter.and_then(|exporter| exporter.get("enabled")) {
            put(&mut early, "redis", "exporter", enabled.clone());
        }
        let image = exporter.and_then(|exporter| exporter.get("image"));
        split(image, &mut early, "exporterImage", "exporterVersion");
        let tolerations = field(stored, "redis", "tolerations").filter(|list| list.is_array());
        if let Some(both) = tolerations.filter(|list| field(stored, "sentinel", "tolerations") == Some(*list))
        {
            early.insert("tolerations".to_owned(), both.clone());
        }
        affinity::down(stored, &mut early, name);
        early
    })
}

/// Applies a mapping to the spec in its holder, if there is one.
fn spec(holder: &Value, map: impl FnOnce(&Fields) -> Fields) -> Value {
    match holder.get("spec") {
        None => json!({}),
        Some(Value::Object(spec)) => json!({"spec": map(spec)}),
        Some(other) => json!({"spec": other}),
    }
}

/// The fields that are the same in both versions. A part that would be empty stays out, unless it was empty before.
fn same(spec: &Fields) -> Fields {
    let part = |(part, kept): (&str, &[&str])| {
        let fields = spec.get(part)?.as_object()?;
        let known: Fields =
            kept.iter().filter_map(|&key| Some((key.to_owned(), fields.get(key)?.clone()))).collect();
        (!known.is_empty() || fields.is_empty()).then(|| (part.to_owned(), known.into()))
    };
    [("redis", &REDIS[..]), ("sentinel", &SENTINEL[..])].into_iter().filter_map(part).collect()
}

/// Takes away what the early operator read as "not set", and what `v1` does not keep of a claim.
fn simplify(part: &mut Value) {
    if let Some(fields) = part.as_object_mut().filter(|fields| fields.get("replicas") == Some(&0.into())) {
        fields.remove("replicas");
    }
    for list in ["requests", "limits"] {
        if let Some(quantities) =
            part.pointer_mut(&format!("/resources/{list}")).and_then(Value::as_object_mut)
        {
            quantities.retain(|_, quantity| quantity != "");
        }
    }
    let metadata = part.pointer_mut("/storage/persistentVolumeClaim/metadata");
    if let Some(metadata) = metadata.and_then(Value::as_object_mut) {
        metadata.retain(|key, _| CLAIM_METADATA.contains(&key.as_str()));
    }
}

/// The reference of an image that the redis part gives as name and version.
fn image(early: &Fields, name: &str, version: &str, default: &str) -> Option<Value> {
    let text = |key| field(early, "redis", key).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (text(name), text(version)) {
        (None, None) => None,
        // Not the early operator's own versions: they are too old for this one.
        (Some(name), None) => Some(name.into()),
        (name, Some(version)) => Some(format!("{}:{version}", name.unwrap_or(default)).into()),
    }
}

/// Gives the redis part the name and the version of an image. A digest, or the port of a registry, is no version.
fn split(image: Option<&Value>, early: &mut Fields, name: &str, version: &str) {
    let Some(image) = image.and_then(Value::as_str).filter(|image| !image.is_empty()) else {
        return;
    };
    match image.rsplit_once(':') {
        Some((left, right))
            if !(left.is_empty() || right.is_empty() || right.contains('/') || left.contains('@')) =>
        {
            put(early, "redis", name, left.into());
            put(early, "redis", version, right.into());
        }
        _ => put(early, "redis", name, image.into()),
    }
}

/// A field of a part; `null` counts as left out.
pub(super) fn field<'a>(spec: &'a Fields, part: &str, key: &str) -> Option<&'a Value> {
    spec.get(part)?.get(key).filter(|value| !value.is_null())
}

/// Sets a field of a part, and makes the part where it is missing.
pub(super) fn put(spec: &mut Fields, part: &str, key: &str, value: Value) {
    if let Some(part) = spec.entry(part).or_insert_with(|| json!({})).as_object_mut() {
        part.insert(key.to_owned(), value);
    }
}
