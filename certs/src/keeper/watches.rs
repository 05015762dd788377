//! What the keeper sees of the cluster, kept fresh by watches of single objects.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll, select_all};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Api as KubeApi, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::api::Api;
use super::publication::Version;
use crate::inject::{Configuration, Kind};
use crate::options::Mode;
use crate::state::PATIENCE;
use crate::{Bundle, Error, Options};

/// A watch whose last failure is older works again: it is tried at least every 30 s. It says nothing of that where the
/// object did not change.
const RECENT: Duration = Duration::from_secs(120);

/// One watched object.
#[derive(Debug, Default)]
pub(super) enum Seen<T> {
    /// The watch has not answered yet.
    #[default]
    Unknown,
    Absent,
    Present(T),
}

impl<T> Seen<T> {
    pub(super) fn present(&self) -> Option<&T> {
        if let Self::Present(object) = self { Some(object) } else { None }
    }

    fn known(&self) -> bool {
        !matches!(self, Self::Unknown)
    }
}

impl<T> From<Option<T>> for Seen<T> {
    fn from(object: Option<T>) -> Self {
        object.map_or(Self::Absent, Self::Present)
    }
}

/// The objects as last seen, by a watch or in the answer to an own write.
#[derive(Default)]
pub(super) struct View {
    pub(super) authority: Seen<Secret>,
    pub(super) leaf: Seen<Secret>,
    mutating: Seen<Configuration>,
    validating: Seen<Configuration>,
    definition: Seen<Configuration>,
    failures: BTreeMap<Watched, Failure>,
}

/// `Kind` and name of a watched object.
pub(super) type Watched = (&'static str, String);

/// A watch that failed so many times without an object in between.
struct Failure {
    error: Error,
    times: u32,
    last: Instant,
}

/// What a watch reported: the object, or why it cannot be seen.
pub(super) struct Report<T> {
    watched: Watched,
    seen: Result<T, Error>,
}

impl<T> Report<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Report<U> {
        Report { watched: self.watched, seen: self.seen.map(change) }
    }
}

/// An object as it is now.
pub(super) enum Change {
    Authority(Option<Secret>),
    Leaf(Option<Secret>),
    Webhooks(Kind, Option<Configuration>),
}

impl View {
    /// Knows nothing, except that objects without a name do not exist, and no CA where others make the certificate.
    pub(super) fn new(options: &Options) -> Self {
        let unwatched = |name: &Option<String>| {
            if name.is_none() { Seen::Absent } else { Seen::Unknown }
        };
        let own = options.mode == Mode::Own;
        Self {
            authority: if own { Seen::Unknown } else { Seen::Absent },
            mutating: unwatched(&options.mutating_configuration),
            validating: unwatched(&options.validating_configuration),
            definition: unwatched(&options.definition),
            ..Self::default()
        }
    }

    /// Takes a report in; returns whether an object was seen.
    pub(super) fn update(&mut self, Report { watched, seen }: Report<Change>, now: Instant) -> bool {
        match seen {
            Ok(change) => {
                self.failures.remove(&watched);
                self.see(change);
                true
            }
            Err(error) => {
                let before = self.failures.get(&watched).filter(|failure| failure.is_recent(now));
                let times = before.map_or(0, |failure| failure.times).saturating_add(1);
                self.failures.insert(watched, Failure { error, times, last: now });
                false
            }
        }
    }

    fn see(&mut self, change: Change) {
        match change {
            Change::Authority(secret) => self.authority = secret.into(),
            Change::Leaf(secret) => self.leaf = secret.into(),
            Change::Webhooks(kind, live) => *self.configuration(kind) = live.into(),
        }
    }

    /// Whether every watch has answered. That of the CRD may go on failing: few ask for conversions, and everybody's
    /// admission would wait for it.
    pub(super) fn complete(&self) -> bool {
        let hopeless = |(watched, failure): (&Watched, &Failure)| {
            watched.0 == Kind::Definition.name() && failure.times >= PATIENCE
        };
        let definition = self.definition.known() || self.failures.iter().any(hopeless);
        let webhooks = [&self.mutating, &self.validating].into_iter().all(Seen::known);
        self.authority.known() && self.leaf.known() && webhooks && definition
    }

