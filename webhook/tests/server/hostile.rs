//! Single requests and handshakes that no honest client sends: each gets its answer, and the next client its own.

use std::sync::Arc;
use std::time::Instant;

use crate::common::{CREATE, OTHER_NAME, PATIENCE, Server, post, trusting};
use http_body_util::{BodyExt, Full, channel::Channel};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use rstest::rstest;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use webhook::{MAX_BODY_BYTES, REQUEST_TIMEOUT};

/// A review whose object is this text.
fn review_of(object: &str) -> Vec<u8> {
    format!(
        r#"{{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request":
        {{"uid": "1", "kind": {{}}, "operation": "CREATE", "object": {object}}}}}"#
    )
    .into_bytes()
}

#[rstest]
#[case::deeply_nested("[".repeat(100_000).into_bytes(), "NotAdmissionReview")]
#[case::a_spec_deeply_nested(
    review_of(&format!(r#"{{"spec": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000))),
    "NotAdmissionReview"
)]
#[case::an_object_that_is_a_text(review_of("\"three\""), "NotAdmissionReview")]
#[case::a_name_that_is_a_number(review_of(r#"{"metadata": {"name": 7}}"#), "NotAdmissionReview")]
#[case::fields_deeply_nested(review_of(&r#"{"a":"#.repeat(100_000)), "NotJson")]
#[case::ignored_fields_deeply_nested(format!(r#"{{"x": {}"#, "[".repeat(100_000)).into_bytes(), "NotJson")]
#[case::two_requests(br#"{"request": null, "request": null}"#.to_vec(), "NotAdmissionReview")]
#[case::a_number_without_bounds(review_of("1e999"), "NotJson")]
#[case::no_utf8(review_of("\"\u{fffd}\"").into_iter().filter(|byte| *byte != 0xbf).collect(), "NotJson")]
#[case::half_a_surrogate(review_of(r#""\ud800""#), "NotJson")]
#[case::a_zero_byte(b"\0".to_vec(), "NotJson")]
#[case::more_than_one_document([CREATE, CREATE].concat().into_bytes(), "NotJson")]
#[case::too_many_values(
    review_of(&format!(r#"{{"spec": [{}]}}"#, vec![r#"{"":0}"#; 100_000].join(","))),
    "NotAdmissionReview"
)]
#[case::a_request_that_is_a_list(
    br#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": []}"#.to_vec(),
    "NotAdmissionReview"
)]
#[case::an_unknown_operation(CREATE.replace("CREATE", "EAT").into_bytes(), "NotAdmissionReview")]
#[case::no_request(br#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}"#.to_vec(), "NoRequest")]
#[tokio::test]
async fn bodies_that_make_no_sense_are_400(#[case] body: Vec<u8>, #[case] reason: &str) {
    let server = Server::start().await;
    for mut client in [server.http1().await, server.http2().await] {
        let reply = client.post("/validate", body.clone()).await;
        assert_eq!((reply.status, &reply.body["error"]), (StatusCode::BAD_REQUEST, &reason.into()));
        let message = reply.body["message"].as_str().unwrap();
        assert!(message.len() < 300, "{message}");
    }
    server.serves_others().await;
}

