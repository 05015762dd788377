//! Faults under a constant stream of writes: how long nobody can write, what is lost, and how long until all is well.
//!
//! | variable | meaning |
//! |---|---|
//! | `FAILOVER_ROUNDS` | how often each fault is done, by default 1 |
//! | `FAULTS` | names of faults, separated by commas; by default all |

mod faults;
mod processes;
mod writers;

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Service;
use kube::api::Api;

use crate::operator;
use crate::servers;
use crate::stage::Stage;
use crate::wait::{ensure, until};
use faults::{ALL, Fault};
use writers::{Way, Writer};

/// Writes before the fault: the servers are warm, and there is something to lose.
const BEFORE: u64 = 200;
/// Writes after the fault that show that they go on.
const AFTER: u64 = 50;
/// How long the writes may take to go on, and all to be well again, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one round measured, in seconds.
#[derive(Debug)]
struct Round {
    sentinel_gap: f64,
    service_gap: f64,
    written: usize,
    lost: usize,
    health: f64,
    ready: f64,
}

pub(crate) async fn play(stage: Stage) {
    if !operator::is_local_cluster() {
        stage.say("left out: only the local cluster lets processes be killed and nodes be cut off");
        return;
    }
    let rounds = std::env::var("FAILOVER_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut lines = Vec::new();
    for fault in chosen() {
        let name = fault.name();
        stage.create(name, fault.spec()).await;
        stage.ready(name).await;
        let mut measured = Vec::new();
        for number in 0..rounds {
            let round = play_round(&stage, fault, number).await;
            stage.say(format!("{name} {number}: {round:.2?}"));
            assert!(
                fault.may_lose() || round.lost == 0,
                "{name}: {} acknowledged writes are lost",
                round.lost
            );
            measured.push(round);
        }
        stage.kubectl(&["delete", "rf", name]).await;
        lines.push(line(fault, &measured));
    }
    stage.say("longest gap of writes and time to full health in seconds, median/worst; limits in brackets");
    stage.say(format!(
        "{:<20} {:>26} {:>14} {:>22} {:>14}  lost of written",
        "fault", "gap through Sentinel", "rfrm- Service", "full health", "Ready"
    ));
    for line in lines {
        stage.say(line);
    }
}

fn chosen() -> Vec<Fault> {
    let wanted = std::env::var("FAULTS").unwrap_or_default();
    let is_wanted = |fault: &Fault| wanted.is_empty() || wanted.split(',').any(|name| name == fault.name());
    let chosen: Vec<_> = ALL.into_iter().filter(is_wanted).collect();
    assert!(!chosen.is_empty(), "FAULTS={wanted:?} names none of {:?}", ALL.map(Fault::name));
    chosen
}

async fn play_round(stage: &Stage, fault: Fault, number: usize) -> Round {
    let name = fault.name();
    let (master, _) = until("all is well", PATIENCE, || servers::agreed(stage, name, 2, 3)).await;
    fault.prepare(stage).await;
    let ways = [
        Way::Sentinel(service(stage, &format!("rfs-{name}"), 26379).await),
        Way::Service(service(stage, &format!("rfrm-{name}"), 6379).await),
    ];
    let writers = ways.map(|way| Writer::start(way, &number.to_string()));
    grown(&writers, "writes before the fault", [0, 0], BEFORE).await;
    let struck = fault.strike(stage, name, &master).await;
    let so_far = writers.each_ref().map(Writer::count);
    // Without the operator and the API server the Service of the master cannot follow: Sentinel's clients come first.
    grown(&writers[..1], "writes through Sentinel after the fault", so_far, AFTER).await;
    fault.mend(stage, &struck).await;
    grown(&writers, "writes after the fault", so_far, AFTER).await;
    let mended =
        if fault == Fault::NodeCutOff || fault == Fault::ApiServerDown { Instant::now() } else { struck.at };
    if let Some(generation) = struck.generation {
        stage.ready_again(name, generation).await;
    }
    until("all is well again", PATIENCE, async || {
        let now = servers::agreed(stage, name, 2, 3).await?;
        ensure(now.uid != master.uid || !fault.replaces_master(), || format!("{} is still master", now.pod))
    })
    .await;
    let health = mended.elapsed();
    stage.ready(name).await;
    let ready = mended.elapsed();
    let [sentinel, service] = writers;
    let (sentinel, service) = (sentinel.end().await, service.end().await);
    let mut connection = servers::through_sentinel(stage, name, None).await.expect("the master");
    let lost = sentinel.lost(&mut connection).await.expect("EXISTS")
        + service.lost(&mut connection).await.expect("EXISTS");
    Round {
        sentinel_gap: sentinel.longest_gap().as_secs_f64(),
        service_gap: service.longest_gap().as_secs_f64(),
        written: sentinel.len() + service.len(),
        lost,
        health: health.as_secs_f64(),
        ready: ready.as_secs_f64(),
    }
}

/// Waits until each writer has so many more acknowledged writes.
async fn grown(writers: &[Writer], what: &str, from: [u64; 2], by: u64) {
    until(what, PATIENCE, async || {
        let now: Vec<_> = writers.iter().map(Writer::count).collect();
        let grown = now.iter().zip(from).all(|(now, from)| *now >= from + by);
        ensure(grown, || format!("{now:?} writes, {from:?} before"))
    })
    .await;
}

async fn service(stage: &Stage, name: &str, port: u16) -> String {
    let api: Api<Service> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let spec = api.get(name).await.expect("a Service").spec.unwrap_or_default();
    format!("{}:{port}", spec.cluster_ip.expect("an address"))
}

fn line(fault: Fault, rounds: &[Round]) -> String {
    let of = |field: fn(&Round) -> f64| {
        let mut values: Vec<_> = rounds.iter().map(field).collect();
        values.sort_by(f64::total_cmp);
        (values[values.len() / 2], values[values.len() - 1])
    };
    let pair = |(median, worst): (f64, f64)| format!("{median:.2}/{worst:.2}");
    let limits = fault.limits();
    let gap = limits.gap.map_or_else(|| "-".to_owned(), pair);
    let (written, lost): (usize, Vec<_>) =
        (rounds.iter().map(|round| round.written).sum(), rounds.iter().map(|round| round.lost).collect());
    format!(
        "{:<20} {:>26} {:>14} {:>22} {:>14}  {lost:?} of {written}",
        fault.name(),
        format!("{} [{gap}]", pair(of(|round| round.sentinel_gap))),
        pair(of(|round| round.service_gap)),
        format!("{} [{:.0}]", pair(of(|round| round.health)), limits.health),
        pair(of(|round| round.ready)),
    )
}
