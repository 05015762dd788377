//! `redis-operator validate`: the webhook's verdicts on files, without a cluster.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;

use crate::admission;
use crate::api::defaults::Images;
use crate::api::{GROUP, KIND, VERSION, schema};

/// What is said of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Verdicts and notes, in the order of the file. A line may have line breaks in it.
    pub lines: Vec<String>,
    /// Whether anything was refused.
    pub refused: bool,
}

impl Report {
    fn refuse(&mut self, line: String) {
        self.lines.push(line);
        self.refused = true;
    }
}

/// Judges files and prints the verdicts; fails if one is refused or cannot be read. `-` is standard input.
#[must_use]
pub fn main(files: &[PathBuf]) -> ExitCode {
    let mut refused = false;
    for file in files {
        let name = file.display().to_string();
        let report = match read(file) {
            Ok(text) => validate(&name, &text, &Images::default()),
            Err(error) => Report { lines: vec![format!("{name}: cannot be read: {error}")], refused: true },
        };
        refused |= report.refused;
        // A closed pipe (`validate FILE | head`) changes no verdict.
        let _ = writeln!(io::stdout(), "{}", report.lines.join("\n"));
    }
    if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn read(file: &Path) -> io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        return io::stdin().read_to_string(&mut text).map(|_| text);
    }
    std::fs::read_to_string(file)
}

/// Judges all documents of a file, YAML or JSON, as the webhook would judge their creation.
#[must_use]
pub fn validate(file: &str, text: &str, images: &Images) -> Report {
    let mut report = Report::default();
    match serde_saphyr::from_multiple::<Value>(text) {
        Ok(documents) => {
            for document in &documents {
                judge(file, document, images, &mut report);
            }
            if report.lines.is_empty() {
                report.lines.push(format!("{file}: no objects"));
            }
        }
        Err(error) => report.refuse(format!("{file}: is not YAML or JSON: {error}")),
    }
    report
}

fn judge(file: &str, object: &Value, images: &Images, report: &mut Report) {
    let field = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (field("apiVersion"), field("kind"));
    if let Some(items) = object.get("items").and_then(Value::as_array).filter(|_| kind.ends_with("List")) {
        for item in items {
            judge(file, item, images, report);
        }
        return;
    }
    match object {
        Value::Null => return,
        Value::Object(_) if !kind.is_empty() && !api_version.is_empty() => {}
        _ => {
            return report
                .refuse(format!("{file}: a document is no Kubernetes object; it needs apiVersion and kind"));
        }
    }
    let ours = format!("{GROUP}/{VERSION}");
    if kind != KIND || api_version != ours {
        let note = format!("{file}: skipped a {kind} of {api_version}; only a {KIND} of {ours} is checked");
        return report.lines.push(note);
    }
    let judged = admission::judge(object, None, images, &crate::surroundings::View::default());
    match admission::refusal(&judged.name, &judged.problems) {
        Some(text) => report.refuse(format!("{file}: {text}")),
        None => report.lines.push(format!("{file}: {KIND} {:?} is valid", judged.name)),
    }
    for field in schema::unknown_fields(object) {
        report
            .lines
            .push(format!("{file}: warning: {field}: is not a field of a {KIND}; check the spelling"));
    }
    report.lines.extend(judged.warnings.iter().map(|warning| format!("{file}: warning: {warning}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Report {
        validate("f.yaml", text, &Images::default())
    }

    const HEAD: &str = "apiVersion: storage.spotahome.com/v1\nkind: RedisFailover\nmetadata: {name: x}\n";

    #[test]
    fn each_document_gets_its_verdict() {
        let text = format!(
            "{HEAD}---\n{HEAD}spec: {{redis: {{port: 0}}, sentinel: {{replicas: 4}}}}\n---\napiVersion: v1\nkind: Secret\n"
        );
        let report = run(&text);
        assert!(report.refused);
        assert_eq!(
            report.lines,
            [
                "f.yaml: RedisFailover \"x\" is valid",
                "f.yaml: RedisFailover \"x\" is not valid: spec.redis.port: \"0\": is not a port; choose one from 1 to 65535",
                "f.yaml: warning: spec.sentinel.replicas: \"4\": survives no more failures than 3 would; \
             choose an odd number, for example 5",
                "f.yaml: skipped a Secret of v1; only a RedisFailover of storage.spotahome.com/v1 is checked",
            ]
        );
    }

    #[test]
    fn json_and_lists_are_read_too() {
        let item = r#"{"apiVersion": "storage.spotahome.com/v1", "kind": "RedisFailover", "metadata": {"name": "x"}}"#;
        let report = run(&format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{item}, {item}]}}"#));
        assert_eq!(report.lines, ["f.yaml: RedisFailover \"x\" is valid"; 2]);
        assert!(!report.refused);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["a: [", "- 1", "kind: RedisFailover", "text"] {
            let report = run(text);
            assert!(report.refused, "{text:?}: {report:?}");
            assert!(report.lines[0].starts_with("f.yaml: "), "{report:?}");
        }
    }

    #[test]
    fn misspelt_fields_are_noted() {
        let report =
            run(&format!("{HEAD}spec: {{redis: {{replcas: 5, customConfig: [hz 10]}}, sentinel: {{}}}}"));
        let note =
            "f.yaml: warning: spec.redis.replcas: is not a field of a RedisFailover; check the spelling";
        assert_eq!(report.lines, ["f.yaml: RedisFailover \"x\" is valid", note]);
    }

    #[test]
    fn an_empty_file_is_noted() {
        assert_eq!(
            run("---\n# nothing\n"),
            Report { lines: vec!["f.yaml: no objects".to_owned()], refused: false }
        );
    }
}
