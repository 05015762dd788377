//! Effects: objects applied to Kubernetes, commands sent to servers. No decision is made here.

pub mod apply;
pub mod labels;
pub mod servers;
#[cfg(test)]
mod tests;
