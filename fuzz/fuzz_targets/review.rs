//! Any body is answered or refused; an answer is a review that the API server can read, and its patch applies.
#![no_main]

use base64::{Engine, prelude::BASE64_STANDARD};
use json_patch::Patch;
use libfuzzer_sys::fuzz_target;
use redis_operator::admission::Admission;
use serde_json::{Value, json};
use webhook::{Admit, Object, Operation, Request, Verdict};

fuzz_target!(|body: &[u8]| {
    let Ok(request) = webhook::decode(body) else { return };
    let admission = Admission::default();
    let mutated = admission.mutate(&request);
    let validated = admission.validate(&request);
    let patch = answer(&request, &mutated);
    assert_eq!(answer(&request, &validated), Patch::default(), "a validation changes nothing");
    let (Some(object), true) = (&request.object, mutated.is_allowed()) else { return };
    // What is not a field may be a number that nobody can read.
    let spec = object.spec.map(|spec| serde_json::from_str::<Value>(spec.get())).transpose();
    let Ok(spec) = spec else { return };
    let mut filled = spec.map_or_else(|| json!({}), |spec| json!({ "spec": spec }));
    json_patch::patch(&mut filled, &patch).expect("a patch that applies");
    let Some(spec) = filled.get("spec").map(Value::to_string) else { return };
    let spec = serde_json::from_str(&spec).expect("a spec");
    let again = Object { spec: Some(spec), ..object.clone() };
    let again = Request { object: Some(again), ..request.clone() };
    if let Verdict::Allow { patch: Some(patch), .. } = admission.mutate(&again) {
        assert!(patch.is_empty(), "the defaults are filled twice: {patch:?}");
    }
    // Defaults are no reason to refuse: what is asked for and what is stored get the same verdict.
    if request.operation == Operation::Create {
        assert_eq!(admission.validate(&again), validated);
    }
});

/// Reads an answer as the API server does; its patch.
fn answer(request: &Request<'_>, verdict: &Verdict) -> Patch {
    let bytes = webhook::encode(&request.uid, verdict).expect("an answer");
    let review: Value = serde_json::from_slice(&bytes).expect("JSON");
    let response = &review["response"];
    assert_eq!(response["uid"], request.uid.as_str());
    assert_eq!(response["allowed"], verdict.is_allowed());
    assert_eq!(response["status"]["message"].is_string(), !verdict.is_allowed());
    // A message, warnings and a patch have bounds of their own; of the request, only its id comes back.
    assert!(bytes.len() < 200_000 + 6 * request.uid.len(), "{} bytes", bytes.len());
    let Some(text) = response["patch"].as_str() else { return Patch::default() };
    assert_eq!(response["patchType"], "JSONPatch");
    serde_json::from_slice(&BASE64_STANDARD.decode(text).expect("base64")).expect("a patch")
}
