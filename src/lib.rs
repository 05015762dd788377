//! Operator and admission webhook for Redis and Valkey with Sentinel.

pub mod admission;
pub mod api;
pub mod desired;
pub mod observe;
pub mod offline;
pub mod redis;
pub mod secret;
