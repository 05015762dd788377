//! The Sentinels' password: where it stands, who gets it, and that nothing changes without one.

use std::fs;

use serde_json::{Value, json};

use super::scripts::{Stage, shells};
use super::*;
use crate::desired::config_maps::{shutdown_script, start_script};

/// A spec with nearly everything and a password of the Sentinels.
fn closed() -> Valid {
    Valid { sentinel_auth_secret: Some("user-secret-2".to_owned()), ..full() }
}

fn encoded(text: &str) -> Value {
    serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap()
}

fn from_copy(name: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "rfr-auth-cart", "key": key}}})
}

#[test]
fn one_secret_has_both_passwords_as_servers_and_scripts_read_them() {
    let desired = built(&closed());
    let data = &body(&desired, ChildKind::Secret, "rfr-auth-cart")["data"];
    assert_eq!(data["password"], encoded(PASSWORD));
    assert_eq!(data["sentinel-password"], encoded(SENTINEL_PASSWORD));
    assert_eq!(data["sentinel-auth.conf"], encoded("requirepass \"s\\\"p$w\\\\d #2\"\n"));
    assert_eq!(data.as_object().unwrap().len(), 4);

    let alone = Valid { sentinel_auth_secret: Some("user-secret-2".to_owned()), ..minimal() };
    let desired = built(&alone);
    let data = &body(&desired, ChildKind::Secret, "rfr-auth-cart")["data"];
    assert_eq!(
        data.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["sentinel-auth.conf", "sentinel-password"]
    );
    let conf = &body(&desired, ChildKind::ConfigMap, "rfr-cart")["data"]["redis.conf"];
    assert!(!conf.as_str().unwrap().contains("/redis-auth/"), "redis servers ask for none: {conf}");
}

#[test]
fn it_stands_in_its_secret_alone() {
    let recognisable = || Some(password("Recognisable1"));
    let desired = build(&closed(), &Passwords { redis: recognisable(), sentinel: recognisable() });
    let base64 = encoded("Recognisable1").as_str().unwrap().to_owned();
    for child in desired.present.iter().filter(|child| child.kind != ChildKind::Secret) {
        let text = child.body.to_string();
        assert!(!text.contains("Recognisable1") && !text.contains(&base64), "{}", child.name);
    }
}

#[test]
fn the_copy_is_left_alone_while_one_of_the_passwords_is_unknown() {
    let only = |redis: bool, sentinel: bool| Passwords {
        redis: redis.then(|| password("a")),
        sentinel: sentinel.then(|| password("b")),
    };
    for passwords in [only(false, false), only(true, false), only(false, true)] {
        let desired = build(&closed(), &passwords);
        assert!(desired.present.iter().all(|child| child.kind != ChildKind::Secret), "{passwords:?}");
        assert!(desired.absent.iter().all(|(kind, _)| *kind != ChildKind::Secret), "{passwords:?}");
    }
}

#[test]
fn those_who_need_it_get_it_from_the_copy() {
    let desired = built(&closed());
    let sentinel = pod(deployment(&desired));
    let env = |list: &str, name: &str| named(&sentinel[list], name)["env"].clone();
    let password = from_copy("REDIS_PASSWORD", "sentinel-password");
    assert_eq!(env("containers", "sentinel"), json!([password]));
    assert_eq!(named(&env("containers", "sentinel-exporter"), "REDIS_PASSWORD"), &password);
    assert_eq!(
        env("initContainers", "sentinel-config-copy"),
        json!([from_copy("AUTH_CONF", "sentinel-auth.conf")])
    );
    assert_eq!(each(&env("containers", "beside"), "name"), ["REDIS_USER"], "the user's container does not");
    let redis = pod(stateful_set(&desired));
    let plain = built(&full());
    assert_eq!(
        redis["volumes"],
        pod(stateful_set(&plain))["volumes"],
        "scripts read it where it was mounted"
    );
    assert_eq!(redis["containers"], pod(stateful_set(&plain))["containers"]);
}

#[test]
fn a_change_of_the_password_alone_changes_no_template() {
    let with = |text: &str| {
        build(&closed(), &Passwords { redis: Some(password("a")), sentinel: Some(password(text)) })
    };
    let (before, after) = (with("b"), with("c"));
    assert_eq!(stateful_set(&before)["spec"], stateful_set(&after)["spec"]);
    assert_eq!(deployment(&before)["spec"], deployment(&after)["spec"]);
}

/// The command of a probe of the Sentinel.
fn probe(valid: &Valid, probe: &str) -> String {
    let desired = built(valid);
    let command = &pod(deployment(&desired))["containers"][0][probe]["exec"]["command"];
    command[2].as_str().unwrap().to_owned()
}

