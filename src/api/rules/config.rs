//! customConfig of redis and of Sentinel.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use super::Findings;
use super::directive::{self, Directive};
use super::redis_settings::REDIS;
use super::sentinel_settings::SENTINEL;
use super::settings::{self, Class};
use crate::api::spec::{RedisSpec, SentinelSpec};
use crate::api::{MASTER_NAME, Problem, defaults};

const REDIS_PATH: &str = "spec.redis.customConfig";
const SENTINEL_PATH: &str = "spec.sentinel.customConfig";

/// Longest joined form of several entries that is shown whole.
const JOINED_CHARS: usize = 200;

/// An entry with its place in the list.
struct Entry<'a> {
    path: String,
    text: &'a str,
    directive: Directive,
}

impl Entry<'_> {
    fn problem(&self, reason: impl Into<String>, mend: impl Into<String>) -> Problem {
        Problem::new(&self.path, directive::shown(self.text), reason, mend)
    }
}

pub(super) fn redis(redis: &RedisSpec, found: &mut Findings) {
    let entries = parsed(&redis.custom_config, REDIS_PATH, found);
    for entry in &entries {
        let key = &entry.directive.key;
        match settings::find(REDIS, key) {
            Some(Class::Owned { why, instead }) => found.refuse(entry.problem(owned(why), instead)),
            Some(Class::Fixed) => found.refuse(entry.problem(
                format!("{key} cannot be changed while a server runs"),
                "remove it; the server keeps its default",
            )),
            Some(Class::Number(least)) => number(entry, least, found),
            Some(Class::Free) => {}
            None => found.warn(unknown(entry, "redis or Valkey")),
        }
    }
    duplicates(&entries, found);
}

pub(super) fn sentinel(sentinel: &SentinelSpec, found: &mut Findings) {
    let entries = parsed(&sentinel.custom_config, SENTINEL_PATH, found);
    for entry in &entries {
        if let Some(short) = short_form(&entry.directive) {
            let reason = "names the master, which the operator adds";
            found.refuse(entry.problem(reason, format!("write {short:?}")));
            continue;
        }
        match settings::find(SENTINEL, &entry.directive.key) {
            Some(Class::Owned { why, instead }) => found.refuse(entry.problem(owned(why), instead)),
            Some(Class::Number(least)) => number(entry, least, found),
            Some(Class::Free | Class::Fixed) => {}
            None => found.warn(unknown(entry, "Sentinel")),
        }
    }
    quorum(&entries, sentinel.replicas.unwrap_or(defaults::REPLICAS), found);
    duplicates(&entries, found);
}

fn parsed<'a>(entries: &'a [String], list: &str, found: &mut Findings) -> Vec<Entry<'a>> {
    let mut parsed = Vec::with_capacity(entries.len());
    for (index, text) in entries.iter().enumerate() {
        let path = format!("{list}[{index}]");
        match directive::parse(text, &path) {
            Ok(directive) => parsed.push(Entry { path, text, directive }),
            Err(problem) => found.refuse(problem),
        }
    }
    parsed
}

fn owned(why: &str) -> String {
    format!("belongs to the operator: {why}")
}

fn unknown(entry: &Entry<'_>, server: &str) -> Problem {
    let reason = format!("{} is not a setting of any known version of {server}", entry.directive.key);
    entry.problem(reason, "check the spelling")
}

fn number(entry: &Entry<'_>, least: i64, found: &mut Findings) {
    let key = &entry.directive.key;
    if !entry.directive.value.parse::<i64>().is_ok_and(|value| value >= least) {
        let reason = format!("{key} wants a whole number of at least {least}");
        found.refuse(entry.problem(reason, format!("write it as in \"{key} {}\"", example(key))));
    }
}

fn example(key: &str) -> u32 {
    match key {
        "down-after-milliseconds" => 5000,
        "failover-timeout" => 10000,
        "quorum" => 2,
        _ => 1,
    }
}

/// The entry without `sentinel` and the master's name, where it has them as lines of sentinel.conf do.
fn short_form(directive: &Directive) -> Option<String> {
    let line = format!("{} {}", directive.key, directive.value);
    let mut words: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let has_prefix = words.first() == Some(&"sentinel");
    if has_prefix {
        words.remove(0);
    }
    let is_settable = |key: &str| matches!(settings::find(SENTINEL, key), Some(Class::Number(_)));
    let names_master = words.len() == 3 && (has_prefix || words[1] == MASTER_NAME);
    (names_master && is_settable(&words[0].to_ascii_lowercase()))
        .then(|| format!("{} {}", words[0], words[2]))
}

/// More votes than Sentinels never come together.
fn quorum(entries: &[Entry<'_>], sentinels: i32, found: &mut Findings) {
    for entry in entries.iter().filter(|entry| entry.directive.key == "quorum") {
        if entry.directive.value.parse().is_ok_and(|votes: i64| votes > i64::from(sentinels)) {
            let reason = format!("asks for more votes than the {sentinels} Sentinels have");
            let mend = format!("choose at most {sentinels}, for example \"quorum {}\"", sentinels / 2 + 1);
            found.refuse_for(&[SENTINEL_PATH, "spec.sentinel.replicas"], entry.problem(reason, mend));
        }
    }
}

/// One setting may not have two values. Settings with classes may have one for each class.
fn duplicates(entries: &[Entry<'_>], found: &mut Findings) {
    let mut first: BTreeMap<String, (&str, String)> = BTreeMap::new();
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
                found.refuse(
                    entry.problem(format!("contradicts the entry {:?}", directive::shown(text)), mend),
                );
            }
        }
    }
}

/// What an entry sets: `client-output-buffer-limit` takes groups of a class and three limits.
fn values(directive: &Directive) -> Vec<(String, String)> {
    let Directive { key, value } = directive;
    if key != "client-output-buffer-limit" {
        return vec![(key.clone(), value.clone())];
    }
    let words: Vec<_> = value.split(' ').filter(|word| !word.is_empty()).collect();
    let class = |name: &str| {
        if name == "slave" { "replica".to_owned() } else { name.to_ascii_lowercase() }
    };
    words.chunks(4).map(|group| (format!("{key} {}", class(group[0])), group[1..].join(" "))).collect()
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
