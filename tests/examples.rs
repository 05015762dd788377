//! The files under `example/redisfailover`: the good ones are accepted and build their objects, each bad one is refused
//! with the text that its first line promises.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use redis_operator::admission::{self, Admission};
use redis_operator::api::defaults::{self, Images};
use redis_operator::api::{self, GROUP, Identity, KIND, Problem, VERSION, Valid, parse, schema};
use redis_operator::desired::{self, ChildKind};
use redis_operator::offline::files::Source;
use redis_operator::offline::{self, report::Report};
use redis_operator::secret::{Password, Passwords};
use redis_operator::surroundings::View;
use serde_json::{Value, json};
use webhook::{Admit, Request, Verdict};

const GOOD: &str = "example/redisfailover";
const BAD: &str = "example/redisfailover/bad";
const EARLY: &str = "example/redisfailover/v1alpha2";

/// Examples that people look for by name.
const PROMISED: [&str; 18] = [
    "basic",
    "custom-annotations",
    "custom-config",
    "custom-port",
    "custom-renames",
    "custom-shutdown",
    "enable-exporter",
    "minimal",
    "node-affinity",
    "password",
    "persistent-storage",
    "persistent-storage-no-pvc-deletion",
    "pod-anti-affinity",
    "security-context",
    "sentinel-password",
    "sidecars",
    "tolerations",
    "topology-spread-constraints",
];

/// One example for each feature of the early API.
const EARLY_FEATURES: [&str; 11] = [
    "basic",
    "custom-config",
    "custom-image",
    "custom-shutdown",
    "enable-exporter",
    "hard-anti-affinity",
    "minimal",
    "node-affinity",
    "persistent-storage",
    "persistent-storage-no-pvc-deletion",
    "tolerations",
];

struct Example {
    file: String,
    text: String,
}

impl Example {
    /// Its name, without folder and ending.
    fn stem(&self) -> &str {
        Path::new(&self.file).file_stem().and_then(|stem| stem.to_str()).unwrap()
    }

    fn documents(&self) -> Vec<Value> {
        serde_saphyr::from_multiple(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.file))
    }

    /// The one `RedisFailover` in it.
    fn redis_failover(&self) -> Value {
        let documents = self.documents();
        let mut found = documents.into_iter().filter(|document| document["kind"] == KIND);
        match (found.next(), found.next()) {
            (Some(one), None) => one,
            _ => panic!("{}: has not one {KIND}", self.file),
        }
    }

    fn validate(&self) -> Report {
        let source = Source { file: self.file.clone(), text: Ok(self.text.clone()) };
        offline::validate(&[source], &Images::default())
    }

    /// The webhook's answer to its creation: the refusal, or none, and the warnings.
    fn admit(&self) -> (Option<String>, Vec<String>) {
        let admission = Admission::default();
        let mut object = self.redis_failover();
        let patch = match admission.mutate(&creation(&object)) {
            Verdict::Deny { message, warnings, .. } => return (Some(message), warnings),
            Verdict::Allow { patch, .. } => patch.unwrap_or_default(),
        };
        json_patch::patch(&mut object, &patch).unwrap();
        match admission.validate(&creation(&object)) {
            Verdict::Deny { message, warnings, .. } => (Some(message), warnings),
            Verdict::Allow { warnings, .. } => (None, warnings),
        }
    }

    /// What the first line says of the refusal.
    fn promise(&self) -> &str {
        let line = self.text.lines().next().unwrap_or_default();
        let promise = line.strip_prefix("# refused: ").unwrap_or_default();
        assert!(!promise.is_empty(), "{}: begins with {line:?}, not with \"# refused: TEXT\"", self.file);
        promise
    }
}

/// The request that the API server sends for the creation of an object.
fn creation(object: &Value) -> Request<'static> {
    let group_version_kind = json!({"group": GROUP, "version": VERSION, "kind": KIND});
    let request = json!({"uid": "1", "kind": group_version_kind, "operation": "CREATE", "object": object});
    serde_json::from_str(request.to_string().leak()).unwrap()
}

fn examples(folder: &str) -> Vec<Example> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    let read = |path: &PathBuf| Example {
        file: path.strip_prefix(root).unwrap().display().to_string(),
        text: std::fs::read_to_string(path).unwrap(),
    };
    paths.iter().map(read).collect()
}

