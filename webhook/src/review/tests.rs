use super::*;
use serde_json::{Value, json};

const CREATE: &[u8] = include_bytes!("../../tests/data/create.json");
const UPDATE: &[u8] = include_bytes!("../../tests/data/update.json");
const STATUS: &[u8] = include_bytes!("../../tests/data/status.json");
const DELETE: &[u8] = include_bytes!("../../tests/data/delete.json");

fn encoded(verdict: &Verdict) -> Value {
    serde_json::from_slice(&encode("id", verdict).unwrap()).unwrap()
}

fn spec(object: Option<Object<'_>>) -> Value {
    serde_json::from_str(object.unwrap().spec.unwrap().get()).unwrap()
}

fn sent_warnings(warnings: Vec<String>) -> Vec<String> {
    let review = encoded(&Verdict::allow().with_warnings(warnings));
    serde_json::from_value(review["response"]["warnings"].clone()).unwrap_or_default()
}

#[test]
fn a_creation_has_an_object_and_no_old_one() {
    let request = decode(CREATE).unwrap();
    assert_eq!(request.uid, "5f5b7f3e-2c0d-4a53-9f7e-6f4c1f0f5a11");
    let kind = &request.kind;
    assert_eq!((&*kind.group, &*kind.version, &*kind.kind), ("storage.spotahome.com", "v1", "RedisFailover"));
    assert_eq!(request.operation, Operation::Create);
    assert_eq!((request.namespace.as_deref(), request.name.as_deref()), (Some("shop"), Some("cache")));
    assert_eq!((request.sub_resource, request.dry_run), (None, false));
    let object = request.object.as_ref().unwrap();
    assert_eq!((&*object.metadata.namespace, &*object.metadata.name), ("shop", "cache"));
    assert_eq!(spec(request.object)["sentinel"]["replicas"], 3);
    assert!(request.old_object.is_none());
}

#[test]
fn an_update_has_both_objects() {
    let request = decode(UPDATE).unwrap();
    assert_eq!((request.operation, request.dry_run), (Operation::Update, true));
    assert_eq!(spec(request.object)["redis"]["replicas"], 1000);
    assert_eq!(spec(request.old_object)["redis"]["replicas"], 3);
}

#[test]
fn a_status_update_names_its_subresource() {
    assert_eq!(decode(STATUS).unwrap().sub_resource.as_deref(), Some("status"));
}

#[test]
fn a_deletion_has_a_null_object_and_may_have_a_null_dry_run() {
    let request = decode(DELETE).unwrap();
    assert_eq!((request.operation, request.dry_run), (Operation::Delete, false));
    assert!(request.object.is_none() && request.old_object.is_some());
}

#[test]
fn empty_names_are_none_and_missing_fields_are_fine() {
    let review = json!({"apiVersion": API_VERSION, "kind": KIND, "request": {
        "uid": "1", "kind": {"version": "v1", "kind": "Pod"}, "operation": "CONNECT",
        "name": "", "namespace": "", "subResource": ""}});
    let body = review.to_string();
    let request = decode(body.as_bytes()).unwrap();
    assert_eq!(request.operation, Operation::Connect);
    assert_eq!((request.name, request.namespace, request.sub_resource), (None, None, None));
    assert!(request.object.is_none() && request.old_object.is_none() && request.kind.group.is_empty());
}

#[test]
fn a_spec_of_the_wrong_shape_is_still_a_request() {
    let review = json!({"apiVersion": API_VERSION, "kind": KIND, "request": {
        "uid": "1", "kind": {}, "operation": "CREATE", "object": {"spec": "three of them, please"}}});
    let body = review.to_string();
    assert_eq!(spec(decode(body.as_bytes()).unwrap().object), "three of them, please");
}

