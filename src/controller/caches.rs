//! Watches and what they keep in memory: metadata of children, a thin copy of pods.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::BoxStream;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, DynamicObject, ObjectMeta, PartialObjectMeta};
use kube::core::ApiResource;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{Controller, WatchStreamExt, reflector, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::act::apply::Seen;
use crate::api::{FIELD_MANAGER, GROUP, Identity, KIND, PLURAL, VERSION};
use crate::desired::ChildKind;
use crate::desired::labels::{name_label, uid_label};

/// How long the first lists may take before a reconcile is put off.
const FIRST_LISTS: Duration = Duration::from_secs(10);

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
        let all = Api::all_with(client.clone(), &resource);
        let controller = Controller::new_with(all, watcher::Config::default(), resource.clone());
        let mut building = Building { controller, children: HashMap::new(), first_lists: Vec::new() };
        building = building
            .own::<ConfigMap>(client, ChildKind::ConfigMap)
            .own::<Secret>(client, ChildKind::Secret)
            .own::<Service>(client, ChildKind::Service)
            .own::<PodDisruptionBudget>(client, ChildKind::PodDisruptionBudget)
            .own::<StatefulSet>(client, ChildKind::StatefulSet)
            .own::<Deployment>(client, ChildKind::Deployment);
        let (pods, stream) = cached::<Pod>(client, thin);
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
    fn own<K>(mut self, client: &Client, kind: ChildKind) -> Self
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let (store, stream) =
            cached::<PartialObjectMeta<K>>(client, |child| child.metadata.managed_fields = None);
        self.controller = self.controller.owns_stream(stream);
        self.first_lists.push(first_list(store.clone()));
        let lookup = move |namespace: &str, name: &str| {
            store.get(&ObjectRef::new(name).within(namespace)).map(|child| child.metadata.clone())
        };
        self.children.insert(kind, Box::new(lookup));
        self
    }
}

type Cached<K> = (Store<K>, BoxStream<'static, Result<K, watcher::Error>>);

/// A watch on the objects that this operator manages, with a cache that a reconcile can look into.
fn cached<K>(client: &Client, slim: fn(&mut K)) -> Cached<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (reader, writer) = store();
    let ours = watcher::Config::default().labels(&format!("app.kubernetes.io/managed-by={FIELD_MANAGER}"));
    let stream = watcher(Api::<K>::all(client.clone()), ours).default_backoff().modify(slim);
    (reader, reflector(writer, stream).touched_objects().boxed())
}

/// Only what the observation reads stays of a pod.
fn thin(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    pod.metadata.owner_references = None;
    if let Some(spec) = pod.spec.take() {
        let containers = spec
            .containers
            .into_iter()
            .map(|c| k8s_openapi::api::core::v1::Container { name: c.name, ..Default::default() });
        pod.spec = Some(k8s_openapi::api::core::v1::PodSpec {
            containers: containers.collect(),
            node_name: spec.node_name,
            ..Default::default()
        });
    }
}

fn first_list<K>(store: Store<K>) -> FirstList
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    Box::new(move || {
        let store = store.clone();
        Box::pin(async move {
            let _ = store.wait_until_ready().await; // An error means that the watch ended: the controller ends then too.
        })
    })
}
