//! Server-side apply of the children, written only when something differs.
//!
//! The operator watches the metadata of its children only. What it applied is remembered by a digest together with the
//! mark that the API server gave the result: `generation` where the kind has one, else `resourceVersion`. As long as
//! both are unchanged, nobody edited the object and there is nothing to write. After a restart of the operator every
//! object is applied once, which changes nothing where nothing differs.

use std::collections::HashMap;
use std::time::Duration;

use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, GroupVersionKind, ObjectMeta};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::api::{FIELD_MANAGER, Identity};
use crate::desired::{Child, ChildKind, Desired};

/// Deadline of one API call.
const CALL: Duration = Duration::from_secs(10);
/// How long the cache may lag behind a write of our own.
const CACHE_LAG: Duration = Duration::from_secs(2);

/// Reason of an error: the API server found the object invalid.
const REFUSED: &str = "ObjectRefused";

/// Why an object could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused.
    #[error("{object}: {source}")]
    Api {
        /// Kind and name.
        object: String,
        /// What it said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("{object}: no answer from the API server in time")]
    Timeout {
        /// Kind and name.
        object: String,
    },
    /// An object of that name exists and belongs to somebody else; it is left alone.
    #[error("{object} exists and is not controlled by this RedisFailover; rename one of them")]
    Foreign {
        /// Kind and name.
        object: String,
    },
}

impl Error {
    /// Fixed name, for log fields, event reasons and metric labels.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Api { source, .. } => match &**source {
                kube::Error::Api(status) if status.is_forbidden() => "Forbidden",
                kube::Error::Api(status) if status.is_invalid() => REFUSED,
                _ => "ApiError",
            },
            Self::Timeout { .. } => "ApiTimeout",
            Self::Foreign { .. } => "NameTaken",
        }
    }
}

/// Metadata of children as the watches see it.
pub trait Seen: Send + Sync {
    /// The metadata of one child, if it exists.
    fn metadata(&self, kind: ChildKind, namespace: &str, name: &str) -> Option<ObjectMeta>;
}

/// What came of one pass over the children.
#[derive(Debug, Default)]
pub struct Report {
    /// What was written, in words.
    pub written: Vec<String>,
    /// What could not be written.
    pub errors: Vec<Error>,
}

impl ChildKind {
    fn has_pods(self) -> bool {
        matches!(self, Self::StatefulSet | Self::Deployment)
    }
}

impl Child {
    fn describe(&self) -> String {
        format!("{:?} {}", self.kind, self.name)
    }
}

/// What was applied last to the children of one `RedisFailover`.
#[derive(Debug, Default)]
pub struct Applied(HashMap<(ChildKind, String), Mark>);

#[derive(Debug)]
struct Mark {
    digest: Vec<u8>,
    version: Option<String>,
    at: Instant,
}

impl Applied {
    /// Whether `child` was applied in this very form and nobody touched it since.
    fn is_current(&self, child: &Child, digest: &[u8], live: Option<&ObjectMeta>) -> bool {
        let Some(mark) = self.0.get(&(child.kind, child.name.clone())) else {
            return false;
        };
        if mark.digest != digest {
            return false;
        }
        let fresh = mark.at.elapsed() < CACHE_LAG;
        live.map_or(fresh, |live| fresh || (version(live) == mark.version && keeps_metadata(child, live)))
    }
}

/// Writes what differs, in order, and deletes what should not be. An object that cannot be written stops no other.
pub async fn apply(
    client: &kube::Client,
    seen: &dyn Seen,
    owner: &Identity,
    desired: &Desired,
    applied: &mut Applied,
) -> Report {
    let mut report = Report::default();
    for child in &desired.present {
        if child.kind.has_pods() && report.errors.iter().any(|error| matches!(error, Error::Foreign { .. })) {
            continue; // Its pods would mount what belongs to somebody else.
        }
        let live = seen.metadata(child.kind, &owner.namespace, &child.name);
        match write(client, owner, child, live.as_ref(), applied).await {
            Ok(true) => report.written.push(child.describe()),
            Ok(false) => {}
            Err(error) => report.errors.push(error),
        }
    }
    for (kind, name) in &desired.absent {
        let live = seen.metadata(*kind, &owner.namespace, name);
        let Some(live) = live.filter(|live| is_controlled_by(live, owner)) else {
            continue;
        };
        applied.0.remove(&(*kind, name.clone()));
        match delete(client, *kind, owner, name, &live).await {
            Ok(()) => report.written.push(format!("{kind:?} {name} deleted")),
            Err(error) => report.errors.push(error),
        }
    }
    report
}

