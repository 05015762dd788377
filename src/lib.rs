//! Operator and admission webhook for Redis and Valkey with Sentinel.
//!
//! The data flows one way. The API server calls [`admission`], which fills defaults and enforces the rules of [`api`].
//! The [`controller`] takes each stored object through the same functions and then builds the [`desired`] objects,
//! applies them ([`act`]), looks at pods and servers ([`observe`]), plans ([`heal`]), acts on the servers ([`act`]
//! through [`redis`]) and writes the [`status`]. `api`, `desired`, `heal`, `status` and `admission` are pure.

pub mod act;
pub mod admission;
pub mod api;
pub mod app;
pub mod cli;
pub mod controller;
pub mod desired;
pub mod heal;
pub mod leader;
pub mod metrics;
pub mod notice;
pub mod observe;
pub mod offline;
pub mod ready;
pub mod redis;
pub mod secret;
pub mod status;
pub mod surroundings;
pub mod telemetry;
