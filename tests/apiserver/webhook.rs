//! The webhook as the API server calls it: over TLS, with the configurations of the chart.

use std::sync::Arc;
use std::time::Duration;

use certs::{Keeper, Slot};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use redis_operator::admission::Admission;
use redis_operator::api::defaults::Images;
use redis_operator::surroundings::watch::{self, Surroundings};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use webhook::{Limits, Stop};

use crate::certificates::options;
use crate::examples;
use crate::server::eventually;
use crate::stage::{Release, Stage, redis_failover, refusal};

/// A running webhook; dropped, it is gone without a word.
pub(crate) struct Webhook {
    _tasks: JoinSet<()>,
}

impl Webhook {
    /// Starts the parts that one replica has, and waits until the API server asks them.
    pub(crate) async fn start(stage: &Stage, release: &Release) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
            let configuration = release.configuration(kind, &stage.namespace, port);
            stage.apply(&configuration).await.unwrap();
        }
        let slot = Slot::new();
        let (keeper, _) = Keeper::new(release.client.clone(), options(stage, release), Arc::clone(&slot));
        let around = Surroundings::default();
        let router =
            webhook::router(Arc::new(Admission::new(Images::default(), around.clone())), Arc::new(|_| {}));
        let stop = Stop::new(CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper.run(CancellationToken::new()));
        tasks.spawn(watch::run(release.client.clone(), around, CancellationToken::new()));
        tasks.spawn(webhook::serve(listener, slot, router, stop, Limits::default()));
        eventually("the API server asks the webhook", async || {
            match try_create(stage, "probe", json!({"redis": {"customConfig": ["no-value"]}})).await {
                Err(text) if text.contains("is not valid") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        Self { _tasks: tasks }
    }
}

/// A creation that is judged and not stored.
async fn try_create(stage: &Stage, name: &str, spec: serde_json::Value) -> Result<(), String> {
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let created = stage.redis_failovers().create(&params, &redis_failover(name, spec)).await;
    created.map(|_| ()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn every_bad_example_is_refused_with_its_text() {
    let stage = Stage::open("webhook-bad").await;
    let release = stage.release().await;
    let _webhook = Webhook::start(&stage, &release).await;
    for example in examples::all_bad() {
        let text = refusal(example.create_in(&stage, false).await);
        assert!(text.contains(&example.promise()), "{}: {text}", example.name);
    }
    release.assert_nothing_was_forbidden();
}

#[tokio::test]
async fn good_examples_are_accepted_and_defaults_are_stored() {
    let stage = Stage::open("webhook-good").await;
    let release = stage.release().await;
    let _webhook = Webhook::start(&stage, &release).await;
    for example in examples::all_good() {
        let accepted = example.create_in(&stage, true).await;
        assert!(accepted.is_ok(), "{}: {accepted:?}", example.name);
    }
    stage.create("filled", json!({"redis": {"replicas": 5}})).await.unwrap();
    let stored = stage.redis_failovers().get("filled").await.unwrap();
    let spec = &stored.data["spec"];
    assert_eq!(spec["redis"]["replicas"], 5);
    assert_eq!(spec["redis"]["port"], 6379);
    assert_eq!(spec["redis"]["image"], Images::default().redis);
    assert_eq!(spec["sentinel"]["replicas"], 3);
    assert_eq!(spec["sentinel"]["imagePullPolicy"], "IfNotPresent");
    assert!(spec["sentinel"]["customConfig"].as_array().is_some_and(|entries| entries.len() == 2));
}

/// Stored before there was a webhook, or by an older one that knew fewer rules.
#[tokio::test]
async fn an_invalid_stored_object_can_be_labelled_finalized_and_deleted_but_not_made_worse() {
    let stage = Stage::open("webhook-stored").await;
    let release = stage.release().await;
    let spec = json!({"redis": {"customConfig": ["databases 32"]}});
    stage.create("old", spec).await.unwrap();
    let _webhook = Webhook::start(&stage, &release).await;
    let labels = json!({"metadata": {"labels": {"a": "b"}, "finalizers": ["tests.invalid/wait"]}});
    stage.merge("old", labels).await.unwrap();
    let status = json!({"status": {"phase": "Invalid"}});
    let api = stage.redis_failovers();
    api.patch_status("old", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let worse = json!({"spec": {"redis": {"customConfig": ["databases 32", "port 7000"]}}});
    let text = refusal(stage.merge("old", worse).await);
    assert!(text.contains("port 7000"), "{text}");
    api.delete("old", &DeleteParams::default()).await.unwrap();
    stage.merge("old", json!({"metadata": {"finalizers": null}})).await.unwrap();
    assert!(api.get_opt("old").await.unwrap().is_none());
}

/// A webhook that is down holds up `RedisFailovers` and nothing else, and of those neither deletion nor status.
#[tokio::test]
async fn while_it_is_down_only_changes_of_redis_failovers_wait() {
    let stage = Stage::open("webhook-down").await;
    let release = stage.release().await;
    let webhook = Webhook::start(&stage, &release).await;
    stage.create("stored", json!({})).await.unwrap();
    drop(webhook);
    eventually("creations fail", async || match try_create(&stage, "new", json!({})).await {
        Err(text) if text.contains("failed calling webhook") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let config_map = ConfigMap {
        metadata: ObjectMeta { name: Some("other".to_owned()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    };
    stage.api::<ConfigMap>().create(&PostParams::default(), &config_map).await.unwrap();
    let api = stage.redis_failovers();
    let status = json!({"status": {"phase": "Degraded"}});
    api.patch_status("stored", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    api.delete("stored", &DeleteParams::default()).await.unwrap();
    assert!(api.get_opt("stored").await.unwrap().is_none());
}

/// What a person sees who types `kubectl create`.
#[tokio::test]
async fn kubectl_shows_the_refusal() {
    let stage = Stage::open("webhook-kubectl").await;
    let release = stage.release().await;
    let _webhook = Webhook::start(&stage, &release).await;
    let text = json!({
        "apiVersion": "storage.spotahome.com/v1",
        "kind": "RedisFailover",
        "metadata": {"name": "bad", "namespace": stage.namespace},
        "spec": {"redis": {"customConfig": ["requirepass secret"]}},
    });
    let (server, text) = (stage.server, text.to_string());
    let refused = tokio::task::spawn_blocking(move || server.kubectl(&["create", "-f", "-"], &text));
    let refused = tokio::time::timeout(Duration::from_secs(20), refused).await.unwrap().unwrap().unwrap_err();
    assert!(refused.contains("RedisFailover \"bad\" is not valid: spec.redis.customConfig[0]"), "{refused}");
    assert!(refused.lines().count() <= 3, "{refused}");
}