#[tokio::test]
async fn odd_values_are_decided_on() {
    let server = Server::start().await;
    let mut client = server.http2().await;
    for spec in
        ["1e308", "-0", "123456789012345678901234567890", r#"{"a": 1, "a": {}}"#, "\"\u{0}\"", r#""\u0000""#]
    {
        let status = client.post("/validate", review_of(&format!(r#"{{"spec": {spec}}}"#))).await.status;
        let wanted = if spec.contains('\0') { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        assert_eq!(status, wanted, "{spec:?}");
    }
}

#[tokio::test]
async fn a_body_without_a_length_is_413_as_soon_as_it_is_too_long() {
    let server = Server::start().await;
    let mut http1 = {
        let stream = server.tls("http/1.1").await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        sender
    };
    let mut http2 = server.http2_with::<Channel<Bytes>>().await;
    for is_http2 in [false, true] {
        let (mut sender, body) = Channel::new(1);
        let request = post("/mutate", "application/json", body);
        let response = if is_http2 {
            tokio::spawn(http2.send_request(request))
        } else {
            tokio::spawn(http1.send_request(request))
        };
        let mebibyte = Bytes::from(vec![b' '; 1024 * 1024]);
        // The server may close before all of it was taken; the answer is what counts.
        for _ in 0..=MAX_BODY_BYTES / mebibyte.len() {
            if sender.send_data(mebibyte.clone()).await.is_err() {
                break;
            }
        }
        let response = timeout(PATIENCE, response).await.expect("no answer").unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "HTTP/2: {is_http2}");
        drop(sender);
    }
    server.serves_others().await;
}

/// Sends a text over HTTP/1.1 and returns all that comes back until the server closes.
async fn answer_to(server: &Server, request: &[u8]) -> String {
    let mut stream = server.tls("http/1.1").await.unwrap();
    stream.write_all(request).await.unwrap();
    String::from_utf8_lossy(&Server::closes(stream).await).into_owned()
}

const HEAD: &str = "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";

#[rstest]
#[case::a_length_beyond_the_limit(&format!("{HEAD}content-length: 99999999999\r\n\r\n"), "413 Payload Too Large")]
#[case::two_lengths(&format!("{HEAD}content-length: 1\r\ncontent-length: 2\r\n\r\n12"), "400 Bad Request")]
#[case::a_length_that_is_none(&format!("{HEAD}content-length: -1\r\n\r\n"), "400 Bad Request")]
#[case::a_chunk_without_size(
    &format!("{HEAD}connection: close\r\ntransfer-encoding: chunked\r\n\r\nhello\r\n"),
    "400 Bad Request"
)]
#[case::a_head_too_long(&format!("{HEAD}x: {}\r\n\r\n", "y".repeat(64 * 1024)), "431 Request Header Fields Too Large")]
#[case::too_many_headers(&format!("{HEAD}{}\r\n", "x: y\r\n".repeat(1000)), "431 Request Header Fields Too Large")]
#[case::no_http("hello\r\n\r\n", "400 Bad Request")]
#[case::another_version("GET /healthz HTTP/9.9\r\n\r\n", "400 Bad Request")]
#[tokio::test]
async fn heads_that_make_no_sense_are_refused(#[case] request: &str, #[case] status: &str) {
    let server = Server::start().await;
    let answer = answer_to(&server, request.as_bytes()).await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer:?}");
    server.serves_others().await;
}

#[tokio::test]
async fn http2_headers_too_long_are_431() {
    let server = Server::start().await;
    let request = Request::post("https://localhost/mutate").header("x", "y".repeat(20 * 1024));
    let mut client = server.http2().await;
    // The client may know the limit from the server's settings and not send it at all.
    let crate::common::Client::Http2(sender) = &mut client else { panic!("not HTTP/2") };
    match timeout(PATIENCE, sender.send_request(request.body(Full::default()).unwrap())).await.unwrap() {
        Ok(response) => assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Err(error) => panic!("{error:?}"),
    }
    assert_eq!(client.post("/mutate", CREATE).await.status, StatusCode::OK, "the connection goes on");
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_counted_and_forgotten() {
    let server = Server::start().await;
    let half = crate::connections::half_a_request(&server).await;
    drop(half);
    let counted = async {
        while server.outcomes().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, counted).await.expect("not counted");
    assert_eq!(server.outcomes(), [("/mutate", "error", None)]);
    server.serves_others().await;
}

#[tokio::test]
async fn a_slow_body_is_given_up_while_others_are_served() {
    let server = Server::start().await;
    let begin = Instant::now();
    let (mut stream, _late) = crate::connections::half_a_request(&server).await;
    server.serves_others().await;
    assert!(begin.elapsed() < REQUEST_TIMEOUT, "others waited for {:?}", begin.elapsed());
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("no answer").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(begin.elapsed() >= REQUEST_TIMEOUT, "given up after {:?}", begin.elapsed());
    Server::closes(stream).await;
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_in_order() {
    let server = Server::start().await;
    let review = format!("{HEAD}content-length: {}\r\n\r\n{CREATE}", CREATE.len());
    let health = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = "GET /nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = answer_to(&server, [&review, health, last].concat().as_bytes()).await;
    let statuses: Vec<_> =
        answer.match_indices("HTTP/1.1 ").map(|(at, head)| &answer[at + head.len()..][..3]).collect();
    assert_eq!(statuses, ["200", "200", "404"], "{answer}");
}

/// Any name is served: the API server asks for the Service's, the probe of a node for none.
#[tokio::test]
async fn no_name_and_another_name_are_served() {
    let server = Server::start().await;
    let tls = trusting(&server.trusted, "h2", rustls::DEFAULT_VERSIONS);
    let mut silent = tls.config().as_ref().clone();
    silent.enable_sni = false;
    for (tls, name) in [(TlsConnector::from(Arc::new(silent)), "localhost"), (tls, OTHER_NAME)] {
        let stream = TcpStream::connect(server.address).await.unwrap();
        timeout(PATIENCE, tls.connect(ServerName::try_from(name).unwrap(), stream)).await.unwrap().unwrap();
    }
}

/// A `ClientHello` of TLS 1.0 (minor version 1) or 1.1 (minor version 2), with the one cipher suite that was common.
fn old_hello(minor: u8) -> Vec<u8> {
    let hello = [&[3, minor][..], &[7; 32], &[0], &[0, 2, 0xc0, 0x13], &[1, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()
}

#[rstest]
#[case::tls_1_0(old_hello(1), 40)] // handshake_failure: it offers no signature algorithms, as nobody did then
#[case::tls_1_1(old_hello(2), 40)]
#[case::plain_http(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(), 50)] // decode_error
#[tokio::test]
async fn what_is_not_tls_of_today_gets_an_alert(#[case] hello: Vec<u8>, #[case] alert: u8) {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&hello).await.unwrap();
    let answer = Server::closes(stream).await;
    assert_eq!((answer.len(), answer[0], answer[5], answer[6]), (7, 21, 2, alert), "{answer:?}");
    server.serves_others().await;
}

#[tokio::test]
async fn an_empty_http2_body_is_400() {
    let server = Server::start().await;
    let mut client = server.http2_with::<Full<Bytes>>().await;
    let response = client.send_request(post("/mutate", "application/json", Full::default())).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("NotJson"));
}
