//! A server on loopback with a self-signed certificate, and clients that trust it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use hyper::client::conn::{http1, http2};
use hyper::{Request as HttpRequest, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;
use webhook::{Admit, Limits, Outcome, Request, Stop, Verdict};

pub(crate) const CREATE: &str = include_str!("../data/create.json");
pub(crate) const UPDATE: &str = include_str!("../data/update.json");
pub(crate) const STATUS: &str = include_str!("../data/status.json");
pub(crate) const DELETE: &str = include_str!("../data/delete.json");

/// No wait in the tests may be longer; none is expected to come near.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A rule of thumb for tests: defaults for `redis.replicas`, and at most ten of them.
struct Rules;

impl Admit for Rules {
    fn mutate(&self, request: &Request<'_>) -> Verdict {
        let missing = spec(request).is_some_and(|spec| spec["redis"].get("replicas").is_none());
        if missing { Verdict::allow().with_patch(default_replicas()) } else { Verdict::allow() }
    }

    fn validate(&self, request: &Request<'_>) -> Verdict {
        let Some(spec) = spec(request).filter(|_| request.sub_resource.is_none()) else {
            return Verdict::allow();
        };
        let replicas = spec["redis"]["replicas"].as_u64().unwrap_or_default();
        let verdict = if replicas > 10 {
            Verdict::deny(format!("spec.redis.replicas: {replicas} is above 10"))
        } else {
            Verdict::allow()
        };
        verdict.with_warnings(vec!["tests only".to_owned()])
    }

    /// Writes the version, and what was there before into an annotation.
    fn convert(&self, mut object: Value, wanted: &str) -> Result<Value, String> {
        let before = object.to_string();
        object["metadata"]["annotations"]["before"] = before.into();
        object["apiVersion"] = wanted.into();
        Ok(object)
    }
}

fn spec(request: &Request<'_>) -> Option<Value> {
    serde_json::from_str(request.object.as_ref()?.spec?.get()).ok()
}

pub(crate) fn default_replicas() -> json_patch::Patch {
    serde_json::from_value(json!([{"op": "add", "path": "/spec/redis/replicas", "value": 3}])).unwrap()
}

/// A name beside `localhost` that the certificates are for, too.
pub(crate) const OTHER_NAME: &str = "elsewhere.example";

/// A certificate for `localhost`, and the key to it.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    key: Arc<CertifiedKey>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost", OTHER_NAME].map(str::to_owned)).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let key = crypto::ring::sign::any_supported_type(&key).unwrap();
        Self { key: Arc::new(CertifiedKey::new(vec![certificate.clone()], key)), certificate }
    }
}

/// Holds the certificate that the next handshake shows.
#[derive(Debug)]
struct Slot(Mutex<Arc<CertifiedKey>>);

