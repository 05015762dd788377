//! What is remembered of each redis server: its last words, and proof that the process which spoke them has ended.
//!
//! Pure. A pod is known by its unique id, a process by its run id. An answer that was asked for before a death was noticed
//! is from before it, whenever it arrives.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::facts::{Death, Observed, PodFacts, RedisNode, Role, ServerFacts, Silence};
use crate::redis::Error;

/// Servers count whole seconds: what they call a second may have been a moment.
const ROUNDING: Duration = Duration::from_secs(1);

/// Who is at the other end of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// The process that answered last.
    Known,
    /// Another process in its place.
    Successor,
    /// The first process of this pod.
    Stranger,
}

/// How long it is remembered that a pod is gone: longer than its replicas need to notice.
const GONE: Duration = Duration::from_secs(60);

/// The memory of the servers of one `RedisFailover`.
#[derive(Debug, Default)]
pub struct Evidence {
    /// By the unique ids of their pods.
    servers: HashMap<String, Remembered>,
    /// The addresses of pods that are gone, and when they went.
    gone: Vec<(String, Instant)>,
}

#[derive(Debug)]
struct Remembered {
    host: Option<String>,
    /// The process that answered last, and since when it is known.
    run_id: String,
    since: Instant,
    /// Its last words.
    said: Option<ServerFacts>,
    /// Its last words before it lost the link that it has lost now.
    linked: Option<ServerFacts>,
    /// When its held connection was closed, if it has not answered since.
    lost: Option<Instant>,
    proof: Option<Proof>,
    /// Last words of the process that ended.
    before: Option<ServerFacts>,
}

#[derive(Clone, Copy, Debug)]
struct Proof {
    death: Death,
    /// When the process was there no more.
    at: Instant,
    /// The planner has seen it.
    shown: bool,
}

impl Evidence {
    /// A connection to a process was opened at `now`.
    pub fn met(&mut self, pod: &str, run_id: &str, now: Instant) -> Met {
        let Some(server) = self.servers.get_mut(pod) else {
            self.servers.insert(pod.to_owned(), Remembered::new(run_id, now));
            return Met::Stranger;
        };
        if server.run_id != run_id {
            server.replaced(run_id, now);
            return Met::Successor;
        }
        server.lost = None;
        server.withdraw();
        Met::Known
    }

    /// The peer closed the connection to this process.
    pub fn lost(&mut self, pod: &str, run_id: &str, now: Instant) {
        if let Some(server) = self.process(pod, run_id) {
            server.lost = Some(now);
        }
    }

    /// The connection to this process was closed, and a new one is refused. True if that is news.
    pub fn refused(&mut self, pod: &str, run_id: &str, now: Instant) -> bool {
        self.process(pod, run_id).is_some_and(|server| server.prove(Death::Refused, now))
    }

    fn process(&mut self, pod: &str, run_id: &str) -> Option<&mut Remembered> {
        self.servers.get_mut(pod).filter(|server| server.run_id == run_id)
    }

    /// Takes up a look that was begun at `asked`, and adds to it what is remembered. Pods that are gone are forgotten.
    pub fn weigh(&mut self, observed: &mut Observed, asked: Instant, now: Instant) {
        self.forget(observed, now);
        for node in &mut observed.redis {
            self.take(node, asked, now);
        }
        let dead = self.servers.values().filter_map(|server| Some((server.host.clone()?, server.proof?.at)));
        let ends: Vec<_> = dead.chain(self.gone.iter().cloned()).collect();
        for node in &mut observed.redis {
            if let Some(server) = self.servers.get_mut(&node.pod.uid) {
                server.show(node, &ends, now);
            }
        }
    }

    /// Forgets the pods that are gone, but for the time when they went: what replicas had from them until then counts.
    fn forget(&mut self, observed: &Observed, now: Instant) {
        let gone = self.servers.extract_if(|pod, _| !observed.redis.iter().any(|node| node.pod.uid == *pod));
        self.gone.extend(gone.filter_map(|(_, server)| {
            let at = server.proof.map(|proof| proof.at).or(server.lost).unwrap_or(now);
            Some((server.host?, at))
        }));
        self.gone.retain(|(host, at)| {
            let taken = observed.redis.iter().any(|node| node.pod.ip.as_ref() == Some(host));
            !taken && now.saturating_duration_since(*at) < GONE
        });
    }

