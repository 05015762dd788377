//! Entries of customConfig.

use std::borrow::Cow;
use std::fmt::Display;

use super::settings::{self, REDIS, SENTINEL};
use crate::api::Problem;

/// Settings whose values are secrets or may hold some; messages show them without.
pub(crate) const SECRETS: [&str; 11] = [
    "requirepass",
    "masterauth",
    "primaryauth",
    "masteruser",
    "primaryuser",
    "user",
    "auth-pass",
    "auth-user",
    "sentinel-pass",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
];

/// One entry of customConfig: a setting and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Name of the setting, in lower case.
    pub key: String,
    /// Its value as a server's CONFIG SET takes it: unquoted, `""` became the empty string.
    pub value: String,
}

/// Parses a list of entries; every malformed one is a problem at `path[index]`.
pub fn parse_all(entries: &[String], path: &str) -> Result<Vec<Directive>, Vec<Problem>> {
    let mut directives = Vec::with_capacity(entries.len());
    let mut problems = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match parse(entry, format_args!("{path}[{index}]")) {
            Ok(directive) => directives.push(directive),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(directives) } else { Err(problems) }
}

/// An entry as messages show it. Its value stands there only beside a name that is surely not that of a password: a
/// misspelt or unreadable name may be one.
pub(crate) fn shown(entry: &str) -> Cow<'_, str> {
    let lower = entry.to_ascii_lowercase();
    let mut words = lower.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    if let Some(secret) = words.find_map(|word| SECRETS.iter().find(|secret| **secret == word)) {
        return format!("{secret} …").into();
    }
    let key = key(entry);
    let is_known = [REDIS, SENTINEL].iter().any(|table| settings::has_row(table, &key.to_ascii_lowercase()));
    let is_secret = SECRETS.iter().any(|secret| key.eq_ignore_ascii_case(secret));
    match key.as_str() {
        _ if is_known && !is_secret => entry.into(),
        key if key == entry.trim() => entry.into(),
        "" => "…".into(),
        key => format!("{key} …").into(),
    }
}

/// The name that an entry seems to begin with, unquoted and without `sentinel` before it; empty where there is none.
fn key(entry: &str) -> String {
    let name = word(entry.trim_start()).and_then(|(first, rest)| match rest.trim_start() {
        second if first.eq_ignore_ascii_case("sentinel") => word(second).map(|(second, _)| second),
        _ => Ok(first),
    });
    name.map(|name| name.chars().take_while(|c| is_of_name(*c)).collect()).unwrap_or_default()
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Parses one entry, with the quoting of redis.conf.
pub(super) fn parse(entry: &str, path: impl Display) -> Result<Directive, Problem> {
    let malformed = |reason: &str, mend: &str| Problem::new(path.to_string(), shown(entry), reason, mend);
    let words = split(entry).map_err(|fault| malformed(fault.reason(), fault.mend()))?;
    let Some((name, values)) = words.split_first() else {
        return Err(malformed("an entry is empty", "remove it, or write \"name value\""));
    };
    if name.is_empty() || !name.chars().all(is_of_name) {
        return Err(malformed("does not begin with the name of a setting", "write \"name value\""));
    }
    if values.is_empty() {
        let mend = format!("write '{name} VALUE', or '{name} \"\"' for the empty value");
        return Err(malformed("has no value", &mend));
    }
    Ok(Directive { key: name.to_ascii_lowercase(), value: values.join(" ") })
}

/// What keeps an entry from being split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Control,
    Unbalanced,
    AfterQuote,
}

impl Fault {
    fn reason(self) -> &'static str {
        match self {
            Self::Control => "has a control character",
            Self::Unbalanced => "has a quote that does not end",
            Self::AfterQuote => "has a character right after a closing quote",
        }
    }

    fn mend(self) -> &'static str {
        match self {
            Self::Control => "use printable characters on one line",
            Self::Unbalanced => "close the quote, or write \\\" within double quotes",
            Self::AfterQuote => "put a space after the quote",
        }
    }
}

/// Splits as redis splits a line of its configuration: words between blanks, with double quotes (escapes `\"`, `\\`,
/// `\xHH` and so on) and single quotes (escape `\'`).
fn split(entry: &str) -> Result<Vec<Cow<'_, str>>, Fault> {
    let is_plain = |byte: u8| byte == b' ' || (byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\''));
    if entry.bytes().all(is_plain) {
        return Ok(entry.split(' ').filter(|word| !word.is_empty()).map(Cow::from).collect());
    }
    if entry.chars().any(char::is_control) {
        return Err(Fault::Control);
    }
    let mut words = Vec::new();
    let mut rest = entry.trim_start();
    while !rest.is_empty() {
        let (word, after) = word(rest)?;
        words.push(word.into());
        rest = after.trim_start();
    }
    Ok(words)
}

/// The first word of a text that starts with one, and what follows it.
fn word(text: &str) -> Result<(String, &str), Fault> {
    let mut word = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            ' ' => break,
            '"' | '\'' => {
                rest = quoted(&rest[1..], c, &mut word)?;
                return if rest.is_empty() || rest.starts_with(' ') {
                    Ok((word, rest))
                } else {
                    Err(Fault::AfterQuote)
                };
            }
            _ => word.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    Ok((word, rest))
}

