//! The documents of a YAML or JSON text, within bounds.

use serde_json::Value;
use serde_saphyr::{Options, Spanned, budget, options};

use crate::api::Problem;

/// Nodes of one text at most, aliases counted as often as they are used: a text of a few lines can stand for billions.
const MAX_NODES: usize = 1_000_000;
/// Nodes that aliases add at most.
const MAX_ALIASED: usize = 100_000;
/// Documents of one text at most.
const MAX_DOCUMENTS: usize = 10_000;

/// One document that is not empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Which of the file's documents it is, from 1; empty ones are not counted.
    pub index: usize,
    /// The line on which it begins, from 1.
    pub line: u64,
    /// What it says.
    pub object: Value,
}

/// A text that is no YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The line of the fault, from 1; 0 where it is not known.
    pub line: u64,
    /// What is wrong.
    pub problem: Problem,
}

/// Reads the documents of a text. JSON is YAML too.
pub fn parse(text: &str) -> Result<Vec<Document>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let documents: Vec<Spanned<Value>> =
        serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| explain(text, &error))?;
    let documents = documents.into_iter().filter(|document| !document.value.is_null());
    let document = |(index, document): (usize, Spanned<Value>)| Document {
        index: index + 1,
        line: document.referenced.line(),
        object: document.value,
    };
    Ok(documents.enumerate().map(document).collect())
}

fn options() -> Options {
    let mut options = options! {
        budget: budget! {
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_documents: MAX_DOCUMENTS,
        },
        legacy_octal_numbers: true, // As kubectl reads `0644`.
        with_snippet: false, // A piece of the file could be a piece of a Secret.
    };
    options.alias_limits.max_total_replayed_events = MAX_ALIASED;
    options
}

fn explain(text: &str, error: &serde_saphyr::Error) -> Error {
    let (reason, mend) = if is_template(text) {
        (
            "is a template, not YAML".to_owned(),
            "render it first: `helm template CHART | redis-operator validate -`",
        )
    } else {
        (format!("is not YAML or JSON: {error}"), "correct it")
    };
    let line = error.location().map_or(0, |location| location.line());
    Error { line, problem: Problem::new("", "", reason, mend) }
}

