//! Reviews and bad requests over TLS, with HTTP/1.1 and HTTP/2.

use crate::common::{CREATE, Client, DELETE, STATUS, Server, UPDATE, default_replicas, patch_of, post};
use http_body_util::Full;
use hyper::{Request, StatusCode};
use serde_json::json;

async fn both(server: &Server) -> [Client; 2] {
    [server.http1().await, server.http2().await]
}

#[tokio::test]
async fn reviews_get_their_verdicts() {
    let server = Server::start().await;
    for mut client in both(&server).await {
        let filled = client.post("/mutate", CREATE).await;
        assert_eq!(filled.body["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(filled.body["response"]["uid"], "5f5b7f3e-2c0d-4a53-9f7e-6f4c1f0f5a11");
        assert_eq!(filled.body["response"]["allowed"], true);
        assert_eq!(patch_of(&filled), default_replicas());

        let accepted = client.post("/validate", CREATE).await;
        assert_eq!(accepted.body["response"]["allowed"], true);
        assert_eq!(accepted.body["response"]["warnings"], json!(["tests only"]));

        let complete = client.post("/mutate", UPDATE).await;
        assert_eq!((complete.status, complete.body["response"].get("patch")), (StatusCode::OK, None));

        let refused = client.post("/validate", UPDATE).await;
        assert_eq!(refused.status, StatusCode::OK, "a denial is a proper answer");
        assert_eq!(refused.body["response"]["allowed"], false);
        assert_eq!(
            refused.body["response"]["status"],
            json!({"code": 422, "reason": "Invalid", "message": "spec.redis.replicas: 1000 is above 10"})
        );

        for never_held_up in [STATUS, DELETE] {
            let reply = client.post("/validate", never_held_up).await;
            assert_eq!(reply.body["response"]["allowed"], true);
        }
    }
    let once = [
        ("/mutate", "allowed", Some("CREATE")),
        ("/validate", "allowed", Some("CREATE")),
        ("/mutate", "allowed", Some("UPDATE")),
        ("/validate", "denied", Some("UPDATE")),
        ("/validate", "allowed", Some("UPDATE")),
        ("/validate", "allowed", Some("DELETE")),
    ];
    assert_eq!(server.outcomes(), [once, once].concat());
}

#[tokio::test]
async fn bad_bodies_are_400_and_say_why() {
    let server = Server::start().await;
    let old_version = CREATE.replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1");
    let cases = [
        ("hello", "NotJson"),
        ("", "NotJson"),
        (&CREATE[..CREATE.len() / 2], "NotJson"),
        ("[1]", "NotAdmissionReview"),
        (r#"{"apiVersion":"v1","kind":"Pod"}"#, "WrongReviewType"),
        (&old_version, "WrongReviewType"),
    ];
    for mut client in both(&server).await {
        for (body, reason) in cases {
            let reply = client.post("/mutate", body.to_owned()).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
            assert_eq!(reply.body["error"], reason, "{body}");
            assert!(reply.body["message"].is_string(), "{body}");
        }
    }
    assert_eq!(server.outcomes(), vec![("/mutate", "error", None); 2 * cases.len()]);
}

#[tokio::test]
async fn a_body_too_large_is_413_and_one_just_below_is_read() {
    let server = Server::start().await;
    for mut client in both(&server).await {
        let mut padded = CREATE.as_bytes().to_vec();
        padded.resize(webhook::MAX_BODY_BYTES, b' ');
        let reply = client.post("/validate", padded.clone()).await;
        assert_eq!(reply.body["response"]["allowed"], true);

        padded.push(b' ');
        let reply = client.post("/validate", padded).await;
        assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(reply.body["error"], "BodyTooLarge");
    }
}

#[tokio::test]
async fn only_json_is_a_content_type() {
    let server = Server::start().await;
    for mut client in both(&server).await {
        for (content_type, status) in [
            ("application/json", StatusCode::OK),
            ("application/json; charset=utf-8", StatusCode::OK),
            ("text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            ("application/yaml", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            ("", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ] {
            let reply = client.send(post("/mutate", content_type, Full::from(CREATE))).await;
            assert_eq!(reply.status, status, "{content_type:?}");
        }
    }
}

#[tokio::test]
async fn methods_and_paths_are_exact() {
    let server = Server::start().await;
    for mut client in both(&server).await {
        for (method, path, status) in [
            ("GET", "/healthz", StatusCode::OK),
            ("GET", "/mutate", StatusCode::METHOD_NOT_ALLOWED),
            ("PUT", "/validate", StatusCode::METHOD_NOT_ALLOWED),
            ("POST", "/", StatusCode::NOT_FOUND),
            ("GET", "/mutate/", StatusCode::NOT_FOUND),
        ] {
            let request = Request::builder().method(method).uri(format!("https://localhost{path}"));
            let request = request.header("host", "localhost").body(Full::default()).unwrap();
            assert_eq!(client.send(request).await.status, status, "{method} {path}");
        }
    }
}
