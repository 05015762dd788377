//! customConfig of redis and of Sentinel.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::BTreeMap;

use super::catalogue::{Rule, rule};
use super::directive::{self, Directive};
use super::settings::{self, Class, Group, REDIS, SENTINEL};
use super::{Findings, owned};
use crate::api::spec::{RedisSpec, SentinelSpec};
use crate::api::{MASTER_NAME, Problem, defaults};

const MALFORMED: &Rule = rule("malformed-option");
const OWNED: &Rule = rule("owned-option");
const FIXED: &Rule = rule("fixed-option");
const VALUE: &Rule = rule("option-value");
const UNKNOWN: &Rule = rule("unknown-option");
const DUPLICATE: &Rule = rule("duplicate-option");
const LONG_FORM: &Rule = rule("sentinel-long-form");
const QUORUM: &Rule = rule("sentinel-quorum-too-high");

const REDIS_PATH: &str = "spec.redis.customConfig";
const SENTINEL_PATH: &str = "spec.sentinel.customConfig";

/// Longest joined form of several entries that is shown whole.
const JOINED_CHARS: usize = 200;

/// An entry with its place in the list.
struct Entry<'a> {
    list: &'static str,
    index: usize,
    text: &'a str,
    directive: Directive,
}

impl Entry<'_> {
    fn problem(&self, reason: impl Into<String>, mend: impl Into<String>) -> Problem {
        Problem::new(format!("{}[{}]", self.list, self.index), directive::shown(self.text), reason, mend)
    }
}

pub(super) fn redis(redis: &RedisSpec, found: &mut Findings) {
    let entries = parsed(&redis.custom_config, REDIS_PATH, found);
    for entry in &entries {
        judge(entry, REDIS, "redis or Valkey", found);
    }
    duplicates(&entries, found);
}

pub(super) fn sentinel(sentinel: &SentinelSpec, old: Option<&SentinelSpec>, found: &mut Findings) {
    let entries = parsed(&sentinel.custom_config, SENTINEL_PATH, found);
    for entry in &entries {
        match short_form(&entry.directive) {
            Some(short) => {
                let reason = "names the master, which the operator adds";
                found.report(LONG_FORM, entry.problem(reason, format!("write {short:?}")));
            }
            None => judge(entry, SENTINEL, "Sentinel", found),
        }
    }
    quorum(&entries, sentinel, old, found);
    duplicates(&entries, found);
}

/// What the table of a server says of one entry.
fn judge(entry: &Entry<'_>, table: &[Group], server: &str, found: &mut Findings) {
    let Directive { key, value } = &entry.directive;
    match settings::find(table, key) {
        Some(Class::Owned { why, instead }) => {
            found.report(OWNED, entry.problem(owned::reason(why), instead));
        }
        Some(Class::Fixed) => found.report(
            FIXED,
            entry.problem(
                format!("{key} cannot be changed while a server runs"),
                "remove it; the server keeps its default",
            ),
        ),
        Some(Class::User(kind)) if !kind.takes(value) => {
            found.report(VALUE, entry.problem(kind.reason(key), kind.mend(key, value)));
        }
        Some(Class::User(_)) => {}
        None => {
            let reason = format!("{key} is not a setting of any known version of {server}");
            let mend = match settings::nearest_key(table, key) {
                Some(near) => format!("check the spelling: {near} is one"),
                None => "check the spelling".to_owned(),
            };
            found.report(UNKNOWN, entry.problem(reason, mend));
        }
    }
}

fn parsed<'a>(entries: &'a [String], list: &'static str, found: &mut Findings) -> Vec<Entry<'a>> {
    let mut parsed = Vec::with_capacity(entries.len());
    for (index, text) in entries.iter().enumerate() {
        match directive::parse(text, format_args!("{list}[{index}]")) {
            Ok(directive) => parsed.push(Entry { list, index, text, directive }),
            Err(problem) => found.report(MALFORMED, problem),
        }
    }
    parsed
}

