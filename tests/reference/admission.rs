//! The page `docs/admission.md` and the files in `example/redisfailover/bad`: the catalogue of rules, and what the rules
//! say of its examples.

use redis_operator::admission;
use redis_operator::api::defaults::{self, Images};
use redis_operator::api::rules::catalogue::Example;
use redis_operator::api::rules::{self, AROUND, CATALOGUE, Rule, Severity};
use redis_operator::api::{GROUP, KIND, Problem, RedisFailoverSpec, VERSION, parse, schema, v1alpha2};
use redis_operator::surroundings::{Names, View};
use serde_json::{Value, json};

use super::line;

const INTRODUCTION: &str = "# Rules

A RedisFailover is judged when it is created and when it is updated. A spec that breaks a rule is **refused**: nothing
is stored, and the message names the field, the value, the reason and what to write instead. Several problems come in
one answer, sorted by field. Some rules only **warn**: the object is stored, and kubectl prints the warning.

    redis-operator validate FILE

says the same without a cluster.

An update is refused only for what it changes. An object that was stored before a rule existed can be labelled,
scaled, finalized, deleted and changed in every other field; what it breaks comes as a warning. Only a change of the
field that is wrong has to be a right one. A list counts as one field, and so does a map: labels, annotations, the
`resources` of a container. Deletions and the status are never judged.

Kubernetes 1.28 and 1.29 know no such mercy for what stands in the CRD: there an object that breaks a rule marked *also
without the webhook*, or a limit of the schema, can be deleted, and else only be changed together with that field.

The webhook knows all rules. The API server knows those that are marked *also without the webhook*: they stand in the
CRD as CEL. Should a spec get past a webhook that is switched off, the operator judges it again, says so in the
condition `SpecValid`, and changes nothing for it.

A field of the wrong type is refused too: `replicas: three` with *is a text, but must be a whole number; write it
without quotes and fraction*. What each option of `customConfig` may be is in
[reference/settings.md](reference/settings.md).
";

/// Longest line of an example that is shown whole.
const LINE_CHARS: usize = 100;

/// The page.
pub(crate) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let by_cel = messages_of_the_crd();
    for chapter in CATALOGUE {
        line(&mut page, &format!("\n## {}", chapter.title));
        for rule in chapter.rules {
            section(&mut page, rule, &judged(rule), &by_cel);
        }
    }
    line(&mut page, &format!("\n## {}", AROUND.title));
    for rule in AROUND.rules {
        section(&mut page, rule, &judged_around(rule), &[]);
    }
    page
}

fn section(page: &mut String, rule: &Rule, problem: &Problem, by_cel: &[String]) {
    let verdict = match rule.severity {
        Severity::Refuse => "Refused",
        Severity::Warn => "Warns",
    };
    let beginning = format!("{};", problem.reason);
    let marked = rule.severity == Severity::Refuse && by_cel.iter().any(|text| text.starts_with(&beginning));
    let without_webhook = if marked { ", also without the webhook" } else { "" };
    line(page, &format!("\n### {}\n\n{verdict}{without_webhook}. Fields: {}.\n", rule.id, rule.fields));
    line(page, rule.why);
    let Example { before, bad, good, name } = rule.example;
    if !before.is_empty() {
        line(page, &format!("\nStored:\n\n{}\nUpdate:", block(before)));
    }
    if name.is_empty() {
        line(
            page,
            &format!("\n{}\n> {}\n\nInstead:\n\n{}", block(bad), text(problem), block(good).trim_end()),
        );
    } else {
        line(page, &format!("\n> {}", text(problem)));
    }
}

/// The message, for Markdown to leave as it is.
fn text(problem: &Problem) -> String {
    let message = problem.to_string();
    format!("`` {message} ``")
}