/// Whether a line or a value begins with `{{`. In a comment and within quotes that is YAML.
fn is_template(text: &str) -> bool {
    let begins = |text: &str| text.trim_start_matches(['-', ' ']).starts_with("{{");
    text.lines().any(|line| begins(line) || line.split_once(": ").is_some_and(|(_, value)| begins(value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(text: &str) -> Vec<u64> {
        parse(text).unwrap().iter().map(|document| document.line).collect()
    }

    fn fault(text: &str) -> (u64, String) {
        let error = parse(text).unwrap_err();
        (error.line, error.problem.reason)
    }

    #[test]
    fn documents_know_their_lines() {
        assert_eq!(lines("a: 1"), [1]);
        assert_eq!(lines("# comment\n\na: 1\n---\n\n# comment\nb: 1\n"), [3, 7]);
        assert_eq!(lines("---\na: 1\n--- # comment\nb: 1\n...\n---\n{}\n"), [2, 4, 7]);
        assert_eq!(lines("%YAML 1.2\n---\na: 1\n"), [3]);
    }

    #[test]
    fn empty_documents_are_none() {
        for text in ["", "\n", "---\n", "# nothing\n", "---\n---\n# nothing\n---\n", "null", "\u{feff}"] {
            assert_eq!(parse(text), Ok(vec![]), "{text:?}");
        }
        let document = parse("---\n---\na: 1\n---\n").unwrap();
        assert_eq!(document, [Document { index: 1, line: 3, object: json!({"a": 1}) }]);
    }

    #[test]
    fn marks_and_line_breaks_of_windows_change_nothing() {
        assert_eq!(
            parse("\u{feff}a: 1\r\n---\r\nb: |\r\n  x\r\n").unwrap(),
            parse("a: 1\n---\nb: |\n  x\n").unwrap()
        );
    }

    #[test]
    fn separators_inside_a_text_separate_nothing() {
        let documents = parse("script: |\n  a\n  ---\n  b\n---\nlast: 1\n").unwrap();
        assert_eq!(documents[0].object, json!({"script": "a\n---\nb\n"}));
        assert_eq!((documents.len(), documents[1].line), (2, 6));
    }

    /// Compared with `kubectl annotate --local -o json`.
    #[test]
    fn values_are_read_as_kubectl_reads_them() {
        for (text, value) in [
            ("y", json!(true)),
            ("on", json!(true)),
            ("NO", json!(false)),
            ("0644", json!(420)),
            ("0o14", json!(12)),
            ("0x1F", json!(31)),
            ("0b11", json!(3)),
            ("1_000", json!(1000)),
            (".5", json!(0.5)),
            ("+1", json!(1)),
            ("~", json!(null)),
            ("1.0.0", json!("1.0.0")),
            ("12:30:45", json!("12:30:45")),
            ("2026-01-01", json!("2026-01-01")),
            ("!!str 5", json!("5")),
            ("\"1\"", json!("1")),
        ] {
            assert_eq!(parse(&format!("a: {text}\n")).unwrap()[0].object["a"], value, "{text}");
        }
        assert!(parse("a: .inf\n").is_err());
    }

    #[test]
    fn anchors_and_merges_are_followed() {
        let text = "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n";
        assert_eq!(
            parse(text).unwrap()[0].object,
            json!({"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}})
        );
    }

    #[test]
    fn faults_have_a_line_and_no_piece_of_the_file() {
        for (text, line, part) in [
            ("a: 1\nb: [\n", 2, "is not YAML or JSON: "),
            ("a: 1\na: 2\n", 2, "duplicate mapping key: a"),
            ("ok: 1\n---\nx:\n\ty: 1\n", 4, "tab"),
            ("a: *nowhere\n", 1, "unknown anchor"),
            ("a: \"open\n", 2, "is not YAML or JSON: "),
            ("{\"a\": 1}{\"b\": 2}", 1, "is not YAML or JSON: "),
            ("a: b: c\n", 1, "is not YAML or JSON: "),
            ("a: \0\n", 1, "is not YAML or JSON: "),
        ] {
            let (found, reason) = fault(text);
            assert!(reason.contains(part), "{text:?}: {reason}");
            assert_eq!(found, line, "{text:?}: {reason}");
            assert_eq!(reason.lines().count(), 1, "{text:?}: {reason}");
        }
        let (_, reason) = fault("password: secret-text\nx: [\n");
        assert!(!reason.contains("secret-text"), "{reason}");
    }

    #[test]
    fn templates_are_called_templates() {
        for text in [
            "a: {{ .Values.a }}\n",
            "{{- if .Values.a }}\na: 1\n{{- end }}\n",
            "a:\n  {{- toYaml .Values.a | nindent 2 }}\n",
        ] {
            assert_eq!(fault(text).1, "is a template, not YAML", "{text}");
        }
        for text in ["# {{ x }}\na: [\n", "a: \"{{ x }}\"\nb: [\n", "a: [ # {{ x }}\n"] {
            assert!(fault(text).1.starts_with("is not YAML or JSON: "), "{text}");
        }
        assert_eq!(
            parse("a: \"{{ x }}\"\n").unwrap()[0].object,
            json!({"a": "{{ x }}"}),
            "a text that YAML can have"
        );
    }

    #[test]
    fn bombs_do_not_go_off() {
        let level = |level: usize| {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            format!("a{level}: &a{level} [{aliases}]\n")
        };
        let laughs = format!("a0: &a0 [x]\n{}", (1..12).map(level).collect::<String>());
        let deep = "[".repeat(10_000);
        let many = "---\na: 1\n".repeat(MAX_DOCUMENTS + 1);
        for text in [laughs, deep, many] {
            let reason = fault(&text).1;
            assert!(reason.starts_with("is not YAML or JSON: ") && reason.len() < 200, "{reason}");
        }
    }
}
