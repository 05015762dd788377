//! The early API, `v1alpha2`: served beside `v1`, never stored.
//!
//! A conversion is a plain [mapping](fields) of the fields that both versions know, and a [memory](memory::Memory) of
//! all that the mapping would lose, in an annotation of the converted object. The way back reads it and takes it away:
//!
//! ```text
//!   v1alpha2 object ──── up ────► v1 object + what only v1alpha2 says
//!   v1alpha2 object ◄─── down ─── v1 object
//!   + what only v1 says
//! ```
//!
//! A memory that does not fit into annotations is left out, with a label that says so; such an object can be read and
//! not be written. The [rule](too_long) keeps new ones from being stored.
//!
//! A memory counts only where the object still says what it said when the memory was made, so an edit wins over it.
//! What makes a round trip exact is thus the memory alone, whatever the mapping does.

mod affinity;
mod fields;
mod fit;
mod memory;
pub mod spec;

use serde_json::{Map, Value, json};

pub use fit::{surely_fits, too_long};
pub use spec::{RedisFailover, RedisFailoverSpec};

use super::rules::Verdict;
use super::rules::catalogue::{Rule, around};
use super::{GROUP, KIND, Problem, parse};
use memory::Memory;

#[cfg(test)]
mod tests;

/// Name of the early version.
pub const VERSION: &str = "v1alpha2";
/// Annotation of a `v1alpha2` object: what `v1` says of it beyond its spec.
pub const ANNOTATION_OF_V1ALPHA2: &str = "storage.spotahome.com/v1-fields";
/// Annotation of a `v1` object: what `v1alpha2` said of it beyond its spec.
pub const ANNOTATION_OF_V1: &str = "storage.spotahome.com/v1alpha2-fields";

/// Label of a `v1alpha2` object whose annotation has no room. Labels may have any size in all.
pub const LABEL_OF_V1ALPHA2: &str = ANNOTATION_OF_V1ALPHA2;
/// Its value.
const LEFT_OUT: &str = "left-out";

pub(crate) const BELOW_THREE: &Rule = around("below-three");

/// Servers and Sentinels that the early operator asked for.
const EARLY_REPLICAS: i64 = 3;

/// An object of any served version in the stored one. What is no such object is a problem of its `apiVersion`; a wrong
/// type in an early spec is one of that field.
pub fn to_v1(object: Value) -> Result<Value, Problem> {
    convert(object, &api_version(super::VERSION))
}

/// An object in the version `wanted`, as `storage.spotahome.com/v1`. In its metadata only our annotations change.
pub fn convert(object: Value, wanted: &str) -> Result<Value, Problem> {
    let [stored, early] = [super::VERSION, VERSION].map(api_version);
    let found = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
    if ![&stored, &early].into_iter().any(|known| *known == found) {
        return Err(Problem::new("apiVersion", found, "is not served", format!("write {stored} or {early}")));
    }
    let Value::Object(mut object) = object else {
        return Err(Problem::new("", "", "is no object", "give it apiVersion, kind, metadata and spec"));
    };
    match wanted {
        _ if wanted == found => {}
        _ if wanted == stored => upward(&mut object)?,
        _ if wanted == early => downward(&mut object)?,
        _ => {
            let mend = format!("ask for {stored} or {early}");
            return Err(Problem::new("apiVersion", found, format!("cannot become {wanted}"), mend));
        }
    }
    object.insert("apiVersion".to_owned(), wanted.into());
    Ok(Value::Object(object))
}

/// What the early operator would have refused and this one only warns of.
#[must_use]
pub fn remarks(object: &Value) -> Verdict {
    let few = |part: &str| {
        let replicas = object.pointer(&format!("/spec/{part}/replicas"))?.as_i64()?;
        (1..EARLY_REPLICAS).contains(&replicas).then(|| {
            Problem::new(
                format!("spec.{part}.replicas"),
                replicas.to_string(),
                format!("is below {EARLY_REPLICAS}, the least that survives the loss of one"),
                format!("choose {EARLY_REPLICAS}"),
            )
        })
    };
    let mut verdict = Verdict::default();
    for problem in ["redis", "sentinel"].into_iter().filter_map(few) {
        verdict.report(BELOW_THREE, problem);
    }
    verdict
}

fn api_version(version: &str) -> String {
    format!("{GROUP}/{version}")
}

