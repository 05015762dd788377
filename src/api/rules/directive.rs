//! Entries of customConfig.

use crate::api::Problem;

/// One entry of customConfig: a setting and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Name of the setting, in lower case.
    pub key: String,
    /// Its value as a server's CONFIG SET takes it: unquoted, `""` became the empty string.
    pub value: String,
}

/// Parses a list of entries; every malformed one is a problem at `path[index]`.
pub fn parse_all(_entries: &[String], _path: &str) -> Result<Vec<Directive>, Vec<Problem>> {
    Ok(Vec::new())
}
