//! Names in the pods that the operator takes for itself. A test compares them with the pods that are built.

/// Where the exporter of redis listens.
pub(super) const REDIS_METRICS_PORT: i32 = 9121;

/// What one kind of pods has of the operator's.
pub(super) struct Own {
    /// Names of the containers that are always there.
    pub(super) containers: &'static [&'static str],
    /// Name of the exporter's, which is there where it is enabled.
    pub(super) exporter: &'static str,
    /// Volumes that are always there, and where the server has them; nowhere: another container has it.
    pub(super) volumes: &'static [(&'static str, &'static str)],
    /// The volume of the startup script, which is there with `startupConfigMap`.
    pub(super) startup: (&'static str, &'static str),
}

/// Of a redis server. The data comes besides.
pub(super) const REDIS: Own = Own {
    containers: &["redis"],
    exporter: "redis-exporter",
    volumes: &[
        ("redis-config", "/redis"),
        ("redis-shutdown-config", "/redis-shutdown"),
        ("redis-readiness-config", "/redis-readiness"),
        ("redis-custom-config", "/redis-custom"),
        ("redis-auth", "/redis-auth"),
    ],
    startup: ("redis-startup-config", "/redis-startup"),
};

/// Of a Sentinel.
pub(super) const SENTINEL: Own = Own {
    containers: &["sentinel", "sentinel-config-copy"],
    exporter: "sentinel-exporter",
    volumes: &[("sentinel-config-writable", "/redis"), ("sentinel-config", "")],
    startup: ("sentinel-startup-config", "/sentinel-startup"),
};

/// Where a redis server has its data.
pub(super) const DATA_DIR: &str = "/data";
/// The volume with the data, unless the user's claim has a name.
pub(super) const DATA_VOLUME: &str = "redis-data";
