//! Calls for a look at a `RedisFailover`, before its time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep};

/// The shortest time between two calls that are not urgent: a burst of events is one reason to look, and a storm of them
/// must not keep the operator busy.
const GAP: Duration = Duration::from_millis(100);

/// A `RedisFailover` to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Calls for looks at one `RedisFailover`.
#[derive(Debug)]
pub(super) struct Alarm {
    owner: Owner,
    calls: UnboundedSender<Owner>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    /// A call is put off.
    waiting: bool,
}

impl Alarm {
    pub(super) fn new(owner: Owner, calls: UnboundedSender<Owner>) -> Self {
        Self { owner, calls, state: Mutex::default() }
    }

    /// Calls now, or as soon as the last call is not too young.
    pub(super) fn ring(self: &Arc<Self>) {
        let wait = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let wait = state.last.map_or(Duration::ZERO, |last| GAP.saturating_sub(last.elapsed()));
            if state.waiting {
                return;
            }
            state.waiting = !wait.is_zero();
            wait
        };
        if wait.is_zero() {
            return self.ring_now();
        }
        let alarm = Arc::clone(self);
        tokio::spawn(async move {
            sleep(wait).await;
            alarm.ring_now();
        });
    }

    /// Calls at once, whatever was before.
    pub(super) fn ring_now(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) =
            State { last: Some(Instant::now()), waiting: false };
        // Nobody listens any more: the work is over.
        let _ = self.calls.unbounded_send(self.owner.clone());
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use futures::channel::mpsc::unbounded;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_two_calls_and_what_is_urgent_does_not_wait() {
        let owner = Owner { namespace: "ns".into(), name: "x".into() };
        let (calls, mut heard) = unbounded();
        let alarm = Arc::new(Alarm::new(owner.clone(), calls));
        let start = Instant::now();
        for _ in 0..100 {
            alarm.ring();
        }
        assert_eq!((heard.next().await, start.elapsed()), (Some(owner.clone()), Duration::ZERO));
        alarm.ring_now();
        assert_eq!((heard.next().await, start.elapsed()), (Some(owner.clone()), Duration::ZERO));
        assert_eq!(
            (heard.next().await, start.elapsed()),
            (Some(owner.clone()), GAP),
            "the rest of the burst"
        );
        drop(alarm);
        assert_eq!(heard.next().await, None, "and no more");
    }
}
