//! Settings of redis servers that the operator needs for itself.

use super::{Setting, owned};

const SET_BY_SPEC: &str = "it has a field of its own";
const REACHED: &str = "pods, probes and Sentinels must reach the server";
const ANNOUNCED: &str = "Sentinels would hand out an address that is not the pod's";
const DATA: &str = "the data lives in the volume of the pod";
const PROCESS: &str = "the server runs in the foreground of its container";
const MASTER: &str = "the operator and the Sentinels choose the master";
const PASSWORD: &str = "the password comes from a Secret";
const USERS: &str = "the operator's own users would be lost";
const GUARD: &str = "it opens commands that can harm the server, and is read at the start only";
const REMOVE: &str = "remove it";
const SECRET: &str = "remove it and use spec.auth.secretPath";

/// They are refused for every version, whether it has them or not.
pub(super) const OPERATORS: &[Setting] = &[
    owned("port", SET_BY_SPEC, "remove it and use spec.redis.port"),
    owned("bind", REACHED, REMOVE),
    owned("protected-mode", REACHED, REMOVE),
    owned("unixsocket*", REACHED, REMOVE),
    owned("tls-*", "Sentinels and probes speak plain TCP", REMOVE),
    owned("rdma-*", REACHED, REMOVE),
    owned("replica-announce-ip", ANNOUNCED, REMOVE),
    owned("replica-announce-port", ANNOUNCED, REMOVE),
    owned("slave-announce-*", ANNOUNCED, REMOVE),
    owned("dir", DATA, REMOVE),
    owned("dbfilename", DATA, REMOVE),
    owned("daemonize", PROCESS, REMOVE),
    owned("supervised", PROCESS, REMOVE),
    owned("pidfile", PROCESS, REMOVE),
    owned("logfile", "the log goes to the output of the container", REMOVE),
    owned(
        "include",
        "the configuration comes from the operator's files",
        "remove it and list the settings here",
    ),
    owned(
        "loadmodule",
        "modules are loaded at the start only",
        "remove it and use an image whose spec.redis.command loads the module",
    ),
    owned("replicaof", MASTER, REMOVE),
    owned("slaveof", MASTER, REMOVE),
    owned("masterauth", PASSWORD, SECRET),
    owned("masteruser", PASSWORD, SECRET),
    owned("primaryauth", PASSWORD, SECRET),
    owned("primaryuser", PASSWORD, SECRET),
    owned("requirepass", PASSWORD, SECRET),
    owned("user", USERS, REMOVE),
    owned("aclfile", USERS, REMOVE),
    owned("rename-command", SET_BY_SPEC, "remove it and use spec.redis.customCommandRenames"),
    owned("cluster-*", "a server is watched by Sentinel or in a cluster, not both", REMOVE),
    owned("enable-debug-command", GUARD, REMOVE),
    owned("enable-module-command", GUARD, REMOVE),
    owned("enable-protected-configs", GUARD, REMOVE),
];
