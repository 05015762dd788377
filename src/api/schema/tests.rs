use std::sync::LazyLock;

use kube::core::cel::{CompiledSchema, ValidationError, ValidationErrors, Validator, compile_schema};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::api::defaults::{self, Images};
use crate::api::{parse, rules};

mod limits;

fn schema() -> Value {
    let crd = crd();
    let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    serde_json::to_value(schema).unwrap()
}

fn walk(schema: &Value, visit: &mut impl FnMut(&Value)) {
    visit(schema);
    match schema {
        Value::Object(fields) => fields.values().for_each(|value| walk(value, visit)),
        Value::Array(items) => items.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

/// Client-side `kubectl apply` keeps the whole object in an annotation of at most 262,144 bytes.
#[test]
fn stays_small() {
    let size = serde_json::to_string(&crd()).unwrap().len();
    assert!(size < 200_000, "{size} bytes");
}

#[test]
fn yaml_is_deterministic_and_complete() {
    let text = yaml(Some(Converter::default()));
    assert_eq!(text, yaml(Some(Converter::default())));
    let back: CustomResourceDefinition = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(back, crd());
    assert!(text.contains("kind: CustomResourceDefinition"));
}

#[test]
fn columns_and_scale_are_as_documented() {
    let crd = crd();
    let version = &crd.spec.versions[0];
    let names: Vec<_> =
        version.additional_printer_columns.iter().flatten().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["Redis", "Sentinels", "Master", "Ready", "Phase", "Age"]);
    let subresources = version.subresources.as_ref().unwrap();
    assert!(subresources.status.is_some());
    assert_eq!(subresources.scale.as_ref().unwrap().spec_replicas_path, ".spec.redis.replicas");
}

#[test]
fn the_early_version_is_served_only_where_it_is_converted() {
    let versions = |converter: Option<Converter>| {
        let versions = crd_with(converter).spec.versions.into_iter();
        versions.map(|version| (version.name, version.served, version.storage)).collect::<Vec<_>>()
    };
    let expected = |early| [("v1".to_owned(), true, true), ("v1alpha2".to_owned(), early, false)];
    assert_eq!(versions(Some(Converter::default())), expected(true));
    assert_eq!(versions(None), expected(false));
    let converter = Converter { namespace: "n".to_owned(), service: "s".to_owned() };
    let conversion = json!(crd_with(Some(converter)).spec.conversion);
    let service = json!({"namespace": "n", "name": "s", "path": "/convert", "port": 443});
    assert_eq!(conversion["webhook"]["clientConfig"]["service"], service);
    assert_eq!(json!(crd_with(None).spec.conversion), json!({"strategy": "None"}));
}

#[test]
fn our_fields_are_described_and_embedded_ones_are_not() {
    let schema = schema();
    let redis = &schema["properties"]["spec"]["properties"]["redis"]["properties"];
    for field in ["replicas", "affinity", "resources", "customConfig", "storage", "exporter"] {
        assert!(redis[field]["description"].is_string(), "{field}");
    }
    let claim = &redis["storage"]["properties"]["persistentVolumeClaim"];
    assert!(claim["description"].is_string() && claim["properties"]["spec"]["description"].is_string());
    for inner in [&redis["affinity"], &redis["resources"], &claim["properties"]["spec"]] {
        let mut described = 0;
        for value in inner["properties"].as_object().unwrap().values() {
            walk(value, &mut |node| {
                described += usize::from(node["description"].is_string());
            });
        }
        assert_eq!(described, 0, "{inner}");
    }
}

#[test]
fn quantities_take_numbers_and_formats_are_known() {
    let schema = schema();
    let redis = &schema["properties"]["spec"]["properties"]["redis"]["properties"];
    let limits = &redis["resources"]["properties"]["limits"]["additionalProperties"];
    assert_eq!(limits["x-kubernetes-int-or-string"], true);
    walk(&schema, &mut |node| {
        let format = node["format"].as_str().unwrap_or_default();
        assert!(!format.starts_with("uint"), "{node}");
        assert!(node.get("default").is_none(), "defaults are the webhook's: {node}");
    });
    assert_eq!(redis["port"]["maximum"], json!(65535.0));
    assert_eq!(redis["imagePullPolicy"]["enum"], json!(["Always", "IfNotPresent", "Never"]));
}

#[test]
fn every_rule_compiles() {
    let schema = schema();
    let mut rules = 0;
    walk(&schema, &mut |node| {
        if node["x-kubernetes-validations"].is_array() {
            rules += 1;
            let compiled = compile_schema(node);
            assert!(!compiled.has_errors(), "{:?}", compiled.compilation_errors());
        }
    });
    assert_eq!(rules, 17, "fields with rules");
}

/// The API server refuses a definition whose rules point at fields that it does not have.
#[test]
fn every_rule_names_a_field_of_the_schema() {
    let mut named = 0;
    walk(&schema(), &mut |node| {
        for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let Some(path) = rule["fieldPath"].as_str() else {
                continue;
            };
            let field = path.split('.').skip(1).fold(node, |node, key| &node["properties"][key]);
            assert!(field.is_object(), "{path}");
            named += 1;
        }
    });
    assert_eq!(named, 10, "rules that name a field");
}

