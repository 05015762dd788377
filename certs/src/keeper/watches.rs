//! What the keeper sees of the cluster, kept fresh by watches of single objects.

use std::fmt::Debug;

use futures::stream::{BoxStream, SelectAll, select_all};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Api as KubeApi, Resource};
use serde::de::DeserializeOwned;

use super::api::Api;
use super::publication::Version;
use crate::inject::{Configuration, Kind};
use crate::options::Mode;
use crate::{Bundle, Error, Options};

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
}

/// What a watch reported.
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

    pub(super) fn update(&mut self, change: Change) {
        match change {
            Change::Authority(secret) => self.authority = secret.into(),
            Change::Leaf(secret) => self.leaf = secret.into(),
            Change::Webhooks(kind, live) => *self.configuration(kind) = live.into(),
        }
    }

    /// Whether every watch has answered.
    pub(super) fn complete(&self) -> bool {
        let webhooks = [&self.mutating, &self.validating, &self.definition];
        self.authority.known() && self.leaf.known() && webhooks.into_iter().all(Seen::known)
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

    pub(super) fn versions(&self) -> Vec<Version> {
        self.configurations().map(Configuration::version).collect()
    }

    fn configurations(&self) -> impl Iterator<Item = &Configuration> {
        [&self.mutating, &self.validating, &self.definition].into_iter().filter_map(Seen::present)
    }
}

/// All watches as one endless stream. Each is narrowed to one name; broken ones are opened again with a backoff
/// of up to 30 s.
pub(super) fn all(api: &Api, options: &Options) -> SelectAll<BoxStream<'static, Change>> {
    let mut streams = vec![one(&api.secrets, &options.leaf_secret, "Secret").map(Change::Leaf).boxed()];
    if options.mode == Mode::Own {
        streams.push(one(&api.secrets, &options.ca_secret, "Secret").map(Change::Authority).boxed());
    }
    let names = (&options.mutating_configuration, &options.validating_configuration, &options.definition);
    streams.extend(names.0.as_deref().map(|name| webhooks(&api.mutating, name, Kind::Mutating)));
    streams.extend(names.1.as_deref().map(|name| webhooks(&api.validating, name, Kind::Validating)));
    streams.extend(names.2.as_deref().map(|name| webhooks(&api.definitions, name, Kind::Definition)));
    select_all(streams)
}

fn webhooks<K>(api: &KubeApi<K>, name: &str, kind: Kind) -> BoxStream<'static, Change>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Into<Configuration> + 'static,
{
    one(api, name, kind.name()).map(move |live| Change::Webhooks(kind, live.map(Into::into))).boxed()
}

fn one<K>(api: &KubeApi<K>, name: &str, kind: &str) -> impl Stream<Item = Option<K>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let object = format!("{kind}/{name}");
    watch_object(api.clone(), name).default_backoff().filter_map(move |item| {
        let change = item.map_err(|source| {
            let error = Error::Watch { object: object.clone(), source: Box::new(source) };
            tracing::warn!(reason = error.reason(), %error, "cannot watch; trying again");
        });
        std::future::ready(change.ok())
    })
}
