//! One held connection: it listens, comes back when it ends, and finds out at once what its end means.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::alarm::Alarm;
use super::evidence::{Evidence, Met};
use super::heard::Heard;
use crate::redis::subscription::{End, Message};
use crate::redis::{Error, Peer, Subscription, Topic, greeting};

/// Deadline of a new connection, with all that is said at its start.
const OPEN: Duration = Duration::from_secs(1);
/// Pauses between tries: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));
/// A connection that lived as long as this was a good one: it is replaced without a pause.
const GOOD: Duration = Duration::from_secs(1);
/// How long a server may be quiet before it is asked for a sign of life.
const QUIET: Duration = Duration::from_secs(10);
/// How long it may take to give one. A server that merely hangs keeps its connection for that long: should it end, the
/// connection tells.
const ANSWER: Duration = Duration::from_secs(20);

/// What is learned from the held connections of one `RedisFailover`.
#[derive(Debug)]
pub(super) struct Ears {
    pub(super) alarm: Arc<Alarm>,
    memory: Mutex<Memory>,
    /// Counts the deaths: a look that runs then hurries.
    pub(super) deaths: tokio::sync::watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) evidence: Evidence,
    pub(super) heard: Heard,
}

impl Ears {
    pub(super) fn new(alarm: Alarm) -> Self {
        Self { alarm: Arc::new(alarm), memory: Mutex::default(), deaths: tokio::sync::watch::Sender::new(0) }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to a process is open. True if that is news.
    fn opened(&self, peer: &Peer, topic: Topic, run_id: &str) -> bool {
        if topic == Topic::Events {
            return true;
        }
        let now = Instant::now();
        let met = self.memory().evidence.met(&peer.incarnation, run_id, now);
        if met == Met::Successor {
            tracing::info!(server = %peer.address, "the server was started anew");
            self.died();
        }
        met != Met::Known
    }

    /// The peer closed the connection. What that means is not known yet.
    fn closed(&self, peer: &Peer, run_id: &str) {
        self.memory().evidence.lost(&peer.incarnation, run_id, Instant::now());
    }

    fn refused(&self, peer: &Peer, run_id: &str) {
        let dead = self.memory().evidence.refused(&peer.incarnation, run_id, Instant::now());
        if dead {
            tracing::info!(server = %peer.address, "the server ended: its connection was closed and a new one is refused");
            self.died();
        }
    }

    fn died(&self) {
        self.deaths.send_modify(|deaths| *deaths += 1);
        self.alarm.ring_now();
    }

    fn heard(&self, peer: &Peer, message: &Message<'_>) {
        if message.channel == greeting::CHANNEL.as_bytes() {
            let greeting = greeting::read(message.payload);
            if greeting.is_some_and(|greeting| self.memory().heard.greeted(&greeting, Instant::now())) {
                self.alarm.ring();
            }
            return;
        }
        if message.channel == b"+new-epoch"
            && let Some(epoch) = std::str::from_utf8(message.payload).ok().and_then(greeting::epoch)
        {
            self.memory().heard.reached(&peer.incarnation, epoch);
        }
        self.alarm.ring();
    }
}

/// Holds a connection to a server for ever. An end calls for a look as soon as it is known what it means.
pub(super) async fn hold(peer: Peer, topic: Topic, ears: Arc<Ears>) {
    let mut pause = PAUSES.0;
    let mut ended = false;
    // The process whose connection the peer has just closed.
    let mut closed: Option<String> = None;
    loop {
        let opened = Subscription::open(&peer, topic, OPEN).await;
        if let (Err(End::Failed(Error::Refused)), Some(run_id)) = (&opened, &closed) {
            ears.refused(&peer, run_id);
        }
        let news = opened.as_ref().is_ok_and(|new| ears.opened(&peer, topic, new.run_id()));
        // Closed in the middle of its beginning: the process may be about to end, and the next try tells.
        let unclear = matches!(opened, Err(End::Closed));
        if !unclear {
            closed = None; // Whoever refuses later may be somebody else.
        }
        if news || (ended && !unclear) {
            ears.alarm.ring();
            ended = false;
        }
        if let Ok(mut subscription) = opened {
            let begun = Instant::now();
            let end = listen(&mut subscription, &peer, &ears).await;
            tracing::debug!(server = %peer.address, ?end, "the held connection ended");
            if end == End::Closed {
                ears.closed(&peer, subscription.run_id());
                closed = Some(subscription.run_id().to_owned());
            }
            ended = true;
            if begun.elapsed() >= GOOD {
                pause = PAUSES.0;
                continue;
            }
        }
        sleep(pause).await;
        pause = PAUSES.1.min(pause * 2);
    }
}

/// Listens until the connection ends.
async fn listen(subscription: &mut Subscription, peer: &Peer, ears: &Ears) -> End {
    let mut asked = false;
    loop {
        match timeout(if asked { ANSWER } else { QUIET }, subscription.next()).await {
            Ok(Ok(message)) => {
                asked = false;
                if !message.channel.is_empty() {
                    ears.heard(peer, &message);
                }
            }
            Ok(Err(end)) => return end,
            Err(_) if asked => return End::Failed(Error::Timeout),
            Err(_) => {
                if let Err(end) = subscription.ping().await {
                    return end;
                }
                asked = true;
            }
        }
    }
}
