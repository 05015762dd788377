use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::world::*;
use crate::heal::{Action, Memory, Plan, Trouble, plan};
use crate::observe::facts::{Monitored, Observed, Role, SentinelFacts};

fn planned(observed: &Observed, memory: &Memory) -> Plan {
    plan(&plain(), observed, memory, Timestamp::UNIX_EPOCH + Duration::from_secs(60))
}

fn stable_for(seconds: u64) -> Memory {
    let since = Timestamp::UNIX_EPOCH + Duration::from_secs(60 - seconds);
    Memory { stable_since: Some(since), last_master: Some("rfr-x-0".to_owned()), ..Memory::default() }
}

fn pointed(plan: &Plan) -> Vec<(&str, bool)> {
    plan.actions
        .iter()
        .filter_map(|action| match action {
            Action::Monitor { pod, replace, .. } => Some((pod.as_str(), *replace)),
            _ => None,
        })
        .collect()
}

fn facts(observed: &mut Observed, number: usize) -> &mut SentinelFacts {
    observed.sentinels[number].server.as_mut().unwrap()
}

fn edit(observed: &mut Observed, number: usize, change: impl FnOnce(&mut Monitored)) {
    change(facts(observed, number).monitored.as_mut().unwrap());
}

fn troubled_for(trouble: Trouble, seconds: u64) -> Memory {
    let since = Timestamp::UNIX_EPOCH + Duration::from_secs(60 - seconds);
    Memory { troubles: [(trouble, since)].into(), ..stable_for(30) }
}

#[test]
fn sentinels_that_know_nobody_are_told_at_once() {
    let mut world = healthy();
    edit(&mut world, 0, |m| m.host = LOOPBACK.to_owned());
    world.sentinels[2].server.as_mut().unwrap().monitored = None;
    assert_eq!(pointed(&planned(&world, &Memory::default())), [("rfs-x-0", true), ("rfs-x-2", false)]);
}

#[test]
fn sentinels_that_name_a_stranger_are_told_better_when_seen_twice() {
    let mut world = healthy();
    for number in 0..2 {
        edit(&mut world, number, |m| m.host = "10.9.9.9".to_owned());
    }
    let first = planned(&world, &stable_for(30));
    assert!(first.troubles.contains(&Trouble::WrongMaster) && first.actions.is_empty(), "{first:?}");
    let twice = troubled_for(Trouble::WrongMaster, 1);
    assert_eq!(pointed(&planned(&world, &twice)), [("rfs-x-0", true), ("rfs-x-1", true)]);
    flag(&mut world, "failover_in_progress");
    assert!(planned(&world, &twice).actions.is_empty(), "never into a failover");
    let stuck = troubled_for(Trouble::WrongMaster, 15);
    assert_eq!(
        pointed(&planned(&world, &stuck)),
        [("rfs-x-0", true), ("rfs-x-1", true)],
        "but one that never ends is no failover"
    );
}

/// A greeting of a foreign Sentinel, whose epoch is higher than 0, would take it away again.
#[test]
fn a_sentinel_that_is_told_better_gets_the_highest_epoch_and_its_peers() {
    let mut world = healthy();
    edit(&mut world, 0, |m| m.host = "10.9.9.9".to_owned());
    edit(&mut world, 0, |m| m.config_epoch = 7);
    let plan = planned(&world, &troubled_for(Trouble::WrongMaster, 1));
    let hello = |peer: u32| {
        let voice = format!("{},26379,id-{peer}", sentinel_ip(peer));
        let hello = format!("{voice},7,mymaster,{},6379,7", ip(0));
        Action::Introduce { pod: "rfs-x-0".to_owned(), hello }
    };
    assert_eq!(pointed(&plan), [("rfs-x-0", true)]);
    assert_eq!(plan.actions[1..], [hello(1), hello(2)]);
}

