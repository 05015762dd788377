use std::sync::Mutex;

use axum::body::{Body, Bytes};
use tower::ServiceExt;

use super::*;

mod logs;

const CREATE: &str = include_str!("../../tests/data/create.json");

/// Panics on every mutation; its validation tries to slip in a patch.
struct Odd;

impl Admit for Odd {
    fn mutate(&self, _: &Request<'_>) -> Verdict {
        panic!("a bug")
    }

    fn validate(&self, _: &Request<'_>) -> Verdict {
        let patch = serde_json::from_value(json!([{"op": "remove", "path": "/spec"}])).unwrap();
        Verdict::allow().with_patch(patch)
    }
}

async fn call(path: &str, body: Body) -> (StatusCode, Bytes, Vec<Outcome>) {
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&outcomes);
    let router = router(Arc::new(Odd), Arc::new(move |outcome| sink.lock().unwrap().push(outcome.clone())));
    let request = HttpRequest::post(path).header("content-type", "application/json").body(body).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), MAX_BODY_BYTES).await.unwrap();
    let outcomes = outcomes.lock().unwrap().clone();
    (status, body, outcomes)
}

#[track_caller]
fn assert_one_error(outcomes: &[Outcome], path: &str) {
    let short: Vec<_> = outcomes.iter().map(|o| (o.path, o.verdict, o.operation)).collect();
    assert_eq!(short, [(path, "error", None)]);
}

#[tokio::test]
async fn a_panic_is_answered_with_500_and_counted() {
    let (status, body, outcomes) = call("/mutate", Body::from(CREATE)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap()["error"], "Panicked");
    assert_one_error(&outcomes, "/mutate");
}

#[tokio::test]
async fn a_patch_from_validation_is_dropped() {
    let (status, body, outcomes) = call("/validate", Body::from(CREATE)).await;
    assert_eq!(status, StatusCode::OK);
    let review: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&review["response"]["allowed"], review["response"].get("patch")), (&json!(true), None));
    assert_eq!((outcomes[0].verdict, outcomes[0].operation), ("allowed", Some(Operation::Create)));
}

#[tokio::test]
async fn a_conversion_that_fails_is_an_answer_and_is_counted() {
    let request = json!({"uid": "u", "desiredAPIVersion": "example.com/v2", "objects": [{}]});
    let review =
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request});
    let (status, body, outcomes) = call("/convert", Body::from(review.to_string())).await;
    assert_eq!(status, StatusCode::OK);
    let review: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let result = json!({"status": "Failed", "message": "nothing here is converted to example.com/v2"});
    assert_eq!((&review["response"]["uid"], &review["response"]["result"]), (&json!("u"), &result));
    let short: Vec<_> = outcomes.iter().map(|o| (o.path, o.verdict, o.operation)).collect();
    assert_eq!(short, [("/convert", "failed", None)]);
}

#[tokio::test]
async fn what_is_no_conversion_review_is_an_error() {
    let (status, _, outcomes) = call("/convert", Body::from(CREATE)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_one_error(&outcomes, "/convert");
}

/// A body that never comes.
struct Stalled;

impl axum::body::HttpBody for Stalled {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up_and_counted() {
    let start = tokio::time::Instant::now();
    let (status, _, outcomes) = call("/mutate", Body::new(Stalled)).await;
    assert_eq!((status, start.elapsed()), (StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT));
    assert_one_error(&outcomes, "/mutate");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_hangs_up_is_counted() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let router = router(Arc::new(Odd), Arc::new(move |outcome| sink.lock().unwrap().push(outcome.clone())));
    let request = HttpRequest::post("/validate")
        .header("content-type", "application/json")
        .body(Body::new(Stalled))
        .unwrap();
    let hung_up = tokio::time::timeout(Duration::from_secs(1), router.oneshot(request)).await;
    assert!(hung_up.is_err());
    assert_one_error(&seen.lock().unwrap(), "/validate");
}
