//! Tells how long a connection has had no request in flight.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Counts the requests in flight of one connection.
#[derive(Clone)]
pub(crate) struct Activity(watch::Sender<usize>);

impl Activity {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Marks a request as in flight until the guard is dropped.
    pub(crate) fn begin(&self) -> InFlight {
        self.0.send_modify(|in_flight| *in_flight += 1);
        InFlight(self.0.clone())
    }

    /// Returns after `limit` without any request.
    pub(crate) async fn idle_for(&self, limit: Duration) {
        let mut in_flight = self.0.subscribe();
        // The sender lives in `self`, so neither wait can fail.
        while in_flight.wait_for(|count| *count == 0).await.is_ok() {
            if timeout(limit, in_flight.changed()).await.is_err() {
                return;
            }
        }
    }
}

/// A request in flight.
pub(crate) struct InFlight(watch::Sender<usize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_modify(|in_flight| *in_flight -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, sleep};

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
