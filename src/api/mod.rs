//! The contract with the user: types, defaults, rules. Everything here is pure.
//!
//! The order of use is the order of the data flow: [`defaults::fill`] completes a raw spec, [`parse::spec`] types it,
//! [`rules::check`] judges it, and [`valid::Valid`] is what the rest of the operator works on. All of that is about
//! [`VERSION`]; objects of the early version are made such by [`to_v1`].

pub mod defaults;
mod fields;
pub mod parse;
pub mod problem;
pub mod rules;
pub mod schema;
pub mod selector;
pub mod spec;
pub mod status;
pub mod v1alpha2;
pub mod valid;

pub use problem::Problem;
pub use spec::{RedisFailover, RedisFailoverSpec};
pub use status::RedisFailoverStatus;
pub use v1alpha2::to_v1;
pub use valid::{Identity, Storage, Valid};

/// API group of the resource.
pub const GROUP: &str = "storage.spotahome.com";
/// Stored version of the resource.
pub const VERSION: &str = "v1";
/// Kind of the resource.
pub const KIND: &str = "RedisFailover";
/// Plural name of the resource, as in `kubectl get redisfailovers`.
pub const PLURAL: &str = "redisfailovers";
/// Service through which the API server calls the webhook, unless the operator is told another.
pub const WEBHOOK_SERVICE: &str = "redisoperator-webhook";
/// Field manager of every server-side apply. It lives in `managedFields` for ever, so it never changes.
pub const FIELD_MANAGER: &str = "redis-operator";
/// The name under which every Sentinel knows the master; clients ask for it.
pub const MASTER_NAME: &str = "mymaster";
/// Port of every Sentinel.
pub const SENTINEL_PORT: u16 = 26379;
/// Label on redis pods that says `master` or `slave`; the Services `rfrm-` and `rfrs-` select by it.
pub const ROLE_LABEL: &str = "redisfailovers-role";
