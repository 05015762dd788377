use serde_json::json;

use super::*;

const HEAD: &str = "apiVersion: storage.spotahome.com/v1\nkind: RedisFailover\nmetadata: {name: x}\n";

fn source(file: &str, text: &str) -> Source {
    Source { file: file.to_owned(), text: Ok(text.to_owned()) }
}

fn run(text: &str) -> Report {
    validate(&[source("f.yaml", text)], &Images::default())
}

/// The text without the summary.
fn lines(report: &Report) -> Vec<String> {
    let text = report.text(false);
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.pop();
    lines
}

fn named(name: &str) -> String {
    HEAD.replace("name: x", &format!("name: {name}"))
}

#[test]
fn each_document_gets_its_verdict_and_line() {
    let bad = format!("{HEAD}spec: {{redis: {{port: 0}}, sentinel: {{replicas: 4}}}}\n");
    let report = run(&format!("# first\n{HEAD}---\n{bad}---\n\n---\napiVersion: v1\nkind: Secret\n"));
    assert_eq!(
        lines(&report),
        [
            "f.yaml:2: RedisFailover \"x\" is valid",
            "f.yaml:6: RedisFailover \"x\" is not valid: spec.redis.port: \"0\": is not a port; choose one from 1 to 65535",
            "f.yaml:6: warning: spec.sentinel.replicas: \"4\": survives no more failures than 3 would; \
             choose an odd number, for example 5",
            "f.yaml:13: skipped a Secret of v1; only a RedisFailover of storage.spotahome.com is checked",
        ]
    );
    let indexes: Vec<_> = report.results.iter().map(|entry| entry.document).collect();
    assert_eq!(indexes, [1, 2, 3]);
    let text = report.text(false);
    assert!(text.contains("\n1 file: 1 valid, 1 refused, 1 warning, 1 skipped. Not checked: "), "{text}");
}

#[test]
fn quiet_leaves_out_what_needs_no_attention() {
    let text = format!("{HEAD}---\n{HEAD}spec: {{redis: {{port: 0}}}}\n---\napiVersion: v1\nkind: Secret\n");
    let report = run(&text);
    assert_eq!(report.text(true).lines().count(), 1, "{}", report.text(true));
    assert!(report.text(true).starts_with("f.yaml:5: RedisFailover \"x\" is not valid"));
    let json: Value = serde_json::from_str(&report.json(true)).unwrap();
    assert_eq!(json["results"].as_array().unwrap().len(), 1);
    assert_eq!(json["summary"]["skipped"], 1);
    assert_eq!(run(HEAD).text(true), "");
}

#[test]
fn the_shape_of_the_json_is_stable() {
    let report = run(&format!("{HEAD}spec: {{redis: {{port: 0, replcas: 1}}}}\n"));
    let json: Value = serde_json::from_str(&report.json(false)).unwrap();
    let expected = json!({
        "results": [{
            "file": "f.yaml",
            "document": 1,
            "line": 1,
            "apiVersion": "storage.spotahome.com/v1",
            "kind": "RedisFailover",
            "namespace": "",
            "name": "x",
            "verdict": "refused",
            "problems": [{
                "path": "spec.redis.port",
                "value": "0",
                "reason": "is not a port",
                "mend": "choose one from 1 to 65535",
            }],
            "warnings": [{
                "path": "spec.redis.replcas",
                "value": "",
                "reason": "is not a field of a RedisFailover",
                "mend": "check the spelling",
            }],
        }],
        "summary": {
            "files": 1,
            "valid": 0,
            "refused": 1,
            "skipped": 0,
            "unreadable": 0,
            "warnings": 1,
            "notChecked": [
                "whether Secrets and ConfigMaps that a spec refers to exist",
                "names and objects that are in the cluster and not in these files",
                "what an update may not change of a stored object",
            ],
        },
    });
    assert_eq!(json, expected);
}

#[test]
fn exit_codes() {
    let refused = format!("{HEAD}spec: {{redis: {{port: 0}}}}\n");
    let warned = format!("{HEAD}spec: {{sentinel: {{replicas: 4}}}}\n");
    for (text, code, strict) in [
        (HEAD, 0, 0),
        ("", 0, 0),
        ("apiVersion: v1\nkind: Secret\n", 0, 0),
        (&warned, 0, 1),
        (&refused, 1, 1),
        ("a: [", 2, 2),
        (&format!("{refused}---\ntext\n"), 2, 2),
    ] {
        let report = run(text);
        assert_eq!([report.exit_code(false), report.exit_code(true)], [code, strict], "{text}");
    }
}

