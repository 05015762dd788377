use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::*;
use crate::heal::tests::world;
use crate::heal::{Memory, plan};

fn at(seconds: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn status(observed: &Observed, old: &RedisFailoverStatus, now: u64) -> RedisFailoverStatus {
    with_errors(observed, &[], old, now)
}

fn with_errors(
    observed: &Observed,
    failures: &[Failure],
    old: &RedisFailoverStatus,
    now: u64,
) -> RedisFailoverStatus {
    let valid = world::plain();
    let memory = Memory { last_master: old.master.as_ref().map(|m| m.pod.clone()), ..Memory::default() };
    let plan = plan(&valid, observed, &memory, at(now));
    of_plan(&Look { valid: &valid, generation: Some(3), observed, plan: &plan, failures }, old, at(now))
}

fn condition<'a>(status: &'a RedisFailoverStatus, name: &str) -> &'a Condition {
    status.conditions.iter().find(|c| c.type_ == name).unwrap()
}

#[test]
fn a_healthy_world_is_ready_with_all_conditions_true() {
    let status = status(&world::healthy(), &RedisFailoverStatus::default(), 5);
    assert_eq!(status.phase, Some(Phase::Ready));
    assert!(is_ready(&status));
    assert_eq!(status.ready.as_deref(), Some("6/6"));
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(status.master.as_ref().unwrap().address, "10.0.0.1:6379");
    let selector = status.selector.as_deref().unwrap();
    assert!(
        selector.contains("app.kubernetes.io/name=x") && selector.contains("component=redis"),
        "{selector}"
    );
    for name in [
        READY,
        SPEC_VALID,
        MASTER_AVAILABLE,
        REPLICAS_IN_SYNC,
        SENTINEL_QUORUM,
        CONFIG_APPLIED,
        PODS_UP_TO_DATE,
        OBJECTS_APPLIED,
    ] {
        assert_eq!(condition(&status, name).status, "True", "{name}");
    }
}

#[test]
fn nothing_changes_while_nothing_happens() {
    let first = status(&world::healthy(), &RedisFailoverStatus::default(), 5);
    assert_eq!(status(&world::healthy(), &first, 500), first, "or it would be written again and again");
}

#[test]
fn a_transition_time_is_that_of_the_turn() {
    let healthy = status(&world::healthy(), &RedisFailoverStatus::default(), 5);
    let mut world = world::healthy();
    world.redis[2] = world::silent(2);
    world.redis[2].pod.ready = false;
    let degraded = status(&world, &healthy, 60);
    assert_eq!(degraded.phase, Some(Phase::Degraded));
    assert!(!is_ready(&degraded));
    assert_eq!(condition(&degraded, READY).last_transition_time.0, at(60));
    assert_eq!(condition(&degraded, MASTER_AVAILABLE).last_transition_time.0, at(5));
    assert_eq!(condition(&degraded, REPLICAS_IN_SYNC).reason, "ReplicasMissing");
    assert!(condition(&degraded, READY).message.contains("2 of 3 redis servers are ready"));
    let later = status(&world, &degraded, 90);
    assert_eq!(later, degraded);
}

#[test]
fn phases_of_a_life() {
    let newborn = status(&world::newborn(), &RedisFailoverStatus::default(), 1);
    assert_eq!(newborn.phase, Some(Phase::Creating));
    assert!(newborn.master.is_none());
    let ready = status(&world::healthy(), &newborn, 9);
    let mut headless = world::healthy();
    headless.redis[0] = world::silent(0);
    let failing_over = status(&headless, &ready, 20);
    assert_eq!(failing_over.phase, Some(Phase::FailingOver));
    assert_eq!(failing_over.master, ready.master, "who was master last is not forgotten");
    let mut outdated = world::healthy();
    outdated.redis[1].pod.outdated = true;
    let updating = status(&outdated, &ready, 30);
    assert_eq!(updating.phase, Some(Phase::Updating));
    assert!(condition(&updating, PODS_UP_TO_DATE).message.contains("rfr-x-1"));
}

#[test]
fn an_invalid_spec_keeps_what_was_seen() {
    let ready = status(&world::healthy(), &RedisFailoverStatus::default(), 5);
    let problem =
        crate::api::Problem::new("spec.redis.port", "0", "is not a port", "choose one from 1 to 65535");
    let invalid = of_problems(std::slice::from_ref(&problem), Some(4), &ready, at(50));
    assert_eq!((invalid.phase, invalid.observed_generation), (Some(Phase::Invalid), Some(4)));
    assert_eq!(condition(&invalid, SPEC_VALID).message, problem.to_string());
    assert_eq!(condition(&invalid, READY).status, "False");
    assert_eq!((&invalid.master, &invalid.ready), (&ready.master, &ready.ready));
    assert_eq!(invalid.conditions.len(), ready.conditions.len());
}

#[test]
fn an_object_that_cannot_be_written_is_said_beside_everything_else() {
    let error = crate::act::apply::Error::Foreign { object: "Service rfs-x".to_owned() }.into();
    let status = with_errors(&world::healthy(), &[error], &RedisFailoverStatus::default(), 5);
    assert_eq!(condition(&status, OBJECTS_APPLIED).reason, "NameTaken");
    assert_eq!(condition(&status, MASTER_AVAILABLE).status, "True");
    assert_eq!(condition(&status, READY).reason, "NameTaken");
}

#[test]
fn an_error_before_any_look_says_what_to_mend() {
    let status = of_error("SecretMissing", "create it", Some(1), &RedisFailoverStatus::default(), at(1));
    assert_eq!(status.phase, Some(Phase::Pending));
    assert_eq!(
        (condition(&status, READY).reason.as_str(), condition(&status, READY).message.as_str()),
        ("SecretMissing", "create it")
    );
}
