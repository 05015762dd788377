//! Kubernetes events: what the operator did, and every turn of a condition. Deciding is pure, publishing is thin.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use certs::Trouble;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::time::{Instant, timeout};

use crate::act::{Done, Failure};
use crate::api::{FIELD_MANAGER, RedisFailoverStatus};
use crate::heal::{Action, Handover};

/// The same event is not published again within this time.
const QUIET: Duration = Duration::from_secs(60);
/// Deadline of publishing one event.
const CALL: Duration = Duration::from_secs(5);
/// Longest note that the API server takes, in bytes.
const NOTE: usize = 1024;

/// One event to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// Something is wrong.
    pub warning: bool,
    /// Fixed name.
    pub reason: String,
    /// For the person on call.
    pub note: String,
}

/// Events that tell what was done.
#[must_use]
pub fn of_actions(done: &[Done]) -> Vec<Notice> {
    let mut notices: Vec<Notice> = Vec::new();
    let mut settings: Vec<(String, Vec<&str>)> = Vec::new();
    for Done { action, result } in done {
        if let Err(error) = result {
            let note = format!("{} failed: {}", describe(action), error.text);
            notices.push(Notice { warning: true, reason: error.reason.to_owned(), note });
            continue;
        }
        match action {
            Action::SetRedis(key) | Action::SetSentinel(key) => {
                let text = format!("{} {}", key.name, key.value);
                match settings.iter_mut().find(|(known, _)| *known == text) {
                    Some((_, pods)) => pods.push(&key.pod),
                    None => settings.push((text, vec![&key.pod])),
                }
            }
            Action::Promote { .. } => notices.push(good("MasterPromoted", describe(action))),
            Action::Demote { .. } => {
                notices.push(bad("SecondMasterDemoted", describe(action)));
            }
            Action::Expel { .. } => {
                notices.push(bad("StrangerExpelled", describe(action)));
            }
            Action::Failover { .. } => notices.push(good("FailoverStarted", describe(action))),
            Action::Follow { .. } => notices.push(good("ReplicaPointed", describe(action))),
            Action::Reset { .. } => notices.push(good("SentinelReset", describe(action))),
            Action::Authenticate { .. } => notices.push(good("SentinelAuthenticated", describe(action))),
            Action::Monitor { .. } => notices.push(good("SentinelPointed", describe(action))),
            Action::Restart { .. } => notices.push(good("PodReplaced", describe(action))),
            Action::Dismiss { outcome: Ok(_), .. } => {
                notices.push(good("SwitchoverDone", describe(action)));
            }
            Action::Dismiss { .. } => notices.push(bad("SwitchoverRefused", describe(action))),
            Action::Label { .. } | Action::Introduce { .. } => {}
        }
    }
    let set = settings
        .iter()
        .map(|(text, pods)| good("SettingApplied", format!("set `{text}` on {}", pods.join(", "))));
    notices.extend(set);
    notices
}

/// The event that tells of a handover.
#[must_use]
pub fn of_handover(handover: &Handover, result: &Result<(), Failure>) -> Notice {
    let Handover { from, to, why, .. } = handover;
    match result {
        Ok(()) => {
            good("MasterReplaced", format!("{} at {} replaced {from} as master: {why}", to.pod, to.address))
        }
        Err(failure) => Notice {
            warning: true,
            reason: failure.reason.to_owned(),
            note: format!("{} did not become master in place of {from}: {}", to.pod, failure.text),
        },
    }
}

/// Events that tell of conditions that turned. A condition that begins as false is no news: the first start is.
#[must_use]
pub fn of_conditions(old: &RedisFailoverStatus, new: &RedisFailoverStatus) -> Vec<Notice> {
    let mut notices = Vec::new();
    for condition in &new.conditions {
        let before = old.conditions.iter().find(|c| c.type_ == condition.type_).map(|c| c.status.as_str());
        let turned = before != Some(condition.status.as_str());
        let first_and_false =
            before.is_none() && condition.status == "False" && condition.type_ != crate::status::SPEC_VALID;
        let first_and_dull = before.is_none() && condition.type_ != crate::status::READY;
        if !turned || first_and_false || (first_and_dull && condition.status == "True") {
            continue;
        }
        notices.push(Notice {
            warning: condition.status == "False",
            reason: condition.reason.clone(),
            note: format!(
                "{} is {}: {}",
                condition.type_,
                condition.status.to_lowercase(),
                condition.message
            ),
        });
    }
    notices
}

