//! The webhook's answers, from the defaults and rules of [`crate::api`].

use std::iter;

use json_patch::Patch;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use webhook::{Admit, Metadata, Object, Operation, Request, Verdict};

use crate::api::defaults::{self, Images};
use crate::api::rules::catalogue::{Rule, around};
use crate::api::{KIND, Problem, RedisFailoverSpec, parse, rules, v1alpha2};
use crate::surroundings::watch::Surroundings;
use crate::surroundings::{self, Asked, View};

#[cfg(test)]
mod tests;

const WRONG_TYPE: &Rule = around("wrong-type");
const TOO_LONG: &Rule = around("too-long-for-v1alpha2");

/// Answers admission reviews of `RedisFailover`s, and converts them.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    images: Images,
    surroundings: Surroundings,
}

impl Admission {
    /// Answers with these images for specs that name none, and with what is known of other objects.
    #[must_use]
    pub fn new(images: Images, surroundings: Surroundings) -> Self {
        Self { images, surroundings }
    }
}

impl Admit for Admission {
    /// Fills defaults. What breaks a rule is refused here already: before it asks to validate, the API server compares
    /// the object with the schema and its CEL rules, which know some rules only and cannot say all at once.
    fn mutate(&self, request: &Request<'_>) -> Verdict {
        let Some(object) = request.object.as_ref().filter(|_| concerns(request)) else {
            return Verdict::allow();
        };
        let (judged, patch) = self.answer(object, old(request));
        match refusal(&judged.name, &judged.problems) {
            Some(text) => Verdict::deny(text),
            None => Verdict::allow().with_patch(patch),
        }
    }

    fn validate(&self, request: &Request<'_>) -> Verdict {
        let Some(object) = request.object.as_ref().filter(|_| concerns(request)) else {
            return Verdict::allow();
        };
        let (mut judged, _) = self.answer(object, old(request));
        if is_early(request) {
            let spec = object.spec.and_then(|spec| raw(spec.get()).ok());
            judged.add(v1alpha2::remarks(&json!({ "spec": spec })));
        }
        let verdict = match refusal(&judged.name, &judged.problems) {
            Some(text) => Verdict::deny(text),
            None => Verdict::allow(),
        };
        verdict.with_warnings(judged.warnings.iter().map(Problem::warning).collect())
    }

    fn convert(&self, object: Value, wanted: &str) -> Result<Value, String> {
        let subject = subject(&object);
        v1alpha2::convert(object, wanted).map_err(|problem| format!("{subject}: {problem}"))
    }
}

impl Admission {
    /// What the rules say of an object, and the patch that fills its defaults.
    fn answer(&self, object: &Object<'_>, old: Option<&Object<'_>>) -> (Judged, Patch) {
        if object.metadata.is_deleted {
            return (Judged::of(&object.metadata), Patch::default());
        }
        self.quick(object, old).unwrap_or_else(|| self.careful(object, old))
    }

    /// The answer for a spec that is right as it stands, as most are; none where it takes [`Self::careful`].
    fn quick(&self, object: &Object<'_>, old: Option<&Object<'_>>) -> Option<(Judged, Patch)> {
        let length = text(object).unwrap_or_default().len();
        if !v1alpha2::surely_fits(length, object.metadata.annotations.len()) {
            return None;
        }
        let filled = |object| {
            let mut given = parse::text(text(object))?;
            let patch = defaults::complete(&mut given, &self.images);
            Some((given.spec, patch))
        };
        let (spec, patch) = filled(object)?;
        let Some(old) = old else {
            return Some((self.weigh(object, &spec, None), patch));
        };
        if text(old) == text(object) {
            return Some((Judged::of(&object.metadata), patch));
        }
        let (old, _) = filled(old)?;
        // Those that are the same may still differ, in what is not a field.
        (old != spec).then(|| (self.weigh(object, &spec, Some(Ok(old))), patch))
    }

    fn weigh(&self, object: &Object<'_>, spec: &RedisFailoverSpec, old: Option<Old>) -> Judged {
        self.surroundings.read(|view| weigh(&object.metadata, spec, old, view))
    }

