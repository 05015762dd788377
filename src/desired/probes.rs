//! Probes of the servers' containers.

use k8s_openapi::api::core::v1::{ExecAction, Probe};

use super::config::PINGER;
use super::env::PASSWORD;
use crate::api::spec::PodSpec;
use crate::api::{SENTINEL_PORT, Valid};

/// Where the user's startup script is mounted in redis pods.
pub(super) const REDIS_STARTUP_DIR: &str = "/redis-startup";
/// Where the user's startup script is mounted in Sentinel pods.
pub(super) const SENTINEL_STARTUP_DIR: &str = "/sentinel-startup";

/// The probes of one container.
pub(super) struct Probes {
    pub(super) liveness: Probe,
    pub(super) readiness: Probe,
    pub(super) startup: Option<Probe>,
}

/// Of a redis server.
pub(super) fn redis(valid: &Valid) -> Probes {
    let pod = &valid.redis.pod;
    let readiness =
        exec(&["/bin/sh", "/redis-readiness/ready.sh"], Times { delay: 0, period: 2, failures: 1 });
    Probes {
        liveness: own_or(pod.custom_liveness_probe.as_ref(), || {
            exec(&["sh", "-c", &redis_alive(valid.redis.port)], LIVENESS)
        }),
        readiness: own_or(pod.custom_readiness_probe.as_ref(), || readiness),
        startup: startup(pod, REDIS_STARTUP_DIR),
    }
}

/// Of a Sentinel.
pub(super) fn sentinel(valid: &Valid) -> Probes {
    let pod = &valid.sentinel.pod;
    Probes {
        liveness: own_or(pod.custom_liveness_probe.as_ref(), || {
            exec(&["sh", "-c", &sentinel_alive(valid)], LIVENESS)
        }),
        readiness: own_or(pod.custom_readiness_probe.as_ref(), || {
            exec(&["sh", "-c", &sentinel_ready(valid)], Times { delay: 0, period: 5, failures: 1 })
        }),
        startup: startup(pod, SENTINEL_STARTUP_DIR),
    }
}

/// A server that answers lives, also one that loads its data, runs a long script or cannot save: killing it would
/// mend nothing and lose data.
fn redis_alive(port: u16) -> String {
    let (user, password) = PINGER;
    format!(
        "case $(redis-cli -h 127.0.0.1 -p {port} --user {user} --pass {password} --no-auth-warning ping 2>&1) in \
         *PONG*|*LOADING*|*BUSY*|*MISCONF*|*MASTERDOWN*) ;; *) exit 1 ;; esac"
    )
}

/// One that asks for its password lives.
fn sentinel_alive(valid: &Valid) -> String {
    let answers = if valid.sentinel_auth_secret.is_some() { "*PONG*|*NOAUTH*" } else { "*PONG*" };
    format!("case $(redis-cli -h 127.0.0.1 -p {SENTINEL_PORT} ping 2>&1) in {answers}) ;; *) exit 1 ;; esac")
}

/// A Sentinel that knows a master which others can reach. An address holds no blank, every error does.
fn sentinel_ready(valid: &Valid) -> String {
    let login = match valid.sentinel_auth_secret {
        Some(_) => format!("REDISCLI_AUTH=${PASSWORD} VALKEYCLI_AUTH=${PASSWORD} "),
        None => String::new(),
    };
    let name = &valid.sentinel.master_name;
    let ask =
        format!("{login}redis-cli -h 127.0.0.1 -p {SENTINEL_PORT} SENTINEL get-master-addr-by-name {name}");
    format!("case $({ask} 2>&1) in ''|127.0.0.1*|*' '*) exit 1 ;; esac")
}

/// In seconds, and in failed probes.
#[derive(Clone, Copy)]
struct Times {
    delay: i32,
    period: i32,
    failures: i32,
}

/// Of liveness and startup: a minute and a half of silence.
const LIVENESS: Times = Times { delay: 30, period: 15, failures: 6 };

fn startup(pod: &PodSpec, dir: &str) -> Option<Probe> {
    pod.custom_startup_probe.clone().or_else(|| {
        script(pod)?;
        Some(exec(&["/bin/sh", &format!("{dir}/startup.sh")], LIVENESS))
    })
}

/// The ConfigMap with the user's startup script.
pub(super) fn script(pod: &PodSpec) -> Option<&str> {
    pod.startup_config_map.as_deref().filter(|name| !name.is_empty())
}

fn own_or(own: Option<&Probe>, ours: impl FnOnce() -> Probe) -> Probe {
    own.cloned().unwrap_or_else(ours)
}

fn exec(command: &[&str], times: Times) -> Probe {
    Probe {
        exec: Some(ExecAction { command: Some(command.iter().map(|&word| word.to_owned()).collect()) }),
        // The API server stores no zero, and what it does not store would look like a difference for ever.
        initial_delay_seconds: Some(times.delay).filter(|&delay| delay > 0),
        period_seconds: Some(times.period),
        timeout_seconds: Some(5),
        failure_threshold: Some(times.failures),
        ..Probe::default()
    }
}
