//! The webhook's answers, from the defaults and rules of [`crate::api`].

use std::iter;

use json_patch::Patch;
use serde_json::Value;
use webhook::{Admit, Operation, Request, Verdict};

use crate::api::defaults::{self, Images};
use crate::api::rules::catalogue::{Rule, around};
use crate::api::{KIND, Problem, parse, rules, v1alpha2};
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
    fn mutate(&self, request: &Request) -> Verdict {
        let is_ours = |object: &&Value| object.is_object() && concerns(request);
        let Some(object) = request.object.as_ref().filter(is_ours) else {
            return Verdict::allow();
        };
        let old = request.old_object.as_ref().filter(|_| request.operation == Operation::Update);
        let judged = self.surroundings.read(|view| judge(object, old, &self.images, view));
        match refusal(&judged.name, &judged.problems) {
            Some(text) => Verdict::deny(text),
            None => Verdict::allow().with_patch(patch(object, &self.images)),
        }
    }

    fn validate(&self, request: &Request) -> Verdict {
        let Some(object) = request.object.as_ref().filter(|_| concerns(request)) else {
            return Verdict::allow();
        };
        let old = request.old_object.as_ref().filter(|_| request.operation == Operation::Update);
        let mut judged = self.surroundings.read(|view| judge(object, old, &self.images, view));
        if is_early(request) {
            let early = v1alpha2::remarks(object);
            judged.problems.extend(early.problems);
            judged.warnings.extend(early.warnings);
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

/// Whether the client speaks the early version; the API server has converted what it said.
fn is_early(request: &Request) -> bool {
    request.request_kind.as_ref().is_some_and(|kind| kind.version == v1alpha2::VERSION)
}

/// The object as messages call it that may be about many.
fn subject(object: &Value) -> String {
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    format!("{KIND} {:?} in namespace {namespace:?}", name(object))
}

/// Whether a request can be refused at all: creations and updates of the object itself.
fn concerns(request: &Request) -> bool {
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

/// Judges an object as it would be stored, against the one that is stored and the others that are around it.
///
/// An object that is being deleted, and an update that leaves the spec as it was, always pass: finalizers, labels
/// and annotations are never held up.
#[must_use]
pub fn judge(object: &Value, old: Option<&Value>, images: &Images, view: &View) -> Judged {
    let name = name(object);
    let old_spec = old.map(|old| old.get("spec").cloned().unwrap_or_default());
    let mut spec = object.get("spec").cloned().unwrap_or_default();
    if is_deleted(object) || old_spec.as_ref() == Some(&spec) {
        return Judged { name, ..Judged::default() };
    }
    defaults::fill(&mut spec, images);
    let old_spec = old_spec.map(|mut old| {
        defaults::fill(&mut old, images);
        old
    });
    let typed = match parse::spec(&spec) {
        Ok(typed) => typed,
        Err(problem) => {
            let is_old = old_spec.is_some_and(|old| is_unchanged(&problem.path, &spec, &old));
            let mut verdict = rules::Verdict::default();
            if is_old {
                verdict.warnings.push(problem);
            } else {
                verdict.report(WRONG_TYPE, problem);
            }
            return Judged { name, problems: verdict.problems, warnings: verdict.warnings };
        }
    };
    let old = old_spec.as_ref().map(parse::spec);
    let mut verdict = match &old {
        Some(Err(_)) => rules::check_anew(&name, &typed),
        Some(Ok(old)) => rules::check(&name, &typed, Some(old)),
        None => rules::check(&name, &typed, None),
    };
    let is_old = |path: &str| old_spec.as_ref().is_some_and(|old| is_unchanged(path, &spec, old));
    match v1alpha2::too_long(object, &spec) {
        Some(problem) if is_old(&problem.path) => verdict.warnings.push(problem),
        Some(problem) => verdict.report(TOO_LONG, problem),
        None => {}
    }
    let rules::Verdict { mut problems, mut warnings } = verdict;
    let old = old.map(Result::unwrap_or_default);
    let namespace = metadata(object, "namespace");
    let asked = Asked { namespace, name: metadata(object, "name"), spec: &typed, old: old.as_ref() };
    let around = surroundings::check(&asked, view);
    problems.extend(around.problems);
    warnings.extend(around.warnings);
    problems.sort();
    warnings.sort();
    Judged { name, problems, warnings }
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
fn name(object: &Value) -> String {
    match (metadata(object, "name"), metadata(object, "generateName")) {
        ("", "") => String::new(),
        ("", prefix) => format!("{prefix}xxxxx"),
        (name, _) => name.to_owned(),
    }
}

/// A text in the metadata; empty where there is none.
pub(crate) fn metadata<'a>(object: &'a Value, key: &str) -> &'a str {
    let field = object.get("metadata").and_then(|metadata| metadata.get(key));
    field.and_then(Value::as_str).unwrap_or_default()
}

fn is_deleted(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
}