    /// The answer for any spec.
    fn careful(&self, object: &Object<'_>, old: Option<&Object<'_>>) -> (Judged, Patch) {
        let spec = match text(object).map(raw).transpose() {
            Ok(spec) => spec,
            Err(problem) => {
                let judged = Judged { problems: vec![problem], ..Judged::of(&object.metadata) };
                return (judged, Patch::default());
            }
        };
        let mut plain = Map::new();
        plain.extend(spec.clone().map(|spec| ("spec".to_owned(), spec)));
        let patch = patch(&plain.into(), &self.images);
        // One that cannot be read is as good as an empty one: it excuses nothing.
        let old = old.map(|old| text(old).and_then(|text| raw(text).ok()).unwrap_or_default());
        let judge =
            |view: &View| judge_spec(&object.metadata, spec.unwrap_or_default(), old, &self.images, view);
        (self.surroundings.read(judge), patch)
    }
}

fn text<'a>(object: &Object<'a>) -> Option<&'a str> {
    object.spec.map(RawValue::get)
}

/// The object as it is stored, where this is an update.
fn old<'a>(request: &'a Request<'_>) -> Option<&'a Object<'a>> {
    request.old_object.as_ref().filter(|_| request.operation == Operation::Update)
}

/// A spec as plain JSON.
fn raw(spec: &str) -> Result<Value, Problem> {
    serde_json::from_str(spec).map_err(|error| {
        let reason = format!("cannot be read ({error})");
        Problem::new("spec", "", reason, "write it with fewer levels and smaller numbers")
    })
}

/// Whether the client speaks the early version; the API server has converted what it said.
fn is_early(request: &Request<'_>) -> bool {
    request.request_kind.as_ref().is_some_and(|kind| kind.version == v1alpha2::VERSION)
}

/// The object as messages call it that may be about many.
fn subject(object: &Value) -> String {
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    format!("{KIND} {:?} in namespace {namespace:?}", name(&about(object)))
}

/// Whether a request can be refused at all: creations and updates of the object itself.
fn concerns(request: &Request<'_>) -> bool {
    matches!(request.operation, Operation::Create | Operation::Update) && request.sub_resource.is_none()
}

/// The patch that fills the defaults into an object.
#[must_use]
pub fn patch(object: &Value, images: &Images) -> Patch {
    let mut filled = object.clone();
    if let Some(fields) = filled.as_object_mut()
        && !is_deleted(object)
    {
        defaults::fill(fields.entry("spec").or_insert(Value::Null), images);
    }
    json_patch::diff(object, &filled)
}

/// What the rules say of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// The object's name, as messages call it.
    pub name: String,
    /// Reasons to refuse it.
    pub problems: Vec<Problem>,
    /// Things that the user should know.
    pub warnings: Vec<Problem>,
}

impl Judged {
    /// Nothing is said of an object.
    fn of(metadata: &Metadata<'_>) -> Self {
        Self { name: name(metadata), ..Self::default() }
    }

    /// Takes up what some rules found, in the order of the fields.
    fn add(&mut self, found: rules::Verdict) {
        self.problems.extend(found.problems);
        self.warnings.extend(found.warnings);
        self.problems.sort();
        self.warnings.sort();
    }
}

/// Judges an object as it would be stored, against the one that is stored and the others that are around it.
///
/// An object that is being deleted, and an update that leaves the spec as it was, always pass: finalizers, labels
/// and annotations are never held up.
#[must_use]
pub fn judge(object: &Value, old: Option<&Value>, images: &Images, view: &View) -> Judged {
    let annotations = object.pointer("/metadata/annotations").map(Value::to_string).unwrap_or_default();
    let metadata = Metadata { annotations: annotations.into(), ..about(object) };
    let spec = |object: &Value| object.get("spec").cloned().unwrap_or_default();
    judge_spec(&metadata, spec(object), old.map(spec), images, view)
}

