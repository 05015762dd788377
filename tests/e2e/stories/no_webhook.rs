//! Without the webhook a wrong spec is stored, gets the webhook's own words as a condition, and changes nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::operator;
use crate::servers;
use crate::shell::{self, kubectl};
use crate::stage::{Stage, condition};
use crate::wait::{ensure, until};

const TOLD: Duration = Duration::from_secs(10);

pub(crate) async fn play(stage: Stage) {
    let refusal = refusal(&stage).await;
    stage.create("good", json!({})).await;
    stage.ready("good").await;
    let pods = uids(&stage).await;

    for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
        kubectl(&["delete", kind, operator::RELEASE]).await;
    }
    stage.create("bad", bad()).await;
    is_told(&stage, "bad", &refusal).await;
    let children = stage.names("statefulsets,deployments,services").await;
    assert!(children.iter().all(|child| !child.ends_with("-bad")), "{children:?}");

    stage.patch("good", bad()).await;
    is_told(&stage, "good", &refusal).await;
    assert_eq!(uids(&stage).await, pods, "pods of a spec that became wrong");
    servers::agreed(&stage, "good", 2, 3).await.expect("it still serves");

    // Made right, it goes on where it was.
    let generation = stage.patch("good", json!({"redis": {"customConfig": ["hz 20"]}})).await;
    stage.ready_again("good", generation).await;
    assert_eq!(uids(&stage).await, pods, "pods of a spec that was made right");

    operator::upgrade(&[]).await;
    until("the webhook refuses again", Duration::from_secs(30), async || {
        let said = try_bad(&stage).await;
        ensure(said.contains("databases 32"), || said.clone())
    })
    .await;
}

/// Against a rule that the webhook alone knows: CEL refuses what it can without it.
fn bad() -> Value {
    json!({"redis": {"customConfig": ["databases 32"]}})
}

/// The webhook's words, without kubectl's before them.
async fn refusal(stage: &Stage) -> String {
    let said = try_bad(stage).await;
    let (_, words) = said.split_once("denied the request: ").unwrap_or_else(|| panic!("{said}"));
    words.trim().to_owned()
}

/// What kubectl says on standard error about a wrong spec that is not stored in any case.
async fn try_bad(stage: &Stage) -> String {
    let object = json!({
        "apiVersion": "storage.spotahome.com/v1",
        "kind": "RedisFailover",
        "metadata": {"name": "bad"},
        "spec": bad(),
    });
    let arguments = ["--namespace", &stage.namespace, "create", "--dry-run=server", "--filename=-"];
    shell::run("kubectl", &arguments, &object.to_string()).await.err
}

async fn is_told(stage: &Stage, name: &str, refusal: &str) {
    let (message, _) = until(&format!("{name} is told"), TOLD, async || {
        match condition(&stage.rf(name).await, "SpecValid") {
            Some((status, message)) if status == "False" => Ok(message),
            other => Err(format!("SpecValid {other:?}")),
        }
    })
    .await;
    assert!(refusal.contains(&message), "{message:?} is not in the webhook's {refusal:?}");
    let phase = stage.rf(name).await.status.and_then(|status| status.phase);
    assert_eq!(phase, Some(redis_operator::api::status::Phase::Invalid));
}

async fn uids(stage: &Stage) -> Vec<String> {
    let all = [servers::redis(stage, "good").await, servers::sentinels(stage, "good").await];
    all.iter().flatten().map(|server| server.uid.clone()).collect()
}
