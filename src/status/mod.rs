//! The status of a `RedisFailover`, from what was seen and planned. Pure.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::act::Failure;
use crate::api::problem::summary;
use crate::api::status::{CountStatus, MasterStatus, Phase};
use crate::api::{Problem, RedisFailoverStatus, Valid};
use crate::desired::labels::Component;
use crate::heal::{Finding, Plan};
use crate::observe::facts::{Observed, PodFacts};

/// Condition: everything is as the spec wants it.
pub const READY: &str = "Ready";
/// Condition: the spec keeps the rules.
pub const SPEC_VALID: &str = "SpecValid";
/// Condition: there is one master.
pub const MASTER_AVAILABLE: &str = "MasterAvailable";
/// Condition: every replica follows the master and is in sync.
pub const REPLICAS_IN_SYNC: &str = "ReplicasInSync";
/// Condition: the Sentinels agree on the master.
pub const SENTINEL_QUORUM: &str = "SentinelQuorum";
/// Condition: every server has the settings of customConfig.
pub const CONFIG_APPLIED: &str = "ConfigApplied";
/// Condition: every pod runs what the spec says today.
pub const PODS_UP_TO_DATE: &str = "PodsUpToDate";
/// Condition: every child could be written.
pub const OBJECTS_APPLIED: &str = "ObjectsApplied";

/// Everything that one reconcile found out.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The checked spec.
    pub valid: &'a Valid,
    /// Its generation.
    pub generation: Option<i64>,
    /// What was seen.
    pub observed: &'a Observed,
    /// What is to be done about it.
    pub plan: &'a Plan,
    /// What did not work before the look: objects that could not be written, a Secret that could not be read.
    pub failures: &'a [Failure],
}

/// The status after a look and a plan.
#[must_use]
pub fn of_plan(look: &Look<'_>, old: &RedisFailoverStatus, now: Timestamp) -> RedisFailoverStatus {
    let Look { valid, generation, observed, plan, failures } = *look;
    let redis = count(valid.redis.replicas, observed.redis.iter().map(|node| &node.pod));
    let sentinel = count(valid.sentinel.replicas, observed.sentinels.iter().map(|node| &node.pod));
    let objects = objects_applied(failures);
    let aspects = [
        (OBJECTS_APPLIED, &objects),
        (MASTER_AVAILABLE, &plan.available),
        (REPLICAS_IN_SYNC, &plan.in_sync),
        (SENTINEL_QUORUM, &plan.quorum),
        (CONFIG_APPLIED, &plan.config),
        (PODS_UP_TO_DATE, &plan.up_to_date),
    ];
    let ready = readiness(&aspects, redis, sentinel, plan);
    let fine = Finding { ok: true, reason: "Accepted", message: "the spec keeps all rules".to_owned() };
    let mut conditions = vec![condition(READY, &ready, generation, old, now)];
    conditions.push(condition(SPEC_VALID, &fine, generation, old, now));
    conditions.extend(aspects.iter().map(|(name, finding)| condition(name, finding, generation, old, now)));
    RedisFailoverStatus {
        phase: Some(phase(plan, &ready, old)),
        master: plan
            .master
            .as_ref()
            .map(|master| MasterStatus { pod: master.pod.clone(), address: master.address.to_string() })
            .or_else(|| old.master.clone()), // Who was master last decides who may become it.
        redis,
        sentinel,
        selector: Some(selector(&valid.identity.name)),
        ready: Some(format!("{}/{}", redis.ready + sentinel.ready, redis.replicas + sentinel.replicas)),
        observed_generation: generation,
        conditions,
    }
}

/// Whether everything is as the spec wants it.
#[must_use]
pub fn is_ready(status: &RedisFailoverStatus) -> bool {
    status.conditions.iter().any(|condition| condition.type_ == READY && condition.status == "True")
}

