//! What hostile load does to the memory of the server, which is a process of its own here: this test, started again.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "server/common.rs"]
#[allow(dead_code)] // This file needs only some of it.
mod common;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use base64::{Engine, prelude::BASE64_STANDARD};
use common::{CREATE, PATIENCE, Server, post, trusting};
use http_body_util::Full;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use webhook::MAX_BODY_BYTES;

/// The limit of the operator's pod is 128 MiB, and the rest of the operator has less than 20 MiB.
const MOST_KIB: usize = 80 * 1024;

const CLIENTS: usize = 200;

/// What a storm may leave behind for longer than [`PATIENCE`]. The heap below a long-lived piece is kept.
const MOST_KIB_AFTERWARDS: usize = 24 * 1024;

/// As in the Deployment of the chart.
const ALLOCATOR: [(&str, &str); 4] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "16384"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
    ("MALLOC_TOP_PAD_", "0"),
];

/// Set in the environment of the server.
const IS_SERVER: &str = "TEST_IS_SERVER";

/// Tells where the server is and what it shows, and serves until the test has ended.
async fn serve() {
    let server = Server::start().await;
    println!("\n{} {}", server.address, BASE64_STANDARD.encode(&server.trusted));
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
        .await
        .unwrap()
        .unwrap();
}

struct Process {
    child: Child,
    /// Kept, because who writes to a closed pipe dies.
    _lines: Box<dyn Iterator<Item = String>>,
    address: SocketAddr,
    trusted: CertificateDer<'static>,
}

