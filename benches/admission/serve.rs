//! The servers that are compared.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use base64::{Engine, prelude::BASE64_STANDARD};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use redis_operator::admission::Admission;
use redis_operator::metrics::Metrics;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use webhook::{Admit, Limits, Outcome, Request, Stop, Verdict};

/// The webhook as it is.
pub(crate) const OPERATOR: &str = "operator";
/// The webhook, and a verdict that is always yes.
pub(crate) const NO_RULES: &str = "operator without rules";
/// No more than axum and rustls.
pub(crate) const BARE: &str = "bare responder";

/// Prints address and certificate, and serves until it is killed.
pub(crate) fn main(kind: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        println!("{address} {}", BASE64_STANDARD.encode(made.cert.der()));
        let (certificate, key) = (made.cert.der().clone(), made.signing_key.serialize_der());
        let key = PrivateKeyDer::try_from(key).expect("a key");
        match kind {
            BARE => bare(listener, certificate, key).await,
            _ => operator(listener, certificate, &key, router(kind)).await,
        }
    });
}

/// What a server does with a request that came through TLS and HTTP/2.
pub(crate) fn router(kind: &str) -> Router {
    let admit: Arc<dyn Admit> = match kind {
        BARE => return Router::new().route("/mutate", post(echo)).route("/validate", post(echo)),
        NO_RULES => Arc::new(Yes),
        _ => Arc::new(Admission::default()),
    };
    // As `app.rs` makes it.
    let metrics = Arc::new(Metrics::new());
    webhook::router(admit, Arc::new(move |o: &Outcome| metrics.admitted(o.path, o.verdict, o.duration)))
}

struct Yes;

impl Admit for Yes {
    fn mutate(&self, _: &Request<'_>) -> Verdict {
        Verdict::allow()
    }

    fn validate(&self, _: &Request<'_>) -> Verdict {
        Verdict::allow()
    }
}

#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// As `app.rs` starts it.
async fn operator(
    listener: TcpListener,
    certificate: CertificateDer<'static>,
    key: &PrivateKeyDer<'static>,
    router: Router,
) {
    let key = ring::sign::any_supported_type(key).expect("a key");
    let resolver = Arc::new(One(Arc::new(CertifiedKey::new(vec![certificate], key))));
    webhook::serve(listener, resolver, router, Stop::new(CancellationToken::new()), Limits::default()).await;
}

#[derive(Deserialize)]
struct Review {
    request: Uid,
}

#[derive(Deserialize)]
struct Uid {
    uid: String,
}

async fn echo(body: Bytes) -> impl IntoResponse {
    let review: Review = serde_json::from_slice(&body).expect("a review");
    let answer = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": review.request.uid, "allowed": true},
    });
    ([(CONTENT_TYPE, "application/json")], Json(answer))
}

async fn bare(listener: TcpListener, certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tls = TlsAcceptor::from(Arc::new(config));
    let router = router(BARE);
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let (tls, router) = (tls.clone(), TowerToHyperService::new(router.clone()));
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let stream = TokioIo::new(tls.accept(stream).await?);
            let http = auto::Builder::new(TokioExecutor::new()).http2_only();
            http.serve_connection(stream, router).await
        });
    }
}
