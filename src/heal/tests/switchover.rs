//! A master that stops: who takes over, and when it is waited for instead.

use std::time::Duration;

use jiff::Timestamp;

use super::world::*;
use crate::heal::{Action, Memory, Plan, Step, Trouble, plan};
use crate::observe::facts::{Observed, RedisNode, Role};

fn planned(observed: &Observed, rivals_for: u64) -> Plan {
    let now = Timestamp::UNIX_EPOCH + Duration::from_secs(100_000);
    let since = Timestamp::UNIX_EPOCH + Duration::from_secs(100_000 - rivals_for);
    let memory = Memory {
        last_master: Some("rfr-x-0".to_owned()),
        troubles: [(Trouble::Rivals, since)].into(),
        ..Memory::default()
    };
    plan(&plain(), observed, &memory, now)
}

/// The pod of server 0, which is master, was deleted.
fn stopping() -> Observed {
    let mut world = observed(
        vec![
            with_data(master(0), 100, 5),
            with_data(replica(1, &ip(0)), 90, 5),
            with_data(replica(2, &ip(0)), 95, 5),
        ],
        sentinels(&ip(0)),
    );
    world.redis[0].pod.terminating = true;
    world
}

fn role(node: &mut RedisNode) -> &mut Role {
    &mut node.server.as_mut().unwrap().role
}

#[test]
fn a_master_that_stops_hands_over_to_the_replica_that_is_furthest() {
    let plan = planned(&stopping(), 0);
    let handover = plan.handover.as_ref().expect("a handover");
    assert_eq!((&handover.from, handover.serving.as_deref()), (&address(0), Some("rfr-x-0")));
    assert_eq!(handover.to.pod, "rfr-x-2");
    let demoted = handover.steps.iter().position(|step| *step == Step::Demote);
    assert!(demoted < handover.steps.iter().position(|step| *step == Step::Announce), "{:?}", handover.steps);
    assert!(
        plan.actions.iter().any(|action| matches!(action, Action::Follow { pod, .. } if pod == "rfr-x-1"))
    );
    assert!(
        plan.actions.iter().all(|action| !matches!(action, Action::Follow { pod, .. } if pod == "rfr-x-0"))
    );
}

#[test]
fn one_of_todays_template_is_preferred() {
    let mut world = stopping();
    world.redis[2].pod.outdated = true;
    assert_eq!(planned(&world, 0).handover.unwrap().to.pod, "rfr-x-1");
}

#[test]
fn who_is_not_in_sync_takes_nothing_over() {
    let spoil: [fn(&mut RedisNode); 5] = [
        |node| *node = silent(node.pod.ordinal.unwrap()),
        |node| node.pod.terminating = true,
        |node| node.server.as_mut().unwrap().loading = true,
        |node| {
            if let Role::Replica { link_up, .. } = role(node) {
                *link_up = false;
            }
        },
        |node| {
            if let Role::Replica { syncing, .. } = role(node) {
                *syncing = true;
            }
        },
    ];
    for spoil in spoil {
        let mut world = stopping();
        spoil(&mut world.redis[2]);
        assert_eq!(planned(&world, 0).handover.unwrap().to.pod, "rfr-x-1");
        spoil(&mut world.redis[1]);
        let plan = planned(&world, 0);
        assert!(plan.idle() && plan.available.reason == "WaitingForStop", "{plan:?}");
    }
}

#[test]
fn a_failover_of_the_sentinels_goes_first() {
    let mut world = stopping();
    let seen = world.sentinels[1].server.as_mut().unwrap().monitored.as_mut().unwrap();
    seen.flags.insert("failover_in_progress".to_owned());
    let plan = planned(&world, 0);
    assert!(plan.idle() && plan.available.reason == "WaitingForSentinels", "{plan:?}");
}

/// The operator died after the promotion. The old master goes on, so the new one has to follow it before they try again.
#[test]
fn a_handover_that_stopped_half_way_is_begun_anew() {
    let mut world = stopping();
    world.redis[2] = with_data(master(2), 95, 5);
    let once = planned(&world, 0);
    assert!(once.idle() && once.available.reason == "SentinelsNameAnother", "{once:?}");
    let plan = planned(&world, 1);
    assert!(plan.handover.is_none());
    assert!(
        matches!(&plan.actions[..], [Action::Demote { pod, master }] if pod == "rfr-x-2" && *master == address(0)),
        "{plan:?}"
    );
    world.redis[0] = with_data(replica(0, &ip(2)), 95, 5);
    world.redis[0].pod.terminating = true;
    let told = planned(&world, 1).handover.expect("it was demoted already: only the Sentinels do not know");
    assert_eq!((told.to.pod.as_str(), told.serving), ("rfr-x-2", None));
}
