//! Rules in CEL: what the API server checks by itself, so that it holds without the webhook.
//!
//! Each has its twin in [`crate::api::rules`], with the same text. Rules stand on the field that they are about, so
//! that Kubernetes lets an update pass which leaves that field as it was.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, ValidationRule};

use crate::api::rules::NAME_MAX;
use crate::api::rules::texts::{self, Text};

/// A rule, the field that has it, and the field that its message names.
struct Rule {
    on: &'static str,
    names: Option<&'static str>,
    text: Text,
    cel: String,
}

const CLAIM: &str = "spec.redis.storage.persistentVolumeClaim";

fn rules() -> Vec<Rule> {
    let rule = |on, names, text, cel: &str| Rule { on, names, text, cel: cel.to_owned() };
    let claim_of = |side: &str| {
        format!(
            "has({side}.redis) && has({side}.redis.storage) && has({side}.redis.storage.persistentVolumeClaim)"
        )
    };
    vec![
        rule(
            "",
            Some(".metadata.name"),
            texts::NAME_LONG,
            &format!("size(self.metadata.name) <= {NAME_MAX}"),
        ),
        rule("", Some(".metadata.name"), texts::NAME_SHAPE, "!self.metadata.name.contains('.')"),
        rule("spec.redis.port", None, texts::PORT_OF_SENTINEL, "self != 26379"),
        rule(
            "spec.redis.storage",
            Some(".emptyDir"),
            texts::STORAGE_TWICE,
            "!has(self.emptyDir) || !has(self.persistentVolumeClaim)",
        ),
        rule(
            CLAIM,
            Some(".spec"),
            texts::CLAIM_SIZE,
            "has(self.spec) && has(self.spec.resources) && has(self.spec.resources.requests) \
             && 'storage' in self.spec.resources.requests",
        ),
        // On the parent: a rule on an optional field does not see the field go.
        rule(
            "spec.redis.storage.persistentVolumeClaim.spec",
            Some(".storageClassName"),
            texts::CLASS_CHANGED,
            "has(self.storageClassName) == has(oldSelf.storageClassName) \
             && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
        ),
        rule(
            "spec",
            Some(".redis.storage.persistentVolumeClaim"),
            texts::CLAIM_DROPPED,
            &format!("!({}) || ({})", claim_of("oldSelf"), claim_of("self")),
        ),
        rule("spec.bootstrapNode", None, texts::NOT_YET, "false"),
    ]
}

/// Adds the rules to the schema.
pub(super) fn add(root: &mut JSONSchemaProps) {
    for rule in rules() {
        let Some(field) = super::at(root, rule.on) else {
            continue;
        };
        field.x_kubernetes_validations.get_or_insert_default().push(ValidationRule {
            rule: rule.cel,
            message: Some(format!("{}; {}", rule.text.reason, rule.text.mend)),
            field_path: rule.names.map(str::to_owned),
            ..Default::default()
        });
    }
}
