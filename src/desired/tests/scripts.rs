//! The scripts, run by real shells against a pretended redis-cli.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::desired::config_maps::{READY_SCRIPT, shutdown_script};

/// Shells of the images: Debian's and Alpine's, where this machine has it too.
pub(super) fn shells() -> Vec<Vec<&'static str>> {
    let busybox =
        Command::new("busybox").args(["sh", "-c", ":"]).status().is_ok_and(|status| status.success());
    let mut shells = vec![vec!["sh"]];
    shells.extend(busybox.then(|| vec!["busybox", "sh"]));
    shells
}

/// A directory that holds the pretended redis-cli, its log and the password, and goes when the test ends.
pub(super) struct Stage(PathBuf);

impl Stage {
    /// `cli` is the body of a shell script; `$*` is what redis-cli was called with, `$DIR` this directory.
    pub(super) fn new(cli: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("desired-scripts-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let stage = Self(dir);
        let log = "echo \"${REDISCLI_AUTH-no password}|$*\" >>\"$DIR/log\"";
        stage.program("redis-cli", &format!("{log}\n{cli}"));
        fs::write(stage.file("log"), "").unwrap();
        stage
    }

    /// Puts a shell script on the path. Another process makes the file: a process that another test starts meanwhile
    /// would inherit it open for writing, and the kernel runs no file that somebody may still write.
    pub(super) fn program(&self, name: &str, body: &str) {
        let path = self.file(name);
        let mut install = Command::new("sh")
            .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        install.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{body}\n").as_bytes()).unwrap();
        assert!(install.wait().unwrap().success());
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn log(&self) -> Vec<String> {
        fs::read_to_string(self.file("log")).unwrap().lines().map(str::to_owned).collect()
    }

    /// The log without what only asks.
    fn deeds(&self) -> Vec<String> {
        let asks = |line: &String| line.contains(" INFO") || line.contains("get-master-addr");
        self.log().into_iter().filter(|line| !asks(line)).collect()
    }

    fn run(&self, shell: &[&str], script: &str, stop_seconds: &str) -> Output {
        self.command(shell, script).env("STOP_SECONDS", stop_seconds).output().unwrap()
    }

    pub(super) fn command(&self, shell: &[&str], script: &str) -> Command {
        let script = script.replace("/redis-auth/", &format!("{}/", self.0.display()));
        let path = format!("{}:{}", self.0.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(shell[0]);
        command
            .args(&shell[1..])
            .args(["-c", &script])
            .env("PATH", path)
            .env("DIR", &self.0)
            .env("REDIS_PORT", "6380")
            .env("POD_IP", "10.0.0.1")
            .env("SENTINEL_HOST", "rfs-cart")
            .env("MASTER_NAME", "mymaster")
            .env_remove("REDISCLI_AUTH");
        command
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn info(fields: &[&str]) -> String {
    format!("# Server\\r\\nredis_version:7.2.0\\r\\nasync_loading:1\\r\\n{}\\r\\n", fields.join("\\r\\n"))
}

#[test]
fn ready_tells_the_truth() {
    let replica = |link: &str, sync: &str, host: &str| {
        info(&["loading:0", "role:slave", host, link, sync, "slave_read_only:1"])
    };
    let (up, down) = ("master_link_status:up", "master_link_status:down");
    let (idle, syncing) = ("master_sync_in_progress:0", "master_sync_in_progress:1");
    let other = "master_host:10.0.0.2";
    let table = [
        (info(&["loading:0", "role:master"]), true, ""),
        (info(&["loading:1", "role:master"]), false, "loading its data"),
        (info(&["loading:1", "role:slave", other, up, idle]), false, "loading its data"),
        (replica(up, idle, other), true, ""),
        (replica(up, idle, "master_host:fd00::2"), true, ""),
        (replica(down, idle, other), false, "no link to its master"),
        (replica(down, syncing, other), false, "copying the data of its master"),
        (replica(up, syncing, other), false, "copying the data of its master"),
        (replica(down, idle, "master_host:127.0.0.1"), false, "not told yet whom to follow"),
        (replica(up, idle, "master_host:127.0.0.1"), false, "not told yet whom to follow"),
        ("NOAUTH Authentication required.\\n".to_owned(), false, "no usable answer: NOAUTH"),
        ("Could not connect to Redis at 127.0.0.1:6380\\n".to_owned(), false, "no usable answer: Could not"),
        (String::new(), false, "no usable answer"),
    ];
    for shell in shells() {
        for (answer, ready, why) in &table {
            let stage = Stage::new(&format!("printf '{answer}'"));
            let output = stage.run(&shell, READY_SCRIPT, "30");
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.success(), *ready, "{shell:?} {answer} {said}");
            assert!(said.starts_with(why) && said.is_empty() == why.is_empty(), "{answer}: {said}");
            assert_eq!(stage.log(), ["no password|-h 127.0.0.1 -p 6380 INFO"], "one call, no argument more");
        }
    }
}

#[test]
fn ready_takes_the_password_from_the_file_alone() {
    for shell in shells() {
        let stage = Stage::new("printf '# x\\r\\nrole:master\\r\\n'");
        fs::write(stage.file("password"), PASSWORD).unwrap();
        assert!(stage.run(&shell, READY_SCRIPT, "30").status.success());
        assert_eq!(stage.log(), [format!("{PASSWORD}|-h 127.0.0.1 -p 6380 INFO")]);
    }
}

/// A master with a replica, and Sentinels that switch to it two questions after they were told to.
const OBEDIENT: &str = r#"
case "$*" in
*INFO*) [ -e "$DIR/demoted" ] && echo role:slave || printf 'role:master\r\nslave0:ip=10.0.0.2,port=6380,state=online\r\n' ;;
*get-master-addr*)
    [ -e "$DIR/told" ] && echo x >>"$DIR/asked"
    [ "$(cat "$DIR/asked" 2>/dev/null | wc -l)" -ge 2 ] && printf '10.0.0.2\n6380\n' || printf '10.0.0.1\n6380\n' ;;
*FAILOVER*) touch "$DIR/told"; echo OK ;;
*REPLICAOF*) touch "$DIR/demoted"; echo OK ;;
esac"#;

