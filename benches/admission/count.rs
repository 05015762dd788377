//! Requests without TLS and HTTP/2, whose instructions `make instructions` counts.

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::Service;
use hyper::{Request, StatusCode};
use hyper_util::service::TowerToHyperService;

use crate::{reviews, serve};

/// Requests that are counted; the ones before them fill what is filled once.
const TIMES: usize = 1000;
const WARM_UP: usize = 10;

/// Answers the same review again and again.
pub(crate) fn main(kind: &str, path: &str) {
    let bodies = reviews::all();
    let (path, body) = bodies.into_iter().find(|(known, _)| *known == path).expect("/mutate or /validate");
    let (router, body) = (TowerToHyperService::new(serve::router(kind)), Bytes::from(body));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let times = |times: usize| (0..times).for_each(|_| runtime.block_on(ask(&router, path, &body)));
    times(WARM_UP);
    counted(|| times(TIMES));
}

/// Callgrind begins to count here, and ends where this does.
#[inline(never)]
fn counted(work: impl FnOnce()) {
    work();
}

async fn ask(router: &TowerToHyperService<axum::Router>, path: &str, body: &Bytes) {
    let request = Request::post(path).header("content-type", "application/json");
    let request = request.body(Full::new(body.clone())).expect("a request");
    let response = router.call(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.into_body().collect().await.expect("a body").to_bytes().is_empty());
}