#[test]
fn readiness_logs_in_and_liveness_need_not() {
    let (ready, alive) = (probe(&closed(), "readinessProbe"), probe(&closed(), "livenessProbe"));
    let run = |shell: &[&str], command: &str, answer: &str| {
        let stage = Stage::new(&format!("printf '{answer}'"));
        let output = stage.command(shell, command).env("REDIS_PASSWORD", SENTINEL_PASSWORD).output().unwrap();
        (output.status.success(), stage.log())
    };
    let no_auth = "NOAUTH Authentication required.\\n";
    for shell in shells() {
        let question = "-h 127.0.0.1 -p 26379 SENTINEL get-master-addr-by-name mymaster";
        let asked = vec![format!("{SENTINEL_PASSWORD}|{question}")];
        assert_eq!(run(&shell, &ready, "10.0.0.1\\n6380\\n"), (true, asked));
        assert!(!run(&shell, &ready, no_auth).0, "clients cannot use it either");
        let asked = vec!["no password|-h 127.0.0.1 -p 26379 ping".to_owned()];
        assert_eq!(run(&shell, &alive, no_auth), (true, asked));
        assert!(run(&shell, &alive, "PONG\\n").0);
        assert!(!run(&shell, &alive, "Could not connect to Redis\\n").0);
        assert!(
            !run(&shell, &probe(&full(), "livenessProbe"), no_auth).0,
            "without a password none is asked for"
        );
    }
}

#[test]
fn the_lines_are_added_to_the_copy_of_the_configuration_once() {
    let desired = built(&closed());
    let copy = named(&pod(deployment(&desired))["initContainers"], "sentinel-config-copy");
    for shell in shells() {
        let stage = Stage::new("");
        for dir in ["redis", "redis-writable"] {
            fs::create_dir(stage.file(dir)).unwrap();
        }
        fs::write(stage.file("redis/sentinel.conf"), "port 26379\n").unwrap();
        let prefix = stage.file("");
        let script = copy["command"][2].as_str().unwrap();
        let script = script.replace("/redis", &format!("{}redis", prefix.to_string_lossy()));
        let run = |lines: &str| {
            assert!(stage.command(&shell, &script).env("AUTH_CONF", lines).status().unwrap().success());
            fs::read_to_string(stage.file("redis-writable/sentinel.conf")).unwrap()
        };
        let lines = "requirepass \"s\\\"p$w\\\\d %s #2\"\n";
        assert_eq!(run(lines), format!("port 26379\n{lines}"));
        assert_eq!(run("another"), format!("port 26379\n{lines}"), "a Sentinel keeps what it started with");
        assert!(!stage.file("redis-writable/new").exists());
    }
}

/// Asks for the master and ends, instead of what the script does after that.
fn asks(valid: &Valid) -> String {
    let script = start_script(valid);
    let end = script.find("# Starts this server").unwrap();
    format!("{}\npatience=1\nask_master\necho \"$named_host $named_port\"\n", &script[..end])
}

#[test]
fn scripts_ask_the_sentinels_with_their_password() {
    for shell in shells() {
        let stage = Stage::new("printf 'AUTH failed: ERR\\n' >&2; printf '10.0.0.2\\n6380\\n'");
        let said = || {
            let output = stage.command(&shell, &asks(&closed())).output().unwrap();
            (String::from_utf8(output.stdout).unwrap(), stage.log().pop().unwrap())
        };
        let question = "-h rfs-cart -p 26379 SENTINEL get-master-addr-by-name mymaster";
        fs::write(stage.file("password"), PASSWORD).unwrap();
        assert_eq!(
            said(),
            ("10.0.0.2 6380\n".to_owned(), format!("no password|{question}")),
            "never redis' own"
        );
        fs::write(stage.file("sentinel-password"), SENTINEL_PASSWORD).unwrap();
        assert_eq!(said(), ("10.0.0.2 6380\n".to_owned(), format!("{SENTINEL_PASSWORD}|{question}")));
    }
}

#[test]
fn the_scripts_differ_in_how_sentinels_are_asked_and_in_nothing_else() {
    for script in [start_script, shutdown_script] {
        let (open, closed) = (script(&full()), script(&closed()));
        let (begin, end) = ("sentinel() (\n", "\n)\n\n# Sets named_host");
        let rest = |text: &str| {
            let (from, to) = (text.find(begin).unwrap(), text.find(end).unwrap());
            let comment = text[..from].rfind("\n\n").unwrap();
            format!("{}{}", &text[..comment], &text[to..])
        };
        assert_eq!(rest(&open), rest(&closed));
        assert_ne!(open, closed);
    }
}
