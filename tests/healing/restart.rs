//! Servers that restart in place, by the script that starts them in a pod.

use std::time::{Duration, Instant};

use redis_operator::observe::facts::Death;

use crate::handover::{PASSWORD, PATIENCE, healthy, name, ordinal, started};
use crate::stage::{Stage, Writer};
use crate::support::processes::versions;

/// Their timeout of 5 s, a vote, and a machine that does other things.
const BY_THE_SENTINELS: Duration = Duration::from_secs(15);
/// What was written in the moment of a crash and had not reached a replica.
const UNREPLICATED: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_alone_replace_a_master_that_restarts_at_once() {
    for binary in versions() {
        Box::pin(by_the_vote(&binary, None)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_with_a_password_vote_and_are_asked_by_a_server_that_starts() {
    for binary in versions() {
        Box::pin(by_the_vote(&binary, Some(PASSWORD))).await;
    }
}

/// The server that was master restarts at once, with these Sentinels and without an operator.
async fn by_the_vote(binary: &str, password: Option<&str>) {
    let (mut stage, mut operator, old) = started(Stage::with(binary, &[], password)).await;
    let writer = Writer::start(&stage);
    writer.goes_on().await;
    stage.redis[old].kill();
    stage.redis[old].restart();
    let new = stage.successor_of(old, PATIENCE).await;
    let written = writer.stop(&stage.address(new)).await;
    let (gap, lost, of) = (written.longest_gap, written.lost, written.acknowledged);
    println!("{} without an operator: longest gap {gap:.2?}, lost {lost} of {of}", name(binary));
    assert!(stage.redis[old].log().contains("waiting until another one is"), "{}", stage.redis[old].log());
    assert!(gap < BY_THE_SENTINELS, "{gap:?}");
    assert!(lost <= UNREPLICATED, "{lost} of {of}");
    assert_eq!(ordinal(&operator.heal(&stage, PATIENCE).await), new, "and the old one follows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_need_not_wait_for_a_master_that_waits() {
    for binary in versions() {
        let (mut stage, mut operator, old) = healthy(&binary).await;
        let writer = Writer::start(&stage);
        writer.goes_on().await;
        stage.redis[old].kill();
        operator.dead.insert(format!("rfr-x-{old}"), Death::Refused);
        stage.redis[old].restart();
        assert!(operator.step(&stage).await.handover.is_some());
        operator.dead.clear();
        let new = stage.successor_of(old, PATIENCE).await;
        let written = writer.stop(&stage.address(new)).await;
        println!("{} with an operator: longest gap {:.2?}", name(&binary), written.longest_gap);
        assert!(written.longest_gap < Duration::from_secs(3));
        assert_eq!(ordinal(&operator.heal(&stage, PATIENCE).await), new);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_all_restart_with_their_data_wait_for_nobody() {
    for binary in versions() {
        let stage = Stage::with(&binary, &["appendonly yes", "save 3600 1"], None);
        let (mut stage, mut operator, _) = started(stage).await;
        let writer = Writer::start(&stage);
        writer.goes_on().await;
        for number in 0..3 {
            stage.redis[number].kill();
            operator.dead.insert(format!("rfr-x-{number}"), Death::Restarted);
        }
        let begun = Instant::now();
        for server in &mut stage.redis {
            server.restart();
        }
        let master = ordinal(&operator.heal(&stage, PATIENCE).await);
        let healed = begun.elapsed();
        let written = writer.stop(&stage.address(master)).await;
        let (gap, lost) = (written.longest_gap, written.lost);
        println!(
            "{} all restarted: longest gap {gap:.2?}, healed after {healed:.2?}, lost {lost}",
            name(&binary)
        );
        assert_eq!(lost, 0, "what was acknowledged is on the disk of the one that was master");
        assert!(gap < BY_THE_SENTINELS, "{gap:?}");
    }
}
