//! Children applied to a real API server: what is written, what is left alone, what is put back.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use redis_operator::act::apply::{self, Applied, Report, Seen, resource};
use redis_operator::api::Valid;
use redis_operator::desired::{self, ChildKind, Desired};
use redis_operator::secret::Passwords;
use serde_json::{Value, json};

use crate::examples;
use crate::stage::{Release, Stage, valid};

/// Longer than the operator trusts its own write more than its watches.
const LATER: Duration = Duration::from_secs(3);

/// The metadata of all objects in a stage, as watches that are never late would have it.
pub(crate) struct Live(HashMap<(ChildKind, String), ObjectMeta>);

impl Live {
    pub(crate) async fn of(stage: &Stage) -> Self {
        let mut all = HashMap::new();
        for kind in [
            ChildKind::ConfigMap,
            ChildKind::Secret,
            ChildKind::Service,
            ChildKind::PodDisruptionBudget,
            ChildKind::StatefulSet,
            ChildKind::Deployment,
        ] {
            let list = objects(stage, kind).list_metadata(&ListParams::default()).await.unwrap();
            all.extend(
                list.items
                    .into_iter()
                    .map(|item| ((kind, item.metadata.name.clone().unwrap()), item.metadata)),
            );
        }
        Self(all)
    }

    /// Every object's version.
    pub(crate) fn versions(&self) -> HashMap<(ChildKind, String), Option<String>> {
        let all = self.0.iter();
        all.map(|(key, metadata)| (key.clone(), metadata.resource_version.clone())).collect()
    }
}

impl Seen for Live {
    fn metadata(&self, kind: ChildKind, _: &str, name: &str) -> Option<ObjectMeta> {
        self.0.get(&(kind, name.to_owned())).cloned()
    }
}

fn objects(stage: &Stage, kind: ChildKind) -> Api<DynamicObject> {
    Api::namespaced_with(stage.client.clone(), &stage.namespace, &resource(kind))
}

/// One `RedisFailover` named `x` and its children.
struct Play {
    stage: Stage,
    release: Release,
    valid: Valid,
    applied: Applied,
}

impl Play {
    async fn open(namespace: &str, spec: Value) -> Self {
        let stage = Stage::open(namespace).await;
        let release = stage.release().await;
        let valid = valid(&stage.create("x", spec).await.unwrap());
        Self { stage, release, valid, applied: Applied::default() }
    }

    fn desired(&self) -> Desired {
        desired::build(&self.valid, &Passwords::default())
    }

    /// Applies, with the rights of the operator, a while after whatever was before.
    async fn report(&mut self) -> Report {
        tokio::time::pause();
        tokio::time::advance(LATER).await;
        tokio::time::resume();
        let live = Live::of(&self.stage).await;
        let desired = self.desired();
        let (client, owner) = (&self.release.client, &self.valid.identity);
        apply::apply(client, &live, owner, &desired, &mut self.applied).await
    }

    /// The same, where nothing goes wrong; says what was written.
    async fn apply(&mut self) -> Vec<String> {
        let report = self.report().await;
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        report.written
    }

    /// What another client changes.
    async fn intrude(&self, kind: ChildKind, name: &str, patch: Value) -> DynamicObject {
        let params = PatchParams { field_manager: Some("intruder".to_owned()), ..PatchParams::default() };
        objects(&self.stage, kind).patch(name, &params, &Patch::Merge(patch)).await.unwrap()
    }

    /// Somebody else's ConfigMap or Service.
    async fn occupy(&self, kind: ChildKind, name: &str, data: Value) {
        let mut object = DynamicObject::new(name, &resource(kind));
        object.data = data;
        objects(&self.stage, kind).create(&PostParams::default(), &object).await.unwrap();
    }
}

#[tokio::test]
async fn the_first_apply_makes_all_children_and_the_second_writes_nothing() {
    let mut play = Play::open("children-twice", examples::spec("basic")).await;
    let written = play.apply().await;
    let live = Live::of(&play.stage).await;
    let desired = play.desired();
    assert_eq!(written.len(), desired.present.len());
    for child in &desired.present {
        let metadata = live.metadata(child.kind, "", &child.name).unwrap();
        assert_eq!(metadata.owner_references.unwrap(), [play.valid.identity.owner()], "{}", child.name);
    }
    let requests = play.release.writes();
    assert_eq!(play.apply().await, [] as [String; 0]);
    assert_eq!(play.release.writes(), requests);
    play.release.assert_nothing_was_forbidden();
}

/// After a restart nothing is remembered; to apply all of it again changes nothing.
#[tokio::test]
async fn a_new_leader_changes_no_child() {
    let mut play = Play::open("children-leader", examples::spec("basic")).await;
    play.apply().await;
    let before = Live::of(&play.stage).await.versions();
    play.applied = Applied::default();
    play.apply().await;
    assert_eq!(Live::of(&play.stage).await.versions(), before);
}

#[tokio::test]
async fn what_others_put_on_a_child_survives_and_causes_no_change() {
    let mut play = Play::open("children-others", examples::spec("basic")).await;
    play.apply().await;
    let mark = json!({"metadata": {"annotations": {"other/note": "x"}, "labels": {"other": "y"}}});
    for child in play.desired().present {
        play.intrude(child.kind, &child.name, mark.clone()).await;
    }
    let before = Live::of(&play.stage).await.versions();
    play.apply().await;
    let live = Live::of(&play.stage).await;
    assert_eq!(live.versions(), before);
    for child in play.desired().present {
        let metadata = live.metadata(child.kind, "", &child.name).unwrap();
        assert_eq!(metadata.annotations.unwrap()["other/note"], "x", "{}", child.name);
        assert_eq!(metadata.labels.unwrap()["other"], "y", "{}", child.name);
    }
    assert_eq!(play.apply().await, [] as [String; 0], "and then it rests");
}

