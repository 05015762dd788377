//! customConfig: which server lacks which setting.

use std::collections::BTreeMap;

use super::{Action, Finding, Memory, Outcome, SettingKey};
use crate::api::Valid;
use crate::api::rules::directive::Directive;
use crate::observe::facts::Observed;

/// Settings that differ, and whether every server that answers has them all.
pub(super) fn plan(valid: &Valid, observed: &Observed, memory: &Memory) -> (Vec<Action>, Finding) {
    let mut actions = Vec::new();
    let mut refused = Vec::new();
    let redis = joined(&valid.redis.config);
    for node in &observed.redis {
        let Ok(facts) = &node.server else { continue };
        let process = facts.run_id.as_str();
        let wrong = differing(&redis, &facts.config, memory, &node.pod.name, process, &mut refused);
        actions.extend(wrong.into_iter().map(Action::SetRedis));
    }
    let mut sentinel = joined(&valid.sentinel.config);
    sentinel.retain(|(name, _)| name != "quorum"); // The planner's own: see `sentinels`.
    for node in &observed.sentinels {
        let Some((id, monitored)) =
            node.server.as_ref().ok().and_then(|f| Some((&f.id, f.monitored.as_ref()?)))
        else {
            continue;
        };
        if super::sentinels::is_nobody(&monitored.host) {
            continue; // It is told of the master first, and that forgets its settings.
        }
        let process = format!("{id} {}:{}", monitored.host, monitored.port);
        let wrong = differing(&sentinel, &monitored.settings, memory, &node.pod.name, &process, &mut refused);
        actions.extend(wrong.into_iter().map(Action::SetSentinel));
    }
    let finding = match (refused.is_empty(), actions.is_empty()) {
        (false, _) => Finding::bad("Refused", refused.join(", ")),
        (true, false) => Finding::bad("Applying", format!("{} settings are on their way", actions.len())),
        (true, true) => {
            Finding::good("Applied", "every server that answers has the settings of customConfig")
        }
    };
    (actions, finding)
}

/// One wanted value per name. Entries of one name are one value to `CONFIG SET` (several `save`), except the classes of
/// `client-output-buffer-limit`, of which the server keeps each.
fn joined(config: &[Directive]) -> Vec<(String, String)> {
    let mut values: Vec<(String, String)> = Vec::new();
    for directive in config {
        match values.iter_mut().find(|(name, _)| *name == directive.key && name == "save") {
            Some((_, value)) => *value = format!("{value} {}", directive.value),
            None => values.push((directive.key.clone(), directive.value.clone())),
        }
    }
    values
}

fn differing(
    wanted: &[(String, String)],
    shown: &BTreeMap<String, String>,
    memory: &Memory,
    pod: &str,
    process: &str,
    refused: &mut Vec<String>,
) -> Vec<SettingKey> {
    let mut wrong = Vec::new();
    for (name, value) in wanted {
        let now = shown.get(name);
        if now.is_some_and(|now| same(name, value, now)) {
            continue;
        }
        let key = SettingKey {
            pod: pod.to_owned(),
            process: process.to_owned(),
            name: name.clone(),
            value: value.clone(),
        };
        match memory.settings.get(&key) {
            Some(Outcome::Refused(text)) => refused.push(format!("{pod} refused `{name} {value}`: {text}")),
            Some(Outcome::Shown(since)) if since.as_ref() == now => {}
            _ => wrong.push(key),
        }
    }
    wrong
}

/// Whether a server shows the wanted value, in whatever spelling.
fn same(name: &str, wanted: &str, shown: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(normal).collect::<Vec<_>>();
    let (wanted, shown) = (words(wanted), words(shown));
    if name == "client-output-buffer-limit" {
        return !wanted.is_empty() && wanted.chunks(4).all(|class| shown.chunks(4).any(|have| have == class));
    }
    wanted == shown
}

/// A word as servers show it: memory sizes in bytes, yes and no in lower case, `replica` as the older `slave`. Other words
/// are compared as they stand: `E` and `e` of `notify-keyspace-events` are not the same. Where a server shows a word in
/// another way, that is remembered after the first change.
fn normal(word: &str) -> String {
    let lower = word.to_lowercase();
    match lower.as_str() {
        "yes" | "no" => return lower,
        "replica" => return "slave".to_owned(),
        _ if lower.starts_with(|c: char| c.is_ascii_digit()) => {}
        _ => return word.to_owned(),
    }
    let word = lower;
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &word[digits.len()..] {
        "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return word,
    };
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).map_or(word, |bytes| bytes.to_string())
}
