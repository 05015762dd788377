use jiff::Timestamp;
use rstest::rstest;
use serde_json::json;

use super::world::*;
use crate::heal::{Action, Memory, Outcome, Plan, SettingKey, plan};
use crate::observe::facts::Observed;

fn with(entries: &[&str], shown: &[(&str, &str)]) -> (crate::api::Valid, Observed) {
    let spec = valid(json!({"redis": {"customConfig": entries}}));
    let mut world = healthy();
    for node in &mut world.redis {
        if let Ok(facts) = &mut node.server {
            facts.config =
                shown.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        }
    }
    (spec, world)
}

fn planned(case: &(crate::api::Valid, Observed), memory: &Memory) -> Plan {
    plan(&case.0, &case.1, memory, Timestamp::UNIX_EPOCH)
}

#[rstest]
#[case::same("hz 50", "hz", "50", true)]
#[case::other("hz 50", "hz", "10", false)]
#[case::memory_size("maxmemory 100mb", "maxmemory", "104857600", true)]
#[case::decimal_size("maxmemory 100M", "maxmemory", "100000000", true)]
#[case::case("appendonly YES", "appendonly", "yes", true)]
#[case::empty("save \"\"", "save", "", true)]
#[case::points("save 900 1 300 10", "save", "900 1 300 10", true)]
#[case::class(
    "client-output-buffer-limit normal 1mb 0 0",
    "client-output-buffer-limit",
    "normal 1048576 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    true
)]
#[case::replica_class(
    "client-output-buffer-limit replica 256mb 64mb 60",
    "client-output-buffer-limit",
    "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    true
)]
#[case::other_class(
    "client-output-buffer-limit pubsub 1 1 1",
    "client-output-buffer-limit",
    "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    false
)]
fn only_what_differs_is_set(
    #[case] entry: &str,
    #[case] name: &str,
    #[case] shown: &str,
    #[case] equal: bool,
) {
    let plan = planned(&with(&[entry], &[(name, shown)]), &Memory::default());
    assert_eq!(plan.actions.is_empty(), equal, "{:?}", plan.actions);
    assert_eq!(plan.config.ok, equal, "{:?}", plan.config);
    assert_eq!(plan.actions.len(), if equal { 0 } else { 3 }, "on every server");
}

#[test]
fn several_save_entries_are_one_value() {
    let plan = planned(&with(&["save 900 1 300 10"], &[("save", "3600 1")]), &Memory::default());
    let Some(Action::SetRedis(key)) = plan.actions.first() else { panic!("{plan:?}") };
    assert_eq!((key.name.as_str(), key.value.as_str()), ("save", "900 1 300 10"));
}

#[test]
fn a_value_that_the_server_shows_in_its_own_way_is_not_set_again() {
    let case = with(&["notify-keyspace-events KEA"], &[("notify-keyspace-events", "AKE")]);
    let mut memory = Memory::default();
    let keys: Vec<SettingKey> = planned(&case, &memory)
        .actions
        .into_iter()
        .map(|action| match action {
            Action::SetRedis(key) => key,
            other => panic!("{other:?}"),
        })
        .collect();
    for key in keys {
        memory.settle(key, Outcome::Shown(Some("AKE".to_owned())));
    }
    assert!(planned(&case, &memory).healthy());
    let mut edited = case;
    set_config(&mut edited.1, "notify-keyspace-events", "E");
    assert_eq!(planned(&edited, &memory).actions.len(), 3, "somebody changed it by hand");
}

#[test]
fn a_refused_setting_is_said_and_not_sent_again() {
    let case = with(&["hz 50"], &[("hz", "10")]);
    let mut memory = Memory::default();
    for action in planned(&case, &memory).actions {
        let Action::SetRedis(key) = action else { panic!("{action:?}") };
        memory.settle(key, Outcome::Refused("ERR no".to_owned()));
    }
    let plan = planned(&case, &memory);
    assert!(plan.actions.is_empty() && plan.config.reason == "Refused", "{plan:?}");
    assert!(plan.config.message.contains("rfr-x-1 refused `hz 50`: ERR no"), "{}", plan.config.message);
}

#[test]
fn a_restarted_server_is_asked_anew() {
    let mut case = with(&["hz 50"], &[("hz", "10")]);
    let mut memory = Memory::default();
    for action in planned(&case, &memory).actions {
        let Action::SetRedis(key) = action else { panic!("{action:?}") };
        memory.settle(key, Outcome::Refused("ERR no".to_owned()));
    }
    if let Ok(facts) = &mut case.1.redis[2].server {
        facts.run_id = "another".to_owned();
    }
    assert_eq!(planned(&case, &memory).actions.iter().map(Action::pod).collect::<Vec<_>>(), ["rfr-x-2"]);
}

#[test]
fn sentinel_settings_where_they_differ_and_only_once_they_monitor_the_master() {
    let spec = valid(json!({"sentinel": {"customConfig": ["down-after-milliseconds 2000"]}}));
    let mut world = healthy();
    if let Some(monitored) = world.sentinels[1].server.as_mut().unwrap().monitored.as_mut() {
        monitored.settings.insert("down-after-milliseconds".to_owned(), "2000".to_owned());
    }
    let plan = crate::heal::plan(&spec, &world, &Memory::default(), Timestamp::UNIX_EPOCH);
    assert_eq!(plan.actions.iter().map(Action::pod).collect::<Vec<_>>(), ["rfs-x-0", "rfs-x-2"]);
    world.sentinels = sentinels(LOOPBACK);
    let plan = crate::heal::plan(&spec, &world, &Memory::default(), Timestamp::UNIX_EPOCH);
    assert!(
        !plan.actions.iter().any(|action| matches!(action, Action::SetSentinel(_))),
        "{:?}",
        plan.actions
    );
}
