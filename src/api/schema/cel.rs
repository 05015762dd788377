//! Rules in CEL: what the API server checks by itself, so that it holds without the webhook.
//!
//! Each has its twin in [`crate::api::rules`], with the same text. Rules stand on the field that they are about, so
//! that Kubernetes lets an update pass which leaves that field as it was. The API server refuses rules that could cost
//! it too much time; hence the limits on lists and texts, far above what anybody writes. It also prints the value of the
//! field, if that is a text: what may hold a password is judged by rules on the list.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, ValidationRule,
};

use crate::api::rules::NAME_MAX;
use crate::api::rules::directive::SECRETS;
use crate::api::rules::limits::{CLAIM_NAME_CHARS, COMMAND_CHARS, ENTRIES, ENTRY_CHARS, SENTINEL_ENTRIES};
use crate::api::rules::owned::{self, Owned};
use crate::api::rules::texts::{self, Text};

/// A rule, the field that has it, and the field below that its message names.
pub(super) struct Rule {
    pub(super) on: String,
    names: Option<&'static str>,
    message: String,
    /// CEL that makes the message where it depends on the value.
    message_expression: Option<String>,
    pub(super) cel: String,
}

const CLAIM: &str = "spec.redis.storage.persistentVolumeClaim";
const LISTS: [&str; 2] = ["spec.redis.customConfig", "spec.sentinel.customConfig"];
const RENAMES: &str = "spec.redis.customCommandRenames";

/// Characters that end a line or worse, in a class of a regular expression.
const CONTROL: &str = r"\x00-\x1f\x7f-\x9f";
/// A label of DNS.
const LABEL: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";

/// All rules.
pub(super) fn rules() -> Vec<Rule> {
    let mut rules = of_object();
    rules.extend(of_storage());
    rules.extend(LISTS.into_iter().flat_map(of_entries));
    rules.extend(owned::all().iter().map(of_owned));
    rules.extend(of_renames());
    rules
}

fn rule(on: impl Into<String>, text: Text, cel: impl Into<String>) -> Rule {
    let message = format!("{}; {}", text.reason, text.mend);
    Rule { on: on.into(), names: None, message, message_expression: None, cel: cel.into() }
}

impl Rule {
    fn names(self, field: &'static str) -> Self {
        Self { names: Some(field), ..self }
    }
}

fn of_object() -> Vec<Rule> {
    // A new object has no status. A stored one has, and its name can change no more.
    let new_name = |cel: &str| format!("has(self.status) || {cel}");
    let has_host = "has(self.host) && self.host != ''";
    vec![
        rule("", texts::NAME_LONG, new_name(&format!("size(self.metadata.name) <= {NAME_MAX}")))
            .names(".metadata.name"),
        rule("", texts::NAME_SHAPE, new_name("!self.metadata.name.contains('.')")).names(".metadata.name"),
        rule("spec.redis.replicas", texts::REPLICAS, "self >= 1"),
        rule("spec.sentinel.replicas", texts::REPLICAS, "self >= 1"),
        rule("spec.redis.port", texts::PORT, "self >= 1 && self <= 65535"),
        rule("spec.redis.port", texts::PORT_OF_SENTINEL, "self != 26379"),
        rule("spec.redis.terminationGracePeriod", texts::GRACE, "self >= 1"),
        rule("spec.bootstrapNode", texts::NOT_YET, format!("!({has_host})")),
        rule("spec.bootstrapNode", texts::NOT_YET_NO_HOST, has_host),
    ]
}

fn of_storage() -> Vec<Rule> {
    let claim_of = |side: &str| {
        format!(
            "has({side}.redis) && has({side}.redis.storage) && has({side}.redis.storage.persistentVolumeClaim)"
        )
    };
    let name_of = |side: &str| {
        format!("(has({side}.metadata) && has({side}.metadata.name) ? {side}.metadata.name : '')")
    };
    let (name, old_name) = (name_of("self"), name_of("oldSelf"));
    vec![
        rule(
            "spec.redis.storage",
            texts::STORAGE_TWICE,
            "!has(self.emptyDir) || !has(self.persistentVolumeClaim)",
        )
        .names(".emptyDir"),
        rule(
            CLAIM,
            texts::CLAIM_SIZE,
            "has(self.spec) && has(self.spec.resources) && has(self.spec.resources.requests) \
             && 'storage' in self.spec.resources.requests",
        )
        .names(".spec"),
        rule(
            CLAIM,
            texts::CLAIM_MODES,
            "has(self.spec) && has(self.spec.accessModes) && size(self.spec.accessModes) > 0",
        )
        .names(".spec"),
        // On the parent: a rule on an optional field does not see the field come and go.
        rule(
            format!("{CLAIM}.spec"),
            texts::CLASS_CHANGED,
            "has(self.storageClassName) == has(oldSelf.storageClassName) \
             && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
        )
        .names(".storageClassName"),
        // There are no claims of a name that no claim can have.
        rule(
            CLAIM,
            texts::CLAIM_RENAMED,
            format!("{name} == {old_name} || ({old_name} != '' && !{old_name}.matches('{LABEL}'))"),
        )
        .names(".metadata"),
        rule("spec", texts::CLAIM_DROPPED, format!("!({}) || ({})", claim_of("oldSelf"), claim_of("self")))
            .names(".redis.storage.persistentVolumeClaim"),
        rule(
            "spec",
            texts::CLAIM_ADDED,
            format!(
                "({}) || !({}) || has(self.redis.storage.emptyDir)",
                claim_of("oldSelf"),
                claim_of("self")
            ),
        )
        .names(".redis.storage.persistentVolumeClaim"),
    ]
}