#[test]
fn what_is_no_review_is_refused_with_its_reason() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "NotJson"),
        (b"hello", "NotJson"),
        (&CREATE[..CREATE.len() / 2], "NotJson"),
        (b"[]", "NotAdmissionReview"),
        (b"{}", "WrongReviewType"),
        (br#"{"apiVersion":"v1","kind":"Pod","spec":{}}"#, "WrongReviewType"),
        (br#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#, "WrongReviewType"),
        (br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#, "NoRequest"),
        (br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}"#, "NoRequest"),
        (
            br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}"#,
            "NotAdmissionReview",
        ),
        (
            br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",
                 "request":{"uid":"1","kind":{},"operation":"EAT"}}"#,
            "NotAdmissionReview",
        ),
    ];
    for (body, reason) in cases {
        let error = decode(body).unwrap_err();
        assert_eq!(error.reason(), *reason, "{error} for {}", String::from_utf8_lossy(body));
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }
}

#[test]
fn the_wrong_version_is_named_in_the_error() {
    let error = decode(br#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("v1beta1") && message.contains(r#""admission.k8s.io/v1""#), "{message}");
}

#[test]
fn allow_is_short() {
    let expected =
        json!({"apiVersion": API_VERSION, "kind": KIND, "response": {"uid": "id", "allowed": true}});
    assert_eq!(encoded(&Verdict::allow()), expected);
    assert_eq!(encoded(&Verdict::allow().with_patch(Patch::default())), expected, "an empty patch is none");
}

#[test]
fn a_patch_is_base64_of_a_json_patch() {
    let patch: Patch =
        serde_json::from_value(json!([{"op": "add", "path": "/spec/redis/replicas", "value": 3}])).unwrap();
    let review = encoded(&Verdict::allow().with_patch(patch.clone()));
    assert_eq!(review["response"]["patchType"], "JSONPatch");
    let bytes = BASE64_STANDARD.decode(review["response"]["patch"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Patch>(&bytes).unwrap(), patch);
}

#[test]
fn deny_is_422_invalid_with_the_message_as_it_is() {
    let patch: Patch = serde_json::from_value(json!([{"op": "remove", "path": "/spec"}])).unwrap();
    let review = encoded(&Verdict::deny("spec.redis.replicas: 0 is too few").with_patch(patch));
    let status = json!({"code": 422, "reason": "Invalid", "message": "spec.redis.replicas: 0 is too few"});
    assert_eq!(review["response"], json!({"uid": "id", "allowed": false, "status": status}));
}

#[test]
fn warnings_are_sent_with_either_verdict() {
    for verdict in [Verdict::allow(), Verdict::deny("no")] {
        let review = encoded(&verdict.with_warnings(vec!["field is deprecated".to_owned()]));
        assert_eq!(review["response"]["warnings"], json!(["field is deprecated"]));
    }
}

#[test]
fn a_long_warning_is_cut_between_characters() {
    let exact = "ä".repeat(256);
    let long = "ä".repeat(257);
    let cut = format!("{}…", "ä".repeat(255));
    assert_eq!(sent_warnings(vec![exact.clone(), long]), [exact, cut]);
}

#[test]
fn warnings_stay_below_4096_characters_in_all_and_the_last_counts_those_left_out() {
    let warnings = |count| vec!["x".repeat(300); count];
    let sent = sent_warnings(warnings(15));
    assert_eq!(sent.len(), 15, "the 16th would make 4096");
    assert!(sent.iter().all(|line| line.chars().count() == 256));
    let sent = sent_warnings(warnings(20));
    assert_eq!((sent.len(), sent[15].as_str()), (16, "and 5 more warnings"));
    assert!(sent.iter().map(|line| line.chars().count()).sum::<usize>() < ALL_WARNINGS_CHARS);
}

#[test]
fn a_warning_is_one_line() {
    assert_eq!(sent_warnings(vec!["two\nlines\tand a tab".to_owned()]), ["two lines and a tab"]);
}

#[test]
fn a_message_without_end_is_cut_between_characters() {
    for (message, length) in
        [("x".repeat(MESSAGE_BYTES), MESSAGE_BYTES), ("€".repeat(MESSAGE_BYTES), 16_383 + '…'.len_utf8())]
    {
        let answer: Value = serde_json::from_slice(&encode("1", &Verdict::deny(message)).unwrap()).unwrap();
        assert_eq!(answer["response"]["status"]["message"].as_str().unwrap().len(), length);
    }
}
