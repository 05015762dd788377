//! The webhook in this process: certificates, server, and the check that opens the readiness gate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use certs::{Keeper, Mode, Slot, State};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::admission::Admission;
use crate::api::{FIELD_MANAGER, GROUP, PLURAL};
use crate::cli::{CertificateMode, Settings};
use crate::metrics::Metrics;
use crate::notice::{self, Publisher, Reporter};
use crate::ready::{self, Readiness};
use crate::surroundings::{self, watch::Surroundings};

/// What a replica waits for before it is ready.
pub(super) const GATE: &str = "the webhook to answer through its Service";

/// Pause between two tries to reach the own webhook.
const DIAL_AGAIN: Duration = Duration::from_millis(200);
/// Deadline of one such try.
const DIAL: Duration = Duration::from_secs(2);

/// Starts all parts.
pub(super) async fn start(
    settings: &Settings,
    client: &Client,
    metrics: &Arc<Metrics>,
    readiness: &Readiness,
    stop: &CancellationToken,
    parts: &mut JoinSet<()>,
) -> Result<(), Error> {
    let (slot, options) = (Slot::new(), options(settings));
    let name = options.server_name();
    let through = format!("{}.{}.svc:443", settings.webhook_probe_service, settings.namespace);
    let own = format!("localhost:{}", settings.webhook_listen_address.port());
    let about = certificate(&options);
    let (keeper, state) = Keeper::new(client.clone(), options, Arc::clone(&slot));
    parts.spawn(keeper.run(stop.clone()));

    let counting = Arc::clone(metrics);
    let observe = Arc::new(move |o: &webhook::Outcome| counting.admitted(o.path, o.verdict, o.duration));
    let around = Surroundings::default();
    parts.spawn(surroundings::watch::run(client.clone(), around.clone(), stop.clone()));
    let router = webhook::router(Arc::new(Admission::new(settings.images(), around)), observe);
    let listener = ready::bind(settings.webhook_listen_address).await?;
    let server_stop = webhook::Stop::new(stop.clone());
    parts.spawn(webhook::serve(listener, slot, router, server_stop, webhook::Limits::default()));

    let (readiness, dialled, ending) = (readiness.clone(), state.clone(), stop.clone());
    parts.spawn(async move {
        let check = async {
            for address in [own, through] {
                dial_until_verified(&address, &name, &dialled).await;
            }
            tracing::info!("the webhook answers through its Service");
            readiness.open(GATE);
        };
        ending.run_until_cancelled(check).await;
        ending.cancelled().await; // A part that ends by itself would end the operator.
    });
    let reporter = Reporter { client: client.clone(), instance: settings.identity() };
    let (metrics, stop) = (Arc::clone(metrics), stop.clone());
    parts.spawn(async move {
        stop.run_until_cancelled(report(state, &metrics, &reporter, &about)).await;
    });
    Ok(())
}

fn options(settings: &Settings) -> certs::Options {
    let mode = match settings.webhook_certificates {
        CertificateMode::Own => Mode::Own,
        CertificateMode::CertManager => Mode::Provided { inject: false },
        CertificateMode::Secret => Mode::Provided { inject: true },
    };
    let service = &settings.webhook_service;
    let leaf_secret = settings.webhook_certificate_secret.clone();
    certs::Options {
        mode,
        namespace: settings.namespace.clone(),
        service: service.clone(),
        ca_secret: format!("{service}-ca"),
        leaf_secret: leaf_secret.unwrap_or_else(|| format!("{service}-tls")),
        mutating_configuration: Some(settings.webhook_configuration.clone()),
        validating_configuration: Some(settings.webhook_configuration.clone()),
        definition: Some(format!("{PLURAL}.{GROUP}")),
        field_manager: format!("{FIELD_MANAGER}-certificates"),
        labels: BTreeMap::from([("app.kubernetes.io/part-of".to_owned(), "redisoperator".to_owned())]),
        rotate_annotation: format!("{GROUP}/rotate"),
    }
}

/// What events about certificates regard: the Secret that is served, there or not.
fn certificate(options: &certs::Options) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Secret".to_owned()),
        namespace: Some(options.namespace.clone()),
        name: Some(options.leaf_secret.clone()),
        ..ObjectReference::default()
    }
}

/// A real TLS handshake with the published CA bundle, as the API server will do it.
async fn dial_until_verified(address: &str, name: &str, state: &Receiver<State>) {
    loop {
        let bundle = state.borrow().bundle.clone();
        if let Some(bundle) = bundle {
            match certs::dial(address, name, &bundle, DIAL).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::debug!(reason = error.reason(), %error, address, "the webhook does not answer yet");
                }
            }
        }
        tokio::time::sleep(DIAL_AGAIN).await;
    }
}

/// Tells metrics and events each turn of the certificates.
async fn report(mut state: Receiver<State>, metrics: &Metrics, reporter: &Reporter, about: &ObjectReference) {
    let (mut publisher, mut told) = (Publisher::default(), State::default());
    while state.changed().await.is_ok() {
        let now = state.borrow_and_update().clone();
        for (name, life) in &now.certificates {
            metrics.certificate_expires(name, life.not_after);
        }
        let notice = notice::of_certificates(told.trouble.as_ref(), now.trouble.as_ref());
        publisher.publish(reporter, about, notice.into_iter().collect()).await;
        told = now;
    }
}