    /// Why an object cannot be watched, once that has lasted, and how often that was tried.
    pub(super) fn failure(&self, now: Instant) -> Option<(&Error, u32)> {
        let lasting = |failure: &&Failure| failure.times >= PATIENCE && failure.is_recent(now);
        self.failures.values().find(lasting).map(|failure| (&failure.error, failure.times))
    }

    pub(super) fn configuration(&mut self, kind: Kind) -> &mut Seen<Configuration> {
        match kind {
            Kind::Mutating => &mut self.mutating,
            Kind::Validating => &mut self.validating,
            Kind::Definition => &mut self.definition,
        }
    }

    /// Whether every existing object that names the webhook has the bundle.
    pub(super) fn carries(&self, bundle: &Bundle) -> bool {
        self.configurations().all(|live| live.carries(bundle))
    }

    /// The one bundle that every webhook has, if they agree on one.
    pub(super) fn bundle(&self) -> Option<Bundle> {
        let mut all = self.configurations().flat_map(Configuration::bundles);
        let first = std::str::from_utf8(all.next()?).ok()?;
        let agreed = all.all(|other| other == first.as_bytes());
        if agreed { Bundle::read("caBundle", first).ok() } else { None }
    }

    /// What each webhook has, as far as it can be read.
    pub(super) fn bundles(&self) -> impl Iterator<Item = Bundle> {
        let all = self.configurations().flat_map(Configuration::bundles);
        all.filter_map(|pem| Bundle::read("caBundle", std::str::from_utf8(pem).ok()?).ok())
    }

    pub(super) fn versions(&self) -> Vec<Version> {
        self.configurations().map(Configuration::version).collect()
    }

    fn configurations(&self) -> impl Iterator<Item = &Configuration> {
        [&self.mutating, &self.validating, &self.definition].into_iter().filter_map(Seen::present)
    }
}

impl Failure {
    fn is_recent(&self, now: Instant) -> bool {
        now.duration_since(self.last) < RECENT
    }
}

/// All watches as one endless stream. Each is narrowed to one name; broken ones are opened again with a backoff
/// of up to 30 s.
pub(super) fn all(api: &Api, options: &Options) -> SelectAll<BoxStream<'static, Report<Change>>> {
    let leaf = one(&api.secrets, &options.leaf_secret, "Secret");
    let mut streams = vec![leaf.map(|report| report.map(Change::Leaf)).boxed()];
    if options.mode == Mode::Own {
        let authority = one(&api.secrets, &options.ca_secret, "Secret");
        streams.push(authority.map(|report| report.map(Change::Authority)).boxed());
    }
    let names = (&options.mutating_configuration, &options.validating_configuration, &options.definition);
    streams.extend(names.0.as_deref().map(|name| webhooks(&api.mutating, name, Kind::Mutating)));
    streams.extend(names.1.as_deref().map(|name| webhooks(&api.validating, name, Kind::Validating)));
    streams.extend(names.2.as_deref().map(|name| webhooks(&api.definitions, name, Kind::Definition)));
    select_all(streams)
}

fn webhooks<K>(api: &KubeApi<K>, name: &str, kind: Kind) -> BoxStream<'static, Report<Change>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Into<Configuration> + 'static,
{
    let change = move |live: Option<K>| Change::Webhooks(kind, live.map(Into::into));
    one(api, name, kind.name()).map(move |report| report.map(change)).boxed()
}

fn one<K>(
    api: &KubeApi<K>,
    name: &str,
    kind: &'static str,
) -> impl Stream<Item = Report<Option<K>>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let name = name.to_owned();
    watch_object(api.clone(), &name).default_backoff().map(move |item| {
        let seen = item.map_err(|source| {
            let error = Error::Watch { object: format!("{kind}/{name}"), source: Box::new(source) };
            tracing::warn!(reason = error.reason(), %error, "cannot watch; trying again");
            error
        });
        Report { watched: (kind, name.clone()), seen }
    })
}
