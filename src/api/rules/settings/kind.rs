//! What the values of a setting are: as wide as the widest of the known servers.

use std::fmt;

use super::nearest;
use crate::api::rules::quantity;

/// What the values of a setting are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within these bounds, in plain decimal digits.
    Number {
        /// The lowest.
        least: i64,
        /// The highest.
        most: i64,
    },
    /// A number of bytes, also with a unit. There is no upper bound: servers let larger numbers wrap around.
    Memory {
        /// The lowest.
        least: i64,
    },
    /// A number of bytes, or a percentage of the memory that the server may use.
    MemoryOrPercent,
    /// `yes` or `no`, in any letter case.
    YesNo,
    /// One of these words, in any letter case.
    OneOf(&'static [&'static str]),
    /// Several of these words, in any letter case.
    SomeOf(&'static [&'static str]),
    /// Any of these characters, in this letter case.
    Characters(&'static str),
    /// Pairs of seconds and changes.
    SavePoints,
    /// Groups of a class of clients, a hard limit, a soft limit and seconds.
    BufferLimits,
    /// Three numbers, for masters, replicas and children that save.
    OomScores,
    /// Numbers from 0 to 100.
    Percentiles,
    /// A text with variables of [`TITLE_VARIABLES`] in curly brackets.
    Title,
    /// Anything: any text is right, or it is not known what is.
    Text,
}

/// Variables of a process's title, and whether they are always empty in a pod.
const TITLE_VARIABLES: [(&str, bool); 7] = [
    ("title", true),
    ("listen-addr", false),
    ("server-mode", true),
    ("port", false),
    ("tls-port", false),
    ("unixsocket", true),
    ("config-file", false),
];

/// Classes of clients in a buffer limit.
const CLIENT_CLASSES: [&str; 4] = ["normal", "replica", "slave", "pubsub"];

/// Words that a message names at most.
const SHOWN_WORDS: usize = 6;

impl Kind {
    /// Whether some supported server takes this value.
    #[must_use]
    pub fn takes(self, value: &str) -> bool {
        match self {
            Self::Number { least, most } => whole(value).is_some_and(|n| (least..=most).contains(&n)),
            Self::Memory { least } => is_memory(value, least),
            Self::MemoryOrPercent => match value.strip_suffix('%') {
                Some(percent) => whole(percent).is_some_and(|n| (0..=100).contains(&n)),
                None => is_memory(value, 0),
            },
            Self::YesNo => is_word(value, &["yes", "no"]),
            Self::OneOf(words) => is_word(value, words),
            Self::SomeOf(words) => value.split(' ').all(|word| is_word(word, words)) && !contradicts(value),
            Self::Characters(known) => value.chars().all(|c| known.contains(c)),
            Self::SavePoints => value.is_empty() || groups(value, &[&|s| within(s, 1), &|s| within(s, 0)]),
            Self::BufferLimits => {
                let class = |word: &str| is_word(word, &CLIENT_CLASSES);
                let limit = |word: &str| is_memory(word, 0);
                // Redis 6.2 takes the seconds as it takes a size.
                let seconds = |word: &str| within(word, 0) || (!word.is_empty() && limit(word));
                value.is_empty() || groups(value, &[&class, &limit, &limit, &seconds])
            }
            Self::OomScores => {
                let score = |word: &str| relaxed(word).is_some_and(|n| (-2000..=2000).contains(&n));
                value.split(' ').count() == 3 && value.split(' ').all(score)
            }
            Self::Percentiles => {
                let percentile = |word: &str| word.parse::<f64>().is_ok_and(|n| (0.0..=100.0).contains(&n));
                value.is_empty() || value.split(' ').all(percentile)
            }
            Self::Title => title(value).is_some_and(|shown| !shown.trim().is_empty()),
            Self::Text => true,
        }
    }

    /// Why a value is refused.
    pub(in crate::api::rules) fn reason(self, key: &str) -> String {
        match self {
            Self::OneOf(_) | Self::SomeOf(_) => format!("{key} has no such value"),
            _ => format!("{key} wants {self}"),
        }
    }