/// The redis pods as a label selector in text, for the scale subresource.
fn selector(name: &str) -> String {
    let labels = crate::desired::labels::selector(name, Component::Redis);
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// The status of a spec that breaks rules: what was seen before stands, because nothing was changed.
#[must_use]
pub fn of_problems(
    problems: &[Problem],
    generation: Option<i64>,
    old: &RedisFailoverStatus,
    now: Timestamp,
) -> RedisFailoverStatus {
    let refused = Finding { ok: false, reason: "RuleBroken", message: summary(problems) };
    let not_ready = Finding {
        ok: false,
        reason: "SpecInvalid",
        message: "the spec breaks a rule, see the condition SpecValid; its pods stay as they are".to_owned(),
    };
    RedisFailoverStatus {
        phase: Some(Phase::Invalid),
        observed_generation: generation,
        conditions: replaced(old, &[(READY, not_ready), (SPEC_VALID, refused)], generation, now),
        ..old.clone()
    }
}

/// The status when a step failed before anything could be seen.
#[must_use]
pub fn of_error(
    reason: &'static str,
    message: &str,
    generation: Option<i64>,
    old: &RedisFailoverStatus,
    now: Timestamp,
) -> RedisFailoverStatus {
    let finding = Finding { ok: false, reason, message: message.to_owned() };
    RedisFailoverStatus {
        phase: Some(if old.master.is_some() { Phase::Degraded } else { Phase::Pending }),
        observed_generation: generation,
        conditions: replaced(old, &[(READY, finding)], generation, now),
        ..old.clone()
    }
}

/// The old conditions with some of them renewed, the new ones first.
fn replaced(
    old: &RedisFailoverStatus,
    fresh: &[(&str, Finding)],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut conditions: Vec<_> =
        fresh.iter().map(|(name, f)| condition(name, f, generation, old, now)).collect();
    let others = old.conditions.iter().filter(|c| !fresh.iter().any(|(name, _)| c.type_ == *name)).cloned();
    conditions.extend(others);
    conditions
}

fn condition(
    name: &str,
    finding: &Finding,
    generation: Option<i64>,
    old: &RedisFailoverStatus,
    now: Timestamp,
) -> Condition {
    let status = if finding.ok { "True" } else { "False" };
    let before = old.conditions.iter().find(|c| c.type_ == name && c.status == status);
    Condition {
        type_: name.to_owned(),
        status: status.to_owned(),
        reason: finding.reason.to_owned(),
        message: finding.message.clone(),
        observed_generation: generation,
        last_transition_time: before.map_or_else(|| Time(seconds(now)), |c| c.last_transition_time.clone()),
    }
}

/// Kubernetes keeps whole seconds; so do we, or every comparison would differ.
fn seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

fn readiness(
    aspects: &[(&str, &Finding)],
    redis: CountStatus,
    sentinel: CountStatus,
    plan: &Plan,
) -> Finding {
    let mut missing: Vec<String> = aspects
        .iter()
        .filter(|(_, finding)| !finding.ok)
        .map(|(_, finding)| finding.message.clone())
        .collect();
    for (what, count) in [("redis servers", redis), ("Sentinels", sentinel)] {
        if count.ready < count.replicas {
            missing.push(format!("{} of {} {what} are ready", count.ready, count.replicas));
        }
    }
    if missing.is_empty() && plan.idle() {
        return Finding { ok: true, reason: "AsWanted", message: plan.available.message.clone() };
    }
    let reason =
        aspects.iter().find(|(_, finding)| !finding.ok).map_or("NotReady", |(_, finding)| finding.reason);
    Finding { ok: false, reason, message: missing.join("; ") }
}

fn phase(plan: &Plan, ready: &Finding, old: &RedisFailoverStatus) -> Phase {
    let was_up = !matches!(old.phase, None | Some(Phase::Pending | Phase::Creating)) && old.master.is_some();
    match (&plan.master, was_up) {
        _ if ready.ok => Phase::Ready,
        (None, true) => Phase::FailingOver,
        (_, false) => Phase::Creating,
        (Some(_), true) if plan.config.reason == "Applying" || !plan.up_to_date.ok => Phase::Updating,
        (Some(_), true) => Phase::Degraded,
    }
}

fn objects_applied(failures: &[Failure]) -> Finding {
    let Some(first) = failures.first() else {
        return Finding {
            ok: true,
            reason: "Written",
            message: "every child is as the spec wants it".to_owned(),
        };
    };
    let all: Vec<_> = failures.iter().map(|failure| failure.text.as_str()).collect();
    Finding { ok: false, reason: first.reason, message: all.join("; ") }
}

fn count<'a>(wanted: i32, pods: impl Iterator<Item = &'a PodFacts>) -> CountStatus {
    let ready = pods.filter(|pod| pod.ready && !pod.terminating).count();
    CountStatus { replicas: wanted, ready: i32::try_from(ready).unwrap_or(i32::MAX) }
}
