//! The IO around [`decide`](super::decide).

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use futures::TryStreamExt;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams, WatchEvent, WatchParams};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Decision, GIVE_UP_AFTER, LEASE, RENEW_EVERY, Seen, decide};

/// Deadline of one API call about the lease.
const CALL: Duration = Duration::from_secs(4);
/// The pause after a write that lost a race.
const SOON: Duration = Duration::from_millis(200);
/// The pause after a renewal that failed: short enough for several tries before the holder gives up.
const AGAIN: Duration = Duration::from_secs(1);

/// Whose lease, which lease.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespace of the lease.
    pub namespace: String,
    /// Name of the lease.
    pub name: String,
    /// Name of this candidate, unique among them: the pod's name.
    pub me: String,
    /// How often a candidate looks and the holder renews.
    pub every: Duration,
    /// How long the lease holds without renewal, in whole seconds.
    pub lease: Duration,
    /// How long the holder works on without a good renewal; below `lease`.
    pub give_up_after: Duration,
}

impl Options {
    /// Options with the usual rhythm.
    #[must_use]
    pub fn new(namespace: String, name: String, me: String) -> Self {
        Self { namespace, name, me, every: RENEW_EVERY, lease: LEASE, give_up_after: GIVE_UP_AFTER }
    }
}

/// Why the lease could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused.
    #[error("lease: {0}")]
    Api(#[source] Box<kube::Error>),
    /// The API server did not answer in time.
    #[error("lease: no answer from the API server in time")]
    Timeout,
    /// Another candidate was faster.
    #[error("lease: another candidate wrote it first")]
    Raced,
    /// Another holds it now.
    #[error("lease: held by another")]
    Taken,
}

impl Error {
    /// Fixed name, for log fields and metric labels.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Api(_) => "LeaseApiError",
            Self::Timeout => "LeaseTimeout",
            Self::Raced => "LeaseRaced",
            Self::Taken => "LeaseTaken",
        }
    }
}

/// One candidate for the lease.
pub struct Elector {
    api: Api<Lease>,
    options: Options,
    last: Option<(Lease, Instant)>,
}

impl Elector {
    /// A candidate that has not looked yet.
    #[must_use]
    pub fn new(client: kube::Client, options: Options) -> Self {
        Self { api: Api::namespaced(client, &options.namespace), options, last: None }
    }

    /// Waits until this candidate holds the lease.
    pub async fn acquire(&mut self) {
        loop {
            let pause = match self.try_once().await {
                Ok(Decision::Wait(pause)) => {
                    self.wait(pause.min(self.options.every)).await;
                    continue;
                }
                Ok(_) => return,
                Err(Error::Raced) => SOON,
                Err(error) => {
                    tracing::warn!(reason = error.reason(), %error, "cannot take the lease");
                    self.options.every
                }
            };
            sleep(pause).await;
        }
    }

    /// Renews for as long as that works, then says why it ended. Whoever leads must stop at once then.
    pub async fn keep(&mut self) -> Error {
        let mut good = Instant::now();
        let mut pause = self.options.every;
        loop {
            sleep(pause).await;
            let begun = Instant::now();
            let end = good + self.options.give_up_after;
            match timeout_at(end, self.renew()).await {
                Ok(Ok(())) => (good, pause) = (begun, self.options.every),
                Ok(Err(error @ Error::Taken)) => return error,
                Ok(Err(error)) => {
                    pause = AGAIN.min(self.options.every);
                    if Instant::now() + pause >= end {
                        return error;
                    }
                    tracing::warn!(reason = error.reason(), %error, "cannot renew the lease");
                }
                Err(_) => return Error::Timeout,
            }
        }
    }

    /// Gives the lease back, so that another candidate need not wait for it to expire.
    pub async fn release(&mut self) {
        let mut result = self.give_back().await;
        if matches!(result, Err(Error::Raced)) {
            // Another client touched it, or a renewal that was cut off has arrived after all.
            result = match self.look().await {
                Ok(()) => self.give_back().await,
                failed => failed,
            };
        }
        if let Err(error) = result {
            tracing::warn!(reason = error.reason(), %error, "cannot release the lease");
        }
    }

    async fn give_back(&mut self) -> Result<(), Error> {
        let ours = self.last.as_ref().map(|(lease, _)| lease.clone());
        match ours.filter(|lease| holder(lease) == self.options.me) {
            Some(lease) => self.write(Some(&lease), "").await,
            None => Ok(()),
        }
    }

