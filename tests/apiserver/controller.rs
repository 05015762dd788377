//! The whole loop without pods: from a stored object to children, status and events, with the rights of the chart.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use redis_operator::admission::{judge, refusal};
use redis_operator::api::RedisFailoverStatus;
use redis_operator::api::defaults::Images;
use redis_operator::api::status::Phase;
use redis_operator::controller::{self, Options};
use redis_operator::desired::names;
use redis_operator::metrics::Metrics;
use redis_operator::surroundings::View;
use regex_lite::Regex;
use rstest::rstest;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::children::Live;
use crate::examples;
use crate::server::{all_the_time, eventually};
use crate::stage::{Release, Stage};

/// A running operator, for one stage.
pub(crate) struct Operator {
    pub(crate) stage: Stage,
    release: Release,
    stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Operator {
    pub(crate) async fn start(namespace: &str) -> Self {
        let stage = Stage::open(namespace).await;
        let release = stage.release().await;
        let options = Options {
            images: Images::default(),
            namespaces: Regex::new(&format!("^{namespace}$")).unwrap(),
            concurrency: 2,
            me: "operator-0".to_owned(),
        };
        let stop = CancellationToken::new();
        let client = release.client.clone();
        let run = controller::run(client, options, Arc::new(Metrics::new()), stop.clone());
        Self { stage, release, stop, task: tokio::spawn(run) }
    }

    /// Waits for a status.
    pub(crate) async fn status(
        &self,
        name: &str,
        wanted: impl Fn(&RedisFailoverStatus) -> bool,
    ) -> RedisFailoverStatus {
        eventually("the status comes", async || {
            let status = self.stage.status(name).await;
            if wanted(&status) { Ok(status) } else { Err(format!("{status:#?}")) }
        })
        .await
    }

    /// Waits for an event and returns its note.
    async fn event(&self, reason: &str) -> String {
        let events: Api<Event> = self.stage.api();
        eventually("the event comes", async || {
            let all = events.list(&ListParams::default()).await.unwrap().items;
            let found = all.iter().find(|event| event.reason.as_deref() == Some(reason));
            let note = found.and_then(|event| event.note.clone());
            note.ok_or_else(|| format!("{:?}", all.iter().map(|event| &event.reason).collect::<Vec<_>>()))
        })
        .await
    }

    /// Ends it, and proves that it had all the rights that it wanted.
    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(20), self.task).await.unwrap().unwrap();
        self.release.assert_nothing_was_forbidden();
    }
}

fn condition<'a>(status: &'a RedisFailoverStatus, name: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == name)
}

fn is(status: &RedisFailoverStatus, name: &str, value: &str) -> bool {
    condition(status, name).is_some_and(|condition| condition.status == value)
}

#[tokio::test]
async fn a_valid_spec_gets_its_children_and_a_status_and_then_all_rests() {
    let operator = Operator::start("loop-valid").await;
    let stage = &operator.stage;
    stage.create("x", examples::spec("basic")).await.unwrap();
    let status = operator.status("x", |status| status.phase == Some(Phase::Creating)).await;
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!((status.redis.replicas, status.redis.ready), (3, 0));
    assert_eq!(status.ready.as_deref(), Some("0/6"));
    assert!(is(&status, "SpecValid", "True") && is(&status, "Ready", "False"), "{status:#?}");
    let children = Live::of(stage).await.versions();
    let absent = [names::shutdown("x"), names::auth("x")];
    for child in names::all("x") {
        let optional = absent.contains(&child.1)
            || child == (redis_operator::desired::ChildKind::Service, names::redis("x"));
        assert!(optional || children.contains_key(&child), "{child:?}");
    }
    let version = async || stage.redis_failovers().get("x").await.unwrap().metadata.resource_version;
    let (writes, before) = (operator.release.writes(), version().await);
    all_the_time("nothing is written at rest", Duration::from_secs(3), async || {
        let now = operator.release.writes();
        if now != writes {
            return Err(format!("{:?}", &now[writes.len()..]));
        }
        if version().await == before { Ok(()) } else { Err("the object changed".to_owned()) }
    })
    .await;
    operator.stop().await;
}

