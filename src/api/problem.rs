//! One reason to refuse a spec, or to warn about it.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// Characters of a value that a message shows at most.
const SHOWN_CHARS: usize = 64;
/// Characters of a warning at most: the API server may cut what is longer.
pub(crate) const WARNING_CHARS: usize = 256;

/// What is wrong with one field, in the words that `kubectl` shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
        Self { path: path.into(), value: value.into(), reason: reason.into(), mend: mend.into() }
    }

    /// The problem as a warning of the API server.
    #[must_use]
    pub fn warning(&self) -> String {
        cut(&self.to_string(), WARNING_CHARS - 1).into_owned()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if !self.value.is_empty() {
            write!(f, ": {:?}", cut(&self.value, SHOWN_CHARS))?;
        }
        write!(f, ": {}; {}", self.reason, self.mend)
    }
}

/// The beginning of a text that is longer than so many characters.
fn cut(text: &str, chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// All problems in one line, in the order of their paths: the text of a refusal and of the condition `SpecValid`.
#[must_use]
pub fn summary(problems: &[Problem]) -> String {
    let mut sorted: Vec<_> = problems.iter().collect();
    sorted.sort();
    sorted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_field_value_reason_and_mend() {
        let problem = Problem::new("spec.redis.port", "0", "is not a port", "choose one");
        assert_eq!(problem.to_string(), "spec.redis.port: \"0\": is not a port; choose one");
        let missing = Problem::new("metadata.name", "", "is missing", "add it");
        assert_eq!(missing.to_string(), "metadata.name: is missing; add it");
        assert_eq!(summary(&[problem.clone(), missing.clone()]), format!("{missing} | {problem}"));
    }

    #[test]
    fn a_long_value_is_cut() {
        let problem = Problem::new("p", "ü".repeat(65), "r", "m");
        assert_eq!(problem.to_string(), format!("p: \"{}…\": r; m", "ü".repeat(64)));
        let long = Problem::new("p", "", "ü".repeat(300), "m");
        assert_eq!(long.warning().chars().count(), WARNING_CHARS);
        assert!(long.warning().ends_with('…'));
    }
}