/// A spec as an indented block. Of items that are all the same, and of a long line, there is only the beginning.
fn block(spec: &str) -> String {
    let text = serde_saphyr::to_string(&json!({"spec": yaml(spec)})).expect("YAML");
    let lines: Vec<_> = text.lines().collect();
    let (mut block, mut rest) = (String::new(), &lines[..]);
    while !rest.is_empty() {
        // A long text has a line of its own below its hyphen.
        let height = if rest[0].ends_with(">-") { 2 } else { 1 };
        let item = &rest[..height];
        let times = rest.chunks(height).take_while(|other| *other == item).count();
        for text in item {
            let shown: String = text.chars().take(LINE_CHARS).collect();
            let cut = if shown == *text { "" } else { "…" };
            line(&mut block, &format!("    {shown}{cut}"));
        }
        if times > 1 {
            line(&mut block, &format!("    # … and {} such lines more", height * (times - 1)));
        }
        rest = &rest[height * times..];
    }
    block
}

/// For each rule that refuses a creation: its id, what is said, and the object that breaks it.
pub(crate) fn bad_examples() -> Vec<(&'static str, String, String)> {
    let rules = CATALOGUE.iter().flat_map(|chapter| chapter.rules);
    let refusals = rules.filter(|rule| rule.severity == Severity::Refuse && rule.example.before.is_empty());
    let example = |rule: &'static Rule| {
        let problem = judged(rule);
        let object = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": KIND,
            "metadata": {"name": name(rule)},
            "spec": yaml(rule.example.bad),
        });
        let object = serde_saphyr::to_string(&object).expect("YAML");
        (rule.id, format!("{}; {}", problem.reason, problem.mend), object)
    };
    refusals.map(example).collect()
}

fn name(rule: &Rule) -> &'static str {
    if rule.example.name.is_empty() { rule.id } else { rule.example.name }
}

fn yaml(spec: &str) -> Value {
    serde_saphyr::from_str(spec).expect(spec)
}

/// What the rules say of the bad example.
fn judged(rule: &Rule) -> Problem {
    let Example { before, bad, .. } = rule.example;
    let old = (!before.is_empty()).then(|| typed(before));
    let verdict = rules::check(name(rule), &typed(bad), old.as_ref());
    let found = [verdict.problems, verdict.warnings].concat();
    found.into_iter().next().expect(rule.id)
}

/// What the webhook says of the bad example, created beside a RedisFailover `x` in a namespace without Secrets and
/// ConfigMaps, by a client that speaks `v1alpha2`.
fn judged_around(rule: &Rule) -> Problem {
    let mut others = Names::default();
    others.insert("", "x");
    let [secrets, config_maps] = [(); 2].map(|()| Some(Names::default()));
    let view = View { redis_failovers: Some(others), secrets, config_maps };
    let object = json!({"metadata": {"name": name(rule)}, "spec": yaml(rule.example.bad)});
    let judged = admission::judge(&object, None, &Images::default(), &view);
    let early = v1alpha2::remarks(&object);
    let [problems, warnings] =
        [[judged.problems, early.problems].concat(), [judged.warnings, early.warnings].concat()];
    let (said, others) = match rule.severity {
        Severity::Refuse => (problems, warnings),
        Severity::Warn => (warnings, problems),
    };
    assert!(said.len() == 1 && others.is_empty(), "{}: {said:?} {others:?}", rule.id);
    said[0].clone()
}

fn typed(spec: &str) -> RedisFailoverSpec {
    let mut spec = yaml(spec);
    defaults::fill(&mut spec, &Images::default());
    parse::spec(&spec).expect("a spec")
}

/// What the rules in the CRD say.
fn messages_of_the_crd() -> Vec<String> {
    fn walk(schema: &Value, messages: &mut Vec<String>) {
        match schema {
            Value::Object(fields) => {
                let rules = fields.get("x-kubernetes-validations").and_then(Value::as_array);
                let texts = rules.into_iter().flatten().filter_map(|rule| rule["message"].as_str());
                messages.extend(texts.map(str::to_owned));
                fields.values().for_each(|value| walk(value, messages));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, messages)),
            _ => {}
        }
    }
    let mut messages = Vec::new();
    walk(&serde_json::to_value(schema::crd()).expect("JSON"), &mut messages);
    messages
}