    /// What to write instead of a wrong value.
    pub(in crate::api::rules) fn mend(self, key: &str, wrong: &str) -> String {
        let entry = |value: &str| format!("\"{key} {value}\"");
        match self {
            Self::Number { least, most } => {
                let example = match key {
                    "down-after-milliseconds" => 5000,
                    "failover-timeout" => 10000,
                    "quorum" => 2,
                    _ => 10.clamp(least, most),
                };
                format!("write it as in {}", entry(&example.to_string()))
            }
            Self::Memory { .. } => {
                format!("write bytes, or a number with kb, mb or gb, as in {}", entry("100mb"))
            }
            Self::MemoryOrPercent => format!("write it as in {} or {}", entry("100mb"), entry("5%")),
            Self::YesNo => format!("write {} or {}", entry("yes"), entry("no")),
            Self::OneOf(words) | Self::SomeOf(words) => match nearest(words.iter().copied(), wrong) {
                Some(near) => format!("write {}", entry(near)),
                None if words.len() > SHOWN_WORDS => {
                    format!("write one of {}, …", words[..SHOWN_WORDS].join(", "))
                }
                None => format!("write one of {}", words.join(", ")),
            },
            Self::Characters(_) => format!("write it as in {}", entry("AKE")),
            Self::SavePoints => {
                format!("write it as in {}, or {} for none", entry("900 1 300 10"), entry("''"))
            }
            Self::BufferLimits => format!("write it as in {}", entry("replica 256mb 64mb 60")),
            Self::OomScores => format!("write it as in {}", entry("0 200 800")),
            Self::Percentiles => format!("write it as in {}", entry("50 99 99.9")),
            Self::Title => format!("write it as in {}", entry("redis {listen-addr}")),
            Self::Text => "write another value".to_owned(),
        }
    }
}

/// What a value has to be.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Number { least, most: i64::MAX } => write!(f, "a whole number of at least {least}"),
            Self::Number { least, most } => write!(f, "a whole number from {least} to {most}"),
            Self::Memory { least: 0 } => f.write_str("a memory size"),
            Self::Memory { least } => write!(f, "a memory size of at least {least}"),
            Self::MemoryOrPercent => f.write_str("a memory size, or a percentage up to 100%"),
            Self::YesNo => f.write_str("yes or no"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::SomeOf(words) => write!(f, "one or more of {}", words.join(", ")),
            Self::Characters(known) => write!(f, "characters of {known}"),
            Self::SavePoints => f.write_str("pairs of seconds and changes"),
            Self::BufferLimits => {
                f.write_str("a class (normal, replica or pubsub), two memory sizes and seconds")
            }
            Self::OomScores => f.write_str("three whole numbers from -2000 to 2000"),
            Self::Percentiles => f.write_str("numbers from 0 to 100"),
            Self::Title => {
                let names: Vec<_> = TITLE_VARIABLES.iter().map(|(name, _)| format!("{{{name}}}")).collect();
                write!(f, "a text with no variables but {}", names.join(", "))
            }
            Self::Text => f.write_str("a text"),
        }
    }
}

/// A number as servers read one: no plus, no zero in front, nothing around it.
fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.parse().ok().filter(|_| text == "0" || !digits.starts_with(['0', '+']))
}

/// A number as servers read one within a list: a plus and zeros in front are fine, and it may be too large.
fn relaxed(text: &str) -> Option<i128> {
    text.parse().ok()
}

fn within(text: &str, least: i128) -> bool {
    relaxed(text).is_some_and(|number| number >= least)
}

#[allow(clippy::cast_precision_loss, reason = "bounds are small")]
fn is_memory(text: &str, least: i64) -> bool {
    quantity::redis_memory(text).is_some_and(|bytes| bytes >= least as f64)
}

fn is_word(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// The one contradiction among words of a setting: to save and not to save.
fn contradicts(value: &str) -> bool {
    let has = |wanted: &str| value.split(' ').any(|word| word.eq_ignore_ascii_case(wanted));
    has("save") && has("nosave")
}

/// Whether a value is made of whole groups of words, each of which fits its place.
fn groups(value: &str, places: &[&dyn Fn(&str) -> bool]) -> bool {
    let words: Vec<_> = value.split(' ').collect();
    words.len() % places.len() == 0 && words.iter().zip(places.iter().cycle()).all(|(word, fits)| fits(word))
}

/// A title as a pod would show it, with a stand-in for what it has; none if a variable is unknown or does not end.
fn title(template: &str) -> Option<String> {
    let mut shown = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        shown.push_str(before);
        if let Some(literal) = after.strip_prefix('{') {
            shown.push('{');
            rest = literal;
            continue;
        }
        let (name, after) = after.split_once('}')?;
        let (_, is_empty) = TITLE_VARIABLES.iter().find(|(known, _)| *known == name)?;
        if !is_empty {
            shown.push('x');
        }
        rest = after;
    }
    Some(shown + rest)
}

#[cfg(test)]
mod tests;
