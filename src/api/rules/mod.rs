//! The rules that a spec must keep.

pub mod directive;
pub mod labels;

use super::{Problem, RedisFailoverSpec};

/// What the rules say of a spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Reasons to refuse it.
    pub problems: Vec<Problem>,
    /// Things that the user should know.
    pub warnings: Vec<Problem>,
}

/// Checks a filled spec. With `old`, only what this update changed can be refused.
#[must_use]
pub fn check(_name: &str, _spec: &RedisFailoverSpec, _old: Option<&RedisFailoverSpec>) -> Verdict {
    Verdict::default()
}

/// A port as the servers can listen on it.
pub fn port(value: i32) -> Result<u16, Problem> {
    u16::try_from(value).map_err(|_| {
        Problem::new("spec.redis.port", value.to_string(), "is not a port", "choose one from 1 to 65535")
    })
}
