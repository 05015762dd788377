use std::time::Duration;

use jiff::Timestamp;

use super::world::*;
use crate::api::Valid;
use crate::heal::{Action, Memory, Plan, plan};
use crate::observe::facts::Observed;

fn planned(valid: &Valid, observed: &Observed, memory: &Memory) -> Plan {
    plan(valid, observed, memory, Timestamp::UNIX_EPOCH + Duration::from_secs(1_000_000))
}

fn promoted(plan: &Plan) -> Option<&str> {
    plan.actions.iter().find_map(|action| match action {
        Action::Promote { pod, .. } => Some(pod.as_str()),
        _ => None,
    })
}

fn masterless_for(seconds: u64, master: &str) -> Memory {
    let since = Timestamp::UNIX_EPOCH + Duration::from_secs(1_000_000 - seconds);
    Memory { last_master: Some(master.to_owned()), masterless_since: Some(since), ..Memory::default() }
}

/// A cluster that had a master once, and has been without one for long.
fn long_masterless(master: &str) -> Memory {
    Memory {
        last_master: Some(master.to_owned()),
        masterless_since: Some(Timestamp::UNIX_EPOCH),
        ..Memory::default()
    }
}

#[test]
fn first_start_promotes_the_first_ordinal_as_soon_as_it_answers() {
    let mut world = newborn();
    assert_eq!(promoted(&planned(&plain(), &world, &Memory::default())), Some("rfr-x-0"));
    world.redis = vec![replica(0, LOOPBACK)];
    world.sentinels.clear();
    assert_eq!(
        promoted(&planned(&plain(), &world, &Memory::default())),
        Some("rfr-x-0"),
        "no need to wait for others"
    );
    world.redis = vec![silent(0), replica(1, LOOPBACK), replica(2, LOOPBACK)];
    let plan = planned(&plain(), &world, &Memory::default());
    assert_eq!((promoted(&plan), plan.available.reason), (None, "WaitingForServers"));
}

#[test]
fn a_claim_may_hold_data_so_all_servers_are_waited_for() {
    let mut world = newborn();
    world.redis.pop();
    let plan = planned(&persistent(), &world, &Memory::default());
    assert_eq!((promoted(&plan), plan.available.reason), (None, "WaitingForServers"));
    world.redis.push(with_data(replica(2, LOOPBACK), 70, 5));
    assert_eq!(promoted(&planned(&persistent(), &world, &Memory::default())), Some("rfr-x-2"));
}

type OffsetsAndKeys = [(i64, u64); 3];

#[test]
fn the_most_data_wins_never_the_age_or_the_ordinal() {
    let cases: [(&str, OffsetsAndKeys, &str); 5] = [
        ("offset", [(10, 3), (30, 3), (20, 3)], "rfr-x-1"),
        ("offset before keys: somebody emptied it", [(100, 0), (30, 3), (20, 3)], "rfr-x-0"),
        ("the last master at equal offsets", [(30, 3), (30, 3), (30, 3)], "rfr-x-2"),
        ("the last master when all are empty", [(0, 0), (0, 0), (0, 0)], "rfr-x-2"),
        ("not the last master when it is empty", [(30, 3), (20, 3), (0, 0)], "rfr-x-0"),
    ];
    for (name, data, want) in cases {
        let redis =
            (0..3).map(|o| with_data(replica(o, LOOPBACK), data[o as usize].0, data[o as usize].1)).collect();
        let world = observed(redis, sentinels(LOOPBACK));
        assert_eq!(
            promoted(&planned(&persistent(), &world, &long_masterless("rfr-x-2"))),
            Some(want),
            "{name}"
        );
    }
}

fn of_history(ordinal: u32, id: &str, offset: i64, keys: u64) -> crate::observe::facts::RedisNode {
    let mut node = with_data(replica(ordinal, LOOPBACK), offset, keys);
    node.server.as_mut().unwrap().replication_id = id.to_owned();
    node
}

