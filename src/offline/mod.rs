//! `redis-operator validate`: the webhook's verdicts on files, without a cluster.
//!
//! [`files`] reads them, [`documents`] finds the objects in a text, [`validate`] judges all objects of a run together,
//! and [`report`] says what came of it.

use std::io::{self, Write as _};
use std::process::ExitCode;

use serde_json::Value;

use crate::admission;
use crate::api::defaults::Images;
use crate::api::{self, GROUP, KIND, Problem, VERSION, rules, schema, v1alpha2};
use crate::cli::{Output, Validate};
use crate::surroundings::{Names, View};

pub mod documents;
pub mod files;
pub mod report;
#[cfg(test)]
mod tests;

use documents::Document;
use files::Source;
use report::{Entry, Report, Verdict};

/// The group of the Go operator's `RedisFailovers`.
const GROUP_OF_GO: &str = "databases.spotahome.com";

/// Judges files, prints the verdicts and gives the exit code.
#[must_use]
pub fn main(settings: &Validate) -> ExitCode {
    let report = validate(&files::read(&settings.files), &Images::default());
    let text = match settings.output {
        Output::Text => report.text(settings.quiet),
        Output::Json => report.json(settings.quiet),
    };
    // A closed pipe (`validate FILE | head`) changes no verdict.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::from(report.exit_code(settings.strict))
}

/// Judges all objects in all sources, as the webhook would judge their creation in one namespace after the other.
#[must_use]
pub fn validate(sources: &[Source], images: &Images) -> Report {
    let found: Vec<_> = sources.iter().flat_map(|source| entries(source).into_iter()).collect();
    let view = view(found.iter().map(|(_, object)| object));
    let entries = found.into_iter().map(|(entry, object)| judge(entry, &object, images, &view));
    Report::new(sources.len(), entries.collect())
}

/// What is in a source: an entry without a verdict for each object, or one that says why it cannot be read.
fn entries(source: &Source) -> Vec<(Entry, Value)> {
    let entry = |document, line| Entry { file: source.file.clone(), document, line, ..Entry::default() };
    let unreadable = |line, problem| {
        let entry = Entry { verdict: Verdict::Unreadable, problems: vec![problem], ..entry(0, line) };
        vec![(entry, Value::Null)]
    };
    let text = match &source.text {
        Ok(text) => text,
        Err(problem) => return unreadable(0, problem.clone()),
    };
    match documents::parse(text) {
        Err(error) => unreadable(error.line, error.problem),
        Ok(documents) => {
            let objects = documents.into_iter().flat_map(|Document { index, line, object }| {
                items(object).into_iter().map(move |object| (index, line, object))
            });
            objects.map(|(index, line, object)| (entry(index, line), object)).collect()
        }
    }
}

/// An object, or those of a list.
fn items(mut object: Value) -> Vec<Value> {
    let is_list = text(&object, "kind").ends_with("List");
    match object.get_mut("items").map(Value::take) {
        Some(Value::Array(list)) if is_list => list.into_iter().flat_map(items).collect(),
        Some(other) => {
            object["items"] = other;
            vec![object]
        }
        None => vec![object],
    }
}

/// The `RedisFailovers` of a run are around each other. Of Secrets and ConfigMaps nothing is known: they may be in the
/// cluster already.
fn view<'a>(objects: impl Iterator<Item = &'a Value>) -> View {
    let mut names = Names::default();
    for object in objects.filter(|object| is_ours(object)) {
        names.insert(admission::metadata(object, "namespace"), admission::metadata(object, "name"));
    }
    View { redis_failovers: Some(names), ..View::default() }
}

fn judge(entry: Entry, object: &Value, images: &Images, view: &View) -> Entry {
    if entry.verdict == Verdict::Unreadable {
        return entry;
    }
    let entry = Entry {
        api_version: text(object, "apiVersion").to_owned(),
        kind: text(object, "kind").to_owned(),
        namespace: admission::metadata(object, "namespace").to_owned(),
        name: admission::metadata(object, "name").to_owned(),
        ..entry
    };
    if entry.api_version.is_empty() || entry.kind.is_empty() {
        let problem = Problem::new("", "", "is no Kubernetes object", "give it apiVersion and kind");
        return Entry { verdict: Verdict::Unreadable, problems: vec![problem], ..entry };
    }
    if !is_ours(object) {
        return Entry { verdict: Verdict::Skipped, ..entry };
    }
    let moved = moved(object);
    let mut problems: Vec<_> = moved.iter().map(|_| of_go(&entry.api_version)).collect();
    let object = moved.as_ref().unwrap_or(object);
    let stored = match api::to_v1(object.clone()) {
        Ok(stored) => stored,
        Err(problem) => return Entry { verdict: Verdict::Refused, problems: vec![problem], ..entry },
    };
    let judged = admission::judge(&stored, None, images, view);
    problems.extend(judged.problems);
    let early = if is_early(object) { v1alpha2::remarks(&stored) } else { rules::Verdict::default() };
    problems.extend(early.problems);
    let verdict = if problems.is_empty() { Verdict::Valid } else { Verdict::Refused };
    let misspelt = schema::unknown_fields(object).into_iter();
    let misspelt = misspelt
        .map(|path| Problem::new(path, "", format!("is not a field of a {KIND}"), "check the spelling"));
    let warnings = misspelt.chain(judged.warnings).chain(early.warnings).collect();
    Entry { name: judged.name, verdict, problems, warnings, ..entry }
}

/// Whether we have something to say of an object: of any version, and of the Go operator's too.
fn is_ours(object: &Value) -> bool {
    text(object, "kind") == KIND && [GROUP, GROUP_OF_GO].contains(&group(object))
}

/// An object of the Go operator's, moved to our group: the fields are the same.
fn moved(object: &Value) -> Option<Value> {
    let mut object = Some(object).filter(|object| group(object) == GROUP_OF_GO)?.clone();
    object["apiVersion"] = format!("{GROUP}/{VERSION}").into();
    Some(object)
}

fn of_go(api_version: &str) -> Problem {
    let mend = format!("change it to {GROUP}/{VERSION}");
    Problem::new("apiVersion", api_version, "is the Go operator's, which this one does not serve", mend)
}

fn group(object: &Value) -> &str {
    text(object, "apiVersion").split_once('/').map_or("", |(group, _)| group)
}

fn is_early(object: &Value) -> bool {
    text(object, "apiVersion").ends_with(v1alpha2::VERSION)
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}