fn upward(object: &mut Map<String, Value>) -> Result<(), Problem> {
    if let Some(spec) = object.get("spec") {
        parse::early_spec(spec)?;
    }
    fit::refuse_what_is_not_whole(object)?;
    let name = name(object);
    let remembered = take_annotation(object, ANNOTATION_OF_V1ALPHA2)?;
    let early = take_spec(object);
    let mut stored = fields::up(&early, &name);
    remembered.restore(&mut stored);
    let lost = Memory::between(&fields::down(&stored, &name), &early);
    put_spec(object, stored);
    annotate(object, ANNOTATION_OF_V1, &lost)
}

/// Fails for no spec: one object would spoil a whole list.
fn downward(object: &mut Map<String, Value>) -> Result<(), Problem> {
    let lost = lower(object)?;
    annotate(object, ANNOTATION_OF_V1ALPHA2, &lost)?;
    take_text(object, "labels", LABEL_OF_V1ALPHA2)?;
    if !fit::fits(object) {
        take_text(object, "annotations", ANNOTATION_OF_V1ALPHA2)?;
        put_text(object, "labels", LABEL_OF_V1ALPHA2, LEFT_OUT.to_owned())?;
    }
    Ok(())
}

/// Gives an object the spec of the early version, and returns what that cannot say.
fn lower(object: &mut Map<String, Value>) -> Result<Memory, Problem> {
    let name = name(object);
    let remembered = take_annotation(object, ANNOTATION_OF_V1)?;
    let stored = take_spec(object);
    let mut early = fields::down(&stored, &name);
    remembered.restore(&mut early);
    let lost = Memory::between(&fields::up(&early, &name), &stored);
    put_spec(object, early);
    Ok(lost)
}

fn name(object: &Map<String, Value>) -> String {
    let name = object.get("metadata").and_then(|metadata| metadata.get("name"));
    name.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The spec under its own name: an object may lack one.
fn take_spec(object: &mut Map<String, Value>) -> Value {
    object.remove("spec").map_or_else(|| json!({}), |spec| json!({"spec": spec}))
}

fn put_spec(object: &mut Map<String, Value>, mut holder: Value) {
    if let Some(spec) = holder.get_mut("spec") {
        object.insert("spec".to_owned(), spec.take());
    }
}

/// Takes a memory out of the annotations. One that cannot be read, because somebody wrote into it, is forgotten.
fn take_annotation(object: &mut Map<String, Value>, key: &str) -> Result<Memory, Problem> {
    let text = take_text(object, "annotations", key)?;
    Ok(text
        .as_ref()
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default())
}

/// Writes a memory into the annotations; an empty one takes the place of nothing.
fn annotate(object: &mut Map<String, Value>, key: &str, memory: &Memory) -> Result<(), Problem> {
    take_text(object, "annotations", key)?;
    if *memory == Memory::default() {
        return Ok(());
    }
    put_text(object, "annotations", key, json!(memory).to_string())
}

/// Takes a label or an annotation; where it was the last one, none are left.
fn take_text(object: &mut Map<String, Value>, kind: &str, key: &str) -> Result<Option<Value>, Problem> {
    let Some(metadata) = part(object, "metadata", "metadata")? else { return Ok(None) };
    let Some(texts) = part(metadata, kind, &format!("metadata.{kind}"))? else { return Ok(None) };
    let Some(text) = texts.remove(key) else { return Ok(None) };
    if texts.is_empty() {
        metadata.remove(kind);
    }
    Ok(Some(text))
}

/// Adds a label or an annotation.
fn put_text(object: &mut Map<String, Value>, kind: &str, key: &str, text: String) -> Result<(), Problem> {
    if object.get("metadata").is_none_or(Value::is_null) {
        object.insert("metadata".to_owned(), json!({}));
    }
    let Some(metadata) = part(object, "metadata", "metadata")? else { return Ok(()) };
    if metadata.get(kind).is_none_or(Value::is_null) {
        metadata.insert(kind.to_owned(), json!({}));
    }
    if let Some(texts) = part(metadata, kind, &format!("metadata.{kind}"))? {
        texts.insert(key.to_owned(), text.into());
    }
    Ok(())
}

fn part<'a>(
    object: &'a mut Map<String, Value>,
    key: &str,
    path: &str,
) -> Result<Option<&'a mut Map<String, Value>>, Problem> {
    match object.get_mut(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(fields)) => Ok(Some(fields)),
        Some(_) => {
            Err(Problem::new(path, "", "must be an object", format!("see \"kubectl explain {KIND}.{path}\"")))
        }
    }
}