/// The entry without `sentinel` and the master's name, where it has them as lines of sentinel.conf do.
fn short_form(directive: &Directive) -> Option<String> {
    if directive.key != "sentinel" && !directive.value.contains(' ') {
        return None;
    }
    let line = format!("{} {}", directive.key, directive.value);
    let mut words: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let has_prefix = words.first() == Some(&"sentinel");
    if has_prefix {
        words.remove(0);
    }
    let is_settable = |key: &str| matches!(settings::find(SENTINEL, key), Some(Class::User(_)));
    let names_master = words.len() == 3 && (has_prefix || words[1] == MASTER_NAME);
    (names_master && is_settable(&words[0].to_ascii_lowercase()))
        .then(|| format!("{} {}", words[0], words[2]))
}

/// More votes than Sentinels never come together. Where they did not before, another number of Sentinels brings nothing
/// about.
fn quorum(entries: &[Entry<'_>], spec: &SentinelSpec, old: Option<&SentinelSpec>, found: &mut Findings) {
    let (sentinels, old_sentinels) = (sentinels(spec), old.map(sentinels));
    for entry in entries.iter().filter(|entry| entry.directive.key == "quorum") {
        let votes = entry.directive.value.parse().ok();
        let is_above = |sentinels: i32| votes.is_some_and(|votes: i64| votes > i64::from(sentinels));
        if is_above(sentinels) {
            let reason = format!("asks for more votes than the {sentinels} Sentinels have");
            let mend = format!("choose at most {sentinels}, for example \"quorum {}\"", sentinels / 2 + 1);
            let fields = [SENTINEL_PATH, "spec.sentinel.replicas"];
            let fields = if old_sentinels.is_some_and(is_above) { &fields[..1] } else { &fields };
            found.report_for(QUORUM, fields, entry.problem(reason, mend));
        }
    }
}

fn sentinels(spec: &SentinelSpec) -> i32 {
    spec.replicas.unwrap_or(defaults::REPLICAS)
}

/// One setting may not have two values. Settings with classes may have one for each class.
fn duplicates(entries: &[Entry<'_>], found: &mut Findings) {
    let mut first: BTreeMap<Cow<'_, str>, (&str, Cow<'_, str>)> = BTreeMap::new();
    let joined = LazyCell::new(|| joined_save(entries));
    for entry in entries {
        for (key, value) in values(&entry.directive) {
            let Some((text, earlier)) = first.get(&key) else {
                first.insert(key, (entry.text, value));
                continue;
            };
            if *earlier != value {
                let is_save = entry.directive.key == "save";
                let mend = joined.as_deref().filter(|_| is_save).unwrap_or("keep one of them");
                found.report(
                    DUPLICATE,
                    entry.problem(format!("contradicts the entry {:?}", directive::shown(text)), mend),
                );
            }
        }
    }
}

/// What an entry sets: `client-output-buffer-limit` takes groups of a class and three limits.
fn values(directive: &Directive) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let Directive { key, value } = directive;
    if key != "client-output-buffer-limit" {
        return vec![(key.into(), value.into())];
    }
    let words: Vec<_> = value.split(' ').filter(|word| !word.is_empty()).collect();
    let class = |name: &str| {
        if name == "slave" { "replica".to_owned() } else { name.to_ascii_lowercase() }
    };
    let group = |group: &[&str]| (format!("{key} {}", class(group[0])).into(), group[1..].join(" ").into());
    words.chunks(4).map(group).collect()
}

/// How to write several `save` entries as one. Each entry of a long list says so, so it has to be short.
fn joined_save(entries: &[Entry<'_>]) -> Option<String> {
    let saves =
        entries.iter().map(|entry| &entry.directive).filter(|d| d.key == "save" && !d.value.is_empty());
    let points: Vec<_> = saves.map(|d| d.value.as_str()).collect();
    if points.len() < 2 {
        return None;
    }
    let mut joined = points.join(" ");
    if let Some((end, _)) = joined.char_indices().nth(JOINED_CHARS) {
        joined.replace_range(end.., "…");
    }
    Some(format!("write one entry \"save {joined}\""))
}
