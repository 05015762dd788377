#![allow(clippy::needless_pass_by_value)] // for `json!` at the call

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::api::defaults::tests::specs;

fn object(spec: Value) -> Value {
    json!({"apiVersion": "storage.spotahome.com/v1", "kind": "RedisFailover", "metadata": {"name": "x"}, "spec": spec})
}

fn request(operation: &str, object: Option<Value>, old: Option<Value>) -> Request<'static> {
    let text = json!({
        "uid": "1",
        "kind": {"group": "storage.spotahome.com", "version": "v1", "kind": "RedisFailover"},
        "operation": operation,
        "object": object,
        "oldObject": old,
    });
    serde_json::from_str(text.to_string().leak()).unwrap()
}

fn validate(request: &Request<'_>) -> Verdict {
    Admission::default().validate(request)
}

fn mutated(object: &Value) -> Value {
    let verdict = Admission::default().mutate(&request("CREATE", Some(object.clone()), None));
    let Verdict::Allow { patch: Some(patch), .. } = verdict else { panic!("{verdict:?}") };
    let mut object = object.clone();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

fn bad() -> Value {
    object(json!({"redis": {"customConfig": ["port 1"]}}))
}

#[test]
fn mutate_fills_defaults_and_nothing_twice() {
    let mut minimal = object(json!({}));
    minimal.as_object_mut().unwrap().remove("spec");
    let once = mutated(&minimal);
    assert_eq!(once["spec"]["redis"]["replicas"], 3);
    assert!(patch(&once, &Images::default()).is_empty());
}

/// The API server's schema check comes after this, and says what it wants but not how to write it.
#[test]
fn mutate_refuses_wrong_types_politely() {
    let text = |object: Value, old: Option<Value>| {
        let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
        match Admission::default().mutate(&request(operation, Some(object), old)) {
            Verdict::Deny { message, .. } => Some(message),
            Verdict::Allow { .. } => None,
        }
    };
    let wrong = object(json!({"redis": {"replicas": "three"}}));
    let refusal = text(wrong.clone(), None).unwrap();
    assert!(
        refusal.contains("RedisFailover \"x\" is not valid: spec.redis.replicas: \"three\""),
        "{refusal}"
    );
    assert_eq!(
        text(wrong.clone(), Some(wrong.clone())),
        None,
        "it was stored before: other fields may change"
    );
    let mut relabelled = wrong.clone();
    relabelled["spec"]["redis"]["port"] = json!(7000);
    assert_eq!(text(relabelled, Some(wrong)), None);
}

#[test]
fn a_good_object_passes() {
    assert_eq!(validate(&request("CREATE", Some(object(json!({}))), None)), Verdict::allow());
}

#[test]
fn one_problem_is_one_line() {
    assert_eq!(
        validate(&request("CREATE", Some(bad()), None)),
        Verdict::deny(
            "RedisFailover \"x\" is not valid: spec.redis.customConfig[0]: \"port 1\": belongs to the operator: \
             it has a field of its own; remove it and use spec.redis.port"
        )
    );
}

#[test]
fn several_problems_are_counted_and_sorted() {
    let spec = json!({"redis": {"replicas": 0, "port": 0}, "sentinel": {"replicas": 2}});
    let expected = Verdict::deny(
        "RedisFailover \"x\" is not valid, 2 problems:\n\
         - spec.redis.port: \"0\": is not a port; choose one from 1 to 65535\n\
         - spec.redis.replicas: \"0\": is below 1; choose at least 1",
    );
    let warning = "spec.sentinel.replicas: \"2\": survives no more failures than 1 would; \
                   choose an odd number, for example 3";
    let verdict = validate(&request("CREATE", Some(object(spec)), None));
    assert_eq!(verdict, expected.with_warnings(vec![warning.to_owned()]));
}

#[test]
fn a_wrong_type_is_refused_politely() {
    let verdict = validate(&request("CREATE", Some(object(json!({"redis": {"replicas": "3"}}))), None));
    let text = "RedisFailover \"x\" is not valid: spec.redis.replicas: \"3\": is a text, but must be a whole number; \
                write it without quotes and fraction";
    assert_eq!(verdict, Verdict::deny(text));
}

#[test]
fn deletions_subresources_and_connections_pass() {
    assert_eq!(validate(&request("DELETE", None, Some(bad()))), Verdict::allow());
    assert_eq!(validate(&request("CONNECT", None, None)), Verdict::allow());
    for part in ["status", "scale"] {
        let mut request = request("UPDATE", Some(bad()), Some(object(json!({}))));
        request.sub_resource = Some(part.into());
        assert_eq!(validate(&request), Verdict::allow());
        assert_eq!(Admission::default().mutate(&request), Verdict::allow());
    }
}

#[test]
fn an_object_that_is_being_deleted_passes() {
    let mut leaving = bad();
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(
        validate(&request("UPDATE", Some(leaving.clone()), Some(object(json!({}))))),
        Verdict::allow()
    );
    assert!(patch(&leaving, &Images::default()).is_empty());
}

#[test]
fn an_update_of_metadata_alone_passes() {
    let mut finalized = bad();
    finalized["metadata"]["finalizers"] = json!(["a/b"]);
    assert_eq!(validate(&request("UPDATE", Some(finalized), Some(bad()))), Verdict::allow());
}

#[test]
fn an_old_fault_does_not_hold_up_another_change() {
    let mut scaled = bad();
    scaled["spec"]["redis"]["replicas"] = json!(5);
    let verdict = validate(&request("UPDATE", Some(scaled), Some(bad())));
    let Verdict::Allow { warnings, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(warnings.len(), 1);
    let malformed = |replicas: i32| object(json!({"redis": {"image": 7, "replicas": replicas}}));
    assert!(validate(&request("UPDATE", Some(malformed(2)), Some(malformed(3)))).is_allowed());
    let worse = object(json!({"redis": {"image": 8}}));
    assert!(!validate(&request("UPDATE", Some(worse), Some(malformed(3)))).is_allowed());
}

#[test]
fn an_unreadable_old_spec_excuses_nothing() {
    assert!(!validate(&request("UPDATE", Some(bad()), Some(object(json!({"redis": 7}))))).is_allowed());
    assert!(validate(&request("UPDATE", Some(object(json!({}))), Some(object(json!("x"))))).is_allowed());
}

#[test]
fn wrong_types_can_be_mended_one_by_one() {
    let of =
        |image: Value, port: Value| object(json!({"redis": {"image": image, "port": port, "replicas": 2}}));
    let update = |new: Value, old: Value| validate(&request("UPDATE", Some(new), Some(old)));
    let both = || of(json!(7), json!("x"));
    assert!(update(of(json!("a:1"), json!("x")), both()).is_allowed());
    assert!(update(of(json!(7), json!(7000)), both()).is_allowed());
    assert!(!update(of(json!(8), json!(7000)), both()).is_allowed());
    assert!(!update(of(json!("a:1"), json!("y")), both()).is_allowed());
    let limits = |gpu: Value, port: i32| {
        object(json!({"redis": {"port": port, "resources": {"limits": {"example.com/gpu": gpu}}}}))
    };
    assert!(update(limits(json!([]), 7000), limits(json!([]), 7001)).is_allowed());
    assert!(!update(limits(json!([]), 7000), limits(json!("1"), 7000)).is_allowed());
}

#[test]
fn a_wrong_type_beside_a_claim_can_be_mended() {
    let claim =
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let of = |image: Value| {
        let mut object =
            object(json!({"redis": {"image": image, "storage": {"persistentVolumeClaim": claim}}}));
        object["metadata"]["name"] = json!("a".repeat(60));
        object
    };
    let verdict = validate(&request("UPDATE", Some(of(json!("a:1"))), Some(of(json!(7)))));
    assert!(verdict.is_allowed(), "{verdict:?}");
}

#[test]
fn a_generated_name_is_judged_by_its_length() {
    let mut generated = object(json!({}));
    generated["metadata"] = json!({"generateName": "a".repeat(43)});
    assert!(validate(&request("CREATE", Some(generated.clone()), None)).is_allowed());
    generated["metadata"] = json!({"generateName": "a".repeat(44)});
    assert!(!validate(&request("CREATE", Some(generated), None)).is_allowed());
}

/// One request of a hostile peer may cost no more than a big one of an honest peer: no list is compared with itself,
/// and no message repeats all the others.
#[test]
fn long_lists_of_faults_cost_no_more_than_their_length() {
    const ENTRIES: usize = 3000;
    let list = |entry: fn(usize) -> Value| Value::Array((0..ENTRIES).map(entry).collect());
    let saves = || list(|n| json!(format!("save {n} {n}")));
    let specs = [
        json!({"redis": {"customConfig": saves()}}),
        json!({"redis": {"customConfig": list(|n| json!(format!("client-output-buffer-limit normal {n} 0 0")))}}),
        json!({"redis": {"customConfig": list(|_| json!(""))}, "sentinel": {"customConfig": list(|_| json!("x"))}}),
        json!({"redis": {"customCommandRenames": list(|_| json!({"from": "GET", "to": "SET"}))}}),
        json!({"labelWhitelist": list(|_| json!("(a{500}){500}"))}),
    ];
    for spec in specs {
        let mut changed = spec.clone();
        changed["redis"]["port"] = 7000.into();
        let (spec, changed) = (object(spec), object(changed));
        let created = judge(&spec, None, &Images::default(), &View::default());
        let updated = judge(&changed, Some(&spec), &Images::default(), &View::default());
        assert!(!created.problems.is_empty() && updated.problems.is_empty());
        assert_eq!(created.problems.len() + created.warnings.len(), updated.warnings.len());
        let text = refusal(&created.name, &created.problems).unwrap();
        assert!(text.len() < 1000 * ENTRIES, "{} bytes", text.len());
    }
}

/// The early operator refused fewer than three.
#[test]
fn few_servers_are_warned_of_where_the_client_speaks_v1alpha2() {
    let mut request = request("CREATE", Some(object(json!({"redis": {"replicas": 2}}))), None);
    let warnings = |request: &Request<'_>| match validate(request) {
        Verdict::Allow { warnings, .. } => warnings,
        denied @ Verdict::Deny { .. } => panic!("{denied:?}"),
    };
    let before = warnings(&request);
    let kind = json!({"group": "storage.spotahome.com", "version": "v1alpha2", "kind": "RedisFailover"});
    request.request_kind = serde_json::from_str(kind.to_string().leak()).unwrap();
    let after = warnings(&request);
    assert_eq!(after.len(), before.len() + 1);
    let text = "spec.redis.replicas: \"2\": is below 3, the least that survives the loss of one; choose 3";
    assert!(after.contains(&text.to_owned()), "{after:?}");
}

#[test]
fn a_failed_conversion_names_object_and_field() {
    let early = json!({
        "apiVersion": "storage.spotahome.com/v1alpha2",
        "kind": "RedisFailover",
        "metadata": {"namespace": "shop", "name": "cache"},
        "spec": {"redis": {"exporter": "on"}},
    });
    let failed = Admission::default().convert(early, "storage.spotahome.com/v1").unwrap_err();
    let text = "RedisFailover \"cache\" in namespace \"shop\": spec.redis.exporter: \"on\": is a text, \
                but must be true or false; write it without quotes";
    assert_eq!(failed, text);
}

/// What an example of the catalogue says in YAML.
fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn stored(spec: Option<&str>) -> Object<'_> {
    let spec = spec.map(|text| serde_json::from_str(text).unwrap());
    Object { metadata: Metadata { name: "x".into(), ..Metadata::default() }, spec }
}