/// The API server gives an object a status once it is stored.
fn object(name: &str, spec: &Value, is_stored: bool) -> Value {
    let mut object = json!({
        "apiVersion": "storage.spotahome.com/v1",
        "kind": "RedisFailover",
        "metadata": {"name": name},
        "spec": spec,
    });
    if is_stored {
        object["status"] = json!({"phase": "Ready"});
    }
    object
}

static COMPILED: LazyLock<CompiledSchema> = LazyLock::new(|| compile_schema(&schema()));

/// The texts of the rules that fail, by CEL. As the API server does, it forgives what an update left as it was.
fn by_cel(name: &str, spec: &Value, old: Option<&Value>) -> Vec<String> {
    let new = object(name, spec, old.is_some());
    let old = old.map(|old| object(name, old, true));
    let errors = Validator::new().validate_compiled(&COMPILED, &new, old.as_ref()).err();
    let rules = cel::rules();
    let is_new = |error: &ValidationError| {
        let list = error.field_path.split('[').next().unwrap();
        let rule = rules.iter().find(|rule| {
            rule.cel == error.rule && error.field_path.starts_with(rule.on.split('[').next().unwrap())
        });
        let on = rule.map(|rule| if rule.on.contains('[') { list } else { &rule.on }).unwrap();
        let at = |object: &Value| {
            on.split('.').filter(|key| !key.is_empty()).fold(object.clone(), |value, key| value[key].clone())
        };
        error.rule.contains("oldSelf") || old.as_ref().is_none_or(|old| at(old) != at(&new))
    };
    let errors = errors.into_iter().flat_map(ValidationErrors::into_vec).filter(is_new);
    let mut texts: Vec<_> = errors.map(|error| error.message).collect();
    texts.sort();
    texts.dedup();
    texts
}

/// The texts of the rules that fail, by Rust. A rule on a list fails once.
fn by_rust(name: &str, spec: &Value, old: Option<&Value>) -> Vec<String> {
    let typed = |spec: &Value| {
        let mut spec = spec.clone();
        defaults::fill(&mut spec, &Images::default());
        parse::spec(&spec).unwrap()
    };
    let verdict = rules::check(name, &typed(spec), old.map(typed).as_ref());
    let mut texts: Vec<_> =
        verdict.problems.iter().map(|problem| format!("{}; {}", problem.reason, problem.mend)).collect();
    texts.sort();
    texts.dedup();
    texts
}

fn claim(class: Option<&str>) -> Value {
    let mut claim =
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    if let Some(class) = class {
        claim["spec"]["storageClassName"] = json!(class);
    }
    json!({"redis": {"storage": {"persistentVolumeClaim": claim}}})
}

fn named(name: &str) -> Value {
    let mut spec = claim(None);
    spec["redis"]["storage"]["persistentVolumeClaim"]["metadata"] = json!({"name": name});
    spec
}

fn entries(entries: &[&str]) -> Value {
    json!({"redis": {"customConfig": entries}})
}