impl Process {
    fn start(test: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(IS_SERVER, "1")
            .envs(ALLOCATOR)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.starts_with("127.0.0.1:")).expect("no server");
        let (address, certificate) = line.split_once(' ').unwrap();
        let trusted = BASE64_STANDARD.decode(certificate).unwrap().into();
        Self { child, address: address.parse().unwrap(), trusted, _lines: Box::new(lines) }
    }

    async fn client(&self) -> SendRequest<Full<Bytes>> {
        self.client_with(&http2::Builder::new(TokioExecutor::new())).await
    }

    async fn client_with(&self, http: &http2::Builder<TokioExecutor>) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap(); // As clients in Go do, the API server among them.
        let tls = trusting(&self.trusted, "h2", rustls::DEFAULT_VERSIONS);
        let stream = tls.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
        let (sender, connection) = http.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// A line of `/proc/PID/status`, in KiB.
    fn memory(&self, name: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Forgets the highest memory so far.
    fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    /// Waits until the memory is given back, and returns how long that took.
    async fn gives_back(&self) -> Duration {
        let begin = Instant::now();
        while self.memory("VmRSS:") >= MOST_KIB_AFTERWARDS {
            let (waited, now) = (begin.elapsed(), self.memory("VmRSS:"));
            assert!(waited < PATIENCE, "{now} KiB are kept after {waited:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        begin.elapsed()
    }

    async fn serves_others(&self) {
        let request = post("/mutate", "application/json", Full::from(CREATE));
        let response = timeout(PATIENCE, self.client().await.send_request(request)).await.expect("no answer");
        assert_eq!(response.unwrap().status(), StatusCode::OK);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// One kind of bodies, and how one of them by itself is answered.
struct Storm {
    name: &'static str,
    path: &'static str,
    body: Bytes,
    status: StatusCode,
}

/// Sends a body from all clients at once and returns how often it was accepted.
async fn storm(server: &Process, path: &'static str, body: &Bytes) -> usize {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut sender = server.client().await;
        let request = post(path, "application/json", Full::new(body.clone()));
        clients.spawn(async move { sender.send_request(request).await.map(|response| response.status()) });
    }
    let statuses = timeout(3 * PATIENCE, clients.join_all()).await.expect("not all were answered");
    let known = [
        StatusCode::OK,
        StatusCode::BAD_REQUEST,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::PAYLOAD_TOO_LARGE,
    ];
    for status in &statuses {
        // A peer that goes on sending after its answer may be cut off.
        assert!(status.as_ref().map_or(true, |status| known.contains(status)), "{status:?}");
    }
    statuses.iter().filter(|status| matches!(status, Ok(StatusCode::OK))).count()
}

/// Sends a body until it was read in time, which a busy machine may take more than one attempt for.
async fn alone(server: &Process, path: &'static str, body: &Bytes) -> StatusCode {
    let answered = async {
        loop {
            let request = post(path, "application/json", Full::new(body.clone()));
            let status = server.client().await.send_request(request).await.unwrap().status();
            if status != StatusCode::REQUEST_TIMEOUT {
                return status;
            }
        }
    };
    timeout(6 * PATIENCE, answered).await.expect("never read in time")
}

/// A review with this spec, padded to the longest body.
fn longest(spec: &str) -> Bytes {
    padded(CREATE.replace(r#""maxmemory-policy allkeys-lru""#, spec))
}

/// A review of these objects to convert, padded to the longest body.
fn longest_list(objects: &str) -> Bytes {
    padded(format!(
        r#"{{"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "request": {{"uid": "u", "desiredAPIVersion": "example.com/v2", "objects": [{objects}]}}}}"#
    ))
}

fn padded(review: String) -> Bytes {
    let mut review = review.into_bytes();
    review.resize(MAX_BODY_BYTES, b' ');
    review.into()
}

/// An object like any other.
fn plain() -> String {
    format!(r#"{{"metadata": {{"name": "x"}}, "spec": {{"text": "{}"}}}}"#, "x".repeat(4000))
}

fn storms() -> [Storm; 5] {
    let long_text = format!("\"{}\"", "x".repeat(MAX_BODY_BYTES - CREATE.len()));
    let small = vec![r#"{"":0}"#; 1_000_000].join(",");
    let (ok, bad) = (StatusCode::OK, StatusCode::BAD_REQUEST);
    [
        Storm { name: "one long text", path: "/validate", body: longest(&long_text), status: ok },
        Storm { name: "small objects", path: "/validate", body: longest(&small), status: bad },
        Storm {
            name: "a list of plain objects",
            path: "/convert",
            body: longest_list(&vec![plain(); 2000].join(",")),
            status: ok,
        },
        Storm {
            name: "a list with an object of small objects",
            path: "/convert",
            body: longest_list(&format!(r#"{{"spec": [{small}]}}"#)),
            status: ok,
        },
        Storm {
            name: "a list of numbers",
            path: "/convert",
            body: longest_list(&vec!["0"; 4_000_000].join(",")),
            status: bad,
        },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn longest_bodies_from_all_sides_stay_within_the_pods_memory() {
    if env::var_os(IS_SERVER).is_some() {
        return serve().await;
    }
    let server = Process::start("longest_bodies_from_all_sides_stay_within_the_pods_memory");
    server.serves_others().await;
    println!("before: {} KiB", server.memory("VmRSS:"));
    for Storm { name, path, body, status } in storms() {
        // By itself, where nothing keeps it from being decoded.
        server.forget_peak();
        assert_eq!(alone(&server, path, &body).await, status, "{name}");
        let peak = server.memory("VmHWM:");
        println!("{name}: 1, at most {peak} KiB");
        assert!(peak < MOST_KIB, "{name} took {peak} KiB by itself");

        server.forget_peak();
        let begin = Instant::now();
        let accepted = storm(&server, path, &body).await;
        let (took, peak, now) = (begin.elapsed(), server.memory("VmHWM:"), server.memory("VmRSS:"));
        println!("{name}: {CLIENTS} in {took:?}, {accepted} accepted, at most {peak} KiB, then {now} KiB");
        assert!(peak < MOST_KIB, "{name} took {peak} KiB");
        server.serves_others().await;
        println!("{name}: below {MOST_KIB_AFTERWARDS} KiB again after {:?}", server.gives_back().await);
    }
}

/// Each asks for a list, one after the other, and takes of the answer what fits into a window of one byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_answers_that_nobody_takes_stay_within_the_pods_memory() {
    if env::var_os(IS_SERVER).is_some() {
        return serve().await;
    }
    let server = Process::start("long_answers_that_nobody_takes_stay_within_the_pods_memory");
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.initial_stream_window_size(1);
    let body = longest_list(&vec![plain(); 2000].join(","));
    let mut untaken = Vec::new();
    while untaken.len() < 6 {
        let request = post("/convert", "application/json", Full::new(body.clone()));
        let response = server.client_with(&http).await.send_request(request).await.unwrap();
        if response.status() == StatusCode::OK {
            untaken.push(response);
        }
    }
    let peak = server.memory("VmHWM:");
    println!("{} answers that nobody takes: at most {peak} KiB", untaken.len());
    assert!(peak < MOST_KIB, "{peak} KiB");
    server.serves_others().await;
    server.gives_back().await;
}
