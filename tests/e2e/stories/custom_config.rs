//! customConfig on running servers: a change is everywhere within ten seconds, and sent only where something differs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::servers::{self, Server};
use crate::stage::Stage;
use crate::wait::{ensure, until};

const NAME: &str = "custom-config";
/// From the change of an entry to its effect on every server.
const LIVE: Duration = Duration::from_secs(10);
/// From a change by hand, of which nobody tells the operator, to its end.
const NOTICED: Duration = Duration::from_secs(30);

pub(crate) async fn play(stage: Stage) {
    stage.create(NAME, spec("50", "2000")).await;
    stage.ready(NAME).await;
    let (redis, sentinels) = (servers::redis(&stage, NAME).await, servers::sentinels(&stage, NAME).await);
    assert_eq!((redis.len(), sentinels.len()), (3, 3));
    everywhere(&stage, &redis, &sentinels, LIVE, "50", "2000").await;
    let config_maps = config_maps(&stage).await;

    let before = calls(&stage, &redis, &sentinels).await;
    let generation = stage.patch(NAME, spec("60", "2000")).await;
    everywhere(&stage, &redis, &sentinels, LIVE, "60", "2000").await;
    stage.ready_again(NAME, generation).await;
    let after = calls(&stage, &redis, &sentinels).await;
    assert_eq!(grown(&before, &after), [1, 1, 1, 0, 0, 0], "one CONFIG SET for each redis");

    let generation = stage.patch(NAME, spec("60", "3000")).await;
    everywhere(&stage, &redis, &sentinels, LIVE, "60", "3000").await;
    stage.ready_again(NAME, generation).await;
    let last = calls(&stage, &redis, &sentinels).await;
    assert_eq!(grown(&after, &last), [0, 0, 0, 1, 1, 1], "one SENTINEL SET for each Sentinel");

    // A server that somebody changed by hand is set right, and only that one.
    redis[1].ask(&["CONFIG", "SET", "hz", "77"]).await.expect("CONFIG SET");
    everywhere(&stage, &redis, &sentinels, NOTICED, "60", "3000").await;
    let mended = calls(&stage, &redis, &sentinels).await;
    assert_eq!(grown(&last, &mended), [0, 2, 0, 0, 0, 0], "by hand, and back");

    assert_eq!(self::config_maps(&stage).await, config_maps, "the ConfigMaps rfr- and rfs-");
    for (old, now) in redis.iter().zip(&servers::redis(&stage, NAME).await) {
        assert_eq!(old.uid, now.uid, "{} was replaced", old.pod);
    }
}

fn spec(hz: &str, down_after: &str) -> Value {
    json!({
        "redis": {"customConfig": [format!("hz {hz}"), "maxclients 100"]},
        "sentinel": {"customConfig": [format!("down-after-milliseconds {down_after}"), "failover-timeout 3000"]},
    })
}

/// Waits until every server shows these values.
async fn everywhere(
    stage: &Stage,
    redis: &[Server],
    sentinels: &[Server],
    limit: Duration,
    hz: &str,
    down_after: &str,
) {
    let what = format!("hz {hz} and down-after-milliseconds {down_after} everywhere");
    let ((), took) = until(&what, limit, async || {
        for server in redis {
            let shown = server.setting("hz").await?;
            ensure(shown == hz, || format!("{} has hz {shown}", server.pod))?;
        }
        for sentinel in sentinels {
            let master = sentinel.master().await?;
            let shown = master.get("down-after-milliseconds").cloned().unwrap_or_default();
            ensure(shown == down_after, || format!("{} has down-after-milliseconds {shown}", sentinel.pod))?;
        }
        Ok(())
    })
    .await;
    stage.say(format!("{what} after {:.1} s (limit {} s)", took.as_secs_f64(), limit.as_secs()));
}

/// How often each server was set, redis first.
async fn calls(stage: &Stage, redis: &[Server], sentinels: &[Server]) -> Vec<u64> {
    let mut calls = Vec::new();
    for server in redis {
        calls.push(server.count(stage, "config|set").await);
    }
    for sentinel in sentinels {
        calls.push(sentinel.count(stage, "+set").await);
    }
    calls
}

fn grown(before: &[u64], after: &[u64]) -> Vec<u64> {
    after.iter().zip(before).map(|(after, before)| after - before).collect()
}

/// Version and contents of the two ConfigMaps that customConfig must not touch.
async fn config_maps(stage: &Stage) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for name in ["rfr-custom-config", "rfs-custom-config"] {
        let object = stage.get(&["configmap", name]).await;
        let data = object["data"].to_string();
        for entry in ["hz", "maxclients", "mymaster 2000", "mymaster 3000"] {
            assert!(!data.contains(entry), "{name} has {entry}: {data}");
        }
        all.push((object["metadata"]["resourceVersion"].to_string(), data));
    }
    all
}
