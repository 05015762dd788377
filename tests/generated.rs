//! Files that are generated and committed are what the code generates now.
//!
//! `UPDATE=1 cargo test --test generated` writes them anew.

#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

mod helm;
mod reference;

use std::path::Path;

use redis_operator::api::schema;

const CRD: &str = "charts/redisoperator/files/redisfailovers.storage.spotahome.com.yaml";
const MANIFEST: &str = "example/operator/all-redis-operator-resources.yaml";
const COMMAND_LINE: &str = "docs/reference/command-line.md";
const RULES: &str = "docs/admission.md";
const BAD: &str = "example/redisfailover/bad";
const FIELDS: &str = "docs/reference/fields.md";
const SETTINGS: &str = "docs/reference/settings.md";
const COMMAND: &str = "UPDATE=1 cargo test --test generated";

#[test]
fn reference_pages_are_fresh() {
    let pages = [
        (COMMAND_LINE, "src/cli.rs", reference::command_line()),
        (FIELDS, "src/api/spec.rs and src/api/status.rs", reference::fields()),
        (SETTINGS, "src/api/rules/settings", reference::settings()),
        (RULES, "src/api/rules/catalogue", reference::admission::page()),
    ];
    for (file, source, page) in pages {
        check(file, &format!("<!-- Generated from {source} by `{COMMAND}`. Do not edit. -->\n\n{page}"));
    }
}

/// One for each rule that refuses a creation. The first line is what the refusal says.
#[test]
fn bad_examples_are_fresh() {
    for (rule, refusal, object) in reference::admission::bad_examples() {
        let text = format!("# refused: {refusal}\n{}{object}", header("src/api/rules/catalogue"));
        check(&format!("{BAD}/{rule}.yaml"), &text);
    }
}

/// One test, because the manifest is made from the chart and the chart has the CRD in it.
#[test]
fn generated_files_are_fresh() {
    let crd = schema::yaml(Some(schema::Converter::default()));
    check(CRD, &format!("{}{crd}", header("the types in src/api")));
    check(MANIFEST, &manifest());
}

/// Everything that an empty cluster needs, in an order in which `kubectl create -f` works: the CRD first.
fn manifest() -> String {
    let rendered = helm::template(&["redisoperator", helm::CHART, "--namespace", "default"]);
    let rendered = format!("\n{rendered}");
    let documents = rendered.split("\n---\n").map(str::trim).filter(|document| !document.is_empty());
    let (crds, others): (Vec<_>, Vec<_>) =
        documents.partition(|document| document.contains("\nkind: CustomResourceDefinition\n"));
    assert_eq!(crds.len(), 1, "the chart renders one CustomResourceDefinition");
    header("the chart charts/redisoperator") + &[crds, others].concat().join("\n---\n") + "\n"
}

fn header(source: &str) -> String {
    format!("# Generated from {source} by `{COMMAND}`. Do not edit.\n")
}

fn check(file: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, expected).expect("the file can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    // Not assert_eq!: the files are long.
    let line =
        found.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count() + 1;
    assert!(found == expected, "{file} is stale from line {line} on: run `{COMMAND}` and commit it");
}