    /// Waits for `pause`, or until the holder gives the lease back.
    async fn wait(&self, pause: Duration) {
        let freed = async {
            if self.freed().await.is_err() {
                pending::<()>().await; // Without a watch, the next look has to do.
            }
        };
        let _ = timeout(pause, freed).await;
    }

    /// Ends well when the lease that was read is released or deleted.
    async fn freed(&self) -> Result<(), kube::Error> {
        let read = self.last.as_ref().map(|(lease, _)| &lease.metadata);
        let version = read.and_then(|metadata| metadata.resource_version.as_deref());
        let params = WatchParams::default().fields(&format!("metadata.name={}", self.options.name));
        let mut events = pin!(self.api.watch(&params, version.unwrap_or_default()).await?);
        while let Some(event) = events.try_next().await? {
            match event {
                WatchEvent::Deleted(_) => return Ok(()),
                WatchEvent::Added(lease) | WatchEvent::Modified(lease) if holder(&lease).is_empty() => {
                    return Ok(());
                }
                WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
                _ => {}
            }
        }
        pending().await
    }

    async fn try_once(&mut self) -> Result<Decision, Error> {
        self.look().await?;
        let seen = self.last.as_ref().map(|(lease, since)| Seen {
            holder: holder(lease).to_owned(),
            duration: duration(lease),
            since: *since,
        });
        let decision = decide(seen.as_ref(), &self.options.me, Instant::now());
        if !matches!(decision, Decision::Wait(_)) {
            let current = self.last.as_ref().map(|(lease, _)| lease.clone());
            let me = self.options.me.clone();
            self.write(current.as_ref(), &me).await?;
        }
        Ok(decision)
    }

    /// Renews with the version that this process wrote last: no read, and a conflict means that another wrote.
    async fn renew(&mut self) -> Result<(), Error> {
        let current = self.last.as_ref().map(|(lease, _)| lease.clone());
        let me = self.options.me.clone();
        match self.write(current.as_ref(), &me).await {
            Err(Error::Raced) => {
                self.look().await?;
                match &self.last {
                    Some((lease, _)) if holder(lease) == me => Err(Error::Raced),
                    _ => Err(Error::Taken),
                }
            }
            other => other,
        }
    }

    /// Reads the lease; the time of first sight starts anew only when the record changed.
    async fn look(&mut self) -> Result<(), Error> {
        let read = call(self.api.get_opt(&self.options.name)).await?;
        let same = match (&self.last, &read) {
            (Some((old, _)), Some(new)) => old.metadata.resource_version == new.metadata.resource_version,
            _ => false,
        };
        if !same {
            self.last = read.map(|lease| (lease, Instant::now()));
        }
        Ok(())
    }

    async fn write(&mut self, current: Option<&Lease>, holder: &str) -> Result<(), Error> {
        let lease = self.next(current, holder);
        let written = match current {
            Some(_) => call(self.api.replace(&self.options.name, &PostParams::default(), &lease)).await?,
            None => call(self.api.create(&PostParams::default(), &lease)).await?,
        };
        self.last = Some((written, Instant::now()));
        Ok(())
    }

    fn next(&self, current: Option<&Lease>, holder: &str) -> Lease {
        let now = MicroTime(Timestamp::now());
        let old = current.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        // What others put on it stays.
        let metadata = current.map_or_else(
            || ObjectMeta {
                name: Some(self.options.name.clone()),
                namespace: Some(self.options.namespace.clone()),
                ..ObjectMeta::default()
            },
            |lease| lease.metadata.clone(),
        );
        let changes = old.holder_identity.as_deref() != Some(holder);
        Lease {
            metadata: ObjectMeta { managed_fields: None, ..metadata },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: i32::try_from(self.options.lease.as_secs()).ok(),
                acquire_time: if changes { Some(now.clone()) } else { old.acquire_time },
                lease_transitions: Some(old.lease_transitions.unwrap_or(0) + i32::from(changes)),
                renew_time: Some(now),
                ..LeaseSpec::default()
            }),
        }
    }
}

fn holder(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

fn duration(lease: &Lease) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    seconds.and_then(|s| u64::try_from(s).ok()).map_or(LEASE, Duration::from_secs)
}

async fn call<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Error> {
    match timeout(CALL, request).await {
        Err(_) => Err(Error::Timeout),
        Ok(Err(kube::Error::Api(status))) if status.is_conflict() || status.is_already_exists() => {
            Err(Error::Raced)
        }
        Ok(Err(error)) => Err(Error::Api(Box::new(error))),
        Ok(Ok(value)) => Ok(value),
    }
}
