//! The announcement on real servers, alone and against a failover of the Sentinels' own.

use std::path::Path;
use std::time::Duration;

use redis_operator::heal::Plan;
use redis_operator::observe::facts::Death;
use redis_operator::redis::{Client, Deadlines, Servers};

use crate::operator::Operator;
use crate::stage::{Stage, Writer};
use crate::support::processes::{versions, wait_until};

/// Longer than a failover of the Sentinels on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Whatever a configuration file, a shell and a Secret may hold.
pub(crate) const PASSWORD: &str = r#"a "b" \c $d 'e' %s"#;

/// A healthy `RedisFailover` and its operator.
pub(crate) async fn healthy(binary: &str) -> (Stage, Operator, usize) {
    started(Stage::start(binary)).await
}

pub(crate) async fn started(stage: Stage) -> (Stage, Operator, usize) {
    let mut operator = Operator::new();
    let plan = operator.heal(&stage, PATIENCE).await;
    let master = ordinal(&plan);
    (stage, operator, master)
}

pub(crate) fn ordinal(plan: &Plan) -> usize {
    let pod = &plan.master.as_ref().unwrap().pod;
    pod.rsplit('-').next().unwrap().parse().unwrap()
}

pub(crate) fn name(binary: &str) -> &str {
    Path::new(binary).file_name().and_then(|name| name.to_str()).unwrap_or(binary)
}

/// Kills the master, with proof of its death.
fn crash(stage: &mut Stage, operator: &mut Operator, master: usize) {
    stage.redis[master].kill();
    operator.dead.insert(format!("rfr-x-{master}"), Death::Refused);
}

/// Starts the dead one again and waits for peace.
async fn recover(stage: &mut Stage, operator: &mut Operator, dead: usize) -> usize {
    stage.redis[dead].restart();
    operator.dead.clear();
    ordinal(&operator.heal(stage, PATIENCE).await)
}

async fn ask_sentinel(stage: &Stage, number: usize, command: &[&str]) {
    let at = stage.sentinel_at(&stage.sentinels[number].ip);
    let client = Client::new(Deadlines::default());
    wait_until("a Sentinel takes a command", PATIENCE, async || {
        client.ask(&at, command).await.map_err(|error| error.to_string())
    })
    .await;
}

/// One history: something happens to a healthy world while a client writes; in the end there is one master that all agree
/// on. Prints the longest gap.
async fn history(
    what: &str,
    binary: &str,
    world: &mut (Stage, Operator, usize),
    play: impl AsyncFnOnce(&mut Stage, &mut Operator, usize),
) -> Duration {
    let (stage, operator, master) = world;
    let writer = Writer::start(stage);
    writer.goes_on().await;
    let dead = *master;
    play(stage, operator, dead).await;
    *master = recover(stage, operator, dead).await;
    let written = writer.stop(&stage.address(*master)).await;
    let (gap, lost, of) = (written.longest_gap, written.lost, written.acknowledged);
    println!("{} {what}: longest gap {gap:.2?}, lost {lost} of {of}", name(binary));
    assert!(of > 0, "{what}: nothing was written");
    gap
}

async fn every_history(stage: Stage) {
    let binary = &stage.binary.clone();
    let mut world = started(stage).await;
    let gap = history("crash", binary, &mut world, async |stage, operator, master| {
        crash(stage, operator, master);
        let plan = operator.step(stage).await;
        assert!(plan.handover.is_some(), "one plan has it all: {plan:#?}");
    })
    .await;
    assert!(gap < Duration::from_secs(3), "{gap:?}");

    history("their failover first", binary, &mut world, async |stage, operator, master| {
        crash(stage, operator, master);
        ask_sentinel(stage, 0, &["SENTINEL", "FAILOVER", "mymaster"]).await;
        operator.step(stage).await;
    })
    .await;

    history("their failover after", binary, &mut world, async |stage, operator, master| {
        crash(stage, operator, master);
        assert!(operator.step(stage).await.handover.is_some());
        ask_sentinel(stage, 1, &["SENTINEL", "FAILOVER", "mymaster"]).await;
    })
    .await;

    world.0.sentinels[2].kill();
    let (stage, operator, master) = &mut world;
    let writer = Writer::start(stage);
    writer.goes_on().await;
    crash(stage, operator, *master);
    let plan = operator.step(stage).await;
    assert!(plan.handover.is_some(), "a majority is enough: {plan:#?}");
    let new: usize = plan.handover.unwrap().to.pod.rsplit('-').next().unwrap().parse().unwrap();
    assert_eq!(ordinal(&operator.step(stage).await), new);
    let written = writer.stop(&stage.address(new)).await;
    println!(
        "{} a Sentinel missing: longest gap {:.2?}, lost {}",
        name(binary),
        written.longest_gap,
        written.lost
    );
    assert!(written.longest_gap < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_against_every_version() {
    for binary in versions() {
        Box::pin(every_history(Stage::start(&binary))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_where_the_sentinels_have_a_password() {
    for binary in versions() {
        Box::pin(every_history(Stage::with(&binary, &[], Some(PASSWORD)))).await;
    }
}

/// Before the promotion, before each announcement, and after them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_dies_between_two_steps_leaves_nothing_that_is_not_healed() {
    let binary = versions().pop().unwrap();
    let mut world = healthy(&binary).await;
    for deeds in 0..=4 {
        history(
            &format!("dead after {deeds} deeds"),
            &binary,
            &mut world,
            async |stage, operator, master| {
                let mut mortal = Operator::mortal(deeds);
                mortal.step(stage).await; // It gets to know the servers; there is nothing to do.
                crash(stage, &mut mortal, master);
                mortal.heal_until_death(stage).await;
                *operator = mortal.successor();
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_hangs_is_left_to_the_vote() {
    let binary = versions().pop().unwrap();
    let mut world = healthy(&binary).await;
    let gap = history("hangs", &binary, &mut world, async |stage, operator, master| {
        stage.redis[master].signal("STOP");
        assert!(operator.step(stage).await.handover.is_none(), "it may live");
        wait_until("the Sentinels elect another", PATIENCE, async || {
            let plan = operator.step(stage).await;
            plan.master.filter(|found| found.pod != format!("rfr-x-{master}")).ok_or(plan.available.message)
        })
        .await;
        stage.redis[master].kill();
    })
    .await;
    assert!(gap < Duration::from_secs(15), "{gap:?}");
}
