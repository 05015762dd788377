//! The page of the settings in `customConfig`.

use std::fmt::Write as _;

use redis_operator::api::rules::settings::{Class, Kind, REDIS, SENTINEL, Setting, Versions};

use super::{cell, code};

const INTRODUCTION: &str = "\
# Settings in `customConfig`

A setting that does not stand here is stored with a warning. A name that ends in `*` stands for all that begin so.

- **Set by** you: sent to running servers, and to those that start. A value that is not as it stands here is refused.
  Set by nobody, or by the operator: the entry is refused, for the reason that stands here.
- **Value**: numbers are plain decimal digits. A memory size is a number of bytes, or has a unit: `k`, `m`, `g` of 1000,
  `kb`, `mb`, `gb` of 1024. Letter case matters for characters only. Where versions differ, what any of them takes is
  accepted: the webhook does not know which version your image has.
- **Versions** of Redis from 6.2 and Valkey from 7.2 that are known to have it.
";

/// The settings of redis and of Sentinel, with their kinds, and the reasons of those that are refused.
pub(crate) fn settings() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (path, table) in [("spec.redis.customConfig", REDIS), ("spec.sentinel.customConfig", SENTINEL)] {
        let _ = write!(
            page,
            "\n## {path}\n\n| setting | set by | value, or why not | versions |\n|---|---|---|---|\n"
        );
        let mut settings = Vec::new();
        for group in table {
            settings.extend(group.settings.iter().map(|setting| (setting.key, *setting, group.versions)));
        }
        settings.sort_by_key(|(key, ..)| *key);
        page.extend(settings.into_iter().map(|(_, setting, versions)| row(setting, versions)));
    }
    page
}

fn row(setting: Setting, versions: Versions) -> String {
    let (by, text, versions) = match setting.class {
        Class::User(kind) => ("you", value(kind), versions.to_string()),
        Class::Fixed => ("nobody", "cannot be changed while a server runs".to_owned(), versions.to_string()),
        Class::Owned { why, instead } => ("the operator", format!("{why}; {instead}"), String::new()),
    };
    format!("| {} | {by} | {} | {versions} |\n", code(setting.key), cell(&text))
}

fn value(kind: Kind) -> String {
    match kind {
        Kind::OneOf(words) => words.iter().map(|word| code(word)).collect::<Vec<_>>().join(", "),
        Kind::SomeOf(words) => {
            format!("one or more of {}", words.iter().map(|word| code(word)).collect::<Vec<_>>().join(", "))
        }
        Kind::Title => format!("a text with variables such as {}", code("{listen-addr}")),
        Kind::Text => "anything; it is not checked".to_owned(),
        Kind::Characters(known) => format!("characters of {}", code(known)),
        kind => kind.to_string(),
    }
}
