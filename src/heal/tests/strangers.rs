//! Addresses that are no pods of ours.

use std::time::Duration;

use jiff::Timestamp;

use super::world::*;
use crate::heal::{Action, Memory, Plan, Trouble, plan};
use crate::observe::facts::{KnownServer, Observed, ReplicaLink, Role};
use crate::redis::Address;

const NOW: u64 = 60;

fn planned(observed: &Observed, memory: &Memory) -> Plan {
    plan(&plain(), observed, memory, Timestamp::UNIX_EPOCH + Duration::from_secs(NOW))
}

fn troubled(trouble: Trouble, seconds: u64) -> Memory {
    let at = |seconds| Timestamp::UNIX_EPOCH + Duration::from_secs(NOW - seconds);
    Memory {
        troubles: [(trouble, at(seconds))].into(),
        stable_since: Some(at(30)),
        last_master: Some("rfr-x-0".to_owned()),
        ..Memory::default()
    }
}

fn known(host: &str, port: u16, flags: &[&str]) -> KnownServer {
    KnownServer {
        address: Address { host: host.to_owned(), port },
        id: "stranger".to_owned(),
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
    }
}

/// Every Sentinel knows these besides.
fn with_known(replica: Option<&KnownServer>, peer: Option<&KnownServer>) -> Observed {
    let mut world = healthy();
    for node in &mut world.sentinels {
        let facts = node.server.as_mut().unwrap();
        facts.known_replicas.extend(replica.cloned());
        facts.known_peers.extend(peer.cloned());
    }
    world
}

fn reset(plan: &Plan) -> Vec<&str> {
    plan.actions.iter().filter(|action| matches!(action, Action::Reset { .. })).map(Action::pod).collect()
}

#[test]
fn the_dead_are_forgotten_one_sentinel_at_a_time_and_counted_once_for_all() {
    let dead = known("10.9.9.9", 6379, &["slave", "s_down"]);
    let mut world = with_known(Some(&dead), None);
    let first = planned(&world, &Memory::default());
    assert!(first.troubles.contains(&Trouble::Ghosts) && first.actions.is_empty(), "seen once: {first:?}");
    assert!(!first.quorum.ok && first.quorum.reason == "StrangersKnown", "{first:?}");
    assert_eq!(reset(&planned(&world, &troubled(Trouble::Ghosts, 5))), ["rfs-x-0"]);
    let forgetful = world.sentinels[0].server.as_mut().unwrap();
    forgetful.known_replicas.pop();
    let peers = std::mem::take(&mut forgetful.known_peers);
    assert_eq!(
        reset(&planned(&world, &troubled(Trouble::Ghosts, 6))),
        [""; 0],
        "it has not found its peers yet"
    );
    world.sentinels[0].server.as_mut().unwrap().known_peers = peers;
    assert_eq!(reset(&planned(&world, &troubled(Trouble::Ghosts, 6))), ["rfs-x-1"], "no new waiting");
}

#[test]
fn a_living_stranger_is_forgotten_before_a_sentinel_gives_it_orders() {
    for world in [
        with_known(Some(&known("10.9.9.9", 6379, &["slave"])), None),
        with_known(None, Some(&known("10.9.9.9", 26379, &["sentinel"]))),
        with_known(Some(&known(&ip(1), 7777, &["slave"])), None),
    ] {
        assert_eq!(reset(&planned(&world, &troubled(Trouble::Strangers, 1))), [""; 0]);
        assert_eq!(reset(&planned(&world, &troubled(Trouble::Strangers, 2))), ["rfs-x-0"]);
        let mut away = world;
        away.redis[2] = silent(2);
        assert_eq!(
            reset(&planned(&away, &troubled(Trouble::Strangers, 2))),
            ["rfs-x-0"],
            "a replica is away"
        );
    }
}

/// It greets our Sentinels directly, and so makes itself known again to each that forgot it.
#[test]
fn a_living_foreign_sentinel_gets_an_invalid_address_at_once() {
    let world = with_known(None, Some(&known("10.9.9.9", 26379, &["sentinel"])));
    let hello = format!("10.9.9.9,0,stranger,0,mymaster,{},6379,0", ip(0));
    let cut = |number| Action::Introduce { pod: format!("rfs-x-{number}"), hello: hello.clone() };
    assert_eq!(planned(&world, &Memory::default()).actions, [cut(0), cut(1), cut(2)]);
    let dead = with_known(None, Some(&known("10.9.9.9", 0, &["sentinel", "disconnected"])));
    assert_eq!(planned(&dead, &Memory::default()).actions, [], "it is not spoken to any more");
}

