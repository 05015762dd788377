//! What the schema limits, Rust limits at the same length.

use super::*;

/// The schema at a path of property names; `[]` stands for the entries of a list.
fn at(path: &str) -> Value {
    path.split('.').fold(schema(), |node, step| {
        let field = node["properties"][step.trim_end_matches("[]")].clone();
        if step.ends_with("[]") { field["items"].clone() } else { field }
    })
}

fn renamed(from: &str, to: &str) -> Value {
    json!({"redis": {"customCommandRenames": [{"from": from, "to": to}]}})
}

/// A spec with a list or text of this length at the path.
fn of_length(path: &str, length: usize) -> Value {
    let title = |length: usize| json!([format!("proc-title-template {}", "é".repeat(length - 20))]);
    match path {
        "spec.redis.customConfig" => json!({"redis": {"customConfig": vec!["hz 10"; length]}}),
        "spec.sentinel.customConfig" => {
            json!({"sentinel": {"customConfig": vec![defaults::SENTINEL_CONFIG[0]; length]}})
        }
        "spec.redis.customCommandRenames" => {
            let rename = |n| json!({"from": "KEYS", "to": "q".repeat(n % 128 + 1)});
            json!({"redis": {"customCommandRenames": (0..length).map(rename).collect::<Vec<_>>()}})
        }
        "spec.redis.customConfig[]" => json!({"redis": {"customConfig": title(length)}}),
        "spec.sentinel.customConfig[]" => json!({"sentinel": {"customConfig": title(length)}}),
        "spec.redis.customCommandRenames[].from" => renamed(&"q".repeat(length), ""),
        "spec.redis.customCommandRenames[].to" => renamed("KEYS", &"q".repeat(length)),
        _ => named(&"a".repeat(length)),
    }
}

/// Whether Rust says so of this length.
fn is_refused(path: &str, length: usize, text: &str) -> bool {
    by_rust("x", &of_length(path, length), None).iter().any(|problem| problem.contains(text))
}

#[rstest]
#[case("spec.redis.customConfig", "maxItems", "entries are more than")]
#[case("spec.sentinel.customConfig", "maxItems", "entries are more than")]
#[case("spec.redis.customCommandRenames", "maxItems", "entries are more than")]
#[case("spec.redis.customConfig[]", "maxLength", "is longer than")]
#[case("spec.sentinel.customConfig[]", "maxLength", "is longer than")]
#[case("spec.redis.customCommandRenames[].from", "maxLength", "is longer than")]
#[case("spec.redis.customCommandRenames[].to", "maxLength", "is longer than")]
fn a_limit_has_a_twin(#[case] path: &str, #[case] limit: &str, #[case] text: &str) {
    let most = usize::try_from(at(path)[limit].as_u64().unwrap()).unwrap();
    assert!(!is_refused(path, most, text), "{most} are allowed");
    assert!(is_refused(path, most + 1, text), "{} are not", most + 1);
}

/// The rule on the claim's name is stricter than its limit.
#[test]
fn the_claims_name_is_limited_further() {
    let path = "spec.redis.storage.persistentVolumeClaim.metadata.name";
    assert_eq!(at(path)["maxLength"], 253);
    assert!(is_refused(path, 253, "cannot be the name of a volume"));
}

#[test]
fn nothing_else_is_limited() {
    let mut limits = 0;
    walk(&schema()["properties"]["spec"], &mut |node| {
        limits += ["maxItems", "maxLength"].iter().filter(|limit| node[**limit].is_u64()).count();
    });
    assert_eq!(limits, 8, "the cases above");
}
