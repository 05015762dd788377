//! Tells how long a connection has had no request in flight.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Counts the requests in flight of one connection. Nobody is woken for it: there are thousands of requests to one that
/// is the last.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Mutex<State>>);

struct State {
    in_flight: usize,
    /// When the last request ended; before there was one, when the connection began.
    idle_since: Instant,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { in_flight: 0, idle_since: Instant::now() })))
    }

    /// Marks a request as in flight until the guard is dropped.
    pub(crate) fn begin(&self) -> InFlight {
        self.state().in_flight += 1;
        InFlight(self.clone())
    }

    /// Returns after `limit` without any request.
    pub(crate) async fn idle_for(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let idle_since =
                Some(self.state()).filter(|state| state.in_flight == 0).map(|state| state.idle_since);
            let due = idle_since.unwrap_or(now) + limit;
            if due <= now {
                return;
            }
            sleep_until(due).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nobody panics with the lock held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in flight.
pub(crate) struct InFlight(Activity);

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight -= 1;
        state.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_is_idle_after_the_limit() {
        let start = Instant::now();
        Activity::new().idle_for(LIMIT).await;
        assert_eq!(start.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_puts_the_limit_off_until_it_has_ended() {
        let activity = Activity::new();
        let start = Instant::now();
        let requests = async {
            sleep(Duration::from_secs(5)).await;
            let request = activity.begin();
            sleep(Duration::from_secs(60)).await;
            drop(request);
        };
        tokio::join!(activity.idle_for(LIMIT), requests);
        assert_eq!(start.elapsed(), Duration::from_secs(75));
    }
}
