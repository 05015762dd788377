//! Texts of the servers' configuration files.
//!
//! Every line is one that Redis 6.2 and all later versions accept: a server refuses to start over a line that it does
//! not know.

use std::fmt::Write as _;

use crate::api::rules::directive::Directive;
use crate::api::{SENTINEL_PORT, Valid};
use crate::secret::Password;

/// Where the user's customConfig is mounted.
pub(super) const CUSTOM_DIR: &str = "/redis-custom";
/// Where the passwords are mounted.
pub(super) const AUTH_DIR: &str = "/redis-auth";
/// User and password of the liveness probe. It may do nothing but PING, so its password is no secret.
pub(super) const PINGER: (&str, &str) = ("pinger", "pingpass");

/// redis.conf. It holds nothing of customConfig and no password; both come in by `include`, from directories that
/// are mounted whole, so that a change of them reaches the file without a restart.
pub(super) fn redis(valid: &Valid) -> String {
    let port = valid.redis.port;
    let (user, password) = PINGER;
    // A restarted server follows nobody until it is told whom: as a master it could accept writes beside the real one.
    // Sync delay: the default makes the first sync of every replica wait 5 seconds for others to join in.
    let mut text = format!(
        "port {port}\n\
         protected-mode no\n\
         tcp-keepalive 60\n\
         dir /data\n\
         save 900 1\n\
         save 300 10\n\
         replicaof 127.0.0.1 {port}\n\
         repl-diskless-sync-delay 1\n\
         user {user} -@all +ping on >{password}\n"
    );
    for rename in &valid.redis.renames {
        line(&mut text, "rename-command", &[&rename.from, &rename.to]);
    }
    line(&mut text, "include", &[&format!("{CUSTOM_DIR}/custom.conf")]);
    if valid.auth_secret.is_some() {
        line(&mut text, "include", &[&format!("{AUTH_DIR}/auth.conf")]);
    }
    text
}

/// sentinel.conf. Sentinel rewrites this file, beside its copy in `dir`; it holds nothing of customConfig and no password.
pub(super) fn sentinel(valid: &Valid) -> String {
    let (port, quorum, name) = (valid.redis.port, valid.sentinel.quorum(), &valid.sentinel.master_name);
    format!(
        "port {SENTINEL_PORT}\n\
         protected-mode no\n\
         dir /redis\n\
         sentinel monitor {name} 127.0.0.1 {port} {quorum}\n\
         sentinel down-after-milliseconds {name} 5000\n\
         sentinel failover-timeout {name} 10000\n\
         sentinel parallel-syncs {name} 2\n"
    )
}

/// What a redis server asks of its clients, and what it tells its master.
pub(super) fn redis_auth(password: &Password) -> String {
    let mut text = String::new();
    line(&mut text, "requirepass", &[password.expose()]);
    line(&mut text, "masterauth", &[password.expose()]);
    text
}

/// What a Sentinel asks of its clients, and what it tells the other Sentinels: without a `sentinel-pass` that is the
/// same.
pub(super) fn sentinel_auth(password: &Password) -> String {
    let mut text = String::new();
    line(&mut text, "requirepass", &[password.expose()]);
    text
}

/// Redis 6.2 takes it from CONFIG SET only, and does not start with it in a file.
const LIVE_ONLY: &str = "watchdog-period";

/// custom.conf: the user's settings in the user's order.
pub(super) fn custom(directives: &[Directive]) -> String {
    let mut text = String::new();
    if directives.iter().any(|directive| directive.key == "save") {
        // Several `save` lines add up, and the user's are to replace ours.
        line(&mut text, "save", &[""]);
    }
    for Directive { key, value } in directives.iter().filter(|directive| directive.key != LIVE_ONLY) {
        match words_per_line(key) {
            Some(count) => {
                let words: Vec<&str> = value.split_ascii_whitespace().collect();
                for chunk in words.chunks(count) {
                    line(&mut text, key, chunk);
                }
            }
            None => line(&mut text, key, &[value]),
        }
    }
    text
}

/// Settings whose value is several words in a file, and how many of them stand on one line. CONFIG SET takes them all
/// in one string. Redis 6.2 takes one group a line; from 7.0 a file may say it either way, for these and for all others.
fn words_per_line(key: &str) -> Option<usize> {
    match key {
        "save" => Some(2),
        "oom-score-adj-values" => Some(3),
        "client-output-buffer-limit" => Some(4),
        _ => None,
    }
}

fn line(text: &mut String, key: &str, words: &[&str]) {
    text.push_str(key);
    for word in words {
        text.push(' ');
        quote(text, word);
    }
    text.push('\n');
}

/// A word as the servers' parser reads it back, whatever it holds.
fn quote(text: &mut String, word: &str) {
    text.push('"');
    for character in word.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            control if control.is_ascii_control() => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\x{:02x}", u32::from(control));
            }
            plain => text.push(plain),
        }
    }
    text.push('"');
}
