//! Many connections, requests and streams at once: bounded, and the next client is served.

use std::time::{Duration, Instant};

use crate::common::{CREATE, PATIENCE, Server, post};
use crate::connections::half_a_request;
use crate::frames::{
    self, END_STREAM, ENHANCE_YOUR_CALM, Frame, GO_AWAY, REFUSED_STREAM, RST_STREAM, WINDOW,
};
use http_body_util::{BodyExt, Full, channel::Channel};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use webhook::{Limits, REQUEST_TIMEOUT};

/// Most of them never begin with TLS; the others have, and ask nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_connections_hold_nobody_up_and_are_closed() {
    let limits = Limits { idle: Duration::from_secs(4), ..Limits::default() };
    let server = Server::start_with(limits, Duration::ZERO, Duration::from_millis(100)).await;
    let (mut silent, mut idle) = (Vec::new(), Vec::new());
    for number in 0..1000 {
        match number % 10 {
            0 => idle.push(server.tls("h2").await.unwrap()),
            1 => idle.push(server.tls("http/1.1").await.unwrap()),
            _ => silent.push(TcpStream::connect(server.address).await.unwrap()),
        }
    }
    let begin = Instant::now();
    server.serves_others().await;
    assert!(begin.elapsed() < REQUEST_TIMEOUT, "served after {:?}", begin.elapsed());
    for stream in silent {
        Server::closes(stream).await;
    }
    for stream in idle {
        Server::closes(stream).await;
    }
}