/// Holds the quick answer, where there is one, against the careful one: the same verdict, and the defaults of
/// [`defaults::fill`]. An old spec that is null is one that is not there.
#[track_caller]
fn quick_is_careful(spec: Option<&Value>, old: Option<&Value>) -> bool {
    let admission = Admission::default();
    let [text, old_text] = [spec, old].map(|spec| spec.map(Value::to_string));
    let old_text = old_text.as_deref().map(|text| Some(text).filter(|text| *text != "null"));
    let (object, old) = (stored(text.as_deref()), old_text.map(stored));
    let Some((judged, patch)) = admission.quick(&object, old.as_ref()) else { return false };
    assert_eq!(judged, admission.careful(&object, old.as_ref()).0, "{text:?} after {old_text:?}");
    let mut patched = spec.map_or_else(|| json!({}), |spec| json!({ "spec": spec }));
    json_patch::patch(&mut patched, &patch).unwrap();
    let mut filled = spec.cloned().unwrap_or_default();
    defaults::fill(&mut filled, &Images::default());
    assert_eq!(patched["spec"], filled, "{text:?}");
    let typed = parse::spec(&spec.cloned().unwrap_or_else(|| json!({})));
    assert_eq!(parse::text(text.as_deref()).map(|given| *given.spec), typed.ok());
    true
}

