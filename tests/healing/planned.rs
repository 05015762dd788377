//! A master that stops hands over first: whatever happens on the way, no acknowledged write is lost.

use std::time::Duration;

use crate::handover::{PATIENCE, healthy, name, ordinal};
use crate::operator::Operator;
use crate::stage::{Stage, Writer};
use crate::support::processes::{versions, wait_until};

/// Longer than a handover may hold back writes.
const AFTER_THE_PAUSE: Duration = Duration::from_secs(12);

/// Deletes the master's pod, lets `play` see to the handover, stops the server once it is no master any more, brings it
/// back and waits for peace. Nothing may be lost. Returns the longest gap between two writes.
async fn stopped(
    what: &str,
    binary: &str,
    world: &mut (Stage, Operator, usize),
    play: impl AsyncFnOnce(&mut Stage, &mut Operator),
) -> Duration {
    let (stage, operator, master) = world;
    let writer = Writer::start(stage);
    writer.goes_on().await;
    let old = *master;
    stage.leaving = Some(old);
    play(stage, operator).await;
    wait_until("another master", PATIENCE, async || {
        let next = operator.step(stage).await;
        let replaced = next.master.is_some() && ordinal(&next) != old;
        if replaced { Ok(()) } else { Err(next.available.message) }
    })
    .await;
    stage.redis[old].kill();
    stage.leaving = None;
    stage.redis[old].restart();
    *master = ordinal(&operator.heal(stage, PATIENCE).await);
    let written = writer.stop(&stage.address(*master)).await;
    let (gap, lost, of) = (written.longest_gap, written.lost, written.acknowledged);
    println!("{} {what}: longest gap {gap:.2?}, lost {lost} of {of}", name(binary));
    assert_eq!(lost, 0, "{what}: of {of}");
    gap
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_stops_hands_over_without_a_loss() {
    for binary in versions() {
        let mut world = healthy(&binary).await;
        for _ in 0..3 {
            let gap = stopped("stops", &binary, &mut world, async |stage, operator| {
                let plan = operator.step(stage).await;
                assert!(plan.handover.is_some(), "one plan has it all: {plan:#?}");
            })
            .await;
            assert!(gap < Duration::from_secs(1), "{gap:?}");
        }
    }
}

/// Before the pause, the promotion, the demotion, each announcement, and before the clients are let go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_dies_on_the_way_loses_nothing() {
    let binary = versions().pop().unwrap();
    let mut world = healthy(&binary).await;
    for deeds in 0..=8 {
        stopped(&format!("dead after {deeds} deeds"), &binary, &mut world, async |stage, operator| {
            let mut mortal = Operator::mortal(deeds);
            mortal.heal_until_death(stage).await;
            *operator = mortal.successor();
        })
        .await;
    }
}

/// The next operator comes only after the pause has ended, when whoever still serves takes writes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_ends_by_itself_loses_nothing() {
    let binary = versions().pop().unwrap();
    let mut world = healthy(&binary).await;
    for deeds in 1..=4 {
        stopped(&format!("alone after {deeds} deeds"), &binary, &mut world, async |stage, operator| {
            let mut mortal = Operator::mortal(deeds);
            mortal.heal_until_death(stage).await;
            tokio::time::sleep(AFTER_THE_PAUSE).await; // Not a wait for anything: this is the time without an operator.
            *operator = mortal.successor();
        })
        .await;
    }
}
