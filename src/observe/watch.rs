//! The watch over all servers: who is listened to, and looks that know what was heard and what was before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures::Stream;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use k8s_openapi::api::core::v1::Pod;
use tokio_util::task::AbortOnDropHandle;

use super::alarm::{Alarm, Owner};
use super::facts::Observed;
use super::held::{Ears, hold};
use super::patience::{Patient, Silent};
use super::pods;
use super::probe::{observe, redis_peer, sentinel_peer};
use crate::api::{Identity, Valid};
use crate::redis::{Peer, Servers, Topic};
use crate::secret::Passwords;

/// Listens to the servers of all `RedisFailovers`. All connections close when it is dropped.
pub struct Watch {
    servers: Arc<dyn Servers>,
    calls: UnboundedSender<Owner>,
    watched: Mutex<HashMap<String, Watched>>,
}

/// What is kept for one `RedisFailover`.
struct Watched {
    ears: Arc<Ears>,
    silent: Arc<Silent>,
    /// By the unique ids of the pods.
    held: HashMap<String, Held>,
}

struct Held {
    peer: Peer,
    _task: AbortOnDropHandle<()>,
}

impl Watch {
    /// A watch that listens to nobody yet, and the calls for looks that come from it.
    pub fn new(servers: Arc<dyn Servers>) -> (Self, impl Stream<Item = Owner> + Send + 'static) {
        let (calls, heard) = unbounded();
        (Self { servers, calls, watched: Mutex::default() }, heard)
    }

    /// Asks all servers of a `RedisFailover`, and listens to those that run from now on.
    pub async fn look(&self, valid: &Valid, pods: &[Arc<Pod>], passwords: &Passwords) -> Observed {
        let (ears, silent) = self.attend(&valid.identity, &listened(valid, pods, passwords));
        let servers = Patient { servers: &self.servers, silent: &silent, ears: &ears };
        let asked = Instant::now();
        let mut observed = observe(&servers, valid, pods, passwords).await;
        let (now, mut memory) = (Instant::now(), ears.memory());
        memory.evidence.weigh(&mut observed, asked, now);
        memory.heard.weigh(&mut observed, now);
        observed
    }

    /// Connections that are held or tried.
    #[must_use]
    pub fn held(&self) -> usize {
        self.lock().values().map(|watched| watched.held.len()).sum()
    }

    /// Forgets the `RedisFailovers` whose unique id `keep` does not want.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|uid, _| keep(uid));
    }

    /// Listens to these servers of a `RedisFailover` and to no others.
    fn attend(&self, owner: &Identity, wanted: &[(Peer, Topic)]) -> (Arc<Ears>, Arc<Silent>) {
        let mut all = self.lock();
        let watched = all.entry(owner.uid.clone()).or_insert_with(|| {
            let owner = Owner { namespace: owner.namespace.clone(), name: owner.name.clone() };
            let ears = Arc::new(Ears::new(Alarm::new(owner, self.calls.clone())));
            Watched { ears, silent: Arc::default(), held: HashMap::new() }
        });
        watched.held.retain(|_, held| wanted.iter().any(|(peer, _)| *peer == held.peer));
        watched.silent.retain(|pod| wanted.iter().any(|(peer, _)| peer.incarnation == pod));
        for (peer, topic) in wanted {
            watched.held.entry(peer.incarnation.clone()).or_insert_with(|| {
                let task = tokio::spawn(hold(peer.clone(), *topic, Arc::clone(&watched.ears)));
                Held { peer: peer.clone(), _task: AbortOnDropHandle::new(task) }
            });
        }
        (Arc::clone(&watched.ears), Arc::clone(&watched.silent))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom to listen to, and for what.
fn listened(valid: &Valid, pods: &[Arc<Pod>], passwords: &Passwords) -> Vec<(Peer, Topic)> {
    let listened = |pod: &Arc<Pod>| match pods::component(pod) {
        pods::REDIS => Some((redis_peer(valid, &pods::pod(pod), passwords)?, Topic::Greetings)),
        pods::SENTINEL => Some((sentinel_peer(&pods::pod(pod), passwords)?, Topic::Events)),
        _ => None,
    };
    pods.iter().filter_map(listened).collect()
}
