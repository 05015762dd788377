//! What holds for every plan, whatever the world.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::world::*;
use crate::api::Valid;
use crate::heal::election::related;
use crate::heal::{Action, Memory, plan};
use crate::observe::facts::{Observed, RedisNode, Role, SentinelNode};

fn any_redis(ordinal: u32) -> impl Strategy<Value = RedisNode> {
    let kind = prop_oneof![
        Just(silent(ordinal)),
        Just(master(ordinal)),
        (0..5_u32).prop_map(move |source| {
            let source = match source {
                3 => LOOPBACK.to_owned(),
                4 => "10.9.9.9".to_owned(),
                ours => ip(ours),
            };
            replica(ordinal, &source)
        }),
    ];
    (kind, (0..3_i64, 0..2_u64, 0..3_u32), any::<(bool, bool)>()).prop_map(
        |(node, data, (terminating, loading))| {
            let (offset, keys, history) = data;
            let mut node = with_data(node, offset, keys);
            node.pod.terminating = terminating;
            if let Ok(facts) = &mut node.server {
                facts.loading = loading;
                facts.replication_id = history.to_string();
            }
            node
        },
    )
}

fn any_sentinel(number: u32) -> impl Strategy<Value = SentinelNode> {
    (0..6_u32, any::<(bool, bool)>()).prop_map(move |(host, (failing_over, terminating))| {
        let mut node = match host {
            3 => sentinel(number, LOOPBACK),
            4 => sentinel(number, "10.9.9.9"),
            5 => {
                let mut node = sentinel(number, LOOPBACK);
                node.server = Err(crate::observe::facts::Silence::NotAsked);
                node
            }
            ours => sentinel(number, &ip(ours)),
        };
        node.pod.terminating = terminating;
        if failing_over && let Some(monitored) = node.server.as_mut().ok().and_then(|f| f.monitored.as_mut())
        {
            monitored.flags.insert("failover_in_progress".to_owned());
        }
        node
    })
}

fn any_world() -> impl Strategy<Value = (Valid, Observed, Memory)> {
    let redis = (any_redis(0), any_redis(1), any_redis(2), 0..4_usize);
    let sentinels = (any_sentinel(0), any_sentinel(1), any_sentinel(2), 0..4_usize);
    (redis, sentinels, any::<bool>(), proptest::option::of(0..3_u32), 0..100_i64).prop_map(
        |((a, b, c, servers), (x, y, z, votes), claims, last, masterless)| {
            let mut world = observed(vec![a, b, c], vec![x, y, z]);
            world.redis.truncate(servers);
            world.sentinels.truncate(votes);
            let since = Timestamp::UNIX_EPOCH - Duration::from_secs(masterless.unsigned_abs());
            let memory = Memory {
                last_master: last.map(|ordinal| format!("rfr-x-{ordinal}")),
                masterless_since: Some(since),
                ..Memory::default()
            };
            (if claims { persistent() } else { plain() }, world, memory)
        },
    )
}

fn facts<'a>(world: &'a Observed, pod: &str) -> Option<&'a crate::observe::facts::ServerFacts> {
    world.redis.iter().find(|node| node.pod.name == pod).and_then(|node| node.server.as_ref().ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn no_plan_makes_a_second_master((valid, world, memory) in any_world()) {
        let plan = plan(&valid, &world, &memory, Timestamp::UNIX_EPOCH);
        let masters = world.redis.iter().filter(|n| !n.pod.terminating).filter_map(|n| n.server.as_ref().ok())
            .filter(|f| matches!(f.role, Role::Master { .. })).count();
        let promotions = plan.actions.iter().filter(|a| matches!(a, Action::Promote { .. })).count();
        prop_assert!(promotions == 0 || (masters == 0 && promotions == 1 && plan.handover.is_none()), "{plan:?}");
        if let Some(handover) = &plan.handover {
            let beside = world.redis.iter().filter(|n| !n.pod.terminating && n.pod.name != handover.to.pod)
                .filter(|n| n.server.as_ref().is_ok_and(|f| matches!(f.role, Role::Master { .. })));
            for other in beside {
                let demoted = |a: &Action| matches!(a, Action::Demote { pod, .. } if *pod == other.pod.name);
                prop_assert!(plan.actions.iter().any(demoted), "{plan:?}");
            }
        }
    }

    #[test]
    fn no_plan_puts_an_empty_server_over_data((valid, world, memory) in any_world()) {
        let plan = plan(&valid, &world, &memory, Timestamp::UNIX_EPOCH);
        for action in &plan.actions {
            match action {
                Action::Promote { pod, .. } => {
                    let chosen = facts(&world, pod).unwrap();
                    let better = world.redis.iter().filter(|n| !n.pod.terminating).filter_map(|n| n.server.as_ref().ok())
                        .any(|other| related(other, chosen) && other.offset > chosen.offset);
                    prop_assert!(!better, "{plan:?}");
                }
                Action::Follow { master, .. } | Action::Demote { master, .. } if master.host == LOOPBACK => {}
                Action::Follow { pod, .. } | Action::Demote { pod, .. } => {
                    let to = plan.handover.as_ref().map(|handover| &handover.to);
                    let master = facts(&world, &plan.master.as_ref().or(to).unwrap().pod).unwrap();
                    let wiped = facts(&world, pod).unwrap();
                    prop_assert!(wiped.keys == 0 || master.keys > 0 || master.loading || related(master, wiped), "{plan:?}");
                }
                _ => {}
            }
        }
    }

    #[test]
    fn every_plan_says_what_is_wrong_or_does_nothing((valid, world, memory) in any_world()) {
        let once = plan(&valid, &world, &memory, Timestamp::UNIX_EPOCH);
        prop_assert_eq!(&once, &plan(&valid, &world, &memory, Timestamp::UNIX_EPOCH), "deterministic");
        prop_assert!(once.look_again > Duration::ZERO);
        if once.master.is_none() {
            prop_assert!(!once.available.ok && !once.available.message.is_empty());
        }
        let names: Vec<_> = world.redis.iter().map(|n| &n.pod.name).chain(world.sentinels.iter().map(|n| &n.pod.name)).collect();
        prop_assert!(once.actions.iter().all(|a| names.iter().any(|name| *name == a.pod())), "acts on known pods only");
    }

    #[test]
    fn a_sentinel_that_fails_over_is_left_alone((valid, world, memory) in any_world()) {
        let plan = plan(&valid, &world, &memory, Timestamp::UNIX_EPOCH);
        for action in &plan.actions {
            let Action::Monitor { pod, .. } = action else { continue };
            let node = world.sentinels.iter().find(|n| n.pod.name == *pod).unwrap();
            let busy = node.server.as_ref().is_ok_and(|f| f.monitored.as_ref().is_some_and(|m| m.flags.contains("failover_in_progress")));
            prop_assert!(!busy, "{plan:?}");
        }
    }
}
