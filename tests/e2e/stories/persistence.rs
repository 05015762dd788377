//! Data in claims: it outlives all pods, and the `RedisFailover` too where the user says so.

use std::time::Duration;

use serde_json::{Value, json};

use crate::servers;
use crate::stage::{READY, Stage};
use crate::wait::{ensure, until};

const NAME: &str = "kept";
const CLAIMS: [&str; 3] = [
    "persistentvolumeclaim/redis-data-rfr-kept-0",
    "persistentvolumeclaim/redis-data-rfr-kept-1",
    "persistentvolumeclaim/redis-data-rfr-kept-2",
];

pub(crate) async fn play(stage: Stage) {
    stage.create(NAME, spec(false)).await;
    stage.ready(NAME).await;
    assert_eq!(stage.names("pvc").await, CLAIMS);
    servers::write(&stage, NAME, None, "kept", "1").await;

    every_pod_dies_at_once(&stage).await;

    // The flag is set after the creation.
    let generation = stage.patch(NAME, spec(true)).await;
    stage.ready_again(NAME, generation).await;
    claims_are_owned(&stage, false).await;
    delete(&stage).await;
    assert_eq!(stage.names("pvc").await, CLAIMS, "the claims stay");
    stage.say("the claims stay where they shall");

    stage.create(NAME, spec(true)).await;
    stage.ready(NAME).await;
    holds(&stage, "after the RedisFailover came back").await;

    let generation = stage.patch(NAME, spec(false)).await;
    stage.ready_again(NAME, generation).await;
    claims_are_owned(&stage, true).await;
    delete(&stage).await;
    until("the claims go", Duration::from_secs(60), async || {
        let left = stage.names("pvc").await;
        ensure(left.is_empty(), || left.join(", "))
    })
    .await;
}

fn spec(keep: bool) -> Value {
    json!({"redis": {
        "customConfig": ["appendonly yes"],
        "storage": {
            "keepAfterDeletion": keep,
            "persistentVolumeClaim": {
                "metadata": {"name": "redis-data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}},
            },
        },
    }})
}

async fn every_pod_dies_at_once(stage: &Stage) {
    let before = servers::redis(stage, NAME).await;
    stage.kubectl(&["delete", "pods", "--selector=component=redis", "--wait=false"]).await;
    let ((), took) = until("all servers are back", READY, async || {
        let now = servers::redis(stage, NAME).await;
        let fresh = now.iter().filter(|server| before.iter().all(|old| old.uid != server.uid));
        let fresh = fresh.count();
        ensure(fresh == 3, || format!("{fresh} new pods"))?;
        servers::agreed(stage, NAME, 2, 3).await.map(drop)
    })
    .await;
    stage.say(format!("all redis pods deleted at once: serving again after {:.1} s", took.as_secs_f64()));
    stage.ready(NAME).await;
    holds(stage, "after all pods were deleted").await;
}

async fn holds(stage: &Stage, when: &str) {
    let value = servers::read(stage, NAME, None, "kept").await;
    assert_eq!(value, Ok(Some("1".to_owned())), "{when}");
}

/// Waits until the claims go with their StatefulSet, or no longer do.
async fn claims_are_owned(stage: &Stage, owned: bool) {
    until(&format!("claims are owned: {owned}"), Duration::from_secs(30), async || {
        let claims = stage.get(&["pvc"]).await;
        let items = claims["items"].as_array().expect("a list");
        let count = items.iter().filter(|claim| claim["metadata"]["ownerReferences"].is_array()).count();
        let wanted = if owned { CLAIMS.len() } else { 0 };
        ensure(count == wanted, || format!("{count} of {} are owned", items.len()))
    })
    .await;
}

async fn delete(stage: &Stage) {
    stage.kubectl(&["delete", "rf", NAME]).await;
    until("pods and StatefulSet go", Duration::from_secs(60), async || {
        let left = stage.names("statefulsets,pods").await;
        ensure(left.is_empty(), || left.join(", "))
    })
    .await;
}