/// Applies one child if that is needed; says whether it was.
async fn write(
    client: &kube::Client,
    owner: &Identity,
    child: &Child,
    live: Option<&ObjectMeta>,
    applied: &mut Applied,
) -> Result<bool, Error> {
    let object = child.describe();
    if live.is_some_and(|live| !is_controlled_by(live, owner)) {
        return Err(Error::Foreign { object });
    }
    let text = child.body.to_string();
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref().to_vec();
    if applied.is_current(child, &digest, live) {
        return Ok(false);
    }
    let api = api(client, child.kind, &owner.namespace);
    if live.is_none() {
        // The watches show objects with our label alone, so one of somebody else's may hide behind the name.
        let hidden = call(&object, api.get_metadata_opt(&child.name)).await?;
        if hidden.is_some_and(|hidden| !is_controlled_by(&hidden.metadata, owner)) {
            return Err(Error::Foreign { object });
        }
    }
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let patch = Patch::Apply(&child.body);
    let apply = || call(&object, api.patch(&child.name, &params, &patch));
    let result = match (apply().await, child.kind) {
        (Err(error), ChildKind::Service) if error.reason() == REFUSED => {
            replace_ports(&api, child).await?;
            apply().await?
        }
        (result, _) => result?,
    };
    let mark = Mark { digest, version: version(&result.metadata), at: Instant::now() };
    applied.0.insert((child.kind, child.name.clone()), mark);
    Ok(true)
}

/// Server-side apply leaves a port that another client made of ours in place, beside ours and with the same name,
/// which makes the whole Service invalid. This takes out every port but ours.
async fn replace_ports(api: &Api<DynamicObject>, child: &Child) -> Result<(), Error> {
    let ports = child.body.pointer("/spec/ports");
    let patch = Patch::Merge(json!({"spec": {"ports": ports}}));
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    call(&child.describe(), api.patch(&child.name, &params, &patch)).await.map(|_| ())
}

async fn delete(
    client: &kube::Client,
    kind: ChildKind,
    owner: &Identity,
    name: &str,
    live: &ObjectMeta,
) -> Result<(), Error> {
    if live.deletion_timestamp.is_some() {
        return Ok(());
    }
    let only_this = Preconditions { uid: live.uid.clone(), resource_version: None };
    let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::background() };
    match call(&format!("{kind:?} {name}"), api(client, kind, &owner.namespace).delete(name, &params)).await {
        Err(Error::Api { source, .. }) if matches!(&*source, kube::Error::Api(status) if status.is_not_found()) => {
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

fn is_controlled_by(live: &ObjectMeta, owner: &Identity) -> bool {
    live.owner_references.iter().flatten().any(|r| r.controller == Some(true) && r.uid == owner.uid)
}

/// `generation` counts changes of the spec alone; kinds without one change rarely, so their version serves.
fn version(live: &ObjectMeta) -> Option<String> {
    live.generation.map(|generation| format!("g{generation}")).or_else(|| live.resource_version.clone())
}

/// `generation` says nothing of labels and annotations, so ours are compared.
fn keeps_metadata(child: &Child, live: &ObjectMeta) -> bool {
    let keeps = |field: &str, live: Option<&std::collections::BTreeMap<String, String>>| {
        let wanted = child.body.pointer(&format!("/metadata/{field}")).and_then(|value| value.as_object());
        wanted
            .into_iter()
            .flatten()
            .all(|(key, value)| live.and_then(|live| live.get(key)).map(String::as_str) == value.as_str())
    };
    keeps("labels", live.labels.as_ref()) && keeps("annotations", live.annotations.as_ref())
}

/// The API of one kind of children.
#[must_use]
pub fn resource(kind: ChildKind) -> ApiResource {
    let (group, version, name, plural) = match kind {
        ChildKind::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
        ChildKind::Secret => ("", "v1", "Secret", "secrets"),
        ChildKind::Service => ("", "v1", "Service", "services"),
        ChildKind::PodDisruptionBudget => ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
        ChildKind::StatefulSet => ("apps", "v1", "StatefulSet", "statefulsets"),
        ChildKind::Deployment => ("apps", "v1", "Deployment", "deployments"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, name), plural)
}

fn api(client: &kube::Client, kind: ChildKind, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource(kind))
}

async fn call<T>(object: &str, request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Error> {
    match timeout(CALL, request).await {
        Err(_) => Err(Error::Timeout { object: object.to_owned() }),
        Ok(Err(source)) => Err(Error::Api { object: object.to_owned(), source: Box::new(source) }),
        Ok(Ok(value)) => Ok(value),
    }
}