#[test]
fn a_sentinel_that_was_cut_off_before_it_had_the_password_gets_it_again() {
    let mut spec = plain();
    let mut world = healthy();
    facts(&mut world, 1).known_replicas.clear();
    flag(&mut world, "s_down");
    flag(&mut world, "disconnected");
    let told = |spec: &crate::api::Valid| plan(spec, &world, &stable_for(30), Timestamp::UNIX_EPOCH).actions;
    assert_eq!(told(&spec), [], "there is no password");
    spec.auth_secret = Some("secret".to_owned());
    assert_eq!(told(&spec), [Action::Authenticate { pod: "rfs-x-1".to_owned() }]);
}

#[test]
fn a_new_master_is_announced_when_the_replicas_are_there_or_after_a_while() {
    let mut world = healthy();
    world.sentinels = sentinels(LOOPBACK);
    if let Ok(facts) = &mut world.redis[0].server {
        facts.role = Role::Master { replicas: Vec::new() };
    }
    assert!(pointed(&planned(&world, &stable_for(1))).is_empty());
    assert_eq!(pointed(&planned(&world, &stable_for(5))).len(), 3);
}

#[test]
fn a_minority_that_names_another_of_our_servers_is_left_to_the_others() {
    let mut world = healthy();
    edit(&mut world, 0, |m| m.host = ip(1));
    let plan = planned(&world, &stable_for(30));
    assert!(plan.actions.is_empty() && !plan.quorum.ok, "{plan:?}");
    assert_eq!(plan.quorum.reason, "SentinelsMissing", "two of three are a quorum");
    let long = planned(&world, &troubled_for(Trouble::Astray, 10));
    assert_eq!(pointed(&long), [("rfs-x-0", true)], "they do not tell it when its epoch is theirs");
}

#[test]
fn a_sentinel_that_fails_over_is_not_touched() {
    let mut world = healthy();
    edit(&mut world, 0, |m| {
        m.host = "10.9.9.9".to_owned();
        m.flags.insert("failover_in_progress".to_owned());
    });
    assert!(planned(&world, &stable_for(30)).actions.is_empty());
}

#[test]
fn a_wrong_quorum_is_set_and_the_users_own_is_kept() {
    let mut world = healthy();
    edit(&mut world, 1, |m| m.quorum = 3);
    let actions = planned(&world, &stable_for(30)).actions;
    let [Action::SetSentinel(key)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((key.pod.as_str(), key.name.as_str(), key.value.as_str()), ("rfs-x-1", "quorum", "2"));
    let own = valid(json!({"sentinel": {"customConfig": ["quorum 3"]}}));
    assert_eq!(own.sentinel.quorum(), 3);
    let actions = plan(&own, &world, &stable_for(30), Timestamp::UNIX_EPOCH).actions;
    assert_eq!(actions.iter().map(Action::pod).collect::<Vec<_>>(), ["rfs-x-0", "rfs-x-2"]);
}

#[test]
fn sentinels_that_do_not_know_one_another_do_not_agree() {
    let mut world = healthy();
    facts(&mut world, 2).known_peers.pop();
    let plan = planned(&world, &stable_for(30));
    assert!(plan.quorum.message.contains("rfs-x-2 knows 1 of 2 other Sentinels"), "{}", plan.quorum.message);
    world.sentinels.truncate(1);
    assert_eq!(planned(&world, &stable_for(30)).quorum.reason, "NoQuorum");
}

fn flag(observed: &mut Observed, flag: &str) {
    edit(observed, 1, |m| {
        m.flags.insert(flag.to_owned());
    });
}

#[test]
fn sentinels_that_lack_a_peer_are_introduced_to_one_another() {
    let mut world = healthy();
    facts(&mut world, 0).known_peers.clear();
    edit(&mut world, 2, |m| m.host = LOOPBACK.to_owned());
    let introduced: Vec<_> = planned(&world, &stable_for(1))
        .actions
        .into_iter()
        .filter(|action| matches!(action, Action::Introduce { .. }))
        .collect();
    let hello = "10.0.1.1,26379,id-1,0,mymaster,10.0.0.1,6379,0".to_owned();
    assert_eq!(
        introduced,
        [Action::Introduce { pod: "rfs-x-0".to_owned(), hello }],
        "only to peers of the same master"
    );
}
