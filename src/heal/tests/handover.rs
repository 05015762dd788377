//! The announced handover: when it is planned, what it says, and what closes its gate.

use std::time::Duration;

use jiff::Timestamp;

use super::world::*;
use crate::heal::{Action, Closed, Handover, Memory, Plan, Step, plan};
use crate::observe::facts::{Death, Monitored, Observed, RedisNode, Role, Silence};
use crate::redis::Error;

fn planned(observed: &Observed, masterless: u64) -> Plan {
    let now = Timestamp::UNIX_EPOCH + Duration::from_secs(100_000);
    let since = Timestamp::UNIX_EPOCH + Duration::from_secs(100_000 - masterless);
    let memory = Memory {
        last_master: Some("rfr-x-0".to_owned()),
        masterless_since: Some(since),
        ..Memory::default()
    };
    plan(&plain(), observed, &memory, now)
}

/// A replica whose link was up until the master died.
fn heir(ordinal: u32, offset: i64) -> RedisNode {
    let mut node = with_data(replica(ordinal, &ip(0)), offset, 5);
    node.before = node.server.clone().ok();
    if let Role::Replica { link_up, .. } = &mut node.server.as_mut().unwrap().role {
        *link_up = false;
    }
    node
}

fn dead(death: Option<Death>) -> RedisNode {
    let mut node = silent(0);
    node.pod.role_label = Some("master".to_owned());
    node.before = with_data(master(0), 100, 5).server.ok();
    node.death = death;
    node
}

fn crashed(death: Option<Death>) -> Observed {
    observed(vec![dead(death), heir(1, 90), heir(2, 95)], sentinels(&ip(0)))
}

fn edit(world: &mut Observed, number: usize, change: impl FnOnce(&mut Monitored)) {
    change(world.sentinels[number].server.as_mut().unwrap().monitored.as_mut().unwrap());
}

fn ready(world: &Observed) -> Handover {
    planned(world, 0).handover.expect("a handover")
}

#[test]
fn a_death_that_is_certain_is_answered_at_once_with_the_most_advanced() {
    for death in [Death::Refused, Death::Restarted, Death::Ended] {
        let plan = planned(&crashed(Some(death)), 0);
        let handover = plan.handover.as_ref().expect("a handover");
        assert_eq!((handover.from.clone(), handover.to.pod.as_str()), (address(0), "rfr-x-2"));
        assert_eq!(handover.steps, [Step::Gate, Step::Promote, Step::Announce, Step::Check]);
        assert_eq!(plan.available.reason, "HandingOver");
        let rest: Vec<_> = plan.actions.iter().map(|action| (action.pod(), action)).collect();
        assert!(
            matches!(
                rest[..],
                [
                    ("rfr-x-0", Action::Label { role: "slave", .. }),
                    ("rfr-x-2", Action::Label { role: "master", .. }),
                    ("rfr-x-1", Action::Follow { .. }),
                ]
            ),
            "{rest:?}"
        );
    }
}

#[test]
fn a_master_that_merely_does_not_answer_is_left_to_the_vote() {
    let plan = planned(&crashed(None), 0);
    assert!(plan.idle() && plan.available.reason == "WaitingForSentinels", "{plan:?}");
}

#[test]
fn a_master_that_answers_as_a_replica_is_none_any_more() {
    let mut world = crashed(None);
    world.redis[0] = with_data(replica(0, LOOPBACK), 0, 0);
    assert_eq!(ready(&world).to.pod, "rfr-x-2");
    assert!(
        planned(&world, 0)
            .actions
            .iter()
            .any(|action| matches!(action, Action::Follow { pod, .. } if pod == "rfr-x-0"))
    );
}

