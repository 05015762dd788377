//! A master that stops: who takes over, and when it is waited for instead.

use std::time::Duration;

use jiff::Timestamp;

use super::world::*;
use crate::heal::{Action, Memory, Plan, Step, Trouble, plan, switchover};
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

#[test]
fn a_handover_that_failed_is_not_tried_again_at_once() {
    let now = Timestamp::UNIX_EPOCH + Duration::from_secs(100_000);
    for (seconds, tried) in [(0, false), (9, false), (10, true)] {
        let failed = Some(now - Duration::from_secs(seconds));
        let memory = Memory { handover_failed: failed, ..Memory::default() };
        let plan = plan(&plain(), &stopping(), &memory, now);
        assert_eq!(plan.handover.is_some(), tried, "after {seconds} s: {plan:?}");
    }
}

fn asked(request: &str, observed: &Observed) -> Plan {
    let mut valid = plain();
    valid.identity.annotations.insert(switchover::annotation(), request.to_owned());
    let memory = Memory { last_master: Some("rfr-x-0".to_owned()), ..Memory::default() };
    plan(&valid, observed, &memory, Timestamp::UNIX_EPOCH)
}

fn answer(plan: &Plan) -> Option<&Result<String, String>> {
    plan.actions.iter().find_map(|action| match action {
        Action::Dismiss { outcome, .. } => Some(outcome),
        _ => None,
    })
}

#[test]
fn a_request_is_carried_out_and_answered_once() {
    for (request, heir) in [("rfr-x-2", "rfr-x-2"), ("any", "rfr-x-1")] {
        let plan = asked(request, &healthy());
        assert_eq!(plan.handover.as_ref().expect("a handover").to.pod, heir);
        assert!(matches!(answer(&plan), Some(Ok(_))), "{plan:?}");
        assert!(matches!(plan.actions.last(), Some(Action::Dismiss { .. })), "only after it worked");
    }
    let there = asked("rfr-x-0", &healthy());
    assert!(there.handover.is_none() && matches!(answer(&there), Some(Ok(_))), "{there:?}");
}

#[test]
fn a_request_that_cannot_be_is_refused_with_the_reason() {
    let mut behind = healthy();
    behind.redis[2] = replica(2, LOOPBACK);
    for (request, world, why) in [
        ("rfr-x-7", healthy(), "rfr-x-7 is no replica that is in sync"),
        ("rfr-x-2", behind, "rfr-x-2 is no replica that is in sync"),
    ] {
        let plan = asked(request, &world);
        assert!(plan.handover.is_none());
        assert_eq!(answer(&plan), Some(&Err(why.to_owned())));
    }
}

/// Sentinels that have just started know nobody yet.
#[test]
fn a_request_waits_for_sentinels_that_are_not_fit_yet_and_not_for_ever() {
    let mut valid = plain();
    valid.identity.annotations.insert(switchover::annotation(), "any".to_owned());
    let mut world = healthy();
    world.sentinels.iter_mut().for_each(|node| node.server.as_mut().unwrap().current_epoch = None);
    let now = Timestamp::UNIX_EPOCH + Duration::from_secs(100_000);
    for (seconds, refused) in [(0, false), (29, false), (30, true)] {
        let troubles = [(Trouble::Request, now - Duration::from_secs(seconds))].into();
        let plan = plan(&valid, &world, &Memory { troubles, ..Memory::default() }, now);
        assert_eq!(answer(&plan).is_some(), refused, "after {seconds} s: {plan:?}");
        assert!(
            refused || plan.troubles.contains(&Trouble::Request) && plan.look_again < Duration::from_secs(1)
        );
    }
}

/// The annotation may still be there in the next look: it was not removed, or the cache is behind.
#[test]
fn a_request_that_was_carried_out_is_not_carried_out_again() {
    let mut valid = plain();
    valid.identity.annotations.insert(switchover::annotation(), "any".to_owned());
    let (now, mut memory) = (Timestamp::UNIX_EPOCH, Memory::default());
    let first = plan(&valid, &healthy(), &memory, now);
    assert!(first.handover.is_some());
    memory.update(&first, now);
    let again = plan(&valid, &healthy(), &memory, now);
    assert!(again.handover.is_none() && matches!(answer(&again), Some(Ok(_))), "{again:?}");
    memory.update(&again, now);
    let failed = Memory { handover_failed: Some(now), ..memory.clone() };
    assert!(matches!(answer(&plan(&valid, &healthy(), &failed, now)), Some(Err(_))));
    memory.update(&plan(&plain(), &healthy(), &memory, now), now);
    assert!(plan(&valid, &healthy(), &memory, now).handover.is_some(), "a new request");
}
