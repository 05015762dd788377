//! The rules that a spec must keep.
//!
//! One module for each part of the spec. A rule reports to [`Findings`]; [`check`] runs them all and then lets pass
//! what an update left as it was.

mod commands;
mod config;
pub mod directive;
pub mod labels;
mod master_name;
mod names;
mod quantity;
mod redis_settings;
mod renames;
mod sentinel_settings;
mod servers;
mod settings;
mod storage;
pub(crate) mod texts;

#[cfg(test)]
mod tests;

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

/// Checks a filled spec. With `old`, only what this update changed can be refused; the rest becomes a warning.
#[must_use]
pub fn check(name: &str, spec: &RedisFailoverSpec, old: Option<&RedisFailoverSpec>) -> Verdict {
    let mut found = Findings::default();
    names::object(name, &mut found);
    names::references(spec, &mut found);
    servers::check(spec, &mut found);
    config::redis(&spec.redis, &mut found);
    config::sentinel(&spec.sentinel, &mut found);
    master_name::check(&spec.sentinel, old.map(|old| &old.sentinel), &mut found);
    renames::check(&spec.redis.custom_command_renames, &mut found);
    storage::check(&spec.redis, old.map(|old| &old.redis.storage), &mut found);
    labels::check(&spec.label_whitelist, &mut found);
    found.verdict(spec, old)
}

/// A port as the servers can listen on it.
pub fn port(value: i32) -> Result<u16, Problem> {
    let problem =
        |text: texts::Text| Problem::new("spec.redis.port", value.to_string(), text.reason, text.mend);
    match u16::try_from(value) {
        Ok(0) | Err(_) => Err(problem(texts::PORT)),
        Ok(super::SENTINEL_PORT) => Err(problem(texts::PORT_OF_SENTINEL)),
        Ok(port) => Ok(port),
    }
}

/// What the rules found, before it is known what of it is new.
#[derive(Default)]
struct Findings {
    refusals: Vec<Refusal>,
    warnings: Vec<Problem>,
}

/// A problem, and the fields whose change brings it about.
struct Refusal {
    problem: Problem,
    fields: Vec<&'static str>,
}

impl Findings {
    /// Refuses for the sake of the one field that the problem names.
    fn refuse(&mut self, problem: Problem) {
        self.refusals.push(Refusal { problem, fields: Vec::new() });
    }

    /// Refuses for the sake of several fields: a change of any of them is refused.
    fn refuse_for(&mut self, fields: &[&'static str], problem: Problem) {
        self.refusals.push(Refusal { problem, fields: fields.to_vec() });
    }

    fn warn(&mut self, problem: Problem) {
        self.warnings.push(problem);
    }

    fn verdict(self, spec: &RedisFailoverSpec, old: Option<&RedisFailoverSpec>) -> Verdict {
        let Some(old) = old else {
            let problems = self.refusals.into_iter().map(|refusal| refusal.problem).collect();
            return Verdict { problems, warnings: self.warnings };
        };
        // A spec that cannot be written as JSON does not exist; as null, every field counts as unchanged.
        let [new, old] = [spec, old].map(|spec| serde_json::to_value(spec).unwrap_or_default());
        let (changed, unchanged): (Vec<_>, Vec<_>) =
            self.refusals.into_iter().partition(|refusal| refusal.is_new(&new, &old));
        let mut warnings = self.warnings;
        warnings.extend(unchanged.into_iter().map(|refusal| refusal.problem));
        Verdict { problems: changed.into_iter().map(|refusal| refusal.problem).collect(), warnings }
    }
}

impl Refusal {
    /// Whether the update from `old` to `new` changed a field that this refusal is about.
    fn is_new(&self, new: &Value, old: &Value) -> bool {
        if self.fields.is_empty() {
            return changed(&self.problem.path, new, old);
        }
        self.fields.iter().any(|path| changed(path, new, old))
    }
}

/// Whether two specs differ at a path such as `spec.redis.port`; a list is compared as a whole. What is not in the
/// spec (the name) never changes.
fn changed(path: &str, new: &Value, old: &Value) -> bool {
    let Some(path) = path.strip_prefix("spec.") else {
        return false;
    };
    let field = path.split_once('[').map_or(path, |(list, _)| list);
    at(new, field) != at(old, field)
}

fn at<'a>(spec: &'a Value, field: &str) -> Option<&'a Value> {
    field.split('.').try_fold(spec, |value, key| value.get(key)).filter(|value| !value.is_null())
}