/// Appends what stands before the closing quote, and returns what stands after it.
fn quoted<'a>(text: &'a str, quote: char, word: &mut String) -> Result<&'a str, Fault> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Ok(&text[at + 1..]);
        }
        let is_escape = c == '\\' && (quote == '"' || text[at + 1..].starts_with('\''));
        if !is_escape {
            word.push(c);
            continue;
        }
        let (_, escaped) = chars.next().ok_or(Fault::Unbalanced)?;
        let hex = text.get(at + 2..at + 4).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (escaped, hex) {
            ('n' | 'r' | 't' | 'b' | 'a', _) if quote == '"' => return Err(Fault::Control),
            ('x', Some(byte)) if quote == '"' => {
                let plain = char::from(byte);
                if !(plain.is_ascii_graphic() || plain == ' ') {
                    return Err(Fault::Control);
                }
                word.push(plain);
                chars.nth(1);
            }
            _ => word.push(escaped),
        }
    }
    Err(Fault::Unbalanced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("maxmemory 100mb", "maxmemory", "100mb")]
    #[case("  MaxMemory   100mb  ", "maxmemory", "100mb")]
    #[case("save 900 1 300 10", "save", "900 1 300 10")]
    #[case(r#"save """#, "save", "")]
    #[case("save ''", "save", "")]
    #[case(r#"notify-keyspace-events "Ex""#, "notify-keyspace-events", "Ex")]
    #[case(r#"proc-title-template "a \"b\" \x41\\""#, "proc-title-template", r#"a "b" A\"#)]
    #[case(r"proc-title-template 'it\'s \n'", "proc-title-template", r"it's \n")]
    #[case("loglevel ü", "loglevel", "ü")]
    fn accepts(#[case] entry: &str, #[case] key: &str, #[case] value: &str) {
        let expected = Directive { key: key.to_owned(), value: value.to_owned() };
        assert_eq!(parse(entry, "p"), Ok(expected));
    }

    #[rstest]
    #[case("", "empty")]
    #[case("   ", "empty")]
    #[case("maxmemory", "has no value")]
    #[case("save \"900 1", "quote")]
    #[case("save '900 1", "quote")]
    #[case(r#"save "\"#, "quote")]
    #[case("save \"900\"1", "closing quote")]
    #[case("save 900 1\nsave 300 10", "control character")]
    #[case("save\t900 1", "control character")]
    #[case(r#"loglevel "a\nb""#, "control character")]
    #[case(r#"loglevel "\x00""#, "control character")]
    #[case("maxmemory: 2gb", "begin with the name")]
    #[case("# comment", "begin with the name")]
    #[case(r#""" x"#, "begin with the name")]
    fn refuses(#[case] entry: &str, #[case] reason: &str) {
        let problem = parse(entry, "p[0]").unwrap_err();
        assert!(problem.reason.contains(reason), "{problem}");
        assert_eq!(problem.path, "p[0]");
    }

    #[rstest]
    #[case("requirepass hunter2")]
    #[case("RequirePass \"hunter2")]
    #[case("requirepass=hunter2")]
    #[case("sentinel auth-pass mymaster hunter2")]
    #[case("user default on >hunter2\n")]
    #[case(r#""require\x70ass" hunter2"#)]
    #[case(r#""require\x70ass hunter2"#)]
    #[case("requirepas hunter2")]
    #[case("requirepas=hunter2")]
    #[case("requirepas\thunter2")]
    #[case("auth_pass mymaster hunter2")]
    #[case("sentinel auth_pass mymaster hunter2")]
    #[case("tls-key-file-pas hunter2")]
    #[case("# hunter2")]
    fn passwords_are_not_shown(#[case] entry: &str) {
        let text = shown(entry);
        assert!(text.ends_with('…') && !text.contains("hunter2"), "{text}");
        if let Err(problem) = parse(entry, "p") {
            assert!(!problem.to_string().contains("hunter2"), "{problem}");
        }
    }

    #[rstest]
    #[case("maxmemory: 2gb")]
    #[case("Port 7000")]
    #[case("down-after-milliseconds two")]
    #[case("maxmemry")]
    #[case("three")]
    fn what_is_no_password_is_shown(#[case] entry: &str) {
        assert_eq!(shown(entry), entry);
    }

    #[test]
    fn every_malformed_entry_is_named() {
        let entries = ["a 1", "b", "c \"", "d 1"].map(str::to_owned);
        let problems = parse_all(&entries, "spec.redis.customConfig").unwrap_err();
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["spec.redis.customConfig[1]", "spec.redis.customConfig[2]"]);
    }

    proptest! {
        #[test]
        fn any_text_is_either_a_directive_or_a_problem(entry in ".*") {
            if let Ok(directive) = parse(&entry, "p") {
                prop_assert!(!directive.key.is_empty());
                prop_assert!(!directive.value.chars().any(char::is_control));
            }
        }

        #[test]
        fn quoting_is_undone(value in "[ -~]*") {
            let quoted = value.replace('\\', r"\\").replace('"', r#"\""#);
            let directive = parse(&format!("key \"{quoted}\""), "p").unwrap();
            prop_assert_eq!(directive.value, value);
        }
    }
}
