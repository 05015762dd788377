//! Where a story plays: a namespace of its own that takes restricted pods only.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams};
use kube::{Client, ResourceExt};
use redis_operator::api::RedisFailover;
use serde_json::{Value, json};

use crate::operator;
use crate::shell::{self, Said};
use crate::wait::{ensure, until};

/// Every namespace of these tests begins so.
const PREFIX: &str = "e2e-";
/// How long a namespace may take to go.
const GONE: Duration = Duration::from_secs(120);
/// How long a `RedisFailover` may take to become ready, on a busy machine.
pub(crate) const READY: Duration = Duration::from_secs(90);

/// A story's namespace and voice.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    name: &'static str,
    began: Instant,
}

impl Stage {
    pub(crate) async fn open(client: Client, name: &'static str) -> Self {
        let namespace = format!("{PREFIX}{name}");
        shell::kubectl(&["create", "namespace", &namespace]).await;
        shell::kubectl(&["label", "namespace", &namespace, "pod-security.kubernetes.io/enforce=restricted"])
            .await;
        let stage = Self { client, namespace, name, began: Instant::now() };
        stage.say("begins");
        stage
    }

    /// Leaves nothing behind; the namespace goes on its own time.
    pub(crate) async fn close(&self) {
        if self.try_kubectl(&["get", "rf"]).await.good {
            self.kubectl(&["delete", "rf", "--all"]).await;
        }
        shell::kubectl(&["delete", "namespace", &self.namespace, "--wait=false"]).await;
    }

    /// Prints a line of this story.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        println!("[{} {:.1} s] {}", self.name, self.began.elapsed().as_secs_f64(), text.as_ref());
    }

    /// The output of a kubectl command in this namespace that has to succeed.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> String {
        shell::kubectl(&self.here(arguments)).await
    }

    /// What a kubectl command in this namespace says.
    pub(crate) async fn try_kubectl(&self, arguments: &[&str]) -> Said {
        shell::run("kubectl", &self.here(arguments), "").await
    }

    fn here<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["--namespace", &self.namespace], arguments].concat()
    }

    /// Names of objects as `kind/name`, sorted.
    pub(crate) async fn names(&self, kinds: &str) -> Vec<String> {
        let text = self.kubectl(&["get", kinds, "--output=name"]).await;
        let mut names: Vec<_> = text.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Objects as the API server has them.
    pub(crate) async fn get(&self, arguments: &[&str]) -> Value {
        let text = self.kubectl(&[&["get", "--output=json"], arguments].concat()).await;
        serde_json::from_str(&text).expect("JSON")
    }

    /// `kubectl create` of a `RedisFailover` with this spec.
    pub(crate) async fn create(&self, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "storage.spotahome.com/v1",
            "kind": "RedisFailover",
            "metadata": {"name": name},
            "spec": spec,
        });
        let arguments = self.here(&["create", "--filename=-"]);
        shell::good("kubectl", &arguments, &object.to_string()).await;
    }

    /// `kubectl patch` of a `RedisFailover`'s spec. Returns its new generation.
    pub(crate) async fn patch(&self, name: &str, spec: Value) -> i64 {
        let body = json!({"spec": spec}).to_string();
        self.kubectl(&["patch", "rf", name, "--type=merge", "--patch", &body]).await;
        self.rf(name).await.metadata.generation.expect("a generation")
    }

    /// Waits for the condition as a user does.
    pub(crate) async fn ready(&self, name: &str) {
        let (object, limit) = (format!("rf/{name}"), format!("--timeout={}s", READY.as_secs()));
        self.kubectl(&["wait", "--for=condition=Ready", &object, &limit]).await;
    }

    /// Waits until the status speaks of this generation and says `Ready`.
    pub(crate) async fn ready_again(&self, name: &str, generation: i64) {
        until(&format!("{name} is ready again"), READY, async || {
            let object = self.rf(name).await;
            let seen = object.status.as_ref().and_then(|s| s.observed_generation);
            let ready = condition(&object, "Ready");
            ensure(
                seen == Some(generation) && ready.as_ref().is_some_and(|(status, _)| status == "True"),
                || format!("generation {seen:?} of {generation}, Ready {ready:?}"),
            )
        })
        .await;
    }

    /// The object as it is now.
    pub(crate) async fn rf(&self, name: &str) -> RedisFailover {
        let api: Api<RedisFailover> = Api::namespaced(self.client.clone(), &self.namespace);
        api.get(name).await.unwrap_or_else(|error| panic!("rf/{name}: {error}"))
    }

    /// Prints what helps to understand a failure.
    pub(crate) async fn dump(&self) {
        for arguments in [
            &["get", "rf,pods,statefulsets,deployments,pvc", "--output=wide"][..],
            &[
                "get",
                "rf",
                "--output=jsonpath={range .items[*]}{.metadata.name}{\"\\n\"}{range .status.conditions[*]}  {.type}={.status} {.reason}: {.message}{\"\\n\"}{end}{end}",
            ],
            &["get", "events", "--sort-by=.lastTimestamp"],
        ] {
            let said = self.try_kubectl(arguments).await;
            println!("{}{}", said.out, said.err);
        }
        operator::dump().await;
    }
}

/// Status and message of a condition.
pub(crate) fn condition(object: &RedisFailover, kind: &str) -> Option<(String, String)> {
    let conditions = &object.status.as_ref()?.conditions;
    conditions
        .iter()
        .find(|condition| condition.type_ == kind)
        .map(|condition| (condition.status.clone(), condition.message.clone()))
}

/// Removes the namespaces of an earlier run and waits until they are gone.
pub(crate) async fn remove_leftovers(client: &Client) {
    let api: Api<Namespace> = Api::all(client.clone());
    let ours = async || {
        let all = api.list(&kube::api::ListParams::default()).await.expect("namespaces");
        let names = all.items.iter().map(ResourceExt::name_any);
        names.filter(|name| name.starts_with(PREFIX)).collect::<Vec<_>>()
    };
    for name in ours().await {
        let _ = api.delete(&name, &DeleteParams::default()).await;
    }
    until("namespaces of an earlier run go", GONE, async || {
        let left = ours().await;
        ensure(left.is_empty(), || left.join(", "))
    })
    .await;
}
