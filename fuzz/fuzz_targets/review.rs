//! Any body is answered or refused; an answer is a review that the API server can read, and its patch applies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_operator::admission::Admission;
use serde_json::Value;
use webhook::{Admit, Operation, Request, Verdict};

fuzz_target!(|body: &[u8]| {
    let Ok(request) = webhook::decode(body) else { return };
    let admission = Admission::default();
    let mutated = admission.mutate(&request);
    let validated = admission.validate(&request);
    for verdict in [&mutated, &validated] {
        answer(&request, verdict);
    }
    let (Some(object), Verdict::Allow { patch: Some(patch), .. }) = (&request.object, &mutated) else { return };
    let mut filled = object.clone();
    json_patch::patch(&mut filled, patch).expect("a patch that applies");
    let again = Request { object: Some(filled), ..request.clone() };
    if let Verdict::Allow { patch: Some(patch), .. } = admission.mutate(&again) {
        assert!(patch.is_empty(), "the defaults are filled twice: {patch:?}");
    }
    // Defaults are no reason to refuse: what is asked for and what is stored get the same verdict.
    if request.operation == Operation::Create {
        assert_eq!(admission.validate(&again), validated);
    }
});

fn answer(request: &Request, verdict: &Verdict) {
    let bytes = webhook::encode(&request.uid, verdict).expect("an answer");
    let review: Value = serde_json::from_slice(&bytes).expect("JSON");
    let response = &review["response"];
    assert_eq!(response["uid"], request.uid.as_str());
    assert_eq!(response["allowed"], verdict.is_allowed());
    assert_eq!(response["status"]["message"].is_string(), !verdict.is_allowed());
    assert!(bytes.len() < 200_000, "{} bytes", bytes.len());
}
