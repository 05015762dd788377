//! customConfig.

use super::*;

const REDIS: &str = "spec.redis.customConfig[0]";
const SENTINEL: &str = "spec.sentinel.customConfig[0]";

fn redis(entries: &[&str]) -> Value {
    json!({"redis": {"customConfig": entries}})
}

fn sentinel(entries: &[&str]) -> Value {
    json!({"sentinel": {"customConfig": entries}})
}

#[test]
fn common_settings_are_accepted() {
    accepts(redis(&[
        "maxmemory 100mb",
        "MaxMemory-Policy allkeys-lru",
        "save 900 1 300 10",
        "appendonly yes",
        "notify-keyspace-events \"Ex\"",
        "client-output-buffer-limit normal 0 0 0",
        "client-output-buffer-limit replica 256mb 64mb 60",
        "replica-announced yes",
        "search-workers 2",
    ]));
    accepts(redis(&["save \"\""]));
    accepts(sentinel(&[
        "down-after-milliseconds 2000",
        "failover-timeout 3000",
        "parallel-syncs 2",
        "quorum 2",
        "master-reboot-down-after-period 0",
    ]));
}

#[rstest]
fn settings_of_the_operator_are_refused(
    #[values(
        "port",
        "bind",
        "dir",
        "dbfilename",
        "unixsocket",
        "daemonize",
        "supervised",
        "pidfile",
        "logfile",
        "include",
        "loadmodule",
        "replicaof",
        "slaveof",
        "masterauth",
        "masteruser",
        "requirepass",
        "user",
        "aclfile",
        "rename-command",
        "cluster-enabled",
        "cluster-node-timeout",
        "tls-port",
        "protected-mode",
        "replica-announce-ip",
        "replica-announce-port",
        "slave-announce-ip",
        "slave-announce-port",
        "enable-debug-command",
        "enable-module-command",
        "enable-protected-configs",
        "primaryauth"
    )]
    key: &str,
) {
    refuses(redis(&[&format!("{key} x")]), REDIS, "belongs to the operator: ");
    refuses(redis(&[&format!("{} x", key.to_uppercase())]), REDIS, "belongs to the operator: ");
}

#[rstest]
fn settings_fixed_at_the_start_are_refused(
    #[values(
        "databases",
        "io-threads",
        "appendfilename",
        "appenddirname",
        "tcp-backlog",
        "rdbchecksum"
    )]
    key: &str,
) {
    refuses(redis(&[&format!("{key} 4")]), REDIS, &format!("{key} cannot be changed while a server runs"));
}

#[rstest]
fn sentinels_own_settings_are_refused(
    #[values(
        "monitor",
        "port",
        "bind",
        "dir",
        "myid",
        "auth-pass",
        "auth-user",
        "announce-ip",
        "announce-hostnames",
        "known-replica",
        "known-sentinel",
        "current-epoch",
        "config-epoch",
        "leader-epoch",
        "notification-script",
        "client-reconfig-script",
        "deny-scripts-reconfig",
        "rename-command",
        "resolve-hostnames"
    )]
    key: &str,
) {
    refuses(sentinel(&[&format!("{key} x")]), SENTINEL, "belongs to the operator: ");
}

#[rstest]
#[case("sentinel down-after-milliseconds mymaster 2000", "write \"down-after-milliseconds 2000\"")]
#[case("SENTINEL Quorum other 2", "write \"Quorum 2\"")]
#[case("down-after-milliseconds mymaster 2000", "write \"down-after-milliseconds 2000\"")]
#[case("sentinel monitor mymaster 127.0.0.1 6379 2", "belongs to the operator")]
#[case("sentinel quorum 2", "write only \"name value\"")]
fn the_long_form_is_refused_with_the_short_one(#[case] entry: &str, #[case] text: &str) {
    let mut problems = created(sentinel(&[entry])).problems;
    problems.retain(|problem| problem.to_string().contains(text));
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].path, SENTINEL);
}

#[rstest]
#[case("down-after-milliseconds 5s", "wants a whole number of at least 1; write it as in")]
#[case("failover-timeout 0", "at least 1")]
#[case("parallel-syncs -1", "at least 1")]
#[case("quorum two", "\"quorum 2\"")]
#[case(
    "quorum 4",
    "asks for more votes than the 3 Sentinels have; choose at most 3, for example \"quorum 2\""
)]
fn sentinels_numbers_are_checked(#[case] entry: &str, #[case] text: &str) {
    refuses(sentinel(&[entry]), SENTINEL, text);
}

