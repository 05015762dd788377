//! What the planner must remember between two looks at one `RedisFailover`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::{Action, Plan};
use crate::api::Valid;
use crate::api::rules::directive::Directive;

/// A setting of one process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SettingKey {
    /// The pod.
    pub pod: String,
    /// The process: redis' run id, Sentinel's id and what it monitors. A restarted process has another.
    pub process: String,
    /// Name of the setting.
    pub name: String,
    /// Its value as wanted.
    pub value: String,
}

/// What came of a change of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; this is how the server shows the value since, where it shows it at all.
    Shown(Option<String>),
    /// The server refused, with its words.
    Refused(String),
}

/// Something that is acted upon only when it lasts: one look alone may show a moment that passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A server says that it is master beside another one, or beside one that the Sentinels name.
    Rivals,
    /// A Sentinel knows a replica or a peer that is dead and no pod of ours, in a world that is otherwise healthy.
    Ghosts,
    /// A Sentinel knows, or our master serves, a living server that is no pod of ours.
    Strangers,
    /// A Sentinel monitors a server that is no pod of ours.
    WrongMaster,
    /// A Sentinel monitors a server of ours that is not the master.
    Astray,
    /// A switchover was asked for and cannot be yet.
    Request,
}

/// Left behind by earlier looks. Lost when the operator restarts, which costs a repetition and nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Pod of the last master, from the status: survives restarts of the operator.
    pub last_master: Option<String>,
    /// Since when there has been no master.
    pub masterless_since: Option<Timestamp>,
    /// Since when the present master has been there.
    pub stable_since: Option<Timestamp>,
    /// Since when each trouble has lasted without a break.
    pub troubles: BTreeMap<Trouble, Timestamp>,
    /// When a handover failed last.
    pub handover_failed: Option<Timestamp>,
    /// The request for a switchover that was answered, until its annotation is gone.
    pub answered: Option<String>,
    /// Settings that were sent.
    pub settings: BTreeMap<SettingKey, Outcome>,
}

impl Memory {
    /// Takes up what a look at `now` showed.
    pub fn update(&mut self, plan: &Plan, now: Timestamp) {
        let since = |trouble| (trouble, self.troubles.get(&trouble).copied().unwrap_or(now));
        self.troubles = plan.troubles.iter().copied().map(since).collect();
        self.answered = plan.actions.iter().find_map(|action| match action {
            Action::Dismiss { request, .. } => Some(request.clone()),
            _ => None,
        });
        let Some(master) = &plan.master else {
            self.stable_since = None;
            self.masterless_since.get_or_insert(now);
            return;
        };
        if self.last_master.as_deref() != Some(&master.pod) || self.stable_since.is_none() {
            self.stable_since = Some(now);
        }
        self.last_master = Some(master.pod.clone());
        self.masterless_since = None;
    }

    /// Takes up what came of a change of a setting.
    pub fn settle(&mut self, key: SettingKey, outcome: Outcome) {
        self.settings.retain(|old, _| old.pod != key.pod || old.process == key.process);
        self.settings.insert(key, outcome);
    }

    /// How long there has been no master.
    #[must_use]
    pub fn masterless_for(&self, now: Timestamp) -> Duration {
        since(self.masterless_since, now)
    }

    /// How long a trouble has lasted.
    #[must_use]
    pub fn suffered(&self, trouble: Trouble, now: Timestamp) -> Duration {
        since(self.troubles.get(&trouble).copied(), now)
    }

    /// The spec without the settings that a running server refused: one of them in its file would keep a server from
    /// starting.
    #[must_use]
    pub fn bootable<'a>(&self, valid: &'a Valid) -> Cow<'a, Valid> {
        let refused = |directive: &Directive| {
            self.settings.iter().any(|(key, outcome)| {
                let same = key.name == directive.key && (key.value == directive.value || key.name == "save");
                same && matches!(outcome, Outcome::Refused(_))
            })
        };
        if !valid.redis.config.iter().any(refused) {
            return Cow::Borrowed(valid);
        }
        let mut without = valid.clone();
        without.redis.config.retain(|directive| !refused(directive));
        Cow::Owned(without)
    }

    /// How long the present master has been there.
    #[must_use]
    pub fn stable_for(&self, now: Timestamp) -> Duration {
        since(self.stable_since, now)
    }
}

pub(super) fn since(start: Option<Timestamp>, now: Timestamp) -> Duration {
    start.and_then(|start| Duration::try_from(now.duration_since(start)).ok()).unwrap_or_default()
}

impl Action {
    /// The pod that it acts on, or that was asked for.
    #[must_use]
    pub fn pod(&self) -> &str {
        match self {
            Self::Promote { pod, .. }
            | Self::Restart { pod }
            | Self::Introduce { pod, .. }
            | Self::Authenticate { pod }
            | Self::Reset { pod }
            | Self::Follow { pod, .. }
            | Self::Demote { pod, .. }
            | Self::Expel { pod, .. }
            | Self::Failover { pod, .. }
            | Self::Label { pod, .. }
            | Self::Monitor { pod, .. } => pod,
            Self::Dismiss { request, .. } => request,
            Self::SetRedis(key) | Self::SetSentinel(key) => &key.pod,
        }
    }
}