/// What every entry of customConfig must be. Quotes are left to the webhook.
fn of_entries(list: &str) -> Vec<Rule> {
    let on = format!("{list}[]");
    let no_value = Rule {
        message_expression: Some(
            r#"'has no value; write \'' + self.trim() + ' VALUE\', or \'' + self.trim() + ' ""\' for the empty value'"#
                .to_owned(),
        ),
        ..rule(&on, texts::ENTRY_NO_VALUE, "!self.matches('^ *[A-Za-z0-9._-]+ *$')")
    };
    vec![
        rule(&on, texts::ENTRY_EMPTY, "self.matches('[^ ]')"),
        no_value,
        // On the list: the entry may hold a password, under a misspelt name too.
        rule(list, texts::ENTRY_CONTROL, format!("self.all(entry, !entry.matches(r'[{CONTROL}]'))")),
    ]
}

fn of_owned(owned: &Owned) -> Rule {
    let keys: Vec<_> = owned.keys.iter().map(|key| key.replace('*', "[a-z0-9_.-]*")).collect();
    let is_owned = format!("matches(r'(?i)^ *({}) +[^ {CONTROL}][^{CONTROL}]*$')", keys.join("|"));
    let covers = |key: &str, secret: &str| match key.strip_suffix('*') {
        Some(start) => secret.starts_with(start),
        None => key == secret,
    };
    let may_be_secret = |key: &&str| SECRETS.iter().any(|secret| covers(key, secret));
    let (on, cel) = if owned.keys.iter().any(may_be_secret) {
        (owned.list.to_owned(), format!("self.all(entry, !entry.{is_owned})"))
    } else {
        (format!("{}[]", owned.list), format!("!self.{is_owned}"))
    };
    let message = format!("{}; {}", owned.reason, owned.mend);
    Rule { on, names: None, message, message_expression: None, cel }
}

fn of_renames() -> Vec<Rule> {
    let spelt = |field: &str| {
        rule(format!("{RENAMES}[].{field}"), texts::RENAME_CHARACTERS, "self.matches('^[A-Za-z_.|-]*$')")
    };
    let named = rule(format!("{RENAMES}[]"), texts::RENAME_OF_NOTHING, "has(self.from) && self.from != ''");
    vec![named.names(".from"), spelt("from"), spelt("to")]
}

/// Adds the rules to the schema, and the limits that they need.
pub(super) fn add(root: &mut JSONSchemaProps) {
    for (list, most) in [(LISTS[0], ENTRIES), (LISTS[1], SENTINEL_ENTRIES), (RENAMES, ENTRIES)] {
        limit(root, list, |field| field.max_items = i64::try_from(most).ok());
    }
    for list in LISTS {
        limit(root, &format!("{list}[]"), |entry| entry.max_length = i64::try_from(ENTRY_CHARS).ok());
    }
    for name in ["from", "to"] {
        limit(root, &format!("{RENAMES}[].{name}"), |name| {
            name.max_length = i64::try_from(COMMAND_CHARS).ok();
        });
    }
    limit(root, &format!("{CLAIM}.metadata.name"), |name| {
        name.max_length = i64::try_from(CLAIM_NAME_CHARS).ok();
    });
    for rule in rules() {
        limit(root, &rule.on, |field| {
            field.x_kubernetes_validations.get_or_insert_default().push(ValidationRule {
                rule: rule.cel,
                message: Some(rule.message),
                message_expression: rule.message_expression,
                field_path: rule.names.map(str::to_owned),
                ..Default::default()
            });
        });
    }
}

fn limit(root: &mut JSONSchemaProps, path: &str, change: impl FnOnce(&mut JSONSchemaProps)) {
    if let Some(field) = at(root, path) {
        change(field);
    }
}

/// The schema of the field at a path; `[]` stands for the entries of a list.
fn at<'a>(root: &'a mut JSONSchemaProps, path: &str) -> Option<&'a mut JSONSchemaProps> {
    let Some((list, field)) = path.split_once("[]") else {
        return super::at(root, path);
    };
    match &mut super::at(root, list)?.items {
        Some(JSONSchemaPropsOrArray::Schema(entries)) => super::at(entries, field.trim_start_matches('.')),
        _ => None,
    }
}