#[tokio::test]
async fn where_all_connections_are_taken_idle_ones_make_room_soon() {
    let limits = Limits { connections: 4, idle_when_full: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start_with(limits, Duration::ZERO, PATIENCE).await;
    let mut idle = Vec::new();
    for alpn in ["h2", "http/1.1", "h2", "http/1.1"] {
        idle.push(server.tls(alpn).await.unwrap());
    }
    server.serves_others().await;
    for stream in idle {
        Server::closes(stream).await;
    }
}

#[tokio::test]
async fn a_request_beyond_the_limit_is_503_at_once() {
    let limits = Limits { requests: 1, ..Limits::default() };
    let server = Server::start_with(limits, Duration::ZERO, PATIENCE).await;
    let mut client = server.http2().await;
    let (mut first, late) = half_a_request(&server).await;
    let begin = Instant::now();
    let reply = client.post("/mutate", CREATE).await;
    assert_eq!((reply.status, &reply.body["error"]), (StatusCode::SERVICE_UNAVAILABLE, &"Busy".into()));
    assert!(begin.elapsed() < Duration::from_secs(1), "refused after {:?}", begin.elapsed());
    first.write_all(late).await.unwrap();
    let mut answer = [0; 12];
    timeout(PATIENCE, first.read_exact(&mut answer)).await.expect("no answer").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    server.serves_others().await;
}

#[tokio::test]
async fn long_bodies_wait_for_each_other_and_short_ones_for_none() {
    let server = Server::start().await;
    let mut client = server.http2_with::<Channel<Bytes>>().await;
    let mut stalled = Vec::new();
    // More than fit at once: each has begun, and none goes on.
    for _ in 0..3 {
        let (mut sender, body) = Channel::new(1);
        let response = tokio::spawn(client.send_request(post("/mutate", "application/json", body)));
        sender.send_data(vec![b' '; 16 * 1024].into()).await.unwrap();
        let begun = sender.send_data(vec![b' '; 32 * 1024].into());
        timeout(PATIENCE, begun).await.expect("not read").unwrap();
        stalled.push((sender, response));
        client = server.http2_with().await;
    }
    let begin = Instant::now();
    server.serves_others().await;
    assert!(begin.elapsed() < REQUEST_TIMEOUT / 2, "a short one waited for {:?}", begin.elapsed());

    let mut statuses = Vec::new();
    for (sender, response) in stalled {
        let response = timeout(PATIENCE, response).await.expect("no answer").unwrap().unwrap();
        statuses.push(response.status());
        drop(sender);
    }
    let (late, busy) = (StatusCode::REQUEST_TIMEOUT, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(statuses, [late, late, busy]);
    let mut long = CREATE.as_bytes().to_vec();
    long.resize(webhook::MAX_BODY_BYTES, b' ');
    assert_eq!(
        server.http2().await.post("/mutate", long).await.status,
        StatusCode::OK,
        "the room is free again"
    );
}

/// Two have the room, and never go on; behind them there is a line. Who comes later is told so, and does not wait.
#[tokio::test]
async fn of_long_bodies_only_so_many_wait() {
    let server = Server::start().await;
    let begin = Instant::now();
    let (mut stalled, mut answers) = (Vec::new(), JoinSet::new());
    for _ in 0..36 {
        let (mut sender, body) = Channel::new(1);
        let mut client = server.http2_with::<Channel<Bytes>>().await;
        answers.spawn(client.send_request(post("/mutate", "application/json", body)));
        sender.send_data(vec![b' '; 48 * 1024].into()).await.unwrap();
        stalled.push((client, sender));
    }
    // Which of them came first is up to the kernel.
    for _ in 0..2 {
        let first = timeout(PATIENCE, answers.join_next()).await.expect("no answer");
        assert_eq!(first.unwrap().unwrap().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(begin.elapsed() < REQUEST_TIMEOUT / 2, "refused after {:?}", begin.elapsed());
    server.serves_others().await;
}

/// Who asks for a long answer and does not take it is cut off.
#[tokio::test]
async fn a_long_answer_that_nobody_takes_ends_its_connection() {
    let limits = Limits { answer: Duration::from_millis(200), ..Limits::default() };
    let server = Server::start_with(limits, Duration::ZERO, PATIENCE).await;
    let request = serde_json::json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": {"uid": "u", "desiredAPIVersion": "example.com/v2", "objects": [{"text": "x".repeat(1 << 20)}]},
    });
    let request = post("/convert", "application/json", Full::<Bytes>::from(request.to_string()));
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.initial_stream_window_size(1);
    let stream = TokioIo::new(server.tls("h2").await.unwrap());
    let (mut sender, connection) = http.handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let untaken = timeout(PATIENCE, sender.send_request(request)).await.expect("no answer").unwrap();
    assert_eq!(untaken.status(), StatusCode::OK);
    let _ = timeout(PATIENCE, connection).await.expect("still connected").unwrap();
    server.serves_others().await;
}

/// Who opens streams and takes them back at once makes work and never waits: such a connection ends.
#[tokio::test]
async fn rapid_resets_end_their_connection() {
    let server = Server::start().await;
    let stream = frames::connect(&server, None).await;
    let mut flood = Vec::new();
    for stream in (1..20_000).step_by(2) {
        Frame::post(stream, 0).write(&mut flood);
        Frame::reset(stream).write(&mut flood);
    }
    let (read, mut write) = tokio::io::split(stream);
    let writer = tokio::spawn(async move {
        // The server stops reading on the way.
        let _ = write.write_all(&flood).await;
        write
    });
    let sent = frames::read(&Server::closes(read).await);
    let farewell = sent.iter().find(|frame| frame.kind == GO_AWAY).map(|frame| frame.error(4));
    assert_eq!(farewell, Some(ENHANCE_YOUR_CALM));
    drop(writer.await.unwrap());
    server.serves_others().await;
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused() {
    let limits = Limits { idle: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start_with(limits, Duration::ZERO, Duration::from_millis(100)).await;
    let mut stream = frames::connect(&server, None).await;
    let mut flood = Vec::new();
    for stream in (1..200).step_by(2) {
        Frame::post(stream, 0).write(&mut flood);
    }
    stream.write_all(&flood).await.unwrap();
    // Those within the limit wait for bodies that never come, until their time is up.
    let sent = frames::read(&Server::closes(stream).await);
    let refused = |frame: &&Frame| frame.kind == RST_STREAM && frame.error(0) == REFUSED_STREAM;
    assert_eq!(sent.iter().filter(refused).count(), 100 - 64);
    server.serves_others().await;
}

/// Asks over and over and takes no answer: what it is owed stays bounded, and the connection ends.
#[tokio::test]
async fn a_peer_that_reads_no_answers_is_cut_off() {
    let limits = Limits { requests: 8, idle_when_full: Duration::from_millis(200), ..Limits::default() };
    let server = Server::start_with(limits, Duration::ZERO, Duration::from_millis(200)).await;
    let mut stream = frames::connect(&server, Some((WINDOW, 0))).await;
    let mut flood = Vec::new();
    for stream in (1..40).step_by(2) {
        Frame::post(stream, END_STREAM).write(&mut flood);
    }
    stream.write_all(&flood).await.unwrap();
    Server::closes(stream).await;
    server.serves_others().await;
}

#[tokio::test]
async fn a_pipeline_whose_answers_nobody_reads_is_cut_off() {
    let limits = Limits { idle: Duration::from_millis(500), ..Limits::default() };
    let server = Server::start_with(limits, Duration::ZERO, Duration::from_millis(200)).await;
    let mut stream = server.tls("http/1.1").await.unwrap();
    let requests = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1000);
    let flood = async { while stream.write_all(requests.as_bytes()).await.is_ok() {} };
    timeout(PATIENCE, flood).await.expect("still connected");
    server.serves_others().await;
}

#[tokio::test]
async fn a_body_in_tiny_pieces_is_read() {
    let server = Server::start().await;
    let mut client = server.http2_with::<Channel<Bytes>>().await;
    let (mut sender, body) = Channel::new(1);
    let response = tokio::spawn(client.send_request(post("/mutate", "application/json", body)));
    for byte in CREATE.bytes() {
        sender.send_data(Bytes::copy_from_slice(&[byte])).await.unwrap();
    }
    drop(sender);
    let response = timeout(PATIENCE, response).await.expect("no answer").unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.unwrap();
}
