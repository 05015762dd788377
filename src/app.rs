//! Start-up, the parts, and shutdown in order: the only place that knows every part.
//!
//! On SIGTERM the replica says that it is not ready, finishes running reconciles and gives the lease back at once; its
//! webhook goes on for some seconds more, because the API server may still send it requests.

mod webhook;

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cli::Settings;
use crate::controller;
use crate::leader::{self, Elector};
use crate::metrics::Metrics;
use crate::ready::{self, Readiness};

/// How long running reconciles may take to end after SIGTERM. With the rhythm of renewals it stays below the lease.
const DRAIN: Duration = Duration::from_secs(5);

const SHUTDOWN_GATE: &str = "nothing: shutting down";

/// Why the operator ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No way to the API server is configured.
    #[error("cannot find a Kubernetes API server: {0}")]
    NoCluster(String),
    /// An address could not be listened on, or signals not be heard.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A part that should run until the stop ended before.
    #[error("the webhook ended by itself")]
    PartEnded,
    /// The lease was lost; another replica may lead by now.
    #[error("stopped leading: {0}")]
    LeaseLost(leader::Error),
}

/// Runs until SIGTERM or SIGINT, or until something makes going on unsafe.
pub async fn run(settings: Settings) -> Result<(), Error> {
    let client = client(&settings).await?;
    let stop = stop_on_signals()?;
    let metrics = Arc::new(Metrics::new());
    let readiness = Readiness::default();
    let serve_webhook = !settings.no_webhook && !settings.development;
    if serve_webhook {
        readiness.wait_for(webhook::GATE);
    }
    let health = CancellationToken::new();
    let (gates, stopping) = (readiness.clone(), stop.clone());
    tokio::spawn(async move {
        stopping.cancelled().await;
        gates.wait_for(SHUTDOWN_GATE);
    });
    let mut parts = JoinSet::new();
    let listener = ready::bind(settings.listen_address).await?;
    let path = settings.metrics_path.clone();
    let (gates, numbers, end) = (readiness.clone(), Arc::clone(&metrics), health.clone());
    let health_server = tokio::spawn(async move { ready::serve(listener, gates, numbers, &path, end).await });
    if serve_webhook {
        webhook::start(&settings, &client, &metrics, &readiness, &stop, &mut parts).await?;
    }
    let mut leading = pin!(lead(&settings, client, metrics, &stop));
    let result = loop {
        tokio::select! {
            result = &mut leading => break result,
            Some(_) = parts.join_next() => if !stop.is_cancelled() { break Err(Error::PartEnded) },
        }
    };
    stop.cancel(); // Where it was not a signal that ended the work.
    while parts.join_next().await.is_some() {}
    health.cancel();
    if timeout(DRAIN, health_server).await.is_err() {
        tracing::warn!("the health server did not end in time");
    }
    result
}

async fn client(settings: &Settings) -> Result<Client, Error> {
    let config = match (&settings.kubeconfig, settings.development) {
        (Some(path), _) => from_file(path).await?,
        (None, _) => kube::Config::infer().await.map_err(|error| Error::NoCluster(error.to_string()))?,
    };
    Client::try_from(config).map_err(|error| Error::NoCluster(error.to_string()))
}

async fn from_file(path: &Path) -> Result<kube::Config, Error> {
    let no_cluster =
        |error: kube::config::KubeconfigError| Error::NoCluster(format!("{}: {error}", path.display()));
    let file = Kubeconfig::read_from(path).map_err(no_cluster)?;
    kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(no_cluster)
}

fn stop_on_signals() -> Result<CancellationToken, Error> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => tracing::info!("SIGTERM: stopping"),
            _ = int.recv() => tracing::info!("SIGINT: stopping"),
        }
        token.cancel();
    });
    Ok(stop)
}

/// Waits for the lease, reconciles while it holds, gives it back.
async fn lead(
    settings: &Settings,
    client: Client,
    metrics: Arc<Metrics>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let names =
        leader::Options::new(settings.namespace.clone(), settings.lease_name.clone(), settings.identity());
    let mut elector = Elector::new(client.clone(), names);
    if stop.run_until_cancelled(elector.acquire()).await.is_none() {
        return Ok(());
    }
    tracing::info!(lease = settings.lease_name, "leading");
    metrics.leads(true);
    let options = controller::Options {
        images: settings.images(),
        namespaces: settings.supported_namespaces_regex.clone(),
        concurrency: settings.concurrency,
        me: settings.identity(),
    };
    let work_stop = CancellationToken::new();
    let mut work = tokio::spawn(controller::run(client, options, Arc::clone(&metrics), work_stop.clone()));
    let lost = tokio::select! {
        () = stop.cancelled() => None,
        lost = elector.keep() => Some(lost),
        _ = &mut work => None,
    };
    if lost.is_some() {
        work.abort(); // Another may lead already: not one action more.
    }
    work_stop.cancel();
    if !work.is_finished() && timeout(DRAIN, &mut work).await.is_err() {
        tracing::warn!("reconciles did not end in time");
        work.abort();
    }
    metrics.leads(false);
    if let Some(lost) = lost {
        return Err(Error::LeaseLost(lost));
    }
    elector.release().await;
    Ok(())
}