#[rstest]
#[case("maxmemory-policy banana", "has no such value; write one of noeviction, allkeys-lru, allkeys-lfu,")]
#[case("maxmemory-policy allkeys-lruu", "write \"maxmemory-policy allkeys-lru\"")]
#[case("hz many", "hz wants a whole number from 0 to 2147483647; write it as in \"hz 10\"")]
#[case("hz 10 20", "hz wants a whole number")]
#[case("appendonly maybe", "appendonly wants yes or no; write \"appendonly yes\" or \"appendonly no\"")]
#[case("maxmemory 1gigabyte", "maxmemory wants a memory size; write bytes, or a number with kb, mb or gb")]
#[case("maxmemory 5%", "maxmemory wants a memory size")]
#[case("maxclients -5", "maxclients wants a whole number from 1 to 4294967295")]
#[case("slave-priority high", "slave-priority wants a whole number")]
#[case("hash-max-ziplist-entries 1k", "hash-max-ziplist-entries wants a whole number")]
#[case("notify-keyspace-events yes", "notify-keyspace-events wants characters of KEA")]
#[case("save 900", "save wants pairs of seconds and changes; write it as in \"save 900 1 300 10\"")]
#[case("client-output-buffer-limit master 0 0 0", "wants a class (normal, replica or pubsub)")]
#[case("latency-tracking-info-percentiles 101", "wants numbers from 0 to 100")]
#[case("oom-score-adj-values 0 200", "wants three whole numbers")]
#[case("shutdown-on-sigterm save nosave", "shutdown-on-sigterm has no such value")]
#[case("proc-title-template {name}", "wants a text with no variables but {title}")]
fn wrong_values_are_refused(#[case] entry: &str, #[case] text: &str) {
    refuses(redis(&[entry]), REDIS, text);
}

#[test]
fn values_are_taken_as_widely_as_servers_take_them() {
    accepts(redis(&[
        "appendonly YES",
        "maxmemory-policy AllKeys-LRU",
        "maxmemory 1GB",
        "maxmemory-clients 5%",
        "loglevel nothing",
        "repl-diskless-load flush-before-load",
        "replica-full-sync-buffer-limit whatever",
    ]));
    accepts(redis(&["save ''", "notify-keyspace-events ''"]));
}

#[test]
fn unknown_settings_warn() {
    warns(
        redis(&["banana 1gb"]),
        REDIS,
        "not a setting of any known version of redis or Valkey; check the spelling",
    );
    warns(redis(&["maxmemori 1gb"]), REDIS, "check the spelling: maxmemory is one");
    warns(sentinel(&["down-after 1"]), SENTINEL, "not a setting of any known version of Sentinel");
}

#[test]
fn malformed_entries_are_refused() {
    refuses(redis(&["maxmemory"]), REDIS, "has no value; write 'maxmemory VALUE'");
    refuses(redis(&["save \"900"]), REDIS, "quote");
    refuses(redis(&["save 900 1\r"]), REDIS, "control character");
    refuses(sentinel(&["quorum"]), SENTINEL, "has no value");
}

#[test]
fn passwords_are_not_shown() {
    let entries = ["requirepass hunter2", "requirepass hunter3", "masterauth \"hunter4", "user hunter5"];
    let sentinels = ["auth-pass hunter6", "sentinel auth-pass mymaster hunter7", "sentinel-pass hunter8"];
    let spec = json!({"redis": {"customConfig": entries}, "sentinel": {"customConfig": sentinels}});
    let problems = texts(&created(spec).problems);
    assert!(problems.len() >= 7, "{problems:?}");
    assert!(!problems.iter().any(|text| text.contains("hunter")), "{problems:?}");
}

#[test]
fn contradictions_are_refused() {
    accepts(redis(&["maxmemory 1gb", "MAXMEMORY 1gb"]));
    accepts(redis(&[
        "client-output-buffer-limit normal 0 0 0 replica 1 1 1",
        "client-output-buffer-limit slave 1 1 1",
    ]));
    let second = "spec.redis.customConfig[1]";
    refuses(
        redis(&["maxmemory 1gb", "maxmemory 2gb"]),
        second,
        "contradicts the entry \"maxmemory 1gb\"; keep one",
    );
    refuses(redis(&["save 900 1", "save 300 10"]), second, "write one entry \"save 900 1 300 10\"");
    refuses(
        redis(&["client-output-buffer-limit replica 1 1 1", "client-output-buffer-limit slave 2 1 1"]),
        second,
        "contradicts",
    );
    refuses(sentinel(&["quorum 1", "quorum 2"]), "spec.sentinel.customConfig[1]", "contradicts");
}
