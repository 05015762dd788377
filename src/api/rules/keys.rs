//! Keys and values of labels and annotations, as Kubernetes takes them.

use std::collections::BTreeMap;
use std::fmt::Arguments;

use super::catalogue::{Rule, rule};
use super::{Findings, names};
use crate::api::Problem;

const KEYS: &Rule = rule("label-or-annotation");

/// Checks labels. Problems name the field and not the key, which may have dots.
pub(super) fn labels(path: Arguments<'_>, labels: &BTreeMap<String, String>, found: &mut Findings) {
    for (label, value) in labels {
        key(path, label, label, found);
        if !is_value(value) {
            let reason = format!("cannot be the value of {label:?}");
            let mend =
                "use at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends";
            found.report(KEYS, Problem::new(path.to_string(), value, reason, mend));
        }
    }
}

/// Checks annotations: their values may be anything, and the prefix of a key may have capitals.
pub(super) fn annotations(path: Arguments<'_>, annotations: &BTreeMap<String, String>, found: &mut Findings) {
    for annotation in annotations.keys() {
        key(path, annotation, &annotation.to_ascii_lowercase(), found);
    }
}

fn key(path: Arguments<'_>, shown: &str, key: &str, found: &mut Findings) {
    if !is_key(key) {
        let mend = "use at most 63 letters, digits, '-', '_' and '.', after a prefix such as example.com/";
        found.report(KEYS, Problem::new(path.to_string(), shown, "cannot be a key", mend));
    }
}

/// A name with an optional prefix.
pub(super) fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => names::is_subdomain(prefix) && is_name(name),
        None => is_name(key),
    }
}

/// What a label can be set to.
pub(super) fn is_value(value: &str) -> bool {
    value.is_empty() || is_name(value)
}

fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let is_end = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && is_end(bytes.first())
        && is_end(bytes.last())
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}