/// The event that tells of a turn of the webhook's certificates. Another text about the same trouble is no news.
#[must_use]
pub fn of_certificates(old: Option<&Trouble>, new: Option<&Trouble>) -> Option<Notice> {
    match (old, new) {
        (old, Some(new)) if old.is_none_or(|old| old.reason != new.reason) => {
            Some(Notice { warning: true, reason: new.reason.to_owned(), note: new.text.clone() })
        }
        (Some(old), None) => {
            let note = format!("the webhook's certificates are in order again; before: {}", old.text);
            Some(good("CertificatesInOrder", note))
        }
        _ => None,
    }
}

fn good(reason: &str, note: String) -> Notice {
    Notice { warning: false, reason: reason.to_owned(), note }
}

fn bad(reason: &str, note: String) -> Notice {
    Notice { warning: true, ..good(reason, note) }
}

fn describe(action: &Action) -> String {
    match action {
        Action::Promote { pod, why } => format!("promoted {pod} to master: {why}"),
        Action::Demote { pod, master } => {
            format!("demoted {pod}, a second master: it follows {master} and its clients were disconnected")
        }
        Action::Expel { pod, host } => {
            format!("cut off replicas at {host} from {pod}: no pods of this RedisFailover")
        }
        Action::Failover { pod, why } => format!("had Sentinel {pod} fail over: {why}"),
        Action::Follow { pod, master } => format!("told {pod} to follow the master {master}"),
        Action::Label { pod, role } => format!("labelled {pod} as {role}"),
        Action::Restart { pod } => format!("deleted {pod}, to be made anew from today's pod template"),
        Action::Dismiss { request, outcome: Ok(done) } => format!("a switchover to {request:?}: {done}"),
        Action::Dismiss { request, outcome: Err(why) } => {
            format!("a switchover to {request:?} cannot be: {why}; ask again once it can")
        }
        Action::Monitor { pod, master, .. } => format!("told Sentinel {pod} to monitor the master {master}"),
        Action::Authenticate { pod } => format!("told Sentinel {pod} the password again"),
        Action::Introduce { pod, .. } => format!("told Sentinel {pod} of a peer"),
        Action::Reset { pod } => format!("had Sentinel {pod} forget servers that are gone"),
        Action::SetRedis(key) | Action::SetSentinel(key) => {
            format!("set `{} {}` on {}", key.name, key.value, key.pod)
        }
    }
}

/// Who publishes.
#[derive(Clone)]
pub struct Reporter {
    /// Connection to the API server.
    pub client: Client,
    /// Name of this replica.
    pub instance: String,
}

/// Publishes events about one object, each at most once a minute.
///
/// Each is an object of its own: kube's recorder counts events of one reason together and keeps the first text, so the
/// second failover would be told with the address of the first.
#[derive(Debug, Default)]
pub struct Publisher(HashMap<Notice, Instant>);

impl Publisher {
    /// Publishes what was not published lately. A lost event is logged and never stops the work.
    pub async fn publish(&mut self, reporter: &Reporter, about: &ObjectReference, notices: Vec<Notice>) {
        self.0.retain(|_, at| at.elapsed() < QUIET);
        let namespace = about.namespace.as_deref().unwrap_or("default");
        let api: Api<Event> = Api::namespaced(reporter.client.clone(), namespace);
        for notice in notices {
            if self.0.contains_key(&notice) {
                continue;
            }
            let event = event(&notice, about, &reporter.instance, Timestamp::now());
            match timeout(CALL, api.create(&PostParams::default(), &event)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, reason = notice.reason, "cannot publish an event"),
                Err(_) => tracing::warn!(reason = notice.reason, "publishing an event took too long"),
            }
            self.0.insert(notice, Instant::now());
        }
    }
}

fn event(notice: &Notice, about: &ObjectReference, instance: &str, now: Timestamp) -> Event {
    let name = about.name.as_deref().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:x}", now.as_nanosecond())),
            namespace: about.namespace.clone(),
            ..ObjectMeta::default()
        },
        type_: Some(if notice.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(notice.reason.clone()),
        note: Some(cut(&notice.note)),
        action: Some("Reconcile".to_owned()),
        event_time: Some(MicroTime(now)),
        regarding: Some(about.clone()),
        reporting_controller: Some(FIELD_MANAGER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..Event::default()
    }
}

fn cut(note: &str) -> String {
    let end = (0..=NOTE.min(note.len())).rev().find(|end| note.is_char_boundary(*end)).unwrap_or(0);
    note[..end].to_owned()
}