/// As when the webhook was removed.
#[tokio::test]
async fn an_invalid_spec_gets_the_webhooks_text_and_changes_no_child() {
    let operator = Operator::start("loop-invalid").await;
    let stage = &operator.stage;
    stage.create("x", examples::spec("basic")).await.unwrap();
    operator.status("x", |status| status.phase == Some(Phase::Creating)).await;
    let before = Live::of(stage).await.versions();
    let bad = json!({"spec": {"redis": {"replicas": 5, "customConfig": ["databases 32"]}}});
    let object = stage.merge("x", bad).await.unwrap();
    let status = operator.status("x", |status| is(status, "SpecValid", "False")).await;
    assert_eq!((status.phase, status.observed_generation), (Some(Phase::Invalid), Some(2)));
    let judged = judge(&serde_json::to_value(&object).unwrap(), None, &Images::default(), &View::default());
    let webhook = refusal("x", &judged.problems).unwrap();
    let text = &condition(&status, "SpecValid").unwrap().message;
    assert!(webhook.ends_with(&format!(": {text}")), "webhook: {webhook}\ncondition: {text}");
    assert!(operator.event("RuleBroken").await.contains(text.as_str()));
    assert_eq!(Live::of(stage).await.versions(), before);

    let good = json!({"spec": {"redis": {"customConfig": ["hz 20"]}}});
    stage.merge("x", good).await.unwrap();
    operator.status("x", |status| is(status, "SpecValid", "True")).await;
    assert_ne!(Live::of(stage).await.versions(), before);
    operator.stop().await;
}

#[tokio::test]
async fn an_invalid_new_object_gets_no_children() {
    let operator = Operator::start("loop-refused").await;
    let stage = &operator.stage;
    let before = Live::of(stage).await.versions();
    stage.create("x", json!({"redis": {"customConfig": ["databases 32"]}})).await.unwrap();
    let status = operator.status("x", |status| is(status, "SpecValid", "False")).await;
    assert!(is(&status, "Ready", "False"), "{status:#?}");
    assert_eq!(Live::of(stage).await.versions(), before);
    operator.stop().await;
}

#[rstest]
#[case("secretPath")]
#[case("sentinelSecretPath")]
#[tokio::test]
async fn a_missing_secret_is_told_and_its_creation_lets_the_work_go_on(#[case] field: &str) {
    let operator = Operator::start(&format!("loop-{}", field.to_lowercase())).await;
    let stage = &operator.stage;
    stage.create("x", json!({"auth": {field: "password-of-x"}})).await.unwrap();
    let missing = |status: &RedisFailoverStatus| {
        condition(status, "Ready").is_some_and(|ready| ready.reason == "SecretMissing")
    };
    let status = operator.status("x", missing).await;
    let text = &condition(&status, "Ready").unwrap().message;
    assert!(text.contains(&format!("spec.auth.{field}: there is no Secret \"password-of-x\"")), "{text}");
    assert!(operator.event("SecretMissing").await.contains("password-of-x"));
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": "password-of-x"},
        "stringData": {"password": "a-secret-for-this-test"},
    }))
    .unwrap();
    let secrets: Api<Secret> = stage.api();
    secrets.create(&PostParams::default(), &secret).await.unwrap();
    operator.status("x", |status| status.phase == Some(Phase::Creating)).await;
    let copy = secrets.get(&names::auth("x")).await.unwrap();
    assert!(copy.data.unwrap().values().any(|value| value.0 == b"a-secret-for-this-test"));
    let maps: Api<ConfigMap> = stage.api();
    for map in maps.list(&ListParams::default()).await.unwrap() {
        assert!(!format!("{map:?}").contains("a-secret-for-this-test"), "{:?}", map.metadata.name);
    }
    let redis = stage.api::<StatefulSet>().get(&names::redis("x")).await.unwrap();
    let sentinels = stage.api::<Deployment>().get(&names::sentinel("x")).await.unwrap();
    let pods = format!("{redis:?} {sentinels:?}");
    assert!(pods.contains("rfr-auth-x") && !pods.contains("a-secret-for-this-test"), "{pods}");
    let table = format!("{:?}", stage.status("x").await);
    assert!(!table.contains("a-secret-for-this-test"));
    operator.stop().await;
}

/// The name is free for whoever comes first, and the operator takes nothing away.
#[tokio::test]
async fn a_taken_name_is_told_and_its_owner_keeps_it() {
    let operator = Operator::start("loop-taken").await;
    let stage = &operator.stage;
    let theirs = ConfigMap {
        metadata: ObjectMeta { name: Some(names::readiness("x")), ..ObjectMeta::default() },
        data: Some([("a".to_owned(), "b".to_owned())].into()),
        ..ConfigMap::default()
    };
    let maps: Api<ConfigMap> = stage.api();
    let created = maps.create(&PostParams::default(), &theirs).await.unwrap();
    stage.create("x", json!({})).await.unwrap();
    let taken = |status: &RedisFailoverStatus| {
        condition(status, "ObjectsApplied").is_some_and(|applied| applied.reason == "NameTaken")
    };
    let status = operator.status("x", taken).await;
    assert!(
        condition(&status, "ObjectsApplied").unwrap().message.contains(&names::readiness("x")),
        "{status:#?}"
    );
    let kept = maps.get(&names::readiness("x")).await.unwrap();
    assert_eq!(kept.metadata.resource_version, created.metadata.resource_version);
    operator.stop().await;
}
