//! Reads bodies without letting all of them together take the memory.
//!
//! The first bytes of every body are free: what real reviews have. They are bounded by the number of requests in
//! flight. What is longer waits in a short line for a share of a common room, and large bodies are decoded and decided
//! on one after the other, because decoded JSON takes several times the memory of its text.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::review::ReviewError;
use crate::{MAX_BODY_BYTES, REQUEST_TIMEOUT};

/// Bytes that every body may have without a share of the room. A review of a plain object has 3 to 6 KiB.
pub(crate) const FREE_BYTES: usize = 32 * 1024;
/// Bytes that all longer bodies may have together: two of the longest.
const ROOM_BYTES: usize = 2 * MAX_BODY_BYTES;
/// Longer bodies that may wait for a share. Each takes some 150 KiB: what its peer sends ahead, in three layers.
const LINE: usize = 32;
/// What a body that waited too long needs to say so before [`REQUEST_TIMEOUT`].
const TO_ANSWER: Duration = Duration::from_millis(500);

/// What the long bodies of a server share.
pub(crate) struct Room {
    bytes: Arc<Semaphore>,
    line: Semaphore,
    turn: Arc<Semaphore>,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(ROOM_BYTES)),
            line: Semaphore::new(LINE),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Reads a body to its end.
    pub(crate) async fn read(&self, body: Body) -> Result<Read, ReviewError> {
        let waits_until = Instant::now() + REQUEST_TIMEOUT.saturating_sub(TO_ANSWER);
        let expected = body.size_hint();
        if expected.lower() > MAX_BODY_BYTES as u64 {
            return Err(ReviewError::TooLarge);
        }
        let mut read = Read { text: Vec::new(), share: None, turn: None };
        let longest =
            expected.exact().map_or(MAX_BODY_BYTES, |bytes| bytes.try_into().unwrap_or(MAX_BODY_BYTES));
        let mut body = body;
        while let Some(frame) = body.frame().await {
            // Trailers say nothing to us.
            let Ok(data) = frame.map_err(|error| ReviewError::Body(error.to_string()))?.into_data() else {
                continue;
            };
            let length = read.text.len() + data.len();
            if length > MAX_BODY_BYTES {
                return Err(ReviewError::TooLarge);
            }
            if length > FREE_BYTES && read.share.is_none() {
                // All of it at once: bodies that each hold a part and wait for the rest would wait for each other.
                read.share = Some(self.share(longest, waits_until).await?);
                read.text.reserve_exact(longest.saturating_sub(read.text.len()));
            }
            // A copy: a frame of one byte would keep the whole buffer that it came in.
            read.text.extend_from_slice(&data);
        }
        if read.share.is_some() {
            read.turn = Some(acquire(&self.turn, 1, waits_until).await?);
        }
        Ok(read)
    }

    /// Waits in line for a share. Where the line is long, waiting is of no use.
    async fn share(&self, bytes: usize, until: Instant) -> Result<OwnedSemaphorePermit, ReviewError> {
        let _place = self.line.try_acquire().map_err(|_| ReviewError::Busy)?;
        acquire(&self.bytes, bytes, until).await
    }
}

async fn acquire(
    from: &Arc<Semaphore>,
    count: usize,
    until: Instant,
) -> Result<OwnedSemaphorePermit, ReviewError> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    match timeout_at(until, Arc::clone(from).acquire_many_owned(count)).await {
        Ok(Ok(permit)) => Ok(permit),
        // Nobody closes the semaphores.
        Ok(Err(_)) | Err(_) => Err(ReviewError::Busy),
    }
}

/// A body that was read, with what it holds of the room; a short one holds nothing.
pub(crate) struct Read {
    /// The body.
    pub(crate) text: Vec<u8>,
    /// Its bytes; to be dropped with the text, or with the answer that takes its place.
    pub(crate) share: Option<OwnedSemaphorePermit>,
    /// The turn to be decoded and decided on; to be held until the answer is made.
    pub(crate) turn: Option<OwnedSemaphorePermit>,
}
