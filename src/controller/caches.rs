//! Watches and what they keep in memory: `RedisFailovers`, metadata of children, a thin copy of pods. Of none of them
//! `managedFields` are kept: those are larger than the rest and nobody reads them.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::future::join_all;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition, PodStatus};
use kube::api::{Api, DynamicObject, ObjectMeta, PartialObjectMeta};
use kube::core::ApiResource;
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::{Controller, WatchStreamExt, reflector, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::act::apply::{self, Seen};
use crate::api::{FIELD_MANAGER, GROUP, Identity, KIND, PLURAL, VERSION};
use crate::desired::ChildKind;
use crate::desired::labels::{name_label, uid_label};

/// How long the first lists may take before a reconcile is put off.
const FIRST_LISTS: Duration = Duration::from_secs(10);

/// Objects in one page of a first list: their text, and what is read from it, are in memory at once.
const PAGE: u32 = 50;

/// Their metadata is of one type for all kinds: the code of a watch is large, and there would be one for each type.
const CHILDREN: [ChildKind; 6] = [
    ChildKind::ConfigMap,
    ChildKind::Secret,
    ChildKind::Service,
    ChildKind::PodDisruptionBudget,
    ChildKind::StatefulSet,
    ChildKind::Deployment,
];

type Lookup = Box<dyn Fn(&str, &str) -> Option<ObjectMeta> + Send + Sync>;
type FirstList = Box<dyn Fn() -> futures::future::BoxFuture<'static, ()> + Send + Sync>;

/// What the watches know.
pub struct Caches {
    children: HashMap<ChildKind, Lookup>,
    pods: Store<Pod>,
    first_lists: Vec<FirstList>,
    complete: OnceCell<()>,
}

/// `RedisFailovers` as the API server knows them.
#[must_use]
pub fn primary() -> ApiResource {
    ApiResource {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        api_version: format!("{GROUP}/{VERSION}"),
        kind: KIND.to_owned(),
        plural: PLURAL.to_owned(),
    }
}

impl Caches {
    /// Starts the watches of a controller: on `RedisFailovers`, on their children and on their pods.
    #[must_use]
    pub fn start(client: &Client) -> (Controller<DynamicObject>, Self) {
        let resource = primary();
        let (objects, changes) =
            kept::<DynamicObject>(client, resource.clone(), watcher::Config::default(), |_| {});
        let controller = Controller::for_stream_with(changes.applied_objects(), objects, resource.clone());
        let mut building = Building { controller, children: HashMap::new(), first_lists: Vec::new() };
        for kind in CHILDREN {
            building = building.own(client, kind);
        }
        let (pods, stream) = ours::<Pod>(client, (), thin);
        let wait = pods.clone();
        building.first_lists.push(first_list(wait));
        let controller = building.controller.watches_stream(stream, move |pod: Pod| {
            let name = pod.labels().get(&name_label()).cloned();
            name.zip(pod.namespace())
                .map(|(name, ns)| ObjectRef::new_with(&name, resource.clone()).within(&ns))
        });
        (
            controller,
            Self {
                children: building.children,
                pods,
                first_lists: building.first_lists,
                complete: OnceCell::new(),
            },
        )
    }

    /// Waits until every watch delivered its first list; false if that takes too long.
    ///
    /// A store wakes only the last of those who wait for its first list, so one waits for all of them.
    pub async fn complete(&self) -> bool {
        let all = || async { drop(join_all(self.first_lists.iter().map(|wait| wait())).await) };
        timeout(FIRST_LISTS, self.complete.get_or_init(all)).await.is_ok()
    }

    /// The pods of one `RedisFailover`, and not those of a deleted one of the same name.
    #[must_use]
    pub fn pods(&self, owner: &Identity) -> Vec<Arc<Pod>> {
        let label = uid_label();
        let ours = |pod: &Arc<Pod>| {
            pod.metadata.namespace.as_deref() == Some(&owner.namespace)
                && pod.labels().get(&label).is_some_and(|uid| *uid == owner.uid)
        };
        self.pods.state().into_iter().filter(ours).collect()
    }

    /// How many pods there are in all.
    #[must_use]
    pub fn pod_count(&self) -> usize {
        self.pods.len()
    }

    /// The unique ids of all pods.
    #[must_use]
    pub fn pod_uids(&self) -> HashSet<String> {
        self.pods.state().iter().filter_map(|pod| pod.uid()).collect()
    }
}

impl Seen for Caches {
    fn metadata(&self, kind: ChildKind, namespace: &str, name: &str) -> Option<ObjectMeta> {
        self.children.get(&kind).and_then(|lookup| lookup(namespace, name))
    }
}

struct Building {
    controller: Controller<DynamicObject>,
    children: HashMap<ChildKind, Lookup>,
    first_lists: Vec<FirstList>,
}

impl Building {
    fn own(mut self, client: &Client, kind: ChildKind) -> Self {
        let resource = apply::resource(kind);
        let (store, changes) = ours::<PartialObjectMeta>(client, resource.clone(), |_| {});
        self.controller = self.controller.owns_stream_with(changes, resource.clone());
        self.first_lists.push(first_list(store.clone()));
        let lookup = move |namespace: &str, name: &str| {
            let child = ObjectRef::new_with(name, resource.clone()).within(namespace);
            store.get(&child).map(|child| child.metadata.clone())
        };
        self.children.insert(kind, Box::new(lookup));
        self
    }
}

/// A watch on the objects that this operator manages, and what it keeps of them.
fn ours<K>(
    client: &Client,
    kind: K::DynamicType,
    thin: fn(&mut K),
) -> (Store<K>, impl Stream<Item = Result<K, watcher::Error>> + Send + 'static)
where
    K: Resource<DynamicType: Clone + Eq + Hash + Send + Sync>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let config = watcher::Config::default().labels(&format!("app.kubernetes.io/managed-by={FIELD_MANAGER}"));
    let (store, changes) = kept(client, kind, config, thin);
    (store, changes.default_backoff().touched_objects())
}

/// A watch, with a store of what `thin` leaves of the objects.
fn kept<K>(
    client: &Client,
    kind: K::DynamicType,
    config: watcher::Config,
    thin: fn(&mut K),
) -> (Store<K>, impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static)
where
    K: Resource<DynamicType: Clone + Eq + Hash + Send + Sync>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let api = Api::all_with(client.clone(), &kind);
    let writer = Writer::new(kind);
    let store = writer.as_reader();
    let changes = watcher(api, config.page_size(PAGE)).modify(move |object: &mut K| {
        object.meta_mut().managed_fields = None;
        thin(object);
    });
    (store, reflector(writer, changes))
}

