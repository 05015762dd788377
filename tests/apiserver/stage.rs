//! A namespace of its own for each test, and what is done in it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, ObjectMeta, Patch, PatchParams, PostParams,
};
use redis_operator::api::defaults::{self, Images};
use redis_operator::api::{Identity, KIND, RedisFailoverStatus, Valid, parse};
use redis_operator::controller::primary;
use serde_json::{Value, json};

use crate::helm;
use crate::server::{Server, server};

/// Kinds of the chart that give the operator its rights.
const RIGHTS: [&str; 5] = ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];

/// Where one test plays.
pub(crate) struct Stage {
    pub(crate) server: &'static Server,
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

/// The chart in a stage: a release of its own, so that the rights of one test are no help to another.
pub(crate) struct Release {
    /// Its name, and that of every object.
    pub(crate) name: String,
    /// A client with the rights of the operator's service account.
    pub(crate) client: Client,
    server: &'static Server,
    /// The operator's service account.
    pub(crate) user: String,
    documents: Vec<Value>,
}

impl Stage {
    /// Opens a stage in a new namespace.
    pub(crate) async fn open(namespace: &str) -> Self {
        Self::open_on(server().await, namespace).await
    }

    /// Opens a stage on other servers than the shared ones.
    pub(crate) async fn open_on(server: &'static Server, namespace: &str) -> Self {
        let client = server.client(None);
        let object = Namespace {
            metadata: ObjectMeta { name: Some(namespace.to_owned()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        Api::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
        Self { server, client, namespace: namespace.to_owned() }
    }

    /// Installs the rights of the chart and nothing else of it.
    pub(crate) async fn release(&self) -> Release {
        self.release_with(&[]).await
    }

    /// As [`Stage::release`], with values of the chart.
    pub(crate) async fn release_with(&self, values: &[&str]) -> Release {
        let name = format!("redisoperator-{}", self.namespace);
        let mut arguments = vec![name.as_str(), helm::CHART, "--namespace", &self.namespace];
        arguments.extend(values.iter().flat_map(|value| ["--set", value]));
        let text = helm::template(&arguments);
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let mut rights = 0;
        for document in &documents {
            if RIGHTS.contains(&document["kind"].as_str().unwrap_or_default()) {
                self.apply(document).await.unwrap();
                rights += 1;
            }
        }
        assert_eq!(rights, RIGHTS.len(), "objects with rights in the chart");
        let user = format!("system:serviceaccount:{}:{name}", self.namespace);
        Release { client: self.server.client(Some(&user)), server: self.server, name, user, documents }
    }

    /// Applies any object, as the administrator.
    pub(crate) async fn apply(&self, object: &Value) -> Result<DynamicObject, kube::Error> {
        let field = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (group, version) = match field("/apiVersion").split_once('/') {
            Some((group, version)) => (group.to_owned(), version.to_owned()),
            None => (String::new(), field("/apiVersion")),
        };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(&group, &version, &field("/kind")));
        let api: Api<DynamicObject> = match field("/metadata/namespace").as_str() {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        };
        let params = PatchParams::apply("tests").force();
        api.patch(&field("/metadata/name"), &params, &Patch::Apply(object)).await
    }

    /// The `RedisFailovers` of this stage.
    pub(crate) fn redis_failovers(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &primary())
    }

    /// Any namespaced kind of Kubernetes in this stage.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a `RedisFailover`.
    pub(crate) async fn create(&self, name: &str, spec: Value) -> Result<DynamicObject, kube::Error> {
        let object = redis_failover(name, spec);
        self.redis_failovers().create(&PostParams::default(), &object).await
    }

    /// Changes a `RedisFailover` by a merge patch.
    pub(crate) async fn merge(&self, name: &str, patch: Value) -> Result<DynamicObject, kube::Error> {
        let params = PatchParams::default();
        self.redis_failovers().patch(name, &params, &Patch::Merge(patch)).await
    }

    /// The status of a `RedisFailover`; empty before there is one.
    pub(crate) async fn status(&self, name: &str) -> RedisFailoverStatus {
        let object = self.redis_failovers().get(name).await.unwrap();
        match object.data.get("status") {
            Some(status) => serde_json::from_value(status.clone()).unwrap(),
            None => RedisFailoverStatus::default(),
        }
    }
}

impl Release {
    /// The webhook configuration of this kind, as the chart makes it, for this stage alone and with the URL in place
    /// of the Service: no packet finds its way to a Service here.
    pub(crate) fn configuration(&self, kind: &str, namespace: &str, port: u16) -> Value {
        let mut found = self.documents.iter().filter(|document| document["kind"] == kind);
        let mut configuration = found.next().unwrap().clone();
        for hook in configuration["webhooks"].as_array_mut().unwrap() {
            let path = hook["clientConfig"]["service"]["path"].as_str().unwrap().to_owned();
            hook["clientConfig"] = json!({"url": format!("https://localhost:{port}{path}")});
            hook["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
        }
        configuration
    }

    /// What this operator wrote so far: verb and object.
    pub(crate) fn writes(&self) -> Vec<String> {
        let reads = ["get", "list", "watch"];
        let events = self.server.requests_of(&self.user).into_iter();
        events
            .filter(|event| !reads.contains(&event["verb"].as_str().unwrap()))
            .map(|event| describe(&event))
            .collect()
    }

    /// The answers that this operator got to requests of one kind, as HTTP status codes.
    pub(crate) fn answers(&self, verb: &str, resource: &str) -> Vec<u64> {
        let events = self.server.requests_of(&self.user).into_iter();
        events
            .filter(|event| event["verb"] == verb && event["objectRef"]["resource"] == resource)
            .map(|event| event["responseStatus"]["code"].as_u64().unwrap())
            .collect()
    }

    /// Proves that the chart gives the operator every right that it asked for.
    pub(crate) fn assert_nothing_was_forbidden(&self) {
        let events = self.server.requests_of(&self.user);
        assert!(!events.is_empty(), "{} asked for nothing", self.user);
        let forbidden: Vec<_> =
            events.iter().filter(|event| event["responseStatus"]["code"] == 403).map(describe).collect();
        assert!(forbidden.is_empty(), "forbidden: {forbidden:?}");
    }
}

fn describe(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["objectRef"];
    format!(
        "{} {} {} {}",
        text(&event["verb"]),
        text(&object["resource"]),
        text(&object["name"]),
        event["responseStatus"]["code"]
    )
}

/// A `RedisFailover` to be created.
pub(crate) fn redis_failover(name: &str, spec: Value) -> DynamicObject {
    let mut object = DynamicObject::new(name, &primary());
    object.data = [("spec".to_owned(), spec)].into_iter().collect();
    object
}

/// A stored `RedisFailover` as the operator works with it.
pub(crate) fn valid(object: &DynamicObject) -> Valid {
    let mut spec = object.data["spec"].clone();
    defaults::fill(&mut spec, &Images::default());
    let metadata = object.metadata.clone();
    let identity = Identity {
        namespace: metadata.namespace.unwrap(),
        name: metadata.name.unwrap(),
        uid: metadata.uid.unwrap(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    };
    Valid::new(identity, parse::spec(&spec).unwrap()).unwrap()
}

/// The words of the API server when it refuses.
pub(crate) fn refusal<T: Debug>(result: Result<T, kube::Error>) -> String {
    match result {
        Err(kube::Error::Api(status)) => status.message,
        other => panic!("the {KIND} or the request was not refused: {other:?}"),
    }
}