#[rstest]
#[case::fine("x", json!({}), None, 0)]
#[case::long("a234567890123456789012345678901234567890123456789", json!({}), None, 1)]
#[case::long_and_stored("a234567890123456789012345678901234567890123456789", json!({}), Some(json!({})), 0)]
#[case::dotted("a.b", json!({}), None, 1)]
#[case::no_servers("x", json!({"redis": {"replicas": 0}, "sentinel": {"replicas": -1}}), None, 1)]
#[case::port("x", json!({"redis": {"port": 26379}}), None, 1)]
#[case::no_port("x", json!({"redis": {"port": 65536}}), None, 1)]
#[case::old_port("x", json!({"redis": {"port": 0, "replicas": 5}}), Some(json!({"redis": {"port": 0}})), 0)]
#[case::no_time("x", json!({"redis": {"terminationGracePeriod": 0}}), None, 1)]
#[case::not_yet("x", json!({"bootstrapNode": {"host": "h"}}), None, 1)]
#[case::not_yet_no_host("x", json!({"bootstrapNode": {}}), None, 1)]
#[case::no_size("x", json!({"redis": {"storage": {"persistentVolumeClaim": {"spec": {"accessModes": ["ReadWriteOnce"]}}}}}), None, 1)]
#[case::no_spec("x", json!({"redis": {"storage": {"persistentVolumeClaim": {}}}}), None, 2)]
#[case::two_places("x", {let mut s = claim(None); s["redis"]["storage"]["emptyDir"] = json!({}); s}, None, 1)]
#[case::same("x", claim(Some("a")), Some(claim(Some("a"))), 0)]
#[case::class("x", claim(Some("a")), Some(claim(Some("b"))), 1)]
#[case::class_gone("x", claim(None), Some(claim(Some("b"))), 1)]
#[case::class_new("x", claim(Some("a")), Some(claim(None)), 1)]
#[case::dropped("x", json!({"redis": {"storage": {}}}), Some(claim(None)), 1)]
#[case::dropped_with_all("x", json!({}), Some(claim(None)), 1)]
#[case::added("x", claim(None), Some(json!({})), 1)]
#[case::renamed("x", named("a"), Some(named("b")), 1)]
#[case::name_gone("x", claim(None), Some(named("b")), 1)]
#[case::name_new("x", named("b"), Some(claim(None)), 1)]
#[case::name_mended("x", named("a"), Some(named("A")), 0)]
#[case::entry_without_value("x", entries(&["  maxclients "]), None, 1)]
#[case::entry_empty("x", entries(&["", "  "]), None, 1)]
#[case::entry_with_two_lines("x", entries(&["hz 10\nport 1", "port 1\u{85}"]), None, 1)]
#[case::entry_with_a_secret("x", entries(&["requirepass a\n", "masterauth b"]), None, 2)]
#[case::entry_of_the_operator("x", entries(&["  BIND  0.0.0.0", "tls-port 1", "portal 1"]), None, 2)]
#[case::old_entries("x", json!({"redis": {"customConfig": ["port 1"], "replicas": 5}}), Some(entries(&["port 1"])), 0)]
#[case::new_entries("x", entries(&["port 1", "hz 10"]), Some(entries(&["port 1"])), 1)]
#[case::renames("x", json!({"redis": {"customCommandRenames": [{"to": "a"}, {"from": "", "to": "b"}]}}), None, 1)]
#[case::rename_characters("x", json!({"redis": {"customCommandRenames": [{"from": "KEYS", "to": "a b"}, {"from": "a\n"}]}}), None, 1)]
fn cel_and_rust_agree(
    #[case] name: &str,
    #[case] spec: Value,
    #[case] old: Option<Value>,
    #[case] problems: usize,
) {
    let texts = by_rust(name, &spec, old.as_ref());
    assert_eq!(texts.len(), problems, "{texts:?}");
    assert_eq!(by_cel(name, &spec, old.as_ref()), texts);
}

fn storages() -> impl Strategy<Value = Value> {
    let class = prop::option::of(prop::sample::select(vec!["a", "b"]));
    let name = prop::option::of(prop::sample::select(vec!["a", "b", "C"]));
    let claim = (class, name, any::<bool>(), any::<bool>()).prop_map(|(class, name, sized, modes)| {
        let mut claim = json!({"spec": {}});
        if sized {
            claim["spec"]["resources"] = json!({"requests": {"storage": "1Gi"}});
        }
        if modes {
            claim["spec"]["accessModes"] = json!(["ReadWriteOnce"]);
        }
        if let Some(class) = class {
            claim["spec"]["storageClassName"] = json!(class);
        }
        if let Some(name) = name {
            claim["metadata"] = json!({"name": name});
        }
        claim
    });
    (any::<bool>(), any::<bool>(), prop::option::of(claim)).prop_map(|(keep, empty_dir, claim)| {
        let mut storage = json!({"keepAfterDeletion": keep});
        if empty_dir {
            storage["emptyDir"] = json!({});
        }
        if let Some(claim) = claim {
            storage["persistentVolumeClaim"] = claim;
        }
        storage
    })
}

