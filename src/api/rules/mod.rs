//! The rules that a spec must keep.
//!
//! One module for each part of the spec. What breaks a rule of the [`catalogue`] is reported to [`Findings`]; [`check`]
//! asks them all and then lets pass what an update left as it was.

pub mod catalogue;
mod commands;
mod config;
pub mod directive;
mod keys;
pub mod labels;
pub(crate) mod limits;
mod master_name;
mod names;
mod own;
pub(crate) mod owned;
mod pods;
mod quantity;
mod renames;
mod resources;
mod scheduling;
mod servers;
pub mod settings;
mod storage;
pub(crate) mod texts;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use catalogue::{AROUND, CATALOGUE, Rule, Severity};
pub(crate) use names::NAME_MAX;
use serde_json::Value;
pub(crate) use servers::PULL_POLICIES;

use super::{Problem, RedisFailoverSpec};

/// What the rules say of a spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Reasons to refuse it.
    pub problems: Vec<Problem>,
    /// Things that the user should know.
    pub warnings: Vec<Problem>,
}

impl Verdict {
    /// Adds what is wrong under a rule, as that rule says.
    pub(crate) fn report(&mut self, rule: &'static Rule, problem: Problem) {
        match rule.severity {
            Severity::Refuse => self.problems.push(problem),
            Severity::Warn => self.warnings.push(problem),
        }
    }
}

/// Checks a filled spec. With `old`, only what this update changed can be refused; the rest becomes a warning.
#[must_use]
pub fn check(name: &str, spec: &RedisFailoverSpec, old: Option<&RedisFailoverSpec>) -> Verdict {
    find(name, spec, old).verdict(spec, old)
}

/// Checks a filled spec that takes the place of one that cannot be read: its fields count as new, and nothing is known of
/// the claims that the other one had.
#[must_use]
pub fn check_anew(name: &str, spec: &RedisFailoverSpec) -> Verdict {
    find(name, spec, None).verdict(spec, Some(&RedisFailoverSpec::default()))
}

fn find(name: &str, spec: &RedisFailoverSpec, old: Option<&RedisFailoverSpec>) -> Findings {
    let mut found = Findings::default();
    names::object(name, &mut found);
    names::references(spec, &mut found);
    servers::check(spec, &mut found);
    limits::check(spec, &mut found);
    config::redis(&spec.redis, &mut found);
    config::sentinel(&spec.sentinel, old.map(|old| &old.sentinel), &mut found);
    master_name::check(&spec.sentinel, old.map(|old| &old.sentinel), &mut found);
    renames::check(&spec.redis.custom_command_renames, &mut found);
    storage::check(&spec.redis, old.map(|old| &old.redis.storage), &mut found);
    labels::check(&spec.label_whitelist, &mut found);
    pods::check(spec, &mut found);
    found
}

/// A port as the servers can listen on it.
pub fn port(value: i32) -> Result<u16, Problem> {
    servers::port(value).map_err(|(_, problem)| problem)
}

/// What the rules found, before it is known what of it is new.
#[derive(Default)]
struct Findings(Vec<Finding>);

/// A rule that is broken.
struct Finding {
    rule: &'static Rule,
    problem: Problem,
    /// The fields whose change brings it about.
    fields: Vec<String>,
}

impl Findings {
    /// Reports what is wrong with the one field that the problem names.
    fn report(&mut self, rule: &'static Rule, problem: Problem) {
        let fields = vec![problem.path.clone()];
        self.0.push(Finding { rule, problem, fields });
    }

    /// Reports what is wrong with several fields together: a change of any of them brings it about.
    fn report_for(&mut self, rule: &'static Rule, fields: &[&str], problem: Problem) {
        let fields = fields.iter().map(|&field| field.to_owned()).collect();
        self.0.push(Finding { rule, problem, fields });
    }

    /// Refuses what is new; what an update left as it was becomes a warning.
    fn verdict(self, spec: &RedisFailoverSpec, old: Option<&RedisFailoverSpec>) -> Verdict {
        // A spec that cannot be written as JSON does not exist; as null, every field counts as unchanged.
        let specs = old
            .filter(|_| !self.0.is_empty())
            .map(|old| [spec, old].map(|spec| serde_json::to_value(spec).unwrap_or_default()));
        // A list with a thousand faults is compared once.
        let mut known = BTreeMap::new();
        let mut is_changed = |path: &String| {
            let Some([new, old]) = &specs else { return true };
            *known.entry(field(path).to_owned()).or_insert_with_key(|path| changed(path, new, old))
        };
        let mut verdict = Verdict::default();
        for finding in self.0 {
            match finding.rule.severity {
                Severity::Refuse if !finding.fields.iter().any(&mut is_changed) => {
                    verdict.warnings.push(finding.problem);
                }
                Severity::Refuse | Severity::Warn => verdict.report(finding.rule, finding.problem),
            }
        }
        verdict
    }
}

/// The field of a path such as `spec.redis.customConfig[2]`: a list is compared as a whole.
fn field(path: &str) -> &str {
    path.split_once('[').map_or(path, |(list, _)| list)
}

/// Whether two specs differ in a field such as `spec.redis.port`. What is not in the spec (the name) never changes.
fn changed(field: &str, new: &Value, old: &Value) -> bool {
    field.strip_prefix("spec.").is_some_and(|field| at(new, field) != at(old, field))
}

fn at<'a>(spec: &'a Value, field: &str) -> Option<&'a Value> {
    field.split('.').try_fold(spec, |value, key| value.get(key)).filter(|value| !value.is_null())
}
