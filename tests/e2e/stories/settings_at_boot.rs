//! A pod that starts anew has the settings of customConfig: redis without the operator's help, Sentinel with it.

use std::time::Duration;

use serde_json::json;

use crate::operator;
use crate::servers;
use crate::stage::{READY, Stage};
use crate::wait::{ensure, until};

const NAME: &str = "at-boot";
/// From a new Sentinel's start to its settings.
const LIVE: Duration = Duration::from_secs(10);

pub(crate) async fn play(stage: Stage) {
    let spec = |hz: &str| {
        json!({
            "redis": {"customConfig": [format!("hz {hz}"), "appendonly yes"]},
            "sentinel": {"customConfig": ["down-after-milliseconds 2000"]},
        })
    };
    stage.create(NAME, spec("50")).await;
    stage.ready(NAME).await;
    let generation = stage.patch(NAME, spec("60")).await;
    stage.ready_again(NAME, generation).await;

    operator::scale(&stage.client, 0).await;
    let master = servers::agreed(&stage, NAME, 2, 3).await.expect("a master");
    let redis = servers::redis(&stage, NAME).await;
    let old = redis.iter().find(|server| server.uid != master.uid).expect("a replica");
    stage.kubectl(&["delete", "pod", &old.pod]).await;
    until("a new redis has its settings", READY, async || {
        let now = servers::redis(&stage, NAME).await;
        let new =
            now.iter().find(|server| server.pod == old.pod && server.uid != old.uid).ok_or("no new pod")?;
        let (hz, append) = (new.setting("hz").await?, new.setting("appendonly").await?);
        // The pod answers, so whatever it lacks now it lacks for good: nobody else would set it.
        assert_eq!((hz.as_str(), append.as_str()), ("60", "yes"), "{}", new.pod);
        let calls = new.count(&stage, "config|set").await;
        assert_eq!(calls, 0, "nobody set anything on {}", new.pod);
        Ok(())
    })
    .await;
    stage.say("a new redis boots with its settings, without the operator");

    let sentinel = servers::sentinels(&stage, NAME).await.remove(0);
    stage.kubectl(&["delete", "pod", &sentinel.pod]).await;
    operator::scale(&stage.client, 2).await;
    operator::leader(&stage.client).await;
    let ((), started) = until("a new Sentinel runs", READY, async || {
        let now = servers::sentinels(&stage, NAME).await;
        ensure(now.len() == 3, || format!("{} Sentinels", now.len()))?;
        for server in &now {
            server.ask(&["PING"]).await?;
        }
        Ok(())
    })
    .await;
    let ((), took) = until("a new Sentinel has its settings", LIVE, async || {
        for server in servers::sentinels(&stage, NAME).await {
            let master = server.master().await?;
            let shown = master.get("down-after-milliseconds").cloned().unwrap_or_default();
            ensure(shown == "2000", || format!("{} has {shown}", server.pod))?;
        }
        Ok(())
    })
    .await;
    stage.say(format!(
        "a new Sentinel runs after {:.1} s and has its settings {:.1} s later",
        started.as_secs_f64(),
        took.as_secs_f64()
    ));
    stage.ready(NAME).await;
}