/// Judges a raw spec.
fn judge_spec(
    metadata: &Metadata<'_>,
    mut spec: Value,
    mut old: Option<Value>,
    images: &Images,
    view: &View,
) -> Judged {
    if metadata.is_deleted || old.as_ref() == Some(&spec) {
        return Judged::of(metadata);
    }
    for spec in [Some(&mut spec), old.as_mut()].into_iter().flatten() {
        defaults::fill(spec, images);
    }
    let is_old = |path: &str| old.as_ref().is_some_and(|old| is_unchanged(path, &spec, old));
    let mut found = rules::Verdict::default();
    let mut report = |rule, problem: Problem| {
        if is_old(&problem.path) { found.warnings.push(problem) } else { found.report(rule, problem) }
    };
    let mut judged = match parse::spec(&spec) {
        Ok(typed) => {
            if let Some(problem) = too_long(metadata, &spec) {
                report(TOO_LONG, problem);
            }
            let old = old.as_ref().map(|old| parse::spec(old).map(Box::new));
            weigh(metadata, &typed, old, view)
        }
        Err(problem) => {
            report(WRONG_TYPE, problem);
            Judged::of(metadata)
        }
    };
    judged.add(found);
    judged
}

/// What of a spec as plain JSON has no room in `v1alpha2`.
fn too_long(metadata: &Metadata<'_>, spec: &Value) -> Option<Problem> {
    let annotations: Value = serde_json::from_str(&metadata.annotations).unwrap_or_default();
    v1alpha2::too_long(&json!({"metadata": {"name": metadata.name, "annotations": annotations}}), spec)
}

/// The filled spec that another one takes the place of, or the wrong type in it.
type Old = Result<Box<RedisFailoverSpec>, Problem>;

/// Asks all rules about a filled spec.
fn weigh(metadata: &Metadata<'_>, spec: &RedisFailoverSpec, old: Option<Old>, view: &View) -> Judged {
    let name = name(metadata);
    let found = match &old {
        Some(Err(_)) => rules::check_anew(&name, spec),
        Some(Ok(old)) => rules::check(&name, spec, Some(old)),
        None => rules::check(&name, spec, None),
    };
    let old = old.map(Result::unwrap_or_default);
    let asked = Asked { namespace: &metadata.namespace, name: &metadata.name, spec, old: old.as_deref() };
    let around = surroundings::check(&asked, view);
    let mut judged = Judged { name, ..Judged::default() };
    judged.add(found);
    judged.add(around);
    judged
}

/// Whether an update left the field of a wrong type as it was. A list is compared as a whole, and so is a map whose keys
/// have dots.
fn is_unchanged(path: &str, spec: &Value, old: &Value) -> bool {
    let field = path.split_once('[').map_or(path, |(list, _)| list);
    let mut fields = iter::successors(Some(field), |field| field.rsplit_once('.').map(|(parent, _)| parent));
    fields
        .find_map(|field| Some((field, parse::at(spec, field)?)))
        .is_some_and(|(field, value)| parse::at(old, field) == Some(value))
}

/// The text of a refusal: one problem in one line, several each on its own.
#[must_use]
pub fn refusal(name: &str, problems: &[Problem]) -> Option<String> {
    match problems {
        [] => None,
        [problem] => Some(format!("{KIND} {name:?} is not valid: {problem}")),
        problems => {
            let lines: Vec<_> = problems.iter().map(|problem| format!("- {problem}")).collect();
            Some(format!("{KIND} {name:?} is not valid, {} problems:\n{}", problems.len(), lines.join("\n")))
        }
    }
}

/// The name; before Kubernetes has made one from `generateName`, one of the same length.
fn name(metadata: &Metadata<'_>) -> String {
    match (&*metadata.name, &*metadata.generate_name) {
        ("", "") => String::new(),
        ("", prefix) => format!("{prefix}xxxxx"),
        (name, _) => name.to_owned(),
    }
}

/// The metadata of an object that is plain JSON, without its annotations.
fn about(object: &Value) -> Metadata<'_> {
    let [name, generate_name, namespace] =
        ["name", "generateName", "namespace"].map(|key| metadata(object, key).into());
    Metadata { name, generate_name, namespace, is_deleted: is_deleted(object), ..Metadata::default() }
}

/// A text in the metadata; empty where there is none.
pub(crate) fn metadata<'a>(object: &'a Value, key: &str) -> &'a str {
    let field = object.get("metadata").and_then(|metadata| metadata.get(key));
    field.and_then(Value::as_str).unwrap_or_default()
}

fn is_deleted(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
}