impl ResolvesServerCert for Slot {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.lock().unwrap()))
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) drain: CancellationToken,
    pub(crate) trusted: CertificateDer<'static>,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
    slot: Arc<Slot>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Limits::default(), Duration::ZERO, PATIENCE).await
    }

    pub(crate) async fn start_with(limits: Limits, linger: Duration, grace: Duration) -> Self {
        let identity = Identity::new();
        // In one piece from the beginning: one that grows would look like memory that the server keeps.
        let outcomes = Arc::new(Mutex::new(Vec::with_capacity(4096)));
        let sink = Arc::clone(&outcomes);
        let observe = move |outcome: &Outcome| sink.lock().unwrap().push(outcome.clone());
        let router = webhook::router(Arc::new(Rules), Arc::new(observe));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slot = Arc::new(Slot(Mutex::new(identity.key)));
        let drain = CancellationToken::new();
        let stop = Stop { drain: drain.clone(), linger, grace };
        let task = tokio::spawn(webhook::serve(listener, Arc::clone(&slot) as _, router, stop, limits));
        Self { address, drain, trusted: identity.certificate, outcomes, slot, task }
    }

    /// Shows another certificate from now on.
    pub(crate) fn swap(&self, identity: &Identity) {
        *self.slot.0.lock().unwrap() = Arc::clone(&identity.key);
    }

    /// What was observed so far: path, verdict, operation.
    pub(crate) fn outcomes(&self) -> Vec<(&'static str, &'static str, Option<&'static str>)> {
        let outcomes = self.outcomes.lock().unwrap();
        outcomes.iter().map(|o| (o.path, o.verdict, o.operation.map(webhook::Operation::as_str))).collect()
    }

    /// Waits until `serve` has returned.
    pub(crate) async fn stopped(&mut self) {
        timeout(PATIENCE, &mut self.task).await.expect("server did not stop").expect("server panicked");
    }

    /// Waits until the port is closed.
    pub(crate) async fn refuses_connections(&self) {
        let refused = async { while TcpStream::connect(self.address).await.is_ok() {} };
        timeout(PATIENCE, refused).await.expect("server still accepts connections");
    }

    pub(crate) async fn connect(&self, tls: &TlsConnector) -> io::Result<TlsStream<TcpStream>> {
        let connected = async {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?; // As clients in Go do, the API server among them.
            tls.connect(ServerName::try_from("localhost").unwrap(), stream).await
        };
        timeout(PATIENCE, connected).await.expect("no TLS connection in time")
    }

    /// Waits until the server has closed a connection, and returns what it sent before.
    pub(crate) async fn closes(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
        let mut sent = Vec::new();
        // A reset or a missing farewell of TLS is as good an end as any.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut sent)).await.expect("still connected");
        sent
    }

    /// Waits until a new client gets its answer.
    pub(crate) async fn serves_others(&self) {
        assert_eq!(self.http2().await.post("/mutate", CREATE).await.status, StatusCode::OK);
        assert_eq!(self.http1().await.post("/validate", CREATE).await.status, StatusCode::OK);
    }

    pub(crate) async fn tls(&self, alpn: &str) -> io::Result<TlsStream<TcpStream>> {
        self.connect(&trusting(&self.trusted, alpn, rustls::DEFAULT_VERSIONS)).await
    }

    pub(crate) async fn http1(&self) -> Client {
        let stream = self.tls("http/1.1").await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Client::Http1(sender)
    }

    pub(crate) async fn http2(&self) -> Client {
        Client::Http2(self.http2_with().await)
    }

    pub(crate) async fn http2_with<B>(&self) -> http2::SendRequest<B>
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: std::error::Error + Send + Sync,
    {
        let stream = self.tls("h2").await.unwrap();
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

/// Trusts one certificate and offers one application protocol.
pub(crate) fn trusting(
    trusted: &CertificateDer<'static>,
    alpn: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// One connection over TLS.
pub(crate) enum Client {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) async fn send(&mut self, request: HttpRequest<Full<Bytes>>) -> Reply {
        let sent = async {
            let response = match self {
                Self::Http1(sender) => sender.send_request(request).await,
                Self::Http2(sender) => sender.send_request(request).await,
            };
            let (head, body) = response.unwrap().into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            Reply { status: head.status, body: serde_json::from_slice(&bytes).unwrap_or_default() }
        };
        timeout(PATIENCE, sent).await.expect("no answer")
    }

    pub(crate) async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send(post(path, "application/json", Full::new(body.into()))).await
    }
}

pub(crate) fn post<B>(path: &str, content_type: &str, body: B) -> HttpRequest<B> {
    let request = HttpRequest::post(format!("https://localhost{path}"));
    request.header("host", "localhost").header("content-type", content_type).body(body).unwrap()
}

/// The patch of an answer, decoded.
pub(crate) fn patch_of(reply: &Reply) -> json_patch::Patch {
    assert_eq!(reply.body["response"]["patchType"], "JSONPatch");
    let bytes = BASE64_STANDARD.decode(reply.body["response"]["patch"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
