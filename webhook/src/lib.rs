//! An HTTPS server for Kubernetes admission and conversion reviews.
//!
//! The crate knows HTTP, TLS, `AdmissionReview` and `ConversionReview`, and nothing of what it admits and converts.
//! Three parts:
//!
//! - [`Request`] and [`Verdict`]: the codec of `admission.k8s.io/v1`, and inside that of conversions;
//! - [`router`]: `POST /mutate`, `POST /validate`, `POST /convert` and `GET /healthz` for any [`Admit`];
//! - [`serve`]: a router over TLS, with bounds on time and connections, and a stop that loses no request.

mod admitted;
mod body;
mod conversion;
mod idle;
mod object;
mod review;
mod router;
mod serve;

pub use admitted::{Metadata, Object};
pub use review::{GroupVersionKind, Operation, Request, ReviewError, Verdict, decode, encode};
pub use router::{Admit, MAX_BODY_BYTES, Outcome, REQUEST_TIMEOUT, router};
pub use serve::{Limits, Stop, serve};