    fn take(&mut self, node: &mut RedisNode, asked: Instant, now: Instant) {
        let pod = &node.pod.uid;
        if let Some(server) = self.servers.get_mut(pod) {
            server.host.clone_from(&node.pod.ip);
        }
        match (&node.server, self.servers.get_mut(pod)) {
            (Ok(facts), Some(server)) => {
                if let Err(silence) = server.answered(facts, asked) {
                    node.server = Err(silence);
                }
            }
            (Ok(facts), None) => {
                let mut server = Remembered::new(&facts.run_id, asked);
                server.said = Some(facts.clone());
                server.host.clone_from(&node.pod.ip);
                self.servers.insert(pod.clone(), server);
            }
            (Err(_), Some(server)) if server.ended(&node.pod) => {
                server.prove(Death::Ended, now);
            }
            (Err(_), _) => {}
        }
    }
}

impl Remembered {
    fn new(run_id: &str, since: Instant) -> Self {
        Self {
            host: None,
            run_id: run_id.to_owned(),
            since,
            said: None,
            linked: None,
            lost: None,
            proof: None,
            before: None,
        }
    }

    /// Takes up an answer that was asked for at `asked`. One from before a death makes the server silent.
    fn answered(&mut self, facts: &ServerFacts, asked: Instant) -> Result<(), Silence> {
        if facts.run_id != self.run_id {
            if asked < self.since {
                return Err(Silence::Failed(Error::Broken("another process took its place".to_owned())));
            }
            self.replaced(&facts.run_id, asked);
            self.said = Some(facts.clone());
            return Ok(());
        }
        match self.proof {
            Some(Proof { death: Death::Restarted, shown, .. }) => {
                if shown && has_its_place(facts) {
                    (self.proof, self.before) = (None, None);
                }
            }
            Some(proof) if proof.at >= asked => {
                self.before = Some(facts.clone());
                return Err(Silence::Failed(Error::Refused));
            }
            _ => self.withdraw(),
        }
        self.lost = self.lost.filter(|lost| *lost >= asked);
        match self.said.replace(facts.clone()) {
            _ if link_up(facts) => self.linked = None,
            Some(earlier) if link_up(&earlier) => self.linked = Some(earlier),
            _ => {}
        }
        Ok(())
    }

    /// Whether its container ended after its last words; both times are of the same clock. Where that was in the same
    /// second and the container runs again, nobody can tell whose words they were.
    fn ended(&self, pod: &PodFacts) -> bool {
        let spoke = self.said.as_ref().and_then(|said| said.clock);
        spoke.zip(pod.ended).is_some_and(|(spoke, ended)| spoke < ended || (spoke == ended && !pod.running))
    }

    fn prove(&mut self, death: Death, now: Instant) -> bool {
        match self.proof {
            Some(Proof { death: Death::Refused | Death::Ended, .. }) => return false,
            // The process that ended now had not found its place: the one before it is who mattered.
            Some(Proof { death: Death::Restarted, .. }) => {}
            None => self.before = self.said.clone(),
        }
        self.proof = Some(Proof { death, at: self.lost.unwrap_or(now), shown: false });
        true
    }

    fn replaced(&mut self, run_id: &str, now: Instant) {
        let at = self.proof.map(|proof| proof.at).or(self.lost).unwrap_or(now);
        let last_words = self.said.take();
        let before = if self.proof.is_some() { self.before.take() } else { last_words };
        *self = Self { host: self.host.take(), ..Self::new(run_id, now) };
        self.before = before;
        self.proof = Some(Proof { death: Death::Restarted, at, shown: false });
    }

    /// The same process answers: it is not dead.
    fn withdraw(&mut self) {
        if self.proof.is_some_and(|proof| proof.death != Death::Restarted) {
            (self.proof, self.before) = (None, None);
        }
    }

    fn show(&mut self, node: &mut RedisNode, ends: &[(String, Instant)], now: Instant) {
        if let Some(proof) = &mut self.proof {
            proof.shown = true;
            node.death = Some(proof.death);
            node.before.clone_from(&self.before);
        } else if let Ok(facts) = &node.server {
            node.before = self.linked.as_ref().filter(|linked| lost_with(linked, facts, ends, now)).cloned();
        } else {
            node.before.clone_from(&self.said);
        }
    }
}

/// Whether a replica lost its link with the end of its master, and not before.
fn lost_with(linked: &ServerFacts, facts: &ServerFacts, ends: &[(String, Instant)], now: Instant) -> bool {
    let (Role::Replica { source, .. }, Some(lost)) = (&linked.role, facts.unlinked_for) else {
        return false;
    };
    ends.iter().any(|(host, at)| {
        *host == source.host && Duration::from_secs(lost) <= now.saturating_duration_since(*at) + ROUNDING
    })
}

fn link_up(facts: &ServerFacts) -> bool {
    matches!(facts.role, Role::Replica { link_up: true, .. })
}

/// A server that comes back follows nobody until it is told what it is.
fn has_its_place(facts: &ServerFacts) -> bool {
    !facts.loading && (matches!(facts.role, Role::Master { .. }) || link_up(facts))
}

#[cfg(test)]
mod tests;
