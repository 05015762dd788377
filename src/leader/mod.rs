//! Leader election by a Lease with compare-and-swap: every write carries the `resourceVersion` that was read.
//!
//! [`decide`] is pure. Expiry is judged by how long this process has seen the record unchanged, never by another
//! machine's clock.

mod elector;
#[cfg(test)]
mod tests;

pub use elector::{Elector, Error, Options};

use std::time::Duration;

use tokio::time::Instant;

/// How long a lease holds without renewal. The values are client-go's defaults for the same purpose.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often the holder renews and others look.
pub const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How long the holder works on without a good renewal; below [`LEASE`] so that it stops before another starts.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// A lease as it was read, with the local time at which it was first seen in this state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who holds it; empty when it was released.
    pub holder: String,
    /// How long it holds without renewal.
    pub duration: Duration,
    /// When this process first saw this very record.
    pub since: Instant,
}

/// What to do about the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is none: make it.
    Create,
    /// It is free or expired: replace it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// It is another's: look again then.
    Wait(Duration),
}

/// Decides what `me` does about the lease at `now`.
#[must_use]
pub fn decide(lease: Option<&Seen>, me: &str, now: Instant) -> Decision {
    let Some(seen) = lease else {
        return Decision::Create;
    };
    if seen.holder == me {
        return Decision::Renew;
    }
    let age = now.saturating_duration_since(seen.since);
    if seen.holder.is_empty() || age >= seen.duration {
        return Decision::Take;
    }
    Decision::Wait(seen.duration.saturating_sub(age).min(RENEW_EVERY))
}