#[test]
fn a_master_that_came_back_with_more_than_its_replicas_stays() {
    let mut world = crashed(Some(Death::Restarted));
    world.redis[0] = with_data(replica(0, LOOPBACK), 100, 5);
    let plan = planned(&world, 0);
    assert!(matches!(&plan.actions[..], [Action::Promote { pod, .. }] if pod == "rfr-x-0"), "{plan:?}");
    edit(&mut world, 1, |m| m.flags.extend(["failover_in_progress".to_owned()]));
    assert!(planned(&world, 0).idle(), "never into a failover");
}

/// It would follow the heir, and its first sync would wipe it.
#[test]
fn an_heir_without_data_does_not_follow_a_master_that_came_back_with_data() {
    let mut world = crashed(Some(Death::Restarted));
    world.redis[0] = with_data(replica(0, LOOPBACK), 0, 5);
    world.redis[0].death = Some(Death::Restarted);
    assert!(planned(&world, 0).handover.is_some(), "heirs with data follow");
    for heir in &mut world.redis[1..] {
        heir.server.as_mut().unwrap().keys = 0;
    }
    let plan = planned(&world, 0);
    assert_eq!(plan.handover, None);
    let promotes = |action: &Action| matches!(action, Action::Promote { pod, .. } if pod != "rfr-x-0");
    assert!(!plan.actions.iter().any(promotes), "{plan:?}");
}

#[test]
fn a_pod_that_is_gone_is_dead_once_nobody_has_a_link_to_it() {
    let mut world = crashed(None);
    world.redis.remove(0);
    assert_eq!(ready(&world).to.pod, "rfr-x-2");
    world.redis[0] = with_data(replica(1, &ip(0)), 90, 5);
    assert!(planned(&world, 0).idle(), "a link is up: the process lives, whatever Kubernetes says");
}

#[test]
fn only_a_server_that_was_in_sync_until_then_follows() {
    let mut world = crashed(Some(Death::Refused));
    world.redis[2].server.as_mut().unwrap().loading = true;
    assert_eq!(ready(&world).to.pod, "rfr-x-1", "nobody knows yet what the other has");
    world.redis[1].before = None;
    assert!(planned(&world, 0).idle(), "nothing is known of its link");
    let mut restarted = crashed(Some(Death::Refused));
    restarted.redis[1].before = None;
    restarted.redis[2].server.as_mut().unwrap().run_id = "another process".to_owned();
    assert!(planned(&restarted, 0).idle(), "what the process before it had says nothing");
    let mut other = crashed(Some(Death::Refused));
    other.redis[2].server.as_mut().unwrap().replication_id = "another".to_owned();
    assert_eq!(ready(&other).to.pod, "rfr-x-1", "an offset of another history says nothing");
    let mut ahead = crashed(Some(Death::Refused));
    ahead.redis[2].before = None;
    assert_eq!(ready(&ahead).to.pod, "rfr-x-2", "it has more of the same history, however it came to it");
}

#[test]
fn what_is_said_is_above_every_epoch_and_in_the_voice_of_a_peer() {
    let mut world = crashed(Some(Death::Refused));
    edit(&mut world, 0, |m| m.config_epoch = 4);
    world.sentinels[1].server.as_mut().unwrap().current_epoch = Some(7);
    let handover = ready(&world);
    assert!(handover.epoch > 7 + 3, "each Sentinel may have begun an election since: {}", handover.epoch);
    assert_eq!(handover.announcements.len(), 3);
    let first = &handover.announcements[0];
    let said = handover.greeting(first, &handover.to.address, 11);
    assert_eq!(
        (first.pod.as_str(), said.as_str()),
        ("rfs-x-0", "10.0.1.1,26379,id-1,11,mymaster,10.0.0.3,6379,11")
    );
}

type Change = fn(&mut Observed);