/// Entries of every kind that CEL judges, and good ones. None twice: contradictions are the webhook's.
fn config() -> impl Strategy<Value = Vec<String>> {
    let owned = rules::owned::all().into_iter().filter(|owned| owned.list.contains("redis"));
    let mut keys: Vec<_> = owned.flat_map(|owned| owned.keys).map(|key| key.replace('*', "x")).collect();
    keys.extend(["locale-collate", "availability-zone", "portal", "bindx", "x-tls-y"].map(str::to_owned));
    let key = (prop::sample::select(keys), any::<bool>())
        .prop_map(|(key, loud)| if loud { key.to_ascii_uppercase() } else { key });
    let entry = (key, " {0,2}", "( {1,2}[a-z0-9]{1,3}){0,2}", "[ \n\t\u{85}]{0,1}")
        .prop_map(|(key, before, value, after)| format!("{before}{key}{value}{after}"));
    let entry = prop_oneof![8 => entry, 1 => " {0,2}"];
    prop::collection::vec(entry, 0..4).prop_map(|mut entries| {
        let mut seen = std::collections::BTreeSet::new();
        let key = |entry: &String| entry.split_whitespace().next().unwrap_or_default().to_lowercase();
        entries.retain(|entry| seen.insert(key(entry)));
        entries
    })
}

prop_compose! {
    fn specs()(
        storage in storages(),
        port in prop::sample::select(vec![-1, 0, 1, 6379, 26379, 65535, 65536]),
        replicas in (-1..4, -1..4),
        grace in prop::option::of(-1..3i64),
        host in prop::option::of(prop::option::of(prop::sample::select(vec!["", "h"]))),
        config in config(),
        renames in prop::collection::btree_map("[A-Z_ ]{0,3}", "[a-z1]{0,3}", 0..3),
    ) -> Value {
        let renames: Vec<_> = renames.iter()
            // Names that exist are the webhook's.
            .map(|(from, to)| json!({"from": format!("Q{from}Q").replace("QQ", ""), "to": format!("q{to}q")}))
            .collect();
        let mut redis = json!({
            "storage": storage, "port": port, "replicas": replicas.0, "customConfig": config,
            "customCommandRenames": renames,
        });
        if let Some(grace) = grace {
            redis["terminationGracePeriod"] = json!(grace);
        }
        let mut spec = json!({"redis": redis, "sentinel": {"replicas": replicas.1}});
        if let Some(host) = host {
            spec["bootstrapNode"] = host.map_or_else(|| json!({}), |host| json!({"host": host}));
        }
        spec
    }
}

/// What the rules say that CEL says too.
fn both(texts: Vec<String>) -> Vec<String> {
    const RUST_ALONE: [&str; 4] = [
        "cannot be the name of a volume",
        "cannot change once",
        "is renamed twice",
        "is the name of another",
    ];
    texts.into_iter().filter(|text| !RUST_ALONE.iter().any(|alone| text.starts_with(alone))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn cel_and_rust_agree_on_creations(name in "[a-z.]{1,3}|[a-z]{47,50}", spec in specs()) {
        // What CEL leaves to the webhook: dots are the one fault of a name that Kubernetes lets through.
        prop_assume!(!name.starts_with('.') && !name.ends_with('.') && !name.contains(".."));
        prop_assert_eq!(by_cel(&name, &spec, None), both(by_rust(&name, &spec, None)));
    }

    #[test]
    fn cel_and_rust_agree_on_updates(old in specs(), new in specs(), kept in any::<[bool; 6]>()) {
        let mut new = new;
        let fields = ["storage", "port", "replicas", "customConfig", "customCommandRenames", "terminationGracePeriod"];
        for (field, _) in fields.into_iter().zip(kept).filter(|(_, kept)| *kept) {
            new["redis"][field] = old["redis"][field].clone();
        }
        prop_assert_eq!(by_cel("x", &new, Some(&old)), both(by_rust("x", &new, Some(&old))));
    }
}

/// The API server prints the value of an entry that a rule on entries refuses.
#[test]
fn entries_with_passwords_are_refused_by_rules_on_the_list() {
    for entry in [
        "requirepass hunter2",
        "MasterAuth hunter2",
        "user a on >hunter2",
        "requirepass \nhunter2",
        "requirepas hunter2\n",
        "tls-key-file-pass hunter2",
    ] {
        let object = object("x", &entries(&[entry]), false);
        let errors = Validator::new().validate_compiled(&COMPILED, &object, None).unwrap_err().into_vec();
        assert!(errors.iter().all(|error| error.field_path == "spec.redis.customConfig"), "{errors:?}");
    }
}

/// A family is one pattern in CEL, so no option of it may have a row of its own that says otherwise.
#[test]
fn families_of_the_operator_have_no_exceptions() {
    for owned in rules::owned::all() {
        for family in owned.keys.iter().filter_map(|key| key.strip_suffix('*')) {
            let texts = by_rust(
                "x",
                &json!({owned.list.split('.').nth(1).unwrap(): {"customConfig": [format!("{family}x 1")]}}),
                None,
            );
            assert_eq!(texts, [format!("{}; {}", owned.reason, owned.mend)]);
        }
    }
}
