//! All rules: what each wants and why, and an example that breaks it.
//!
//! Rules are made here alone, and code reports a problem only under a rule: so none can be reported that has no entry.
//! The page `docs/admission.md` and the files in `example/redisfailover/bad` are made from these entries; the messages
//! in them come from running the rules on the examples. What takes other objects or a raw spec has its entries in
//! [`AROUND`].

/// A text 256 times.
macro_rules! x256 {
    ($($text:tt)*) => { x16!(x16!($($text)*)) };
}

macro_rules! x16 {
    ($($text:tt)*) => { x4!(x4!($($text)*)) };
}

macro_rules! x4 {
    ($($text:tt)*) => { concat!($($text)*, $($text)*, $($text)*, $($text)*) };
}

mod around;
mod names;
mod pods;
mod renames;
mod servers;
mod settings;
mod storage;

#[cfg(test)]
pub(super) use {x4, x16, x256};

/// A rule that specs must keep, or should.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name for ever: letters, digits and hyphens.
    pub id: &'static str,
    /// What becomes of a spec that breaks it.
    pub severity: Severity,
    /// The fields that it is about.
    pub fields: &'static str,
    /// What it wants, and why.
    pub why: &'static str,
    /// Who breaks it, and how to mend that.
    pub example: Example,
    _seal: Seal,
}

/// Keeps others from making rules.
#[derive(Debug, PartialEq, Eq)]
struct Seal;

/// What becomes of a spec that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It is refused.
    Refuse,
    /// It is accepted, and the user is told.
    Warn,
}

/// Three specs as YAML on one line, without defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// Name of the object in `bad`; the rule's id where it is empty.
    pub name: &'static str,
    /// The spec that is stored before `bad` comes as an update of it; `bad` is a creation where it is empty.
    pub before: &'static str,
    /// Breaks the rule.
    pub bad: &'static str,
    /// What to write instead.
    pub good: &'static str,
}

/// A part of the spec with its rules.
#[derive(Debug)]
pub struct Chapter {
    /// Its heading.
    pub title: &'static str,
    /// Its rules.
    pub rules: &'static [Rule],
}

/// All rules, in the order of the page.
pub const CATALOGUE: &[Chapter] = &[
    Chapter { title: "Names", rules: names::RULES },
    Chapter { title: "Servers", rules: servers::RULES },
    Chapter { title: "Settings", rules: settings::RULES },
    Chapter { title: "Renamed commands", rules: renames::RULES },
    Chapter { title: "Storage", rules: storage::RULES },
    Chapter { title: "Pods", rules: pods::RULES },
];

/// What is said besides, at the end of the page.
pub const AROUND: Chapter = Chapter { title: "Around the spec", rules: around::RULES };

/// The rule with this id. For constants: there, an id that no rule has does not compile.
pub(in crate::api) const fn rule(id: &str) -> &'static Rule {
    find(CATALOGUE, id)
}

/// The rule of [`AROUND`] with this id, in the same way.
pub(crate) const fn around(id: &str) -> &'static Rule {
    find(&[AROUND], id)
}

const fn find(chapters: &[Chapter], id: &str) -> &'static Rule {
    let mut chapter = 0;
    loop {
        // Past the last chapter there is no rule to be had; the compiler says so.
        let rules = chapters[chapter].rules;
        let mut index = 0;
        while index < rules.len() {
            if is_same(rules[index].id, id) {
                return &rules[index];
            }
            index += 1;
        }
        chapter += 1;
    }
}

/// `==` on texts is not for constants yet.
const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}

/// A rule that refuses.
const fn refuse(id: &'static str, fields: &'static str, why: &'static str, example: Example) -> Rule {
    Rule { id, severity: Severity::Refuse, fields, why, example, _seal: Seal }
}

/// A rule that warns.
const fn warn(id: &'static str, fields: &'static str, why: &'static str, example: Example) -> Rule {
    Rule { id, severity: Severity::Warn, fields, why, example, _seal: Seal }
}

/// A creation that breaks the rule.
const fn create(bad: &'static str, good: &'static str) -> Example {
    Example { name: "", before: "", bad, good }
}

/// A creation whose name breaks the rule, whatever its spec.
const fn named(name: &'static str) -> Example {
    Example { name, before: "", bad: "{}", good: "{}" }
}

/// An update that breaks the rule.
const fn update(before: &'static str, bad: &'static str, good: &'static str) -> Example {
    Example { name: "", before, bad, good }
}
