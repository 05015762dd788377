//! The README and the pages under `docs/` name files, make targets, conditions and messages that exist.

#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;

use redis_operator::api::defaults::Images;
use redis_operator::offline::files::Source;
use redis_operator::{offline, status};
use regex_lite::Regex;

const PAGES: [&str; 8] = [
    "README.md",
    "docs/admission.md",
    "docs/certificates.md",
    "docs/design.md",
    "docs/development.md",
    "docs/healing.md",
    "docs/performance.md",
    "docs/v1alpha2.md",
];

/// A file of the project.
fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// All first groups of an expression in a text.
fn all(expression: &str, text: &str) -> Vec<String> {
    let expression = Regex::new(expression).expect("an expression");
    let found: Vec<_> = expression.captures_iter(text).map(|captures| captures[1].to_owned()).collect();
    assert!(!found.is_empty(), "nothing matches {expression}");
    found
}

#[test]
fn links_lead_to_files() {
    let mut dead = Vec::new();
    for page in PAGES {
        let folder = Path::new(page).parent().expect("a folder");
        for link in all(r"\]\(([^)#:]+)\)", &read(page)) {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(&link);
            if !path.exists() {
                dead.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn paths_exist() {
    let roots = r"((?:src|tests|example|charts|certs|webhook|docs|\.ci)/[A-Za-z0-9_./-]*[A-Za-z0-9])";
    let mut gone = Vec::new();
    for page in PAGES {
        for path in all(&format!(r"(?:^|[ `]){roots}"), &read(page)) {
            if !Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).exists() {
                gone.push(format!("{page}: {path}"));
            }
        }
    }
    assert!(gone.is_empty(), "{gone:#?}");
}

#[test]
fn make_targets_exist() {
    let targets: BTreeSet<_> = all("(?m)^([a-z0-9-]+):.*##", &read("Makefile")).into_iter().collect();
    for page in ["README.md", "docs/development.md"] {
        for target in all(r"(?m)(?:^    |`)(?:[A-Z]+=\S+ )?make ([a-z0-9-]+)", &read(page)) {
            assert!(targets.contains(&target), "{page}: make {target}");
        }
    }
}

#[test]
fn conditions_are_those_of_the_status() {
    let listed: BTreeSet<_> = all(r"(?m)^\| `([A-Z][A-Za-z]+)` \|", &read("README.md")).into_iter().collect();
    let known = [
        status::READY,
        status::SPEC_VALID,
        status::OBJECTS_APPLIED,
        status::MASTER_AVAILABLE,
        status::REPLICAS_IN_SYNC,
        status::SENTINEL_QUORUM,
        status::CONFIG_APPLIED,
        status::PODS_UP_TO_DATE,
    ];
    assert_eq!(listed, known.map(str::to_owned).into());
}

/// Fixed words in the code: the reasons of conditions, events, logs and metrics. Those of certificates have a page of
/// their own.
#[test]
fn every_reason_is_explained() {
    let heal = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/heal");
    let files = std::fs::read_dir(heal).expect("a folder").flatten().filter(|file| file.path().is_file());
    let mut sources: Vec<_> =
        files.map(|file| format!("src/heal/{}", file.file_name().to_string_lossy())).collect();
    sources.extend(["src/status/mod.rs", "src/notice/mod.rs"].map(str::to_owned));
    let mut reasons = BTreeSet::new();
    for source in &sources {
        let text = read(source);
        let literals = Regex::new(r#""([A-Z][a-z]+[A-Za-z]+)""#).expect("an expression");
        reasons.extend(literals.captures_iter(&text).map(|found| found[1].to_owned()));
    }
    for source in ["src/redis/mod.rs", "src/act/apply.rs"] {
        reasons.extend(all(r#"(?:=>|REFUSED: &str =) "([A-Z][A-Za-z]+)""#, &read(source)));
    }
    let conditions = all(r#"pub const [A-Z_]+: &str = "([A-Za-z]+)""#, &read("src/status/mod.rs"));
    let not_reasons = ["True", "False", "Reconcile", "Normal", "Warning", "Sentinels"].map(str::to_owned);
    let kinds = ["ConfigMap", "Secret", "Service", "PodDisruptionBudget", "StatefulSet", "Deployment"];
    reasons.retain(|word| {
        !conditions.contains(word) && !not_reasons.contains(word) && !kinds.contains(&word.as_str())
    });
    let page = read("docs/healing.md");
    let table = page.split("## Reasons").nth(1).expect("the table of reasons");
    let certificates = read("docs/certificates.md");
    let explained =
        |reason: &String| [table, &certificates].iter().any(|page| page.contains(&format!("`{reason}`")));
    let missing: Vec<_> = reasons.iter().filter(|reason| !explained(reason)).collect();
    assert!(reasons.len() > 40 && missing.is_empty(), "neither page explains {missing:?}");
}

/// What `validate` prints of an example.
fn verdict(name: &str) -> String {
    let file = format!("example/redisfailover/bad/{name}.yaml");
    let source = Source { file: file.clone(), text: Ok(read(&file)) };
    offline::validate(&[source], &Images::default()).text(false)
}

/// A refusal that the README shows as kubectl prints it, in its own line breaks.
#[test]
fn a_refusal_is_shown_as_it_is() {
    let text = verdict("redis-owned-option");
    let (_, refusal) = text.lines().next().and_then(|line| line.split_once(": ")).expect("the place first");
    assert!(words(&read("README.md")).contains(&words(refusal)), "the README does not show: {refusal}");
}

/// The whole output of a command that the README shows.
#[test]
fn the_output_of_validate_is_shown_as_it_is() {
    let readme = read("README.md");
    let (_, after) = readme.split_once("bad/name-too-long.yaml\n\n```\n").expect("the command");
    let (shown, _) = after.split_once("```").expect("its output");
    assert_eq!(words(shown), words(&verdict("name-too-long")));
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
