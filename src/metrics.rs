//! Metrics, under the Go operator's prefix so that its dashboards go on.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// One `RedisFailover`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Cluster {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Outcome of a reconcile: `Ok` or the fixed reason of the error.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Result {
    /// The reason.
    pub reason: &'static str,
}

/// One kind of review and its verdict.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Admission {
    /// `/mutate`, `/validate` or `/convert`.
    pub path: &'static str,
    /// `allowed` or `denied`, `converted` or `failed`, or `error`.
    pub verdict: &'static str,
}

/// One of the webhook's certificates.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Certificate {
    /// `serving` or `ca`.
    pub certificate: &'static str,
}

/// All metrics of the operator.
pub struct Metrics {
    registry: Registry,
    cluster_ok: Family<Cluster, Gauge>,
    reconciles: Family<Result, Counter>,
    reconcile_seconds: Histogram,
    admissions: Family<Admission, Counter>,
    admission_seconds: Histogram,
    leader: Gauge<i64, AtomicI64>,
    certificate_expiry: Family<Certificate, Gauge<f64, AtomicU64>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("redis_operator_controller");
        let cluster_ok = Family::<Cluster, Gauge>::default();
        let reconciles = Family::<Result, Counter>::default();
        let reconcile_seconds = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        let admissions = Family::<Admission, Counter>::default();
        let admission_seconds = Histogram::new(exponential_buckets(0.000_05, 2.0, 14));
        let leader = Gauge::<i64, AtomicI64>::default();
        let certificate_expiry = Family::<Certificate, Gauge<f64, AtomicU64>>::default();
        registry.register(
            "cluster_ok",
            "1 while a RedisFailover is as its spec wants it",
            cluster_ok.clone(),
        );
        registry.register("reconciles", "Reconciles by outcome", reconciles.clone());
        registry.register("reconcile_seconds", "Duration of reconciles", reconcile_seconds.clone());
        registry.register("admissions", "Admission reviews by path and verdict", admissions.clone());
        registry.register("admission_seconds", "Duration of admission reviews", admission_seconds.clone());
        registry.register("leader", "1 while this replica leads", leader.clone());
        registry.register(
            "certificate_expiry_seconds",
            "When a certificate of the webhook expires, in seconds since 1970",
            certificate_expiry.clone(),
        );
        Self {
            registry,
            cluster_ok,
            reconciles,
            reconcile_seconds,
            admissions,
            admission_seconds,
            leader,
            certificate_expiry,
        }
    }

    /// Whether a `RedisFailover` is as its spec wants it.
    pub fn cluster(&self, namespace: &str, name: &str, ok: bool) {
        let labels = Cluster { namespace: namespace.to_owned(), name: name.to_owned() };
        self.cluster_ok.get_or_create(&labels).set(i64::from(ok));
    }

    /// A `RedisFailover` is gone: so is its series.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.cluster_ok.remove(&Cluster { namespace: namespace.to_owned(), name: name.to_owned() });
    }

    /// A reconcile ended.
    pub fn reconciled(&self, reason: &'static str, took: Duration) {
        self.reconciles.get_or_create(&Result { reason }).inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// An admission review was answered.
    pub fn admitted(&self, path: &'static str, verdict: &'static str, took: Duration) {
        self.admissions.get_or_create(&Admission { path, verdict }).inc();
        self.admission_seconds.observe(took.as_secs_f64());
    }

    /// Whether this replica leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// When a certificate of the webhook expires.
    #[allow(clippy::cast_precision_loss)] // Milliseconds fit a double until the year 287396.
    pub fn certificate_expires(&self, certificate: &'static str, at: jiff::Timestamp) {
        let gauge = self.certificate_expiry.get_or_create(&Certificate { certificate });
        gauge.set(at.as_millisecond() as f64 / 1_000.0);
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# encoding failed");
        }
        text
    }
}
