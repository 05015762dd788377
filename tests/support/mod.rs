//! Helpers of the tests that use real processes and connections.

pub(crate) mod processes;
pub(crate) mod scripted;
