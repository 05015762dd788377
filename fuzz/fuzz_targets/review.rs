//! Any body is answered or refused; an answer is a review that the API server can read, and its patch applies.
#![no_main]

use base64::{Engine, prelude::BASE64_STANDARD};
use json_patch::Patch;
use libfuzzer_sys::fuzz_target;
use redis_operator::admission::Admission;
use serde_json::Value;
use webhook::{Admit, Operation, Request, Verdict};

fuzz_target!(|body: &[u8]| {
    let Ok(request) = webhook::decode(body) else { return };
    let admission = Admission::default();
    let mutated = admission.mutate(&request);
    let validated = admission.validate(&request);
    let patch = answer(&request, &mutated);
    assert_eq!(answer(&request, &validated), Patch::default(), "a validation changes nothing");
    let (Some(object), true) = (&request.object, mutated.is_allowed()) else { return };
    let mut filled = object.clone();
    json_patch::patch(&mut filled, &patch).expect("a patch that applies");
    let again = Request { object: Some(filled), ..request.clone() };
    if let Verdict::Allow { patch: Some(patch), .. } = admission.mutate(&again) {
        assert!(patch.is_empty(), "the defaults are filled twice: {patch:?}");
    }
    // Defaults are no reason to refuse: what is asked for and what is stored get the same verdict.
    if request.operation == Operation::Create {
        assert_eq!(admission.validate(&again), validated);
    }
});

/// Reads an answer as the API server does; its patch.
fn answer(request: &Request, verdict: &Verdict) -> Patch {
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
