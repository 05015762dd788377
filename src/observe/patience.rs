//! Servers that were silent are not waited for at length again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::held::Ears;
use crate::redis::{Error, Peer, Reply, Servers};

/// How long a server is waited for that was silent last time, or while there is a death to be dealt with.
pub const GRACE: Duration = Duration::from_millis(200);
/// Pause between two tries in the background.
const AGAIN: Duration = Duration::from_secs(1);

/// The servers that are silent, by the unique ids of their pods.
#[derive(Debug, Default)]
pub(super) struct Silent(Mutex<HashMap<String, Asking>>);

/// A server is asked in the background until it answers anything.
#[derive(Debug)]
struct Asking {
    answered: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl Silent {
    /// Forgets the servers that `keep` does not want.
    pub(super) fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|pod, _| keep(pod));
    }

    /// The sign that a silent server answers again; none where it is not silent.
    fn answer(&self, peer: &Peer) -> Option<CancellationToken> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, asking| !asking.answered.is_cancelled());
        all.get(&peer.incarnation).map(|asking| asking.answered.clone())
    }

    /// Notes that a server is silent, and begins to ask it in the background.
    fn note(&self, servers: &Arc<dyn Servers>, peer: &Peer, ears: &Arc<Ears>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(peer.incarnation.clone()).or_insert_with(|| {
            let answered = CancellationToken::new();
            let (servers, peer, ears) = (Arc::clone(servers), peer.clone(), Arc::clone(ears));
            let done = answered.clone();
            let task = tokio::spawn(async move {
                while servers.ask(&peer, &["PING"]).await == Err(Error::Timeout) {
                    sleep(AGAIN).await;
                }
                done.cancel();
                ears.alarm.ring();
            });
            Asking { answered, _task: AbortOnDropHandle::new(task) }
        });
    }
}

/// The servers of one `RedisFailover`, asked with patience for those that deserve it.
pub(super) struct Patient<'a> {
    pub(super) servers: &'a Arc<dyn Servers>,
    pub(super) silent: &'a Silent,
    pub(super) ears: &'a Arc<Ears>,
}

impl Patient<'_> {
    async fn ask_peer(&self, peer: &Peer, command: &[&str]) -> Result<Reply, Error> {
        if let Some(answer) = self.silent.answer(peer)
            && timeout(GRACE, answer.cancelled()).await.is_err()
        {
            return Err(Error::Timeout);
        }
        let mut deaths = self.ears.deaths.subscribe();
        let hurry = async {
            if deaths.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            sleep(GRACE).await;
        };
        let result = tokio::select! {
            result = self.servers.ask(peer, command) => result,
            () = hurry => Err(Error::Timeout),
        };
        if result == Err(Error::Timeout) {
            self.silent.note(self.servers, peer, self.ears);
        }
        result
    }
}

impl Servers for Patient<'_> {
    fn ask<'a>(&'a self, peer: &'a Peer, command: &'a [&'a str]) -> BoxFuture<'a, Result<Reply, Error>> {
        self.ask_peer(peer, command).boxed()
    }
}
