//! Effects: objects applied to Kubernetes, commands sent to servers. No decision is made here.

use crate::heal::Action;

pub mod apply;
mod handover;
pub mod kubernetes;
pub mod servers;
#[cfg(test)]
mod tests;

/// What came of one action.
#[derive(Debug)]
pub struct Done {
    /// The action.
    pub action: Action,
    /// Whether it worked.
    pub result: Result<(), Failure>,
}

/// Something that did not work and stops nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Fixed name.
    pub reason: &'static str,
    /// What happened, for the person on call.
    pub text: String,
}

impl From<crate::redis::Error> for Failure {
    fn from(error: crate::redis::Error) -> Self {
        Self { reason: error.reason(), text: error.to_string() }
    }
}

impl From<apply::Error> for Failure {
    fn from(error: apply::Error) -> Self {
        Self { reason: error.reason(), text: error.to_string() }
    }
}