const SAVED: &str = "-h 127.0.0.1 -p 6380 SAVE";

fn without_password(line: &str) -> String {
    format!("no password|{line}")
}

#[test]
fn a_master_hands_over_and_saves() {
    for shell in shells() {
        let stage = Stage::new(OBEDIENT);
        fs::write(stage.file("password"), PASSWORD).unwrap();
        let output = stage.run(&shell, &shutdown_script(&minimal()), "30");
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
        let server = |line: &str| format!("{PASSWORD}|-h 127.0.0.1 -p 6380 {line}");
        assert_eq!(
            stage.deeds(),
            [
                server("CLIENT PAUSE 15000 WRITE"),
                without_password("-h rfs-cart -p 26379 SENTINEL FAILOVER mymaster"),
                server("REPLICAOF 10.0.0.2 6380"),
                server("CLIENT UNPAUSE"),
                server("SAVE"),
            ]
        );
    }
}

/// The operator sees the deletion at the same time.
#[test]
fn the_operator_goes_first() {
    let demoted = r#"
case "$*" in
*INFO*)
    echo x >>"$DIR/infos"
    [ "$(wc -l <"$DIR/infos")" -gt 3 ] && echo role:slave || printf 'role:master\r\nslave0:state=online\r\n' ;;
*get-master-addr*) printf '10.0.0.1\n6380\n' ;;
esac"#;
    for shell in shells() {
        let stage = Stage::new(demoted);
        assert!(stage.run(&shell, &shutdown_script(&minimal()), "30").status.success());
        assert_eq!(stage.deeds(), [without_password(SAVED)]);
    }
}

#[test]
fn who_need_not_hand_over_only_saves() {
    let master = "role:master\\r\\nslave0:ip=10.0.0.2,state=online\\r\\n";
    let ask = |info: &str, named: &str| {
        format!("case \"$*\" in *INFO*) printf '{info}' ;; *get-master*) {named} ;; esac")
    };
    let table = [
        ("a replica", ask("role:slave\\r\\nslave0:state=online\\r\\n", "printf '10.0.0.1\\n6380\\n'")),
        (
            "a master without replicas",
            ask("role:master\\r\\nconnected_slaves:0\\r\\n", "printf '10.0.0.1\\n6380\\n'"),
        ),
        (
            "a master whose replica still syncs",
            ask("role:master\\r\\nslave0:state=send_bulk\\r\\n", "printf '10.0.0.1\\n6380\\n'"),
        ),
        ("a master that was replaced", ask(master, "printf '10.0.0.2\\n6380\\n'")),
        ("Sentinels that know no master", ask(master, "echo")),
        (
            "Sentinels out of reach",
            ask(master, "echo 'Could not connect to Redis at rfs-cart:26379'; exit 1"),
        ),
        ("a server out of reach", "echo 'Could not connect'; exit 1".to_owned()),
    ];
    for shell in shells() {
        for (who, cli) in &table {
            let stage = Stage::new(cli);
            assert!(stage.run(&shell, &shutdown_script(&minimal()), "30").status.success(), "{who}");
            assert_eq!(stage.deeds(), [without_password(SAVED)], "{who}");
        }
    }
}

