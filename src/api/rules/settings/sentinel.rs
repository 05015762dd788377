//! Settings of a monitored master, as SENTINEL SET takes them, and what else sentinel.conf knows.
//!
//! Source: the configuration of Sentinel in Redis 6.2 to 8 and Valkey 7.2 to 9, SENTINEL SET of Redis 6.2.14, Redis 7.0.15 and Valkey 9.1.2.

use super::{Group, Setting, Versions, number, owned};

const MONITOR: &str = "the operator tells the Sentinels which master to watch";
const ADDRESS: &str = "pods, probes and other Sentinels must reach it";
const STATE: &str = "Sentinels write it themselves";
const PASSWORD: &str = "the password comes from a Secret";
const SCRIPT: &str = "Sentinels run no scripts";
const PROCESS: &str = "it is a setting of the process, not of the master";
const REMOVE: &str = "remove it";
const SECRET: &str = "remove it and use spec.auth.secretPath";
const OWN_SECRET: &str = "remove it and use spec.auth.sentinelSecretPath";

/// Every known setting of Sentinel.
pub const SENTINEL: &[Group] = &[
    Group {
        versions: Versions::ALL,
        settings: &[
            number("down-after-milliseconds", 1, i64::MAX),
            number("failover-timeout", 1, i64::MAX),
            number("parallel-syncs", 1, i64::MAX),
            number("quorum", 1, i64::MAX),
        ],
    },
    Group {
        versions: Versions::FROM_REDIS_7_0,
        settings: &[number("master-reboot-down-after-period", 0, i64::MAX)],
    },
    Group {
        versions: Versions::FROM_VALKEY_8_0,
        settings: &[number("primary-reboot-down-after-period", 0, i64::MAX)],
    },
    Group { versions: Versions::ALL, settings: OPERATORS },
];

/// What the operator needs for itself. They are refused for every version, whether it has them or not.
const OPERATORS: &[Setting] = &[
    owned("monitor", MONITOR, "remove it; use \"quorum N\" for the votes"),
    owned("sentinel", MONITOR, "write only \"name value\", such as \"down-after-milliseconds 5000\""),
    owned("port", ADDRESS, REMOVE),
    owned("bind", ADDRESS, REMOVE),
    owned("protected-mode", ADDRESS, REMOVE),
    owned("unixsocket*", ADDRESS, REMOVE),
    owned("tls-*", ADDRESS, REMOVE),
    owned("announce-*", "other Sentinels would get an address that is not the pod's", REMOVE),
    owned("resolve-hostnames", "the operator watches masters by address", REMOVE),
    owned("dir", "the state lives in a volume of the pod", REMOVE),
    owned("myid", STATE, REMOVE),
    owned("known-*", STATE, REMOVE),
    owned("current-epoch", STATE, REMOVE),
    owned("config-epoch", STATE, REMOVE),
    owned("leader-epoch", STATE, REMOVE),
    owned("auth-pass", PASSWORD, SECRET),
    owned("auth-user", PASSWORD, SECRET),
    owned("sentinel-user", PASSWORD, OWN_SECRET),
    owned("sentinel-pass", PASSWORD, OWN_SECRET),
    owned("requirepass", PASSWORD, OWN_SECRET),
    owned("masterauth", PASSWORD, SECRET),
    owned("masteruser", PASSWORD, SECRET),
    owned("user", "the operator's own users would be lost", REMOVE),
    owned("aclfile", "the operator's own users would be lost", REMOVE),
    owned("acllog-max-len", PROCESS, REMOVE),
    owned("notification-script", SCRIPT, "remove it and watch the events of Kubernetes"),
    owned("client-reconfig-script", SCRIPT, "remove it and watch the events of Kubernetes"),
    owned("deny-scripts-reconfig", SCRIPT, REMOVE),
    owned("rename-command", "Sentinels call the commands by their own names", REMOVE),
    owned("include", "the configuration comes from the operator's files", REMOVE),
    owned("loadmodule", "Sentinels load no modules", REMOVE),
    owned("daemonize", PROCESS, REMOVE),
    owned("supervised", PROCESS, REMOVE),
    owned("pidfile", PROCESS, REMOVE),
    owned("logfile", PROCESS, REMOVE),
    owned("loglevel", PROCESS, REMOVE),
    owned("syslog-*", PROCESS, REMOVE),
    owned("maxclients", PROCESS, REMOVE),
    owned("timeout", PROCESS, REMOVE),
    owned("tcp-*", PROCESS, REMOVE),
];