/// The next pod with that address may be somebody else's: its data would replace ours.
#[test]
fn a_server_whose_source_is_gone_follows_nobody_while_there_is_no_master() {
    let nobody = Action::Follow {
        pod: "rfr-x-1".to_owned(),
        master: Address { host: LOOPBACK.to_owned(), port: 6379 },
    };
    let mut orphan = with_data(replica(1, &ip(0)), 10, 1);
    if let Role::Replica { link_up, .. } = &mut orphan.server.as_mut().unwrap().role {
        *link_up = false;
    }
    let world = observed(vec![orphan, silent(2)], sentinels(&ip(0)));
    let plan = planned(&world, &Memory::default());
    assert_eq!((plan.master, plan.actions), (None, vec![nobody.clone()]));
    let mut linked = world.clone();
    linked.redis[0] = with_data(replica(1, &ip(0)), 10, 1);
    assert_eq!(planned(&linked, &Memory::default()).actions, [], "the old process may live on");
    linked.redis[0] = with_data(replica(1, "10.9.9.9"), 10, 1);
    assert_eq!(
        planned(&linked, &Memory::default()).actions,
        std::slice::from_ref(&nobody),
        "nobody named that one"
    );
    let mut stays = world.clone();
    stays.redis.insert(0, silent(0));
    assert_eq!(planned(&stays, &Memory::default()).actions, [], "its pod is there");
    let mut busy = world;
    flag(&mut busy, "failover_in_progress");
    assert_eq!(planned(&busy, &Memory::default()).actions, [], "the Sentinels may promote it");
}

#[test]
fn a_server_that_is_left_alone_with_its_data_follows_no_stranger() {
    let mut world = healthy();
    world.redis[1] = with_data(replica(1, "10.9.9.9"), 10, 1);
    let plan = planned(&world, &Memory::default());
    let nobody = Address { host: LOOPBACK.to_owned(), port: 6379 };
    assert_eq!(plan.actions, [Action::Follow { pod: "rfr-x-1".to_owned(), master: nobody }]);
    assert!(plan.in_sync.message.contains("so that nothing is lost"), "{plan:?}");
}

#[test]
fn a_stranger_that_our_master_serves_is_cut_off() {
    let mut world = healthy();
    if let Role::Master { replicas } = &mut world.redis[0].server.as_mut().unwrap().role {
        let address = Address { host: "10.9.9.9".to_owned(), port: 6379 };
        replicas.push(ReplicaLink { address, online: true, offset: 0 });
    }
    assert_eq!(planned(&world, &Memory::default()).actions, []);
    let expel = Action::Expel { pod: "rfr-x-0".to_owned(), host: "10.9.9.9".to_owned() };
    assert_eq!(planned(&world, &troubled(Trouble::Strangers, 2)).actions, [expel]);
}

type Change = fn(&mut Observed);

fn flag(world: &mut Observed, flag: &str) {
    world.sentinels[1].server.as_mut().unwrap().monitored.as_mut().unwrap().flags.insert(flag.to_owned());
}

#[test]
fn nobody_forgets_while_anything_else_is_wrong() {
    let haunted = |change: Change| {
        let mut world = with_known(None, Some(&known("10.9.9.9", 26379, &["sentinel", "s_down"])));
        change(&mut world);
        reset(&planned(&world, &troubled(Trouble::Ghosts, 30))).len()
    };
    let wrong: [(&str, Change); 5] = [
        ("master down for one", |world| flag(world, "s_down")),
        ("a failover runs", |world| flag(world, "failover_in_progress")),
        ("a pod is leaving", |world| world.redis[2].pod.terminating = true),
        ("a replica is away", |world| world.redis[2] = silent(2)),
        ("a Sentinel is away", |world| drop(world.sentinels.pop())),
    ];
    assert_eq!(haunted(|_| ()), 1);
    for (name, change) in wrong {
        assert_eq!(haunted(change), 0, "{name}");
    }
}
