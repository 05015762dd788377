//! One reason to refuse a spec, or to warn about it.

use std::fmt;

/// What is wrong with one field, in the words that `kubectl` shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Path of the field, as `spec.redis.customConfig[2]`.
    pub path: String,
    /// The offending value as the user wrote it; empty where the field is missing.
    pub value: String,
    /// Why it cannot be.
    pub reason: String,
    /// What to write instead.
    pub mend: String,
}

impl Problem {
    /// A problem at `path` with `value`.
    pub fn new(
        path: impl Into<String>,
        value: impl Into<String>,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            value: value.into(),
            reason: reason.into(),
            mend: mend.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if !self.value.is_empty() {
            write!(f, ": {:?}", self.value)?;
        }
        write!(f, ": {}; {}", self.reason, self.mend)
    }
}

/// All problems in one line, in the order of their paths: the text of a refusal and of the condition `SpecValid`.
#[must_use]
pub fn summary(problems: &[Problem]) -> String {
    let mut sorted: Vec<_> = problems.iter().collect();
    sorted.sort();
    sorted
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" | ")
}
