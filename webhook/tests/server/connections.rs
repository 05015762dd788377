//! TLS, limits and the two-stage stop.

use std::time::{Duration, Instant};

use crate::common::{CREATE, Identity, PATIENCE, Server, post, trusting};
use http_body_util::{BodyExt, channel::Channel};
use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use webhook::Limits;

#[tokio::test]
async fn tls_1_2_and_1_3_are_served_with_the_protocol_the_client_asks_for() {
    let server = Server::start().await;
    for version in rustls::ALL_VERSIONS {
        for alpn in ["h2", "http/1.1"] {
            let stream = server.connect(&trusting(&server.trusted, alpn, &[version])).await.unwrap();
            let connection = stream.get_ref().1;
            assert_eq!(connection.protocol_version(), Some(version.version));
            assert_eq!(connection.alpn_protocol(), Some(alpn.as_bytes()));
        }
    }
}

#[tokio::test]
async fn a_swapped_certificate_is_seen_by_the_next_connection() {
    let server = Server::start().await;
    let mut earlier = server.http2().await;
    assert_eq!(earlier.post("/mutate", CREATE).await.status, StatusCode::OK);

    let other = Identity::new();
    server.swap(&other);
    server.tls("h2").await.expect_err("the first certificate should be gone");
    server.connect(&trusting(&other.certificate, "h2", rustls::DEFAULT_VERSIONS)).await.unwrap();
    assert_eq!(earlier.post("/mutate", CREATE).await.status, StatusCode::OK, "open connections go on");
}

#[tokio::test]
async fn a_resumed_session_cannot_bring_an_earlier_certificate_back() {
    let server = Server::start().await;
    for version in rustls::ALL_VERSIONS {
        let tls = trusting(&server.trusted, "http/1.1", &[version]);
        let mut stream = server.connect(&tls).await.unwrap();
        // A ticket would come together with the first answer.
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("no answer").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let again = server.connect(&tls).await.unwrap();
        assert_eq!(again.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full), "{version:?}");
    }
}

