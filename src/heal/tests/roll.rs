//! Rolling updates: who is replaced when, and what holds them up.

use jiff::Timestamp;
use rstest::rstest;
use serde_json::json;

use super::world::*;
use crate::api::Valid;
use crate::heal::{Action, Memory, Plan, plan};
use crate::observe::facts::Observed;

fn of(valid: &Valid, observed: &Observed) -> Plan {
    let memory = Memory { last_master: Some("rfr-x-0".to_owned()), ..Memory::default() };
    plan(valid, observed, &memory, Timestamp::UNIX_EPOCH)
}

fn planned(observed: &Observed) -> Plan {
    of(&plain(), observed)
}

/// These are of an older template.
fn outdated(ordinals: &[usize]) -> Observed {
    let mut world = healthy();
    for ordinal in ordinals {
        world.redis[*ordinal].pod.outdated = true;
    }
    world
}

fn restarted(plan: &Plan) -> Vec<&str> {
    let pod = |action: &Action| matches!(action, Action::Restart { .. });
    plan.actions.iter().filter(|action| pod(action)).map(Action::pod).collect()
}

#[test]
fn replicas_first_then_the_master_hands_over_and_then_it_is_one_of_them() {
    assert!(planned(&outdated(&[])).healthy());
    assert_eq!(restarted(&planned(&outdated(&[0, 1, 2]))), ["rfr-x-2"]);
    assert_eq!(restarted(&planned(&outdated(&[0, 1]))), ["rfr-x-1"]);
    let last = planned(&outdated(&[0]));
    let handover = last.handover.as_ref().expect("a handover");
    assert_eq!((handover.serving.as_deref(), handover.to.pod.as_str()), (Some("rfr-x-0"), "rfr-x-1"));
    assert!(restarted(&last).is_empty());
    assert!(!last.up_to_date.ok && last.up_to_date.message.contains("rfr-x-0"), "{:?}", last.up_to_date);
}

#[rstest]
#[case::one_is_not_ready(|world: &mut Observed| world.redis[1].pod.ready = false)]
#[case::one_is_going(|world: &mut Observed| world.redis[1].pod.terminating = true)]
#[case::one_is_missing(|world: &mut Observed| drop(world.redis.remove(1)))]
#[case::one_does_not_answer(|world: &mut Observed| world.redis[1] = silent(1))]
#[case::one_follows_nobody(|world: &mut Observed| world.redis[1] = replica(1, LOOPBACK))]
#[case::the_sentinels_disagree(|world: &mut Observed| world.sentinels[0] = sentinel(0, LOOPBACK))]
fn nobody_is_taken_away_while_anything_is_wrong(#[case] spoil: fn(&mut Observed)) {
    let mut world = outdated(&[0, 1, 2]);
    spoil(&mut world);
    world.redis.iter_mut().for_each(|node| node.pod.outdated = true);
    let plan = planned(&world);
    assert_eq!(restarted(&plan), [""; 0]);
    assert!(plan.handover.is_none() && plan.up_to_date.reason == "Updating", "{plan:?}");
}

#[test]
fn a_new_pod_that_does_not_start_stops_the_update_and_a_corrected_spec_reaches_it() {
    let mut world = outdated(&[0, 1]);
    world.redis[2] = silent(2);
    let pod = &mut world.redis[2].pod;
    (pod.ready, pod.running, pod.waiting) = (false, false, Some("ImagePullBackOff".to_owned()));
    let stuck = planned(&world);
    assert_eq!((restarted(&stuck).len(), stuck.up_to_date.reason), (0, "UpdateStuck"));
    assert!(stuck.up_to_date.message.contains("ImagePullBackOff"), "{:?}", stuck.up_to_date);
    world.redis[2].pod.outdated = true;
    assert_eq!(restarted(&planned(&world)), ["rfr-x-2"]);
    world.redis[2].pod.terminating = true;
    assert_eq!(restarted(&planned(&world)), [""; 0], "it is going already");
}

#[test]
fn a_single_server_is_replaced_without_a_handover() {
    let alone = valid(json!({"redis": {"replicas": 1}}));
    let mut world = outdated(&[0]);
    world.redis.truncate(1);
    if let crate::observe::facts::Role::Master { replicas } =
        &mut world.redis[0].server.as_mut().unwrap().role
    {
        replicas.clear();
    }
    for node in &mut world.sentinels {
        node.server.as_mut().unwrap().known_replicas.clear();
    }
    assert_eq!(restarted(&of(&alone, &world)), ["rfr-x-0"]);
}

#[test]
fn without_a_master_nothing_is_replaced() {
    let mut world = outdated(&[1]);
    world.redis[0] = silent(0);
    let plan = planned(&world);
    assert!(restarted(&plan).is_empty() && !plan.up_to_date.ok, "{plan:?}");
}