#[test]
fn the_promised_examples_are_there() {
    let examples = examples(GOOD);
    let stems: BTreeSet<_> = examples.iter().map(Example::stem).collect();
    assert_eq!(stems, BTreeSet::from(PROMISED));
}

#[test]
fn names_are_distinct_and_tell_the_file() {
    for example in examples(GOOD).iter().chain(&examples(BAD)) {
        let name = example.redis_failover()["metadata"]["name"].as_str().unwrap().to_owned();
        let expected = match example.stem() {
            // The name that the README uses.
            "basic" => "redisfailover",
            "name-with-dot" => "name.with.dot",
            "name-too-long" => "a-name-of-forty-nine-characters-which-is-too-long",
            stem => stem,
        };
        assert_eq!(name, expected, "{}", example.file);
    }
}

#[test]
fn no_example_has_an_unknown_field() {
    for example in examples(GOOD).iter().chain(&examples(BAD)) {
        let unknown = schema::unknown_fields(&example.redis_failover());
        assert!(unknown.is_empty(), "{}: {}", example.file, unknown.join(", "));
    }
}

#[test]
fn good_examples_are_accepted_without_a_warning() {
    for example in examples(GOOD) {
        let report = example.validate();
        let said = report.text(false);
        assert_eq!(report.exit_code(true), 0, "{said}");
        assert!(said.contains("is valid"), "{said}");
    }
}

/// Each for one fault: whoever reads the example learns one rule.
#[test]
fn bad_examples_are_refused_as_they_say() {
    let faults: Vec<_> = examples(BAD)
        .iter()
        .filter_map(|example| {
            let (report, promise) = (example.validate(), example.promise());
            let said = report.text(false);
            let kept = report.exit_code(false) == 1 && said.contains(promise) && !said.contains(" problems:");
            (!kept).then(|| format!("{} promises {promise:?}, but:\n{said}", example.file))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn a_file_gets_the_verdict_of_the_webhook() {
    for example in examples(GOOD).iter().chain(&examples(BAD)) {
        let (refusal, warnings) = example.admit();
        let results = example.validate().results;
        let ours: Vec<_> = results.iter().filter(|entry| entry.kind == KIND).collect();
        let [offline] = ours[..] else { panic!("{}: {ours:?}", example.file) };
        assert_eq!(admission::refusal(&offline.name, &offline.problems), refusal, "{}", example.file);
        let said: Vec<_> = offline.warnings.iter().map(Problem::warning).collect();
        assert_eq!(said, warnings, "{}", example.file);
    }
}

#[test]
fn good_examples_build_their_objects() {
    for example in examples(GOOD) {
        let object = example.redis_failover();
        let mut spec = object["spec"].clone();
        defaults::fill(&mut spec, &Images::default());
        let typed = parse::spec(&spec).unwrap_or_else(|problem| panic!("{}: {problem}", example.file));
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let identity = Identity { namespace: "default".to_owned(), name, ..Identity::default() };
        let valid =
            Valid::new(identity, typed).unwrap_or_else(|problems| panic!("{}: {problems:?}", example.file));
        let password = || Some(Password::new("secret".to_owned()));
        let present = desired::build(&valid, &Passwords { redis: password(), sentinel: password() }).present;
        for kind in [ChildKind::ConfigMap, ChildKind::Service, ChildKind::StatefulSet, ChildKind::Deployment]
        {
            assert!(present.iter().any(|child| child.kind == kind), "{}: builds no {kind:?}", example.file);
        }
    }
}

#[test]
fn early_examples_say_the_same_in_v1() {
    let examples = examples(EARLY);
    let stems: BTreeSet<_> = examples.iter().map(Example::stem).collect();
    assert_eq!(stems, BTreeSet::from(EARLY_FEATURES));
    for example in examples {
        let early = example.redis_failover();
        assert_eq!(early["metadata"]["name"], format!("early-{}", example.stem()), "{}", example.file);
        let stored =
            api::to_v1(early.clone()).unwrap_or_else(|problem| panic!("{}: {problem}", example.file));
        for object in [&early, &stored] {
            assert_eq!(schema::unknown_fields(object), Vec::<String>::new(), "{}", example.file);
        }
        let judged = admission::judge(&stored, None, &Images::default(), &View::default());
        assert!(judged.problems.is_empty() && judged.warnings.is_empty(), "{}: {judged:?}", example.file);
    }
}
