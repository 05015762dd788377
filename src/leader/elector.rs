//! The IO around [`decide`](super::decide).

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::time::{Instant, sleep, timeout};

use super::{Decision, GIVE_UP_AFTER, LEASE, RENEW_EVERY, Seen, decide};

/// Deadline of one API call about the lease.
const CALL: Duration = Duration::from_secs(4);
/// How often a candidate looks at a lease that was just released or whose write lost a race.
const SOON: Duration = Duration::from_millis(200);

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
}

impl Options {
    /// Options with the usual rhythm.
    #[must_use]
    pub fn new(namespace: String, name: String, me: String) -> Self {
        Self {
            namespace,
            name,
            me,
            every: RENEW_EVERY,
        }
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
        Self {
            api: Api::namespaced(client, &options.namespace),
            options,
            last: None,
        }
    }

    /// Waits until this candidate holds the lease.
    pub async fn acquire(&mut self) {
        loop {
            let pause = match self.try_once().await {
                Ok(Decision::Wait(pause)) => pause.min(self.options.every),
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
        loop {
            sleep(self.options.every).await;
            match self.renew().await {
                Ok(()) => good = Instant::now(),
                Err(error @ Error::Taken) => return error,
                Err(error) if good.elapsed() + self.options.every >= GIVE_UP_AFTER => return error,
                Err(error) => tracing::warn!(reason = error.reason(), %error, "cannot renew the lease"),
            }
        }
    }

    /// Gives the lease back, so that another candidate need not wait for it to expire.
    pub async fn release(&mut self) {
        let Some((lease, _)) = self.last.take() else {
            return;
        };
        if holder(&lease) != self.options.me {
            return;
        }
        if let Err(error) = self.write(Some(&lease), "").await {
            tracing::warn!(reason = error.reason(), %error, "cannot release the lease");
        }
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
            Some(_) => {
                call(
                    self.api
                        .replace(&self.options.name, &PostParams::default(), &lease),
                )
                .await?
            }
            None => call(self.api.create(&PostParams::default(), &lease)).await?,
        };
        self.last = Some((written, Instant::now()));
        Ok(())
    }

    fn next(&self, current: Option<&Lease>, holder: &str) -> Lease {
        let now = MicroTime(Timestamp::now());
        let old = current.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let changes = old.holder_identity.as_deref() != Some(holder);
        Lease {
            metadata: ObjectMeta {
                name: Some(self.options.name.clone()),
                namespace: Some(self.options.namespace.clone()),
                resource_version: current.and_then(|lease| lease.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
                acquire_time: if changes {
                    Some(now.clone())
                } else {
                    old.acquire_time
                },
                lease_transitions: Some(old.lease_transitions.unwrap_or(0) + i32::from(changes)),
                renew_time: Some(now),
                ..LeaseSpec::default()
            }),
        }
    }
}

fn holder(lease: &Lease) -> &str {
    lease
        .spec
        .as_ref()
        .and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default()
}

fn duration(lease: &Lease) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    seconds
        .and_then(|s| u64::try_from(s).ok())
        .map_or(LEASE, Duration::from_secs)
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
