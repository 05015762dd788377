//! Two masters, and one that the Sentinels do not name.

use std::time::Duration;

use jiff::Timestamp;

use super::world::*;
use crate::heal::{Action, Memory, Plan, Trouble, plan};
use crate::observe::facts::{Death, Observed, Role};

fn planned(observed: &Observed, lasted: u64) -> Plan {
    let now = Timestamp::UNIX_EPOCH + Duration::from_secs(60);
    let since = Timestamp::UNIX_EPOCH + Duration::from_secs(60 - lasted);
    let memory = Memory {
        troubles: [(Trouble::Rivals, since)].into(),
        last_master: Some("rfr-x-0".to_owned()),
        ..Memory::default()
    };
    plan(&plain(), observed, &memory, now)
}

fn demoted(plan: &Plan) -> Vec<&str> {
    plan.actions.iter().filter(|action| matches!(action, Action::Demote { .. })).map(Action::pod).collect()
}

fn without_replicas(mut node: crate::observe::facts::RedisNode) -> crate::observe::facts::RedisNode {
    node.server.as_mut().unwrap().role = Role::default();
    node
}

fn two(named: &str) -> Observed {
    let (a, b) =
        (with_data(without_replicas(master(0)), 10, 1), with_data(without_replicas(master(1)), 20, 1));
    observed(vec![a, b, with_data(replica(2, &ip(1)), 20, 1)], sentinels(named))
}

#[test]
fn the_one_that_the_sentinels_name_stays_and_the_other_is_demoted() {
    for (named, loser) in [(0, "rfr-x-1"), (1, "rfr-x-0")] {
        let plan = planned(&two(&ip(named)), 1);
        assert_eq!(demoted(&plan), [loser]);
        assert_eq!(plan.master.as_ref().unwrap().address, address(named));
        assert!(plan.handover.is_none() && !plan.in_sync.ok);
    }
    assert!(planned(&two(&ip(0)), 0).idle(), "seen once is not enough");
    assert!(planned(&two(&ip(0)), 0).troubles.contains(&Trouble::Rivals));
}

#[test]
fn where_they_name_none_replicas_count_and_then_the_offset() {
    let offset = planned(&two(LOOPBACK), 1);
    assert_eq!(demoted(&offset), ["rfr-x-0"]);
    let mut replicas = two(LOOPBACK);
    replicas.redis[0].server.as_mut().unwrap().role = master(0).server.unwrap().role;
    assert_eq!(demoted(&planned(&replicas, 1)), ["rfr-x-1"], "replicas before offset");
}

#[test]
fn sentinels_that_disagree_get_time_to_agree() {
    let mut world = two(&ip(0));
    world.sentinels[2] = sentinel(2, &ip(1));
    assert!(planned(&world, 9).idle(), "one of them may have failed over just now");
    assert_eq!(demoted(&planned(&world, 10)), ["rfr-x-1"]);
    world.sentinels[2]
        .server
        .as_mut()
        .unwrap()
        .monitored
        .as_mut()
        .unwrap()
        .flags
        .insert("failover_in_progress".into());
    assert!(planned(&world, 60).idle());
}

#[test]
fn an_empty_one_never_stays_beside_one_with_data() {
    let mut world = two(&ip(0));
    let empty = world.redis[0].server.as_mut().unwrap();
    (empty.keys, empty.offset, empty.replication_id) = (0, 0, "fresh".to_owned());
    let plan = planned(&world, 1);
    let handover = plan.handover.as_ref().expect("the Sentinels are told of the other one");
    assert_eq!((handover.to.pod.as_str(), &handover.from), ("rfr-x-1", &address(0)));
    assert_eq!(demoted(&plan), ["rfr-x-0"]);
}

#[test]
fn a_promotion_that_was_never_announced_is_taken_up_again() {
    let mut world = observed(
        vec![
            with_data(silent(0), 0, 0),
            with_data(without_replicas(master(1)), 20, 1),
            with_data(replica(2, &ip(0)), 20, 1),
        ],
        sentinels(&ip(0)),
    );
    let none = planned(&world, 0);
    assert!(none.idle() && none.available.reason == "SentinelsNameAnother", "it may live: {none:?}");
    world.redis[0].death = Some(Death::Refused);
    assert!(planned(&world, 0).idle(), "seen once");
    let plan = planned(&world, 1);
    assert_eq!(plan.handover.as_ref().unwrap().to.pod, "rfr-x-1");
    world.redis[2] = with_data(replica(2, &ip(0)), 30, 1);
    let behind = planned(&world, 1);
    assert!(
        matches!(&behind.actions[..], [Action::Demote { pod, master }] if pod == "rfr-x-1" && master.host == LOOPBACK)
    );
    assert_eq!(
        behind.available.reason, "OldMaster",
        "another one has more: it steps down, and then the best is chosen"
    );
}
