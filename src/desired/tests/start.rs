//! The script that starts a server, run by real shells against a pretended redis-cli and a pretended server.

use std::fs;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use super::scripts::{Stage, shells};
use super::*;
use crate::desired::config_maps::start_script;

/// How the pretended server was started, alone and as a replica.
const ALONE: &str = "server /redis/redis.conf";
const FOLLOWS: &str = "server /redis/redis.conf --replicaof 10.0.0.2 6380";

/// Servers and Sentinels as this case wants them; `$2` is the host, and `$asked` how often the master was asked for.
fn stage(named: &str, replicas: &str, info: &str) -> Stage {
    let stage = Stage::new(&format!(
        "case \"$*\" in\n\
         *get-master-addr*) echo x >>\"$DIR/asked\"; asked=$(grep -c x \"$DIR/asked\"); {named} ;;\n\
         *replicas*) {replicas} ;;\n\
         *INFO*) asked=$(grep -c x \"$DIR/asked\"); {info} ;;\n\
         esac"
    ));
    stage.program("redis-server", "echo \"server $*\" >>\"$DIR/log\"");
    stage
}

/// Runs the script with a bound of so many seconds until the server has started.
fn run(stage: &Stage, shell: &[&str], bound: u32) -> Output {
    let script = start_script(&minimal()).replace("bound=20", &format!("bound={bound}"));
    let output = stage.command(shell, &script).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    output
}

fn started(stage: &Stage) -> String {
    stage.log().pop().unwrap()
}

const OUT_OF_REACH: &str = "echo 'Could not connect to Redis at rfs-cart:26379: Connection refused'; exit 1";
const OURSELVES: &str = "printf '10.0.0.1\\n6380\\n'";
const ANOTHER: &str = "printf '10.0.0.2\\n6380\\n'";
const ANOTHER_AT_THIRD: &str =
    "if [ \"$asked\" -ge 3 ]; then printf '10.0.0.2\\n6380\\n'; else printf '10.0.0.1\\n6380\\n'; fi";
/// As redis-cli prints them: values may be empty.
const TWO_REPLICAS: &str = "printf 'name\\n10.0.0.3:6380\\nip\\n10.0.0.3\\nport\\n6380\\nrunid\\n\\nflags\\nslave\\n\
     name\\n10.0.0.2:6380\\nip\\n10.0.0.2\\nport\\n6380\\nrunid\\nabc\\nflags\\nslave\\n'";
const MASTER: &str =
    "printf '# Replication\\r\\nrole:master\\r\\n# Keyspace\\r\\ndb0:keys=1,expires=0\\r\\n'";
const EMPTY_MASTER: &str = "printf '# Replication\\r\\nrole:master\\r\\n# Keyspace\\r\\n'";

fn replica(source: &str, link: &str) -> String {
    format!(
        "printf '# Replication\\r\\nrole:slave\\r\\nmaster_host:{source}\\r\\nmaster_port:6380\\r\\n{link}\\r\\n'"
    )
}

fn down_for(seconds: &str) -> String {
    replica("10.0.0.1", &format!("master_link_status:down\\r\\nmaster_link_down_since_seconds:{seconds}"))
}

#[test]
fn without_sentinels_a_server_starts_after_one_question() {
    for shell in shells() {
        for named in [OUT_OF_REACH, "echo", "printf '127.0.0.1\\n6380\\n'", "echo 'ERR No such master'"] {
            let stage = stage(named, "", MASTER);
            assert_eq!(run(&stage, &shell, 20).stdout, b"");
            let question = "no password|-h rfs-cart -p 26379 SENTINEL get-master-addr-by-name mymaster";
            assert_eq!(stage.log(), [question, ALONE], "{named}");
        }
    }
}

#[test]
fn a_server_follows_the_master_that_the_sentinels_name() {
    for shell in shells() {
        let stage = stage(ANOTHER, "", MASTER);
        run(&stage, &shell, 20);
        assert_eq!(started(&stage), FOLLOWS);
        let v6 = self::stage("printf 'fd00::2\\n6380\\n'", "", MASTER);
        run(&v6, &shell, 20);
        assert_eq!(started(&v6), "server /redis/redis.conf --replicaof fd00::2 6380");
    }
}

#[test]
fn a_named_one_that_is_no_master_or_empty_is_not_followed() {
    let waits = replica("127.0.0.1", "master_link_status:down");
    for shell in shells() {
        for info in [OUT_OF_REACH, &waits, "", EMPTY_MASTER] {
            let stage = stage(ANOTHER, "", info);
            run(&stage, &shell, 20);
            assert_eq!(started(&stage), ALONE, "{info}");
        }
    }
}

