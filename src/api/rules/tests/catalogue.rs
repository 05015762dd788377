//! Every rule of the catalogue, with its own examples.

use std::collections::BTreeSet;

use super::*;
use crate::api::problem::WARNING_CHARS;
use crate::desired;
use crate::secret::Passwords;

/// All rules.
pub(super) fn rules() -> impl Iterator<Item = &'static Rule> {
    CATALOGUE.iter().flat_map(|chapter| chapter.rules)
}

/// The spec that an example has as YAML.
pub(super) fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The rules that a spec of an example breaks, with what is said.
fn broken(rule: &Rule, name: &str, text: &str) -> Vec<(&'static str, String)> {
    let before = (!rule.example.before.is_empty()).then(|| spec(yaml(rule.example.before)));
    let found = find(name, &spec(yaml(text)), before.as_ref());
    found.0.into_iter().map(|finding| (finding.rule.id, finding.problem.to_string())).collect()
}

#[test]
fn each_bad_example_breaks_its_rule_alone_and_each_good_one_none() {
    for rule in rules() {
        let name = if rule.example.name.is_empty() { rule.id } else { rule.example.name };
        let found = broken(rule, name, rule.example.bad);
        assert!(matches!(&found[..], [(id, _)] if *id == rule.id), "{}: {found:?}", rule.id);
        assert_eq!(broken(rule, "x", rule.example.good), [], "{}", rule.id);
        assert!(rule.example.name.is_empty() || rule.example.bad == rule.example.good, "{}", rule.id);
    }
}

#[test]
fn stored_examples_break_nothing_before_the_update() {
    for rule in rules().filter(|rule| !rule.example.before.is_empty()) {
        assert_eq!(created(yaml(rule.example.before)).problems, [], "{}", rule.id);
    }
}

#[test]
fn ids_are_distinct_and_fit_names_of_files_and_objects() {
    let all = || rules().chain(AROUND.rules);
    let ids: BTreeSet<_> = all().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), all().count());
    for id in ids {
        assert!(names::is_label(id) && id.len() <= NAME_MAX, "{id}");
    }
    for rule in rules() {
        assert_eq!(super::super::catalogue::rule(rule.id), rule);
    }
}

/// kubectl and the API server may cut what is longer.
#[test]
fn warnings_are_short() {
    let warning =
        |rule: &Rule| created(yaml(rule.example.bad)).warnings.iter().map(Problem::warning).collect();
    for rule in rules().filter(|rule| rule.severity == Severity::Warn) {
        let said: Vec<String> = warning(rule);
        assert!(
            said.iter().all(|text| !text.ends_with('…') && text.chars().count() <= WARNING_CHARS),
            "{said:?}"
        );
    }
}

/// The names that the rules keep for the operator are those that it uses.
#[test]
fn what_the_rules_call_the_operators_own_is_what_it_builds() {
    let text = "{redis: {exporter: {enabled: true}, startupConfigMap: a}, \
                sentinel: {exporter: {enabled: true}, startupConfigMap: a}}";
    let valid = crate::api::Valid::new(crate::api::Identity::default(), spec(yaml(text))).err();
    assert_eq!(valid.map(|problems| problems[0].path.clone()), Some("metadata.name".to_owned()));
    let identity = crate::api::Identity { name: "x".to_owned(), ..Default::default() };
    let valid = crate::api::Valid::new(identity, spec(yaml(text))).unwrap();
    let built = desired::build(&valid, &Passwords::default()).present;
    let of = |kind: desired::ChildKind, own: &own::Own, data: Option<(&'static str, &'static str)>| {
        let pod = &built.iter().find(|child| child.kind == kind).unwrap().body["spec"]["template"]["spec"];
        let all = |key: &str| pod[key].as_array().cloned().unwrap_or_default();
        let names = |items: Vec<Value>| -> BTreeSet<String> {
            items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
        };
        let owned = |names: Vec<&str>| -> BTreeSet<String> { names.into_iter().map(str::to_owned).collect() };
        let containers = own.containers.iter().copied().chain([own.exporter]).collect();
        assert_eq!(names([all("containers"), all("initContainers")].concat()), owned(containers));
        let volumes: Vec<_> = own.volumes.iter().copied().chain([own.startup]).chain(data).collect();
        assert_eq!(names(all("volumes")), owned(volumes.iter().map(|(name, _)| *name).collect()));
        let mounts: BTreeSet<_> = all("containers")[0]["volumeMounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|mount| {
                (mount["name"].as_str().unwrap().to_owned(), mount["mountPath"].as_str().unwrap().to_owned())
            })
            .collect();
        let expected = volumes.iter().filter(|(_, path)| !path.is_empty());
        assert_eq!(mounts, expected.map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect());
    };
    of(desired::ChildKind::StatefulSet, &own::REDIS, Some((own::DATA_VOLUME, own::DATA_DIR)));
    of(desired::ChildKind::Deployment, &own::SENTINEL, None);
}
