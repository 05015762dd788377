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
//! With [`Mode::Provided`] others make the leaf. The Keeper then reads one Secret, publishes its `ca.crt` if it is
//! told to, and serves the leaf once clients trust it (`plan::adopt`).
//!
//! RBAC that a Keeper needs: `create` on secrets in its namespace; `get`, `list`, `watch`, `update`, `delete` on its
//! two Secrets; `get`, `list`, `watch`, `patch` on its webhook configurations and its definition. All watches name
//! their object, so `resourceNames` works for everything but `create`. Where others make the leaf, it only reads the
//! Secret, and without injection the rest too.
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
pub mod state;
pub mod store;
mod tls;
mod work;

pub use bundle::Bundle;
pub use dial::{DialError, dial};
pub use error::{Cause, Error};
pub use keeper::Keeper;
pub use options::{Mode, Options};
pub use slot::Slot;
pub use state::{State, Trouble};
