//! An HTTPS server for Kubernetes admission reviews.
//!
//! The crate knows HTTP, TLS and `AdmissionReview`, and nothing of what it admits. Three parts:
//!
//! - [`Request`] and [`Verdict`]: the codec of `admission.k8s.io/v1`;
//! - [`router`]: `POST /mutate`, `POST /validate` and `GET /healthz` for any [`Admit`];
//! - [`serve`]: a router over TLS, with bounds on time and connections, and a stop that loses no request.

mod body;
mod idle;
mod object;
mod review;
mod router;
mod serve;

pub use review::{GroupVersionKind, Operation, Request, ReviewError, Verdict, decode, encode};
pub use router::{Admit, MAX_BODY_BYTES, Outcome, REQUEST_TIMEOUT, router};
pub use serve::{Limits, Stop, serve};