/// Only what the observation reads stays of a pod.
fn thin(pod: &mut Pod) {
    pod.metadata.owner_references = None;
    pod.spec = None;
    pod.status = pod.status.take().map(|status| PodStatus {
        phase: status.phase,
        reason: status.reason,
        pod_ip: status.pod_ip,
        conditions: status.conditions.map(|conditions| conditions.into_iter().map(thin_condition).collect()),
        container_statuses: status.container_statuses.map(thin_containers),
        init_container_statuses: status.init_container_statuses.map(thin_containers),
        ..PodStatus::default()
    });
}

fn thin_condition(condition: PodCondition) -> PodCondition {
    PodCondition {
        type_: condition.type_,
        status: condition.status,
        reason: condition.reason,
        ..PodCondition::default()
    }
}

fn thin_containers(containers: Vec<ContainerStatus>) -> Vec<ContainerStatus> {
    let thin = |container: ContainerStatus| ContainerStatus {
        name: container.name,
        state: container.state,
        last_state: container.last_state,
        ..ContainerStatus::default()
    };
    containers.into_iter().map(thin).collect()
}

fn first_list<K>(store: Store<K>) -> FirstList
where
    K: Resource<DynamicType: Clone + Eq + Hash + Send + Sync> + Clone + Send + Sync + 'static,
{
    Box::new(move || {
        let store = store.clone();
        Box::pin(async move {
            let _ = store.wait_until_ready().await; // An error means that the watch ended: the controller ends then too.
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::observe::pods;

    #[test]
    fn what_stays_of_a_pod_says_the_same_of_it() {
        let container = |name: &str, state: &serde_json::Value| {
            json!({
                "name": name, "image": "redis", "imageID": "sha256:1", "containerID": "containerd://1", "ready": false,
                "restartCount": 2, "resources": {"requests": {"cpu": "5m"}}, "state": state,
                "lastState": {"terminated": {"exitCode": 137, "finishedAt": "2026-01-02T03:04:05Z"}},
            })
        };
        let status = |phase: &str, state: &serde_json::Value| {
            json!({
                "phase": phase, "reason": "Evicted", "podIP": "10.0.0.7", "hostIP": "192.0.2.1",
                "conditions": [
                    {"type": "PodScheduled", "status": "True", "reason": "r"},
                    {"type": "Ready", "status": "True", "message": "m"},
                ],
                "containerStatuses": [container("exporter", &json!({"running": {}})), container("redis", state)],
                "initContainerStatuses": [container("init", &json!({"terminated": {"exitCode": 0}}))],
            })
        };
        let running = status("Running", &json!({"running": {}}));
        let stuck = status("Pending", &json!({"waiting": {"reason": "ImagePullBackOff"}}));
        for status in [running, stuck, status("Failed", &json!({})), json!(null)] {
            let whole: Pod = serde_json::from_value(json!({
                "metadata": {
                    "name": "rfr-cache-1", "uid": "u", "ownerReferences": [],
                    "labels": {"app.kubernetes.io/component": "redis", crate::api::ROLE_LABEL: "slave"},
                    "annotations": {crate::desired::template::annotation(): "digest"},
                },
                "spec": {"containers": [{"name": "redis"}], "nodeName": "n"},
                "status": status,
            }))
            .unwrap();
            let mut kept = whole.clone();
            thin(&mut kept);
            assert_eq!(pods::pod(&kept), pods::pod(&whole));
            assert!(kept.spec.is_none());
        }
    }
}