#[test]
fn the_gate_is_closed_by_anything_that_speaks_against_it() {
    let table: [(&str, Change); 7] = [
        ("a failover runs", |w| edit(w, 1, |m| m.flags.extend(["failover_in_progress".to_owned()]))),
        ("one names a third server", |w| edit(w, 1, |m| m.host = ip(1))),
        ("one names a stranger", |w| edit(w, 1, |m| m.host = "10.9.9.9".to_owned())),
        ("two do not answer", |w| {
            for node in &mut w.sentinels[1..] {
                node.server = Err(Silence::Failed(crate::redis::Error::Timeout));
            }
        }),
        ("two were never heard", |w| {
            for node in &mut w.sentinels[1..] {
                node.server.as_mut().unwrap().current_epoch = None;
            }
        }),
        ("two know no peer of ours", |w| {
            for node in &mut w.sentinels[1..] {
                node.server.as_mut().unwrap().known_peers.clear();
            }
        }),
        ("they name nobody", |w| w.sentinels = sentinels(LOOPBACK)),
    ];
    for (name, change) in table {
        let mut world = crashed(Some(Death::Refused));
        change(&mut world);
        let plan = planned(&world, 0);
        assert!(plan.idle() && !plan.available.ok, "{name}: {plan:?}");
    }
    let mut one_away = crashed(Some(Death::Refused));
    one_away.sentinels.pop();
    assert_eq!(
        ready(&one_away).announcements.len(),
        2,
        "a majority is enough, the dead one's voice included"
    );
}

#[test]
fn sentinels_that_are_unfit_for_long_are_told_to_fail_over() {
    let mut world = crashed(Some(Death::Refused));
    world.sentinels[2].server = Err(Silence::Failed(crate::redis::Error::Timeout));
    for node in &mut world.sentinels[..2] {
        node.server.as_mut().unwrap().current_epoch = None;
    }
    assert!(planned(&world, 2).idle(), "they greet every two seconds");
    let plan = planned(&world, 3);
    assert!(matches!(&plan.actions[..], [Action::Failover { pod, .. }] if pod == "rfs-x-0"), "{plan:?}");
    for node in &mut world.sentinels[..2] {
        for known in &mut node.server.as_mut().unwrap().known_replicas {
            known.flags.insert("disconnected".to_owned());
        }
    }
    assert!(planned(&world, 3).idle(), "they have no link to the heir");
}

#[test]
fn the_gate_asks_again_and_the_check_counts() {
    let world = crashed(Some(Death::Refused));
    let handover = ready(&world);
    let seen = |hosts: &[&str]| -> Vec<Monitored> {
        hosts.iter().map(|host| sentinel(0, host).server.unwrap().monitored.unwrap()).collect()
    };
    let (old, new) = (ip(0), ip(2));
    assert_eq!(handover.gate(&seen(&[&old, &old, &new])), Ok(()));
    assert_eq!(handover.gate(&seen(&[&old])), Err(Closed::NoMajority(1, 2)));
    assert_eq!(handover.gate(&seen(&[&old, &old, &ip(1)])), Err(Closed::Disagreement(address(1))));
    let mut ahead = seen(&[&old, &old]);
    ahead[0].config_epoch = handover.epoch;
    assert_eq!(handover.gate(&ahead), Err(Closed::Epoch(handover.epoch)));
    assert_eq!(handover.taken_over(&seen(&[&new, &new, &old])), Ok(()));
    assert_eq!(handover.taken_over(&seen(&[&new, &old])), Err(Closed::NotTaken(1, 2)));
    assert_eq!(handover.standing(&seen(&[&new, &old, &old])), Some(address(0)));
    assert_eq!(handover.standing(&seen(&[&new, &old])), None);
}

#[test]
fn a_sentinel_that_was_left_behind_closes_the_gate_for_a_while_only() {
    let mut world = crashed(Some(Death::Refused));
    edit(&mut world, 2, |m| m.host = "10.0.0.99".to_owned());
    assert!(planned(&world, 2).idle(), "it may know of a pod that we do not know yet");
    let late = planned(&world, 3).handover.expect("a handover");
    assert_eq!(late.to.pod, "rfr-x-2");
    let answers: Vec<_> =
        world.sentinels.iter().filter_map(|node| node.server.clone().unwrap().monitored).collect();
    assert_eq!(late.gate(&answers), Ok(()), "nor when it is asked again");
    edit(&mut world, 2, |m| m.host = ip(1));
    assert!(planned(&world, 3).handover.is_some(), "the server that it names says that it is a replica");
    world.redis[1] = silent(1);
    assert!(planned(&world, 100).idle(), "the server that it names may be master");
}