#[test]
fn json_and_lists_are_read_too() {
    let item = |name| {
        format!(
            "{{\n\t\"apiVersion\": \"storage.spotahome.com/v1\",\n\t\"kind\": \"RedisFailover\",\n\t\
             \"metadata\": {{\"name\": \"{name}\"}}}}"
        )
    };
    for kind in ["List", "RedisFailoverList"] {
        let (a, b) = (item("a"), item("b"));
        let report = run(&format!(r#"{{"apiVersion": "v1", "kind": "{kind}", "items": [{a}, {b}]}}"#));
        assert_eq!(
            lines(&report),
            ["f.yaml:1: RedisFailover \"a\" is valid", "f.yaml:1: RedisFailover \"b\" is valid"]
        );
    }
    let nested = format!(r#"{{"kind": "List", "apiVersion": "v1", "items": [{}]}}"#, item("a"));
    let report = run(&format!(r#"{{"kind": "List", "apiVersion": "v1", "items": [{nested}]}}"#));
    assert_eq!(lines(&report), ["f.yaml:1: RedisFailover \"a\" is valid"]);
    assert_eq!(run("{kind: List, apiVersion: v1, items: []}").results, []);
}

#[test]
fn what_is_no_object_cannot_be_judged() {
    for text in ["a: [", "- 1", "kind: RedisFailover", "text", "apiVersion: v1", "{kind: List, items: [1]}"] {
        let report = run(text);
        assert_eq!(report.exit_code(false), 2, "{text:?}: {report:?}");
        assert!(lines(&report)[0].starts_with("f.yaml:1: is no"), "{report:?}");
    }
}

#[test]
fn files_that_cannot_be_read_stand_beside_the_others() {
    let problem = Problem::new("", "", "is not UTF-8 text", "convert it to UTF-8");
    let broken = Source { file: "broken.yaml".to_owned(), text: Err(problem) };
    let report = validate(&[broken, source("f.yaml", HEAD)], &Images::default());
    let expected =
        ["broken.yaml: is not UTF-8 text; convert it to UTF-8", "f.yaml:1: RedisFailover \"x\" is valid"];
    assert_eq!(lines(&report), expected);
}

#[test]
fn misspelt_fields_are_noted() {
    let report =
        run(&format!("{HEAD}spec: {{redis: {{replcas: 5, customConfig: [hz 10]}}, sentinel: {{}}}}"));
    let note = "f.yaml:1: warning: spec.redis.replcas: is not a field of a RedisFailover; check the spelling";
    assert_eq!(lines(&report), ["f.yaml:1: RedisFailover \"x\" is valid", note]);
}

#[test]
fn names_collide_across_the_files_of_a_run() {
    let report = validate(
        &[
            source("a.yaml", &named("x")),
            source("b.yaml", &format!("{}---\n{}", named("s-x"), named("z"))),
            source("c.yaml", &named("readiness-x, namespace: other")),
        ],
        &Images::default(),
    );
    let wants = |name: &str, other: &str| {
        format!(
            "RedisFailover {name:?} is not valid: metadata.name: {name:?}: wants the ConfigMap \"rfr-s-x\", \
             and so does the RedisFailover {other:?}; choose another name"
        )
    };
    assert_eq!(
        lines(&report),
        [
            format!("a.yaml:1: {}", wants("x", "s-x")),
            format!("b.yaml:1: {}", wants("s-x", "x")),
            "b.yaml:5: RedisFailover \"z\" is valid".to_owned(),
            "c.yaml:1: RedisFailover \"readiness-x\" is valid".to_owned(),
        ]
    );
}

#[test]
fn what_is_missing_in_the_files_may_be_in_the_cluster() {
    let report = run(&format!("{HEAD}spec: {{auth: {{secretPath: elsewhere}}}}\n"));
    assert_eq!(lines(&report), ["f.yaml:1: RedisFailover \"x\" is valid"]);
}

#[test]
fn early_objects_are_judged_as_what_they_become() {
    let early = |spec: &str| {
        format!(
            "apiVersion: storage.spotahome.com/v1alpha2\nkind: RedisFailover\nmetadata: {{name: x}}\nspec: {spec}\n"
        )
    };
    let entry = |spec: &str| run(&early(spec)).results.remove(0);
    let fine = entry("{redis: {version: 6.2-alpine}}");
    assert_eq!((fine.verdict, fine.warnings), (Verdict::Valid, vec![]));
    let few = entry("{redis: {replicas: 2}}");
    assert_eq!((few.verdict, few.warnings[0].path.as_str()), (Verdict::Valid, "spec.redis.replicas"));
    let refused = entry("{redis: {customConfig: [port 1]}}");
    assert_eq!(
        (refused.verdict, refused.problems[0].path.as_str()),
        (Verdict::Refused, "spec.redis.customConfig[0]")
    );
    let unreadable = entry("{redis: {exporter: 'on'}}");
    assert_eq!(
        (unreadable.verdict, unreadable.problems[0].path.as_str()),
        (Verdict::Refused, "spec.redis.exporter")
    );
    let misspelt = entry("{redis: {replcas: 5}}");
    assert_eq!(misspelt.warnings[0].path, "spec.redis.replcas");
}

#[test]
fn objects_of_the_go_operator_are_refused_with_all_that_is_wrong() {
    let text = HEAD.replace("storage.", "databases.");
    let report = run(&format!("{text}spec: {{redis: {{port: 0, replcas: 5}}}}\n"));
    assert_eq!(
        lines(&report),
        [
            "f.yaml:1: RedisFailover \"x\" is not valid, 2 problems:",
            "- apiVersion: \"databases.spotahome.com/v1\": is the Go operator's, which this one does not serve; \
             change it to storage.spotahome.com/v1",
            "- spec.redis.port: \"0\": is not a port; choose one from 1 to 65535",
            "f.yaml:1: warning: spec.redis.replcas: is not a field of a RedisFailover; check the spelling",
        ]
    );
    assert_eq!(report.exit_code(false), 1);
    let both = run(&format!("{text}---\n{}", named("s-x"))).results;
    assert!(both.iter().all(|entry| entry.problems.iter().any(|problem| problem.path == "metadata.name")));
}

#[test]
fn a_version_that_is_not_served_is_refused() {
    let report = run(&HEAD.replace("/v1", "/v2"));
    assert_eq!(
        lines(&report),
        [
            "f.yaml:1: RedisFailover \"x\" is not valid: apiVersion: \"storage.spotahome.com/v2\": is not served; \
          write storage.spotahome.com/v1 or storage.spotahome.com/v1alpha2"
        ]
    );
    assert_eq!(report.exit_code(false), 1);
    let other = run("apiVersion: storage.spotahome.com.example.com/v1\nkind: RedisFailover\n");
    assert_eq!(other.results[0].verdict, Verdict::Skipped);
}