#[test]
fn offsets_of_different_histories_are_not_compared() {
    let old_claim =
        [of_history(0, "now", 100, 5), of_history(1, "now", 90, 5), of_history(2, "old", 9_000, 7)];
    let flushed = [of_history(0, "now", 100, 0), of_history(1, "now", 90, 0), of_history(2, "old", 50, 7)];
    let one_each = [of_history(0, "a", 10, 1), of_history(1, "b", 20, 1), of_history(2, "c", 15, 1)];
    let fresh = [of_history(0, "a", 0, 0), of_history(1, "b", 0, 0), of_history(2, "c", 15, 1)];
    for (name, servers, master, want) in [
        ("more servers have it", old_claim.clone(), "rfr-x-9", "rfr-x-0"),
        ("the last master has it", old_claim, "rfr-x-2", "rfr-x-2"),
        ("emptied on purpose", flushed, "rfr-x-0", "rfr-x-0"),
        ("nothing else to go by", one_each, "rfr-x-9", "rfr-x-1"),
        ("one with data beats those without", fresh, "rfr-x-0", "rfr-x-2"),
    ] {
        let world = observed(servers.to_vec(), sentinels(LOOPBACK));
        assert_eq!(promoted(&planned(&persistent(), &world, &long_masterless(master))), Some(want), "{name}");
    }
}

#[test]
fn a_server_that_the_spec_no_longer_wants_is_asked_but_not_chosen() {
    let mut servers: Vec<_> = (0..4).map(|o| with_data(replica(o, LOOPBACK), i64::from(o), 1)).collect();
    let choice = |servers: &[crate::observe::facts::RedisNode]| {
        let world = observed(servers.to_vec(), sentinels(LOOPBACK));
        planned(&persistent(), &world, &masterless_for(179, "rfr-x-3"))
    };
    assert_eq!(promoted(&choice(&servers)), Some("rfr-x-2"));
    servers[1] = silent(1);
    let plan = choice(&servers);
    assert_eq!(
        (promoted(&plan), plan.available.reason),
        (None, "WaitingForServers"),
        "four are not all three"
    );
    servers[1] = with_data(replica(1, LOOPBACK), 1, 1);
    servers[3] = silent(3);
    assert_eq!(promoted(&choice(&servers)), None, "it may be the most advanced");
}

#[test]
fn no_second_master_beside_one_that_is_stopping() {
    let mut world =
        observed(vec![master(0), replica(1, LOOPBACK), replica(2, LOOPBACK)], sentinels(LOOPBACK));
    world.redis[0].pod.terminating = true;
    let plan = planned(&plain(), &world, &long_masterless("rfr-x-0"));
    assert_eq!((promoted(&plan), plan.available.reason), (None, "WaitingForStop"));
}

#[test]
fn a_first_ordinal_that_never_runs_is_not_waited_for_for_ever() {
    let mut first = silent(0);
    first.pod.running = false;
    first.server = Err(crate::observe::facts::Silence::NotAsked);
    let world = observed(vec![first, replica(1, LOOPBACK), replica(2, LOOPBACK)], sentinels(LOOPBACK));
    assert_eq!(promoted(&planned(&plain(), &world, &Memory::default())), None);
    let patient = Memory { masterless_since: Some(Timestamp::UNIX_EPOCH), ..Memory::default() };
    assert_eq!(promoted(&planned(&plain(), &world, &patient)), Some("rfr-x-1"));
    assert_eq!(promoted(&planned(&persistent(), &world, &patient)), None, "its claim may hold data");
}

#[test]
fn a_server_that_cannot_be_asked_is_unknown_not_empty() {
    let redis = vec![with_data(replica(0, LOOPBACK), 10, 1), replica(1, LOOPBACK), silent(2)];
    let mut world = observed(redis, sentinels(LOOPBACK));
    let plan = planned(&plain(), &world, &masterless_for(179, "rfr-x-2"));
    assert_eq!((promoted(&plan), plan.available.reason), (None, "WaitingForServers"));
    let plan = planned(&plain(), &world, &masterless_for(180, "rfr-x-2"));
    assert_eq!(promoted(&plan), Some("rfr-x-0"), "its node may be lost for good");
    world.redis[1].server.as_mut().unwrap().loading = true;
    assert_eq!(
        promoted(&planned(&plain(), &world, &masterless_for(180, "rfr-x-2"))),
        None,
        "this one will tell"
    );
    world.redis = vec![replica(0, LOOPBACK), replica(1, LOOPBACK), silent(2)];
    let empty = planned(&plain(), &world, &long_masterless("rfr-x-2"));
    assert_eq!(promoted(&empty), None, "nothing empty over what may hold data");
}