#[tokio::test]
async fn slow_handshakes_do_not_hold_up_others() {
    let limits = Limits { handshake: Duration::from_secs(1), ..Limits::default() };
    let server = Server::start_with(limits, Duration::ZERO, PATIENCE).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    assert_eq!(server.http2().await.post("/mutate", CREATE).await.status, StatusCode::OK);
    for mut stream in silent {
        let read = timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("silent peer still connected");
        assert_eq!(read.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_half_sent_http1_head_is_given_up() {
    let limits = Limits { header: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start_with(limits, Duration::ZERO, PATIENCE).await;
    let mut stream = server.tls("http/1.1").await.unwrap();
    stream.write_all(b"POST /mutate HTT").await.unwrap();
    let read = timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("slow peer still connected");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn beyond_the_limit_a_connection_waits_for_its_turn() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let server = Server::start_with(limits, Duration::ZERO, PATIENCE).await;
    let mut first = server.http2().await;
    assert_eq!(first.post("/mutate", CREATE).await.status, StatusCode::OK);

    let second = async { server.http2().await.post("/mutate", CREATE).await };
    let mut second = std::pin::pin!(second);
    timeout(Duration::from_millis(100), &mut second).await.err().expect("served beyond the limit");
    assert_eq!(first.post("/mutate", CREATE).await.status, StatusCode::OK, "the first is still served");
    drop(first);
    assert_eq!(second.await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_idle_connection_makes_room() {
    let limits = Limits { connections: 1, idle: Duration::from_millis(100), ..Limits::default() };
    // The grace also bounds how long a peer that does not answer may take to close.
    let server = Server::start_with(limits, Duration::ZERO, Duration::from_millis(100)).await;
    let mut idle = server.http2().await;
    assert_eq!(idle.post("/mutate", CREATE).await.status, StatusCode::OK);
    let silent = server.tls("h2").await.unwrap();
    assert_eq!(server.http2().await.post("/mutate", CREATE).await.status, StatusCode::OK);
    drop((idle, silent));
}

#[tokio::test]
async fn new_connections_are_served_while_the_stop_lingers_and_refused_afterwards() {
    let linger = Duration::from_secs(1);
    let mut server = Server::start_with(Limits::default(), linger, PATIENCE).await;
    let mut earlier = server.http2().await;
    assert_eq!(earlier.post("/mutate", CREATE).await.status, StatusCode::OK);

    let begin = Instant::now();
    server.drain.cancel();
    for _ in 0..3 {
        assert_eq!(server.http2().await.post("/mutate", CREATE).await.status, StatusCode::OK);
        assert_eq!(server.http1().await.post("/mutate", CREATE).await.status, StatusCode::OK);
    }
    assert_eq!(earlier.post("/mutate", CREATE).await.status, StatusCode::OK, "open connections go on too");

    server.stopped().await;
    assert!(begin.elapsed() >= linger, "stopped after {:?}", begin.elapsed());
    server.refuses_connections().await;
}

/// Else the peer might send its next review on a connection that is just being closed.
#[tokio::test]
async fn from_the_beginning_of_the_stop_an_answer_is_the_last_one_of_its_http1_connection() {
    let server = Server::start_with(Limits::default(), 10 * PATIENCE, PATIENCE).await;
    let mut stream = server.tls("http/1.1").await.unwrap();
    let question = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(question).await.unwrap();
    let mut answer = vec![0; 1024];
    let length = timeout(PATIENCE, stream.read(&mut answer)).await.expect("no answer").unwrap();
    assert!(!String::from_utf8_lossy(&answer[..length]).contains("connection: close"));

    server.drain.cancel();
    stream.write_all(question).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("stays open").unwrap();
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

/// So is a refusal for want of room, which is made before any route.
#[tokio::test]
async fn from_the_beginning_of_the_stop_a_refusal_is_the_last_answer_of_its_http1_connection() {
    let limits = Limits { requests: 1, ..Limits::default() };
    let server = Server::start_with(limits, 10 * PATIENCE, PATIENCE).await;
    let mut stream = server.tls("http/1.1").await.unwrap();
    let _in_flight = half_a_request(&server).await;
    server.drain.cancel();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("stays open").unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("connection: close\r\n"), "{answer}");
}

/// Sends a review up to the middle of its body, and returns once the handler waits for the rest.
pub(crate) async fn half_a_request(server: &Server) -> (TlsStream<TcpStream>, &'static [u8]) {
    let mut stream = server.tls("http/1.1").await.unwrap();
    let head = format!(
        "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
         content-length: {}\r\n\r\n",
        CREATE.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    timeout(PATIENCE, stream.read_exact(&mut interim)).await.expect("body not asked for").unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    let (early, late) = CREATE.as_bytes().split_at(CREATE.len() / 2);
    stream.write_all(early).await.unwrap();
    (stream, late)
}

#[tokio::test]
async fn an_http1_request_in_flight_at_the_stop_is_answered() {
    let mut server = Server::start().await;
    let (mut stream, late) = half_a_request(&server).await;
    server.drain.cancel();
    server.refuses_connections().await;
    stream.write_all(late).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("no answer").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.contains(r#""allowed":true"#), "{answer}");
    server.stopped().await;
}

#[tokio::test]
async fn an_http2_request_in_flight_at_the_stop_is_answered() {
    let mut server = Server::start().await;
    let mut client = server.http2_with::<Channel<Bytes>>().await;
    let (mut sender, body) = Channel::new(1);
    let response = tokio::spawn(client.send_request(post("/mutate", "application/json", body)));
    let (early, late) = CREATE.split_at(CREATE.len() / 2);
    sender.send_data(early.into()).await.unwrap();
    // Streams of a connection begin in order: an answer to the second proves that the first has begun.
    let (_, empty) = Channel::new(1);
    let second = client.send_request(post("/mutate", "application/json", empty)).await.unwrap();
    assert_eq!(second.status(), StatusCode::BAD_REQUEST);

    server.drain.cancel();
    server.refuses_connections().await;
    sender.send_data(late.into()).await.unwrap();
    drop(sender);
    let response = timeout(PATIENCE, response).await.expect("no answer").unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains(r#""allowed":true"#));
    server.stopped().await;
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_after_the_grace() {
    let grace = Duration::from_millis(200);
    let mut server = Server::start_with(Limits::default(), Duration::ZERO, grace).await;
    let unfinished = half_a_request(&server).await;
    let begin = Instant::now();
    server.drain.cancel();
    server.stopped().await;
    assert!(
        (grace..webhook::REQUEST_TIMEOUT).contains(&begin.elapsed()),
        "stopped after {:?}",
        begin.elapsed()
    );
    drop(unfinished);
}
