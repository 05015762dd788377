//! Rules about customConfig.

use super::{Rule, create, refuse, warn};

const BOTH: &str = "spec.redis.customConfig, spec.sentinel.customConfig";

pub(super) const RULES: &[Rule] = &[
    refuse(
        "too-many-entries",
        "spec.redis.customConfig, spec.sentinel.customConfig, spec.redis.customCommandRenames",
        "A list has at most 256 entries: servers have fewer options and commands. The two times that are filled in for \
         the Sentinels come besides. Without a limit the API server could not judge the list by itself.",
        create(
            concat!("redis: {customConfig: [", x256!("hz 10, "), "hz 10]}"),
            "redis: {customConfig: [hz 10]}",
        ),
    ),
    refuse(
        "entry-too-long",
        "spec.redis.customConfig, spec.sentinel.customConfig, spec.redis.customCommandRenames",
        "An entry of customConfig has at most 1024 characters, and the name of a command 128, for the same reason.",
        create(
            concat!("redis: {customConfig: [proc-title-template ", x256!("long"), "]}"),
            "redis: {customConfig: [proc-title-template redis]}",
        ),
    ),
    refuse(
        "malformed-option",
        BOTH,
        "An entry is one line of redis.conf: a name, a blank and a value. Without a value, with a line break or with a \
         quote that does not end, servers would read something else than what is meant.",
        create("redis: {customConfig: [maxclients]}", "redis: {customConfig: [maxclients 100]}"),
    ),
    refuse(
        "owned-option",
        BOTH,
        "Some options are how the operator runs the servers; another value would stop them from being found, from \
         replicating or from failing over. Many have a field of their own.",
        create("redis: {customConfig: [port 7000]}", "redis: {port: 7000}"),
    ),
    refuse(
        "fixed-option",
        BOTH,
        "customConfig is applied to servers that run. Some options are read at the start only, so they would silently \
         do nothing on some servers.",
        create("redis: {customConfig: [io-threads 4]}", "redis: {customConfig: []}"),
    ),
    refuse(
        "option-value",
        BOTH,
        "The value is one that servers take: where they want a number, a number.",
        create(
            "sentinel: {customConfig: [parallel-syncs two]}",
            "sentinel: {customConfig: [parallel-syncs 2]}",
        ),
    ),
    warn(
        "unknown-option",
        BOTH,
        "No known version of the server has this option. It is sent all the same, because yours may be newer.",
        create("redis: {customConfig: [maxmemry 100mb]}", "redis: {customConfig: [maxmemory 100mb]}"),
    ),
    refuse(
        "duplicate-option",
        BOTH,
        "One option has one value. Which of two would win depends on the order in which they are applied. Classes of \
         `client-output-buffer-limit` count as options of their own.",
        create(
            "redis: {customConfig: [save 900 1, save 300 10]}",
            "redis: {customConfig: [save 900 1 300 10]}",
        ),
    ),
    refuse(
        "sentinel-long-form",
        "spec.sentinel.customConfig",
        "The operator adds `sentinel` and the name of the master.",
        create(
            "sentinel: {customConfig: [sentinel down-after-milliseconds mymaster 2000]}",
            "sentinel: {customConfig: [down-after-milliseconds 2000]}",
        ),
    ),
    refuse(
        "sentinel-quorum-too-high",
        "spec.sentinel.customConfig, spec.sentinel.replicas",
        "More votes than there are Sentinels never come together, so there would be no failover.",
        create("sentinel: {customConfig: [quorum 4]}", "sentinel: {customConfig: [quorum 2]}"),
    ),
];
