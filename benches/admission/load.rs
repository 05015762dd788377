//! The load generator.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_rustls::TlsConnector;

use crate::{Figures, reviews};

/// An API server has one connection to a webhook and many requests on it; a cluster has a few API servers.
const CONNECTIONS: usize = 3;
/// Requests in flight on each connection under full load.
const AT_ONCE: usize = 8;
const WARM_UP: Duration = Duration::from_millis(300);
const FULL_LOAD: Duration = Duration::from_secs(2);
/// The fixed rate: 500 a second for so long.
const EVERY: Duration = Duration::from_millis(2);
const STEADY: Duration = Duration::from_secs(4);

type Client = SendRequest<Full<Bytes>>;

/// Prints the figures of one run.
pub(crate) fn main(address: &str, certificate: &str, server: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let figures = runtime.expect("a runtime").block_on(async {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(connect(address, certificate).await);
        }
        let bodies = reviews::all().map(|(path, body)| (path, Bytes::from(body)));
        full_load(&clients, &bodies, WARM_UP).await;
        let before = cpu(server);
        let begin = Instant::now();
        let answers = full_load(&clients, &bodies, FULL_LOAD).await;
        let (took, cpu) = (begin.elapsed(), cpu(server).saturating_sub(before));
        let mut latencies = steady(&clients, &bodies).await;
        latencies.sort_unstable();
        #[allow(clippy::cast_precision_loss)] // Thousands.
        let answers = answers as f64;
        let at = |thousandth: usize| latencies[(latencies.len() - 1) * thousandth / 1000].as_secs_f64() * 1e3;
        Figures {
            throughput: answers / took.as_secs_f64(),
            cpu: cpu.as_secs_f64() * 1e6 / answers,
            p50: at(500),
            p99: at(990),
            p999: at(999),
        }
    });
    println!("{}", serde_json::to_string(&figures).expect("JSON"));
}

async fn connect(address: &str, certificate: &str) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(BASE64_STANDARD.decode(certificate).expect("base64").into()).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS");
    let (client, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    client
}

async fn ask(client: &mut Client, (path, body): &(&'static str, Bytes)) {
    let request =
        Request::post(format!("https://localhost{path}")).header("content-type", "application/json");
    let request = request.body(Full::new(body.clone())).expect("a request");
    let response = client.send_request(request).await.expect("a response");
    assert_eq!(response.status(), StatusCode::OK);
    let answer = response.into_body().collect().await.expect("a body").to_bytes();
    assert!(answer.windows(14).any(|part| part == br#""allowed":true"#), "{answer:?}");
}

/// Keeps the server busy, and returns how many answers it gave.
async fn full_load(clients: &[Client], bodies: &[(&'static str, Bytes); 2], time: Duration) -> usize {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for mut client in clients.iter().flat_map(|client| vec![client.clone(); AT_ONCE]) {
        let bodies = bodies.clone();
        tasks.spawn(async move {
            let mut answers = 0;
            while Instant::now() < end {
                ask(&mut client, &bodies[answers % bodies.len()]).await;
                answers += 1;
            }
            answers
        });
    }
    tasks.join_all().await.into_iter().sum()
}

/// Asks at a fixed rate, however long the answers take; a latency begins when the request was due.
async fn steady(clients: &[Client], bodies: &[(&'static str, Bytes); 2]) -> Vec<Duration> {
    let mut tasks = JoinSet::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let end = Instant::now() + STEADY;
    let mut number = 0;
    loop {
        let due = ticks.tick().await;
        if due >= end {
            return tasks.join_all().await;
        }
        let (mut client, body) =
            (clients[number % clients.len()].clone(), bodies[number % bodies.len()].clone());
        tasks.spawn(async move {
            ask(&mut client, &body).await;
            due.elapsed()
        });
        number += 1;
    }
}

/// Processor time of all threads of a process.
fn cpu(pid: &str) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let of = |thread: std::io::Result<fs::DirEntry>| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    };
    threads.filter_map(of).sum()
}