#[test]
fn a_loading_server_is_waited_for() {
    let mut world = newborn();
    if let Ok(facts) = &mut world.redis[1].server {
        facts.loading = true;
    }
    let plan = planned(&persistent(), &world, &long_masterless("rfr-x-0"));
    assert_eq!((promoted(&plan), plan.available.reason), (None, "WaitingForServers"));
}

#[test]
fn the_sentinels_come_first_where_they_know_a_master() {
    let redis: Vec<_> = (0..3).map(|o| with_data(replica(o, LOOPBACK), 10, 1)).collect();
    let mut world = observed(redis, sentinels(&ip(0)));
    let just_now = Memory { masterless_since: None, ..long_masterless("rfr-x-0") };
    assert_eq!(planned(&plain(), &world, &just_now).available.reason, "WaitingForSentinels", "seen twice");
    assert_eq!(
        promoted(&planned(&plain(), &world, &masterless_for(1, "rfr-x-0"))),
        Some("rfr-x-0"),
        "every server is known, so there is nothing to wait for"
    );
    let known = std::mem::replace(&mut world.redis[1], silent(1));
    assert_eq!(
        planned(&plain(), &world, &masterless_for(29, "rfr-x-0")).available.reason,
        "WaitingForSentinels"
    );
    world.redis[1] = known;
    if let Some(monitored) = world.sentinels[1].server.as_mut().unwrap().monitored.as_mut() {
        monitored.flags.insert("failover_in_progress".to_owned());
    }
    let plan = planned(&plain(), &world, &long_masterless("rfr-x-0"));
    assert_eq!(
        (promoted(&plan), plan.available.reason),
        (None, "WaitingForSentinels"),
        "never into their failover"
    );
}

#[test]
fn sentinels_that_know_none_of_the_servers_are_not_waited_for() {
    let just_now = Memory { masterless_since: None, ..long_masterless("rfr-x-0") };
    let fresh: Vec<_> = (0..3).map(|o| with_data(replica(o, LOOPBACK), 10, 1)).collect();
    let replaced = observed(fresh.clone(), sentinels("10.8.8.8"));
    let told = planned(&plain(), &replaced, &masterless_for(1, "rfr-x-0")).handover.unwrap();
    assert_eq!((told.to.pod.as_str(), told.from.host.as_str()), ("rfr-x-0", "10.8.8.8"));
    let mut stuck = replaced;
    stuck.sentinels[0]
        .server
        .as_mut()
        .unwrap()
        .monitored
        .as_mut()
        .unwrap()
        .flags
        .insert("failover_in_progress".to_owned());
    assert_eq!(promoted(&planned(&plain(), &stuck, &just_now)), None, "a failover is respected");
    assert_eq!(
        promoted(&planned(&plain(), &stuck, &long_masterless("rfr-x-0"))),
        Some("rfr-x-0"),
        "but not for ever"
    );
    let mut followed = fresh;
    followed[1] = with_data(replica(1, "10.8.8.8"), 10, 1);
    followed[2] = silent(2);
    let one_knows_it = observed(followed, sentinels("10.8.8.8"));
    assert_eq!(planned(&plain(), &one_knows_it, &just_now).available.reason, "WaitingForSentinels");
}

#[test]
fn a_healthy_world_needs_nothing() {
    let plan = planned(&plain(), &healthy(), &long_masterless("rfr-x-0"));
    assert!(plan.healthy(), "{plan:?}");
    assert_eq!(plan.master.unwrap().address, address(0));
    assert!(plan.look_again >= Duration::from_secs(5), "{:?}", plan.look_again);
}

#[test]
fn what_cannot_be_healed_yet_is_said_and_left_alone() {
    let two = observed(vec![master(0), master(1), replica(2, &ip(0))], sentinels(&ip(0)));
    let failing_over = observed(vec![master(0), replica(1, &ip(0)), replica(2, &ip(0))], sentinels(&ip(1)));
    for (world, want) in [(two, "SeveralMasters"), (failing_over, "SentinelsNameAnother")] {
        let plan = planned(&plain(), &world, &long_masterless("rfr-x-0"));
        assert_eq!(
            (plan.actions.len(), plan.available.reason, plan.available.ok),
            (0, want, false),
            "{plan:?}"
        );
    }
}
