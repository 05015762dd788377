//! A password of the Sentinels: they ask for it, it heals a crash with them, it can be changed, and nothing shows it.

use serde_json::json;

use crate::servers::{self, Server};
use crate::stage::{READY, Stage};
use crate::stories::password::nothing_shows;
use crate::wait::{ensure, until};

const NAME: &str = "watched";
const PASSWORD: &str = "s3ntinel-e2e-1b6d2f";
const NEXT: &str = "s3ntinel-e2e-8c4e7a";

pub(crate) async fn play(stage: Stage) {
    let literal = |password: &str| format!("--from-literal=password={password}");
    stage.kubectl(&["create", "secret", "generic", "sentinel-password", &literal(PASSWORD)]).await;
    stage.create(NAME, json!({"auth": {"sentinelSecretPath": "sentinel-password"}})).await;
    stage.ready(NAME).await;
    the_sentinels_ask_for(&stage, PASSWORD).await;
    a_deleted_master_is_replaced(&stage).await;
    nothing_shows(&stage, NAME, PASSWORD).await;

    let patch = json!({"stringData": {"password": NEXT}}).to_string();
    stage.kubectl(&["patch", "secret", "sentinel-password", "--type=merge", "--patch", &patch]).await;
    until("the copy of the passwords is the new one", READY, async || {
        let copy = [
            "get",
            "secret",
            "rfr-auth-watched",
            "--output=go-template={{index .data \"sentinel-password\" | base64decode}}",
        ];
        let text = stage.kubectl(&copy).await;
        ensure(text == NEXT, || "it is the old one".to_owned())
    })
    .await;
    stage.kubectl(&["rollout", "restart", "deployment/rfs-watched"]).await;
    stage.kubectl(&["rollout", "status", "deployment/rfs-watched", "--timeout=120s"]).await;
    stage.ready(NAME).await;
    the_sentinels_ask_for(&stage, NEXT).await;
    nothing_shows(&stage, NAME, NEXT).await;
}

/// Each by itself, and all name the same master.
async fn the_sentinels_ask_for(stage: &Stage, password: &str) {
    let sentinels = servers::sentinels(stage, NAME).await;
    assert_eq!(sentinels.len(), 3);
    let mut named = Vec::new();
    for sentinel in sentinels {
        for refused in [sentinel.clone(), sentinel.with_password("wrong")] {
            let answer = refused.master().await.expect_err("an answer without the password");
            assert!(answer.contains("password"), "{answer}");
        }
        named.push(master_of(&sentinel.with_password(password)).await);
    }
    named.dedup();
    assert_eq!(named.len(), 1, "{named:?}");
}

async fn master_of(sentinel: &Server) -> String {
    let master = sentinel.master().await.unwrap_or_else(|error| panic!("{error}"));
    master.get("ip").cloned().unwrap_or_default()
}

/// The operator, and the script that runs before the stop, log in to the Sentinels.
async fn a_deleted_master_is_replaced(stage: &Stage) {
    let master = stage.rf(NAME).await.status.and_then(|status| status.master).expect("a master");
    stage.kubectl(&["delete", "pod", &master.pod]).await;
    until("another master", READY, async || {
        let status = stage.rf(NAME).await.status.unwrap_or_default();
        let now = status.master.map(|master| master.pod).unwrap_or_default();
        ensure(!now.is_empty() && now != master.pod, || format!("master {now:?}"))
    })
    .await;
    stage.ready(NAME).await;
}
