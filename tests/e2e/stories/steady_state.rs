//! What an operator costs that has nothing to do: twelve `RedisFailovers`, watched for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::servers;
use crate::stage::Stage;
use crate::wait::{ensure, until};
use crate::{audit, operator, processes};

const COUNT: usize = 12;
/// API calls a minute of all replicas, writes of anything but the Lease, resident bytes, CPU seconds a minute.
const CALLS: f64 = 60.0;
const BYTES: u64 = 20_000_000;
const CPU: f64 = 1.0;

pub(crate) async fn play(stage: Stage) {
    let names: Vec<String> = (1..=COUNT).map(|number| format!("steady-{number}")).collect();
    for name in &names {
        stage.create(name, small()).await;
    }
    for name in &names {
        stage.ready(name).await;
    }
    until("all Sentinels agree", Duration::from_secs(60), async || {
        for name in &names {
            servers::agreed(&stage, name, 2, 3).await?;
        }
        Ok(())
    })
    .await;
    nothing_happens(&stage, &names).await;

    let window = window();
    let before = changes(&stage, &names).await;
    let (log, cost) = (audit::Position::now(), processes::cost());
    stage.say(format!("{COUNT} are ready; watching for {} s", window.as_secs()));
    tokio::time::sleep(window).await; // Not a wait for anything: this is the time that is measured.
    let (calls, spent) = (log.calls_since(), processes::cost());
    let changed = difference(&before, &changes(&stage, &names).await);

    assert!(changed.is_empty(), "servers were changed in a steady state: {changed:?}");
    stage.say("commands that change redis or Sentinel: 0");
    if !operator::is_local_cluster() {
        stage.say("API calls, memory and CPU are measured on the local cluster only");
        return;
    }
    let minutes = window.as_secs_f64() / 60.0;
    report_calls(&stage, &calls, minutes);
    report_cost(&stage, &cost, &spent, minutes);
}

/// Servers that ask for next to nothing. Their probes only connect: those of 72 pods that run a command each time keep
/// two cores busy by themselves, and it is the operator that is measured here.
fn small() -> Value {
    let server = |port: u16| {
        let probe = json!({"tcpSocket": {"port": port}, "periodSeconds": 10});
        json!({
            "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}},
            "customReadinessProbe": probe,
            "customLivenessProbe": probe,
        })
    };
    json!({"redis": server(6379), "sentinel": server(26379)})
}

fn window() -> Duration {
    let seconds = std::env::var("STEADY_SECONDS").ok();
    let seconds = seconds.map_or(60, |text| text.parse().expect("STEADY_SECONDS is a number"));
    Duration::from_secs(seconds)
}

/// Waits until the last create has been digested: no object changes between two looks.
async fn nothing_happens(stage: &Stage, names: &[String]) {
    let versions = async || {
        let objects = join_all(names.iter().map(|name| stage.rf(name))).await;
        objects.into_iter().map(|object| object.metadata.resource_version).collect::<Vec<_>>()
    };
    let mut last = (versions().await, std::time::Instant::now());
    until("no status changes for 5 s", Duration::from_secs(90), async || {
        let now = versions().await;
        if now != last.0 {
            last = (now, std::time::Instant::now());
        }
        ensure(last.1.elapsed() > Duration::from_secs(5), || format!("changed {:?} ago", last.1.elapsed()))
    })
    .await;
}

/// How often each server was changed, by pod and command.
async fn changes(stage: &Stage, names: &[String]) -> BTreeMap<(String, String), u64> {
    let mut all = BTreeMap::new();
    for name in names {
        let servers = [servers::redis(stage, name).await, servers::sentinels(stage, name).await];
        for server in servers.iter().flatten() {
            let changes = server.changes(stage).await;
            all.extend(changes.into_iter().map(|(command, count)| ((server.pod.clone(), command), count)));
        }
    }
    all
}

fn difference<K: Ord + Clone>(before: &BTreeMap<K, u64>, after: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    after
        .iter()
        .map(|(key, count)| (key.clone(), count - before.get(key).copied().unwrap_or(0)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn report_calls(stage: &Stage, calls: &audit::Calls, minutes: f64) {
    for (call, count) in &calls.by_kind {
        stage.say(format!("  {count:>4} {call}"));
    }
    let a_minute = f64::from(calls.all) / minutes;
    stage.say(format!("API calls: {a_minute:.0} a minute (limit {CALLS:.0}), writes: {:?}", calls.writes));
    assert!(calls.writes.is_empty(), "API writes in a steady state: {:?}", calls.writes);
    assert!(a_minute <= CALLS, "{a_minute} API calls a minute in a steady state");
    assert!(calls.all > 0, "no API call at all: the audit log does not show this operator");
}

fn report_cost(stage: &Stage, before: &processes::Cost, after: &processes::Cost, minutes: f64) {
    assert_eq!(after.resident.len(), 2, "processes of the operator");
    let cpu = (after.cpu - before.cpu) / minutes;
    stage.say(format!(
        "resident: {} MB, of which its own {} MB (limit {} MB each); CPU of both: {cpu:.2} s a minute (limit {CPU} s)",
        megabytes(&after.resident),
        megabytes(&after.own),
        BYTES / 1_000_000
    ));
    let largest = after.resident.iter().max().copied().unwrap_or(u64::MAX);
    assert!(largest <= 2 * BYTES, "an operator has {largest} bytes");
}

fn megabytes(bytes: &[u64]) -> String {
    let each = bytes.iter().map(|bytes| format!("{}.{:02}", bytes / 1_000_000, bytes / 10_000 % 100));
    each.collect::<Vec<_>>().join(" and ")
}
