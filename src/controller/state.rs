//! What the operator remembers of each `RedisFailover` between reconciles.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::api::DynamicObject;
use serde::Deserialize;

use super::password;
use crate::act::apply::Applied;
use crate::api::{Identity, RedisFailoverStatus};
use crate::heal::Memory;
use crate::notice::Publisher;

/// Memory of one object. All of it can be lost with the process; what must not be is in the status.
#[derive(Default)]
pub(super) struct State {
    pub(super) memory: Memory,
    pub(super) applied: Applied,
    pub(super) passwords: password::Cache,
    pub(super) publisher: Publisher,
    pub(super) status: RedisFailoverStatus,
    pub(super) failures: u32,
    recalled: bool,
}

impl State {
    /// Takes up the stored status once. Later the own memory is newer than the cache.
    pub(super) fn recall(&mut self, object: &DynamicObject) {
        if self.recalled {
            return;
        }
        self.recalled = true;
        if let Some(stored) =
            object.data.get("status").and_then(|raw| RedisFailoverStatus::deserialize(raw).ok())
        {
            self.memory.last_master = stored.master.as_ref().map(|master| master.pod.clone());
            self.status = stored;
        }
    }
}

/// The memories, by the objects' unique ids.
#[derive(Default)]
pub(super) struct States(Mutex<HashMap<String, (Identity, Shared)>>);

type Shared = Arc<tokio::sync::Mutex<State>>;

impl States {
    /// The memory of one object.
    pub(super) fn of(&self, identity: &Identity) -> Shared {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = all.entry(identity.uid.clone()).or_insert_with(|| (identity.clone(), Arc::default()));
        Arc::clone(&entry.1)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Drops the memories of all others and says whose they were.
    pub(super) fn retain(&self, exists: impl Fn(&str) -> bool) -> Vec<Identity> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<_> =
            all.iter().filter(|(uid, _)| !exists(uid)).map(|(_, (identity, _))| identity.clone()).collect();
        for identity in &gone {
            all.remove(&identity.uid);
        }
        gone
    }
}