#[test]
fn a_dead_master_waits_while_another_server_has_its_data() {
    let heirs = [
        replica("10.0.0.1", "master_link_status:up"),
        down_for("0"),
        down_for("42"),
        "case $2 in 10.0.0.2) printf 'role:master\\r\\n' ;; esac".to_owned(),
    ];
    for shell in shells() {
        for heir in &heirs {
            let info = format!("if [ \"$asked\" -ge 3 ]; then {MASTER}; else {heir}; fi");
            let stage = stage(ANOTHER_AT_THIRD, TWO_REPLICAS, &info);
            let said = run(&stage, &shell, 20).stdout;
            assert_eq!(started(&stage), FOLLOWS, "{heir}");
            assert_eq!(
                String::from_utf8(said).unwrap(),
                "this server was master; waiting until another one is\n"
            );
        }
    }
}

#[test]
fn a_dead_master_starts_where_nobody_has_its_data() {
    let none = [
        OUT_OF_REACH.to_owned(),
        String::new(),
        replica("127.0.0.1", "master_link_status:down\\r\\nmaster_link_down_since_seconds:-1"),
        replica("10.0.0.11", "master_link_status:up"),
        replica("10.0.0.2", "master_link_status:up"),
        down_for("-1"),
        down_for("100"),
        down_for("1700000000"),
    ];
    for shell in shells() {
        for info in &none {
            let stage = stage(OURSELVES, TWO_REPLICAS, info);
            assert_eq!(run(&stage, &shell, 20).stdout, b"");
            assert_eq!(started(&stage), ALONE, "{info}");
            let asked = stage.log().iter().filter(|line| line.contains("INFO")).count();
            assert_eq!(asked, 2, "each of the two is asked once");
        }
        for replicas in ["echo", OUT_OF_REACH] {
            let stage = stage(OURSELVES, replicas, "");
            run(&stage, &shell, 20);
            assert_eq!(started(&stage), ALONE, "{replicas}");
        }
    }
}

#[test]
fn it_goes_on_waiting_where_no_sentinel_answers_for_a_moment() {
    let named = format!("case $asked in 1) {OURSELVES} ;; 2) {OUT_OF_REACH} ;; *) {ANOTHER} ;; esac");
    let heir = replica("10.0.0.1", "master_link_status:up");
    for shell in shells() {
        let info = format!("if [ \"$asked\" -ge 3 ]; then {MASTER}; else {heir}; fi");
        let stage = stage(&named, TWO_REPLICAS, &info);
        run(&stage, &shell, 20);
        assert_eq!(started(&stage), FOLLOWS);
    }
}

#[test]
fn it_waits_no_longer_when_the_heir_is_gone_or_time_is_up() {
    let heir = replica("10.0.0.1", "master_link_status:up");
    for shell in shells() {
        let gone = stage(OURSELVES, TWO_REPLICAS, &format!("[ \"$asked\" -ge 2 ] || {heir}"));
        run(&gone, &shell, 20);
        assert_eq!(started(&gone), ALONE);
        let never = stage(OURSELVES, TWO_REPLICAS, &heir);
        let said = String::from_utf8(run(&never, &shell, 1).stdout).unwrap();
        assert_eq!(started(&never), ALONE);
        let empty = stage(
            ANOTHER_AT_THIRD,
            TWO_REPLICAS,
            &format!("[ \"$asked\" -ge 3 ] && {EMPTY_MASTER} || {heir}"),
        );
        run(&empty, &shell, 20);
        assert_eq!(started(&empty), ALONE, "it need not wait for what it does not follow");
        assert!(said.ends_with("no other server became master within 1 seconds\n"), "{said}");
    }
}

#[test]
fn only_servers_are_told_the_password() {
    for shell in shells() {
        let stage = stage(ANOTHER, "", MASTER);
        fs::write(stage.file("password"), PASSWORD).unwrap();
        run(&stage, &shell, 20);
        assert_eq!(
            stage.log(),
            [
                "no password|-h rfs-cart -p 26379 SENTINEL get-master-addr-by-name mymaster".to_owned(),
                format!("{PASSWORD}|-h 10.0.0.2 -p 6380 INFO"),
                FOLLOWS.to_owned(),
            ]
        );
    }
}

#[test]
fn a_server_that_waits_can_be_stopped() {
    for shell in shells() {
        let stage = stage(OURSELVES, TWO_REPLICAS, &replica("10.0.0.1", "master_link_status:up"));
        let mut waiting = stage
            .command(&shell, &start_script(&minimal()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let patient = || assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", stage.log());
        while stage.log().len() < 3 {
            patient();
            std::thread::sleep(Duration::from_millis(10));
        }
        let id = waiting.id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        let status = waiting.wait().unwrap();
        patient();
        assert_eq!(status.code(), Some(143));
        assert!(!stage.log().iter().any(|line| line.starts_with("server")), "{:?}", stage.log());
    }
}