#[test]
fn the_quick_answer_is_the_careful_one_for_each_example() {
    let rules = rules::CATALOGUE.iter().flat_map(|chapter| chapter.rules);
    let texts = rules.flat_map(|rule| [rule.example.before, rule.example.bad, rule.example.good]);
    let specs: Vec<_> = texts.filter(|text| !text.is_empty()).map(yaml).collect();
    let mut quick = 0;
    for (spec, old) in specs.iter().zip(specs.iter().skip(1)) {
        let olds = [None, Some(&Value::Null), Some(old), Some(spec)];
        quick += olds.into_iter().filter(|old| quick_is_careful(Some(spec), *old)).count();
    }
    assert!(quick > 3 * specs.len(), "{quick} of {} specs", specs.len());
    let old = json!({"redis": {"port": 7000}});
    assert!(quick_is_careful(None, None) && quick_is_careful(None, Some(&old)));
}

proptest! {
    #[test]
    fn the_quick_answer_is_the_careful_one(spec in specs(), old in proptest::option::of(specs())) {
        quick_is_careful(Some(&spec), old.as_ref());
    }
}

/// The API server has compared neither depth nor numbers when it asks.
#[test]
fn a_spec_that_cannot_be_read_is_refused() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (value, reason) in [(deep.as_str(), "recursion limit exceeded"), ("1e999", "number out of range")] {
        let object = format!(r#"{{"metadata": {{"name": "x"}}, "spec": {{"redis": {{"image": {value}}}}}}}"#);
        let text = format!(r#"{{"uid": "1", "kind": {{}}, "operation": "CREATE", "object": {object}}}"#);
        let request = serde_json::from_str(&text).unwrap();
        for verdict in [Admission::default().mutate(&request), validate(&request)] {
            let Verdict::Deny { message, .. } = verdict else { panic!("{verdict:?}") };
            assert!(message.contains("spec: cannot be read") && message.contains(reason), "{message}");
        }
    }
}

/// An object that was stored before can change in every other field, and this one can be mended.
#[test]
fn what_has_no_room_in_v1alpha2_is_refused_where_it_is_new() {
    let with = |length: usize, port: u16| {
        object(json!({"redis": {"port": port, "exporter": {"args": ["x".repeat(length)]}}}))
    };
    let (long, longer, short) = (300_000, 300_001, 3);
    let refusal = |new: Value, old: Option<Value>| {
        let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
        match validate(&request(operation, Some(new), old)) {
            Verdict::Deny { message, .. } => Some(message),
            Verdict::Allow { .. } => None,
        }
    };
    let text = refusal(with(long, 1), None).unwrap();
    assert!(
        text.starts_with("RedisFailover \"x\" is not valid: spec.redis.exporter.args: takes most of the 300")
            && text.len() < 300,
        "{text}"
    );
    assert!(refusal(with(long, 1), Some(with(short, 1))).is_some());
    assert!(refusal(with(longer, 1), Some(with(long, 1))).is_some());
    assert_eq!(refusal(with(long, 2), Some(with(long, 1))), None);
    assert_eq!(refusal(with(short, 1), Some(with(long, 1))), None);
    let warned = validate(&request("UPDATE", Some(with(long, 2)), Some(with(long, 1))));
    let Verdict::Allow { warnings, .. } = warned else { panic!("{warned:?}") };
    assert!(
        warnings.iter().any(|warning| warning.starts_with("spec.redis.exporter.args: takes")),
        "{warnings:?}"
    );
}

/// What is filled in must not make too much of what was not.
#[test]
fn a_list_as_long_as_may_be_can_be_filled() {
    let list: Vec<_> = (0..256).map(|number| format!("future-option-{number} 1")).collect();
    let filled = mutated(&object(json!({"sentinel": {"customConfig": list}})));
    assert_eq!(filled["spec"]["sentinel"]["customConfig"].as_array().unwrap().len(), 258);
    let verdict = validate(&request("CREATE", Some(filled), None));
    assert!(verdict.is_allowed(), "{verdict:?}");
}

/// Each has its place in the code: a rule that nothing reports would be a promise on the page alone. That the examples
/// are reported is seen where the page is made.
#[test]
fn rules_around_the_spec_are_those_that_are_reported() {
    let reported =
        [surroundings::COLLISION, surroundings::MISSING, WRONG_TYPE, TOO_LONG, v1alpha2::BELOW_THREE];
    assert_eq!(
        reported.map(|rule| rule.id)[..],
        rules::AROUND.rules.iter().map(|rule| rule.id).collect::<Vec<_>>()[..]
    );
}