#[test]
fn all_servers_restarted_the_best_is_announced_and_the_named_one_just_promoted() {
    let restarted = |offsets: [i64; 3]| {
        let redis = (0..3).map(|o| with_data(replica(o, LOOPBACK), offsets[o as usize], 5)).collect();
        planned(&observed(redis, sentinels(&ip(0))), 1)
    };
    let in_place = restarted([90, 80, 80]);
    assert!(
        matches!(&in_place.actions[..], [Action::Promote { pod, .. }] if pod == "rfr-x-0"),
        "{in_place:?}"
    );
    let other = restarted([80, 90, 80]);
    assert_eq!(other.handover.as_ref().map(|handover| handover.to.pod.as_str()), Some("rfr-x-1"));
    let mut incomplete = observed(
        vec![with_data(replica(0, LOOPBACK), 80, 5), silent(1), with_data(replica(2, LOOPBACK), 70, 5)],
        sentinels(&ip(0)),
    );
    assert!(planned(&incomplete, 1).idle(), "the silent one may have more");
    assert!(planned(&incomplete, 179).idle());
    for node in &mut incomplete.sentinels {
        node.server.as_mut().unwrap().monitored.as_mut().unwrap().flags.insert("s_down".to_owned());
    }
    assert!(
        matches!(&planned(&incomplete, 180).actions[..], [Action::Promote { pod, .. }] if pod == "rfr-x-0")
    );
}

#[test]
fn a_master_that_the_sentinels_reach_is_never_replaced() {
    let mut world = crashed(None);
    world.redis[1].before = None;
    let plan = planned(&world, 10_000); // Hours.
    assert!(plan.idle() && plan.available.reason == "MasterUnreachable", "{plan:?}");
}

/// Its pod runs a script that stays silent until another server is master: see `src/desired/scripts/start.sh`.
#[test]
fn an_operator_that_saw_no_death_and_a_master_that_waits_do_not_wait_for_each_other() {
    let mut world = crashed(None);
    for node in &mut world.redis {
        node.before = None;
    }
    world.redis[0].server = Err(Silence::Failed(Error::Refused));
    for masterless in [0, 10, 20] {
        let plan = planned(&world, masterless);
        assert!(plan.idle() && plan.available.reason == "WaitingForSentinels", "{plan:?}");
    }
    let mut elected = world.clone();
    elected.redis[2] = with_data(master(2), 96, 5);
    elected.redis[1] = with_data(replica(1, &ip(2)), 96, 5);
    elected.sentinels = sentinels(&ip(2));
    let plan = planned(&elected, 8);
    assert_eq!(plan.master.as_ref().map(|master| master.pod.as_str()), Some("rfr-x-2"));
    assert!(plan.actions.iter().all(|action| matches!(action, Action::Label { .. })), "{plan:?}");
    // The Sentinels elected nobody, so the script gave up after 20 s.
    world.redis[0] = with_data(replica(0, LOOPBACK), 0, 5);
    assert_eq!(planned(&world, 21).handover.expect("a handover").to.pod, "rfr-x-2");
}

#[test]
fn a_master_that_waits_is_proof_enough_of_its_death() {
    let mut world = crashed(Some(Death::Refused));
    world.redis[0].server = Err(Silence::Failed(Error::Refused));
    assert_eq!(ready(&world).to.pod, "rfr-x-2");
    // Promoted, and the operator died before it told the Sentinels: its successor learns of the death anew, or they vote.
    world.redis[2] = with_data(master(2), 96, 5);
    let plan = planned(&world, 0);
    assert_eq!((plan.idle(), plan.available.reason), (true, "SentinelsNameAnother"), "seen once");
}
