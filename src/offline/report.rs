//! What `redis-operator validate` says, as text and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::admission;
use crate::api::{GROUP, KIND, Problem};

/// What only the API server and the operator in a cluster can tell.
const NOT_CHECKED: [&str; 3] = [
    "whether Secrets and ConfigMaps that a spec refers to exist",
    "names and objects that are in the cluster and not in these files",
    "what an update may not change of a stored object",
];

/// What became of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It would be stored.
    #[default]
    Valid,
    /// It would be refused.
    Refused,
    /// It is of another kind.
    Skipped,
    /// It could not be read.
    Unreadable,
}

/// What is said of one object, or of a file that cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The file as the user named it.
    pub file: String,
    /// Which document of the file it is, from 1; 0 stands for the file.
    pub document: usize,
    /// The line on which the document begins, or has its fault; 0 where there is none.
    pub line: u64,
    /// Version of the object's kind.
    pub api_version: String,
    /// Kind of the object.
    pub kind: String,
    /// Namespace; empty where the file names none.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it was refused or could not be read.
    pub problems: Vec<Problem>,
    /// Things that the user should know.
    pub warnings: Vec<Problem>,
}

/// Everything that is said in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of the files and of what is in them.
    pub results: Vec<Entry>,
    /// How many of what.
    pub summary: Summary,
}

/// How many of what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Files that were looked at.
    pub files: usize,
    /// Objects that would be stored.
    pub valid: usize,
    /// Objects that would be refused.
    pub refused: usize,
    /// Objects of other kinds.
    pub skipped: usize,
    /// Files, or objects in them, that could not be read.
    pub unreadable: usize,
    /// Warnings, of valid and refused objects.
    pub warnings: usize,
    /// What can only be told in a cluster.
    pub not_checked: Vec<&'static str>,
}

impl Report {
    /// A report on this many files.
    #[must_use]
    pub fn new(files: usize, results: Vec<Entry>) -> Self {
        let count = |verdict| results.iter().filter(|entry| entry.verdict == verdict).count();
        let summary = Summary {
            files,
            valid: count(Verdict::Valid),
            refused: count(Verdict::Refused),
            skipped: count(Verdict::Skipped),
            unreadable: count(Verdict::Unreadable),
            warnings: results.iter().map(|entry| entry.warnings.len()).sum(),
            not_checked: NOT_CHECKED.to_vec(),
        };
        Self { results, summary }
    }

    /// 0 where all is well, 1 where something is refused, or warned of and `strict`; 2 where something could not be read,
    /// so that the verdict is not complete.
    #[must_use]
    pub fn exit_code(&self, strict: bool) -> u8 {
        match &self.summary {
            Summary { unreadable: 1.., .. } => 2,
            Summary { refused: 1.., .. } => 1,
            Summary { warnings: 1.., .. } if strict => 1,
            _ => 0,
        }
    }

    /// For people: a line for each thing that is said, and a summary. `quiet` leaves out what needs no attention.
    #[must_use]
    pub fn text(&self, quiet: bool) -> String {
        let lines: Vec<_> = self.shown(quiet).flat_map(Entry::lines).collect();
        let mut text = lines.join("");
        if !quiet {
            let _ = writeln!(text, "{}", self.summary.text());
        }
        text
    }

    /// For programs. `quiet` leaves out the results that need no attention; the summary counts them all the same.
    #[must_use]
    pub fn json(&self, quiet: bool) -> String {
        let results = self.shown(quiet).cloned().collect();
        let shown = Self { results, summary: self.summary.clone() };
        // Texts and numbers can always be written.
        serde_json::to_string_pretty(&shown).unwrap_or_default() + "\n"
    }

    fn shown(&self, quiet: bool) -> impl Iterator<Item = &Entry> {
        self.results.iter().filter(move |entry| !quiet || entry.needs_attention())
    }
}

impl Entry {
    fn needs_attention(&self) -> bool {
        !self.warnings.is_empty() || matches!(self.verdict, Verdict::Refused | Verdict::Unreadable)
    }

    /// The verdict and the warnings, each with the place before it and a line break after it.
    fn lines(&self) -> Vec<String> {
        let place = match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}", self.file),
        };
        let verdict = match self.verdict {
            Verdict::Valid => format!("{KIND} {:?} is valid", self.name),
            Verdict::Refused => admission::refusal(&self.name, &self.problems).unwrap_or_default(),
            Verdict::Skipped => format!(
                "skipped a {} of {}; only a {KIND} of {GROUP} is checked",
                self.kind, self.api_version
            ),
            Verdict::Unreadable => {
                let said =
                    self.problems.iter().map(|problem| format!("{}; {}", problem.reason, problem.mend));
                said.collect::<Vec<_>>().join("; ")
            }
        };
        let warnings = self.warnings.iter().map(|warning| format!("{place}: warning: {warning}\n"));
        std::iter::once(format!("{place}: {verdict}\n")).chain(warnings).collect()
    }
}

impl Summary {
    fn text(&self) -> String {
        let parts = [
            (self.valid, "valid"),
            (self.refused, "refused"),
            (self.unreadable, "unreadable"),
            (self.warnings, if self.warnings == 1 { "warning" } else { "warnings" }),
            (self.skipped, "skipped"),
        ];
        let parts =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let parts = parts.collect::<Vec<_>>();
        let said = if parts.is_empty() { "no objects".to_owned() } else { parts.join(", ") };
        let files = if self.files == 1 { "file" } else { "files" };
        format!("{} {files}: {said}. Not checked: {}.", self.files, self.not_checked.join("; "))
    }
}
