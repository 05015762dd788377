//! A small certificate authority for webhooks.
//!
//! The [`Keeper`] holds a CA and a serving certificate (the leaf) in two Secrets, renews both by the wall
//! clock, writes the CA bundle into the webhook configurations and into the conversion of a
//! `CustomResourceDefinition`, and swaps the leaf in memory:
//!
//! ```text
//!   watches: 2 Secrets, 2 webhook configurations, CRD   every 5 min: the clock
//!                        │                                   │
//!                        └──────────► Keeper ◄───────────────┘
//!                                       │  plan::decide: one next step at a time
//!            ┌──────────────┬───────────┴──────┬───────────────────┐
//!      CA Secret       caBundle           leaf Secret      Slot (served by rustls)
//! ```
//!
//! Every replica runs a Keeper. They agree through the Secrets alone: a Secret is created or replaced with its
//! `resourceVersion`, and the loser of a race reads what the winner wrote.
//!
//! RBAC that a Keeper needs: `create` on secrets in its namespace, `get`, `list`, `watch`, `update` on its two
//! Secrets, and `get`, `list`, `watch`, `patch` on its webhook configurations and its definition (all watches name
//! their object, so `resourceNames` works for everything but `create`).
//!
//! To distrust a CA at once, delete both Secrets. When only the CA Secret is lost, the certificate in the leaf
//! Secret's `ca.crt` stays in the bundle, so that no call fails until the new leaf is served.

mod bundle;
mod dial;
mod error;
mod inject;
mod inspect;
pub mod issue;
mod keeper;
mod options;
pub mod plan;
mod slot;
pub mod store;
mod tls;

pub use bundle::Bundle;
pub use dial::{DialError, dial};
pub use error::{Cause, Error};
pub use keeper::Keeper;
pub use options::Options;
pub use slot::Slot;
