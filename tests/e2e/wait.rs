//! Waiting for a condition.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks until the answer is `Ok` and returns it with the time that it took; panics with the last state when that is longer
/// than `limit`.
pub(crate) async fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, String>,
) -> (T, Duration) {
    let began = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return (value, began.elapsed()),
            Err(state) => {
                assert!(began.elapsed() < limit, "{what}: not within {limit:?}; last state: {state}");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// `Ok` where `good`, else the state in words.
pub(crate) fn ensure(good: bool, state: impl FnOnce() -> String) -> Result<(), String> {
    if good { Ok(()) } else { Err(state()) }
}
