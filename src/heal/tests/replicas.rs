use jiff::Timestamp;

use super::world::*;
use crate::heal::{Action, Memory, Plan, plan};
use crate::observe::facts::Observed;

fn planned(observed: &Observed) -> Plan {
    plan(&plain(), observed, &Memory::default(), Timestamp::UNIX_EPOCH)
}

fn follows(plan: &Plan) -> Vec<&str> {
    let pods = plan.actions.iter().filter(|action| matches!(action, Action::Follow { .. }));
    pods.map(Action::pod).collect()
}

#[test]
fn servers_that_follow_nobody_or_a_stranger_are_told() {
    let world = observed(vec![master(0), replica(1, LOOPBACK), replica(2, "10.9.9.9")], sentinels(&ip(0)));
    let plan = planned(&world);
    assert_eq!(follows(&plan), ["rfr-x-1", "rfr-x-2"]);
    assert!(!plan.in_sync.ok);
}

#[test]
fn an_empty_master_never_wipes_a_server_with_data() {
    let world = observed(
        vec![master(0), with_data(replica(1, LOOPBACK), 9, 4), replica(2, &ip(0))],
        sentinels(&ip(0)),
    );
    let plan = planned(&world);
    assert_eq!(follows(&plan), [""; 0]);
    assert!(plan.in_sync.message.contains("rfr-x-1 holds 4 keys"), "{}", plan.in_sync.message);
    let mut full = world;
    full.redis[0] = with_data(master(0), 50, 4);
    assert_eq!(follows(&planned(&full)), ["rfr-x-1"], "a master with data is another matter");
}

#[test]
fn a_syncing_replica_is_waited_for_and_a_terminating_one_is_not() {
    let mut world = healthy();
    if let Ok(facts) = &mut world.redis[1].server
        && let crate::observe::facts::Role::Replica { syncing, .. } = &mut facts.role
    {
        *syncing = true;
    }
    world.redis[2].pod.terminating = true;
    let plan = planned(&world);
    assert!(plan.actions.is_empty() && !plan.in_sync.ok, "{plan:?}");
    assert!(plan.in_sync.message.contains("rfr-x-1 is syncing"), "{}", plan.in_sync.message);
    assert!(!plan.in_sync.message.contains("rfr-x-2"), "{}", plan.in_sync.message);
}

#[test]
fn one_bad_pod_stops_nothing_else() {
    let mut world = healthy();
    world.redis[1] = silent(1);
    world.redis[1].pod.running = false;
    world.redis[1].pod.waiting = Some("ImagePullBackOff".to_owned());
    world.redis[2] = replica(2, LOOPBACK);
    let plan = planned(&world);
    assert_eq!(follows(&plan), ["rfr-x-2"]);
    assert!(
        plan.in_sync.message.contains("rfr-x-1 does not run: ImagePullBackOff"),
        "{}",
        plan.in_sync.message
    );
}

#[test]
fn the_old_masters_label_is_cleared_before_the_new_one_is_set() {
    let mut world = observed(vec![replica(0, &ip(1)), master(1), replica(2, &ip(1))], sentinels(&ip(1)));
    world.redis[0].pod.role_label = Some("master".to_owned());
    world.redis[1].pod.role_label = Some("slave".to_owned());
    world.redis[2].pod.role_label = None;
    let labels: Vec<_> = planned(&world)
        .actions
        .into_iter()
        .filter_map(|action| match action {
            Action::Label { pod, role } => Some((pod, role)),
            _ => None,
        })
        .collect();
    assert_eq!(labels.last(), Some(&("rfr-x-1".to_owned(), "master")), "{labels:?}");
    assert_eq!(labels.len(), 3);
}