#[test]
fn a_refused_handover_ends_at_once() {
    for shell in shells() {
        let stage = Stage::new(&format!(
            "case \"$*\" in *FAILOVER*) echo 'NOGOODSLAVE No suitable replica'; exit ;; esac{OBEDIENT}"
        ));
        assert!(stage.run(&shell, &shutdown_script(&minimal()), "30").status.success());
        let deeds = stage.deeds();
        assert_eq!(
            deeds[2..],
            [without_password("-h 127.0.0.1 -p 6380 CLIENT UNPAUSE"), without_password(SAVED)]
        );
    }
}

#[test]
fn a_handover_that_never_ends_leaves_time_to_save() {
    let never = OBEDIENT.replace("-ge 2", "-ge 1000");
    let shell = ["sh"];
    // One second for the handover, then none at all.
    for (stop_seconds, paused) in [("11", "CLIENT PAUSE 1000 WRITE"), ("5", "CLIENT PAUSE 0 WRITE")] {
        let stage = Stage::new(&never);
        assert!(stage.run(&shell, &shutdown_script(&minimal()), stop_seconds).status.success());
        let deeds = stage.deeds();
        assert!(deeds[0].ends_with(paused), "{deeds:?}");
        assert_eq!(deeds.last().unwrap(), &without_password(SAVED));
        assert!(deeds.iter().all(|deed| !deed.contains("REPLICAOF")), "{deeds:?}");
    }
}

/// The command of a probe that stands in the pod itself.
fn inline(workload: &Value, probe: &str) -> String {
    let command = &pod(workload)["containers"][0][probe]["exec"]["command"];
    assert_eq!(command[0], "sh");
    assert_eq!(command[1], "-c");
    command[2].as_str().unwrap().to_owned()
}

#[test]
fn inline_probes_judge_the_answer() {
    let desired = built(&full());
    let redis_alive = inline(stateful_set(&desired), "livenessProbe");
    let sentinel_alive = inline(deployment(&desired), "livenessProbe");
    let sentinel_ready = inline(deployment(&desired), "readinessProbe");
    let refused = "Could not connect to Redis at 127.0.0.1:26379: Connection refused\\n";
    let table = [
        (&redis_alive, "PONG\\n", true),
        (&redis_alive, "LOADING Redis is loading the dataset in memory\\n", true),
        (&redis_alive, "BUSY Redis is busy running a script.\\n", true),
        (&redis_alive, "MISCONF Redis is configured to save RDB snapshots\\n", true),
        (&redis_alive, refused, false),
        (&redis_alive, "", false),
        (&sentinel_alive, "PONG\\n", true),
        (&sentinel_alive, refused, false),
        (&sentinel_ready, "10.0.0.1\\n6380\\n", true),
        (&sentinel_ready, "fd00::1\\n6380\\n", true),
        (&sentinel_ready, "127.0.0.1\\n6380\\n", false),
        (&sentinel_ready, "\\n", false),
        (&sentinel_ready, refused, false),
    ];
    for shell in shells() {
        for (command, answer, good) in table {
            let stage = Stage::new(&format!("printf '{answer}'"));
            let output = stage.run(&shell, command, "30");
            assert_eq!(output.status.success(), good, "{shell:?} {command} {answer}");
        }
    }
}

#[test]
fn sentinels_configuration_is_copied_once() {
    let desired = built(&minimal());
    let command = &pod(deployment(&desired))["initContainers"][0]["command"];
    for shell in shells() {
        let stage = Stage::new("");
        let here = |name: &str| stage.file(name);
        for dir in ["redis", "redis-writable"] {
            fs::create_dir(here(dir)).unwrap();
        }
        fs::write(here("redis/sentinel.conf"), "from the ConfigMap").unwrap();
        let prefix = stage.0.to_string_lossy();
        let copy = command[2].as_str().unwrap().replace("/redis", &format!("{prefix}/redis"));
        let target = here("redis-writable/sentinel.conf");
        assert!(stage.run(&shell, &copy, "30").status.success());
        assert_eq!(fs::read_to_string(&target).unwrap(), "from the ConfigMap");
        fs::write(&target, "rewritten by Sentinel").unwrap();
        assert!(stage.run(&shell, &copy, "30").status.success());
        assert_eq!(fs::read_to_string(&target).unwrap(), "rewritten by Sentinel");
        assert!(!Path::new(&here("redis-writable/new")).exists());
    }
}