#[tokio::test]
async fn a_changed_field_of_ours_is_put_back() {
    use ChildKind::{ConfigMap as Map, Deployment, Service as Port, StatefulSet};
    let mut play = Play::open("children-changed", examples::spec("basic")).await;
    play.apply().await;
    let port = json!({"spec": {"ports": [{"name": "sentinel", "port": 9999}]}});
    for (kind, name, path, change) in [
        (Map, "rfr-readiness-x", "/data", json!({"data": {"ready.sh": "exit 0"}})),
        (StatefulSet, "rfr-x", "/spec/replicas", json!({"spec": {"replicas": 7}})),
        (
            Deployment,
            "rfs-x",
            "/metadata/labels",
            json!({"metadata": {"labels": {"app.kubernetes.io/name": "z"}}}),
        ),
        (Port, "rfs-x", "/spec/selector", json!({"spec": {"selector": {"app.kubernetes.io/name": "z"}}})),
        (Port, "rfs-x", "/spec/ports", port),
    ] {
        let read = async |play: &Play| {
            let object = objects(&play.stage, kind).get(name).await.unwrap();
            serde_json::to_value(&object).unwrap().pointer(path).unwrap().clone()
        };
        let good = read(&play).await;
        play.intrude(kind, name, change).await;
        assert_ne!(read(&play).await, good, "{kind:?} {name} {path}: changed nothing");
        play.apply().await;
        assert_eq!(read(&play).await, good, "{kind:?} {name} {path}");
        assert_eq!(play.apply().await, [] as [String; 0], "and then it rests");
    }
}

#[tokio::test]
async fn a_deleted_child_is_made_again() {
    let mut play = Play::open("children-deleted", examples::spec("basic")).await;
    play.apply().await;
    for child in play.desired().present {
        let api = objects(&play.stage, child.kind);
        api.delete(&child.name, &DeleteParams::default()).await.unwrap();
        let written = play.apply().await;
        assert_eq!(written, [format!("{:?} {}", child.kind, child.name)]);
        api.get(&child.name).await.unwrap();
    }
}

#[tokio::test]
async fn a_child_of_somebody_else_is_left_alone() {
    let mut play = Play::open("children-foreign", examples::spec("basic")).await;
    play.occupy(ChildKind::ConfigMap, "rfr-readiness-x", json!({"data": {"a": "b"}})).await;
    let report = play.report().await;
    assert_eq!(
        report.written.len(),
        play.desired().present.len() - 3,
        "its pods would mount what is not theirs, so they are held back; nothing else is"
    );
    let [error] = &report.errors[..] else {
        panic!("{:?}", report.errors);
    };
    assert_eq!(error.reason(), "NameTaken", "{error}");
    assert!(error.to_string().contains("ConfigMap rfr-readiness-x"), "{error}");
    let theirs: ConfigMap = play.stage.api().get("rfr-readiness-x").await.unwrap();
    assert_eq!(theirs.data.unwrap().into_iter().collect::<Vec<_>>(), [("a".to_owned(), "b".to_owned())]);
    assert_eq!(theirs.metadata.owner_references, None);
}

/// The watches carry objects with the operator's label alone, so they know nothing of somebody else's.
#[tokio::test]
async fn an_object_that_the_watches_do_not_show_is_left_alone_too() {
    struct Blind;
    impl Seen for Blind {
        fn metadata(&self, _: ChildKind, _: &str, _: &str) -> Option<ObjectMeta> {
            None
        }
    }
    let mut play = Play::open("children-unseen", examples::spec("basic")).await;
    play.occupy(ChildKind::ConfigMap, "rfr-readiness-x", json!({"data": {"a": "b"}})).await;
    let desired = play.desired();
    let (client, owner) = (&play.release.client, &play.valid.identity);
    let report = apply::apply(client, &Blind, owner, &desired, &mut play.applied).await;
    let reasons: Vec<_> = report.errors.iter().map(apply::Error::reason).collect();
    assert_eq!(reasons, ["NameTaken"]);
    let theirs: ConfigMap = play.stage.api().get("rfr-readiness-x").await.unwrap();
    assert_eq!(theirs.metadata.owner_references, None);
    assert!(theirs.data.unwrap().contains_key("a"));
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_deleted_where_it_is_ours() {
    let exporter = json!({"redis": {"exporter": {"enabled": true}}});
    let mut play = Play::open("children-absent", exporter).await;
    play.apply().await;
    let services: Api<Service> = play.stage.api();
    assert!(services.get_opt("rfr-x").await.unwrap().is_some(), "metrics");
    play.valid.redis.pod.exporter.enabled = false;
    let written = play.apply().await;
    assert!(written.contains(&"Service rfr-x deleted".to_owned()), "{written:?}");
    assert!(services.get_opt("rfr-x").await.unwrap().is_none());
    play.occupy(ChildKind::Service, "rfr-x", json!({"spec": {"ports": [{"port": 1}]}})).await;
    assert_eq!(play.apply().await, [] as [String; 0]);
    assert!(services.get_opt("rfr-x").await.unwrap().is_some(), "theirs");
}
