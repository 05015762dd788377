//! Health over plain HTTP: `/healthz`, `/readyz` and the metrics.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// What this replica still waits for. Leading is not among it: followers serve the webhook.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeSet<&'static str>>>);

impl Readiness {
    /// Not ready until `gate` is opened.
    pub fn wait_for(&self, gate: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(gate);
    }

    /// `gate` need not be waited for any longer.
    pub fn open(&self, gate: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(gate);
    }

    /// What is still waited for.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

/// Serves health and metrics until `stop`.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    metrics_path: &str,
    stop: CancellationToken,
) {
    let ready = move || {
        let missing = readiness.missing();
        let answer = if missing.is_empty() {
            (StatusCode::OK, "ok\n".to_owned())
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}\n", missing.join(", ")))
        };
        std::future::ready(answer)
    };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route(metrics_path, get(move || std::future::ready(metrics.text())));
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "the health server ended");
    }
}

/// Binds a listener, or says which address could not be had.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, std::io::Error> {
    TcpListener::bind(address)
        .await
        .map_err(|error| std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}
