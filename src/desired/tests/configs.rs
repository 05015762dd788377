//! Texts of the configuration files.

use proptest::prelude::*;

use super::*;
use crate::desired::config;

fn text<'a>(desired: &'a Desired, name: &str, key: &str) -> &'a str {
    body(desired, ChildKind::ConfigMap, name)["data"][key].as_str().unwrap()
}

#[test]
fn redis_conf_of_a_plain_failover() {
    let desired = built(&minimal());
    assert_eq!(
        text(&desired, "rfr-cart", "redis.conf"),
        "port 6379\n\
         protected-mode no\n\
         tcp-keepalive 60\n\
         dir /data\n\
         save 900 1\n\
         save 300 10\n\
         replicaof 127.0.0.1 6379\n\
         repl-diskless-sync-delay 1\n\
         user pinger -@all +ping on >pingpass\n\
         include \"/redis-custom/custom.conf\"\n"
    );
    assert_eq!(text(&desired, "rfr-custom-cart", "custom.conf"), "");
}

#[test]
fn redis_conf_with_a_port_renames_and_a_password() {
    let mut valid = full();
    valid.redis.renames.push(CommandRename { from: "KEYS".to_owned(), to: "a\"b".to_owned() });
    let desired = built(&valid);
    let conf = text(&desired, "rfr-cart", "redis.conf");
    assert!(conf.starts_with("port 6380\n"), "{conf}");
    assert!(conf.contains("\nreplicaof 127.0.0.1 6380\n"), "{conf}");
    assert!(
        conf.ends_with(
            "\nrename-command \"FLUSHALL\" \"\"\n\
             rename-command \"KEYS\" \"a\\\"b\"\n\
             include \"/redis-custom/custom.conf\"\n\
             include \"/redis-auth/auth.conf\"\n"
        ),
        "{conf}"
    );
}

#[test]
fn sentinel_conf() {
    let mut valid = full();
    valid.sentinel.replicas = 5;
    valid.sentinel.config.clear();
    let desired = built(&valid);
    assert_eq!(
        text(&desired, "rfs-cart", "sentinel.conf"),
        "port 26379\n\
         protected-mode no\n\
         dir /redis\n\
         sentinel monitor mymaster 127.0.0.1 6380 3\n\
         sentinel down-after-milliseconds mymaster 5000\n\
         sentinel failover-timeout mymaster 10000\n\
         sentinel parallel-syncs mymaster 2\n"
    );
}

#[test]
fn custom_config_shows_in_no_main_file() {
    let mut valid = full();
    valid.redis.config = directives(&[("hz", "77"), ("maxclients", "7654")]);
    valid.sentinel.config = directives(&[("down-after-milliseconds", "7777"), ("failover-timeout", "8888")]);
    let desired = built(&valid);
    for (name, key) in [("rfr-cart", "redis.conf"), ("rfs-cart", "sentinel.conf")] {
        let main = text(&desired, name, key);
        for word in ["hz", "maxclients", "7654", "7777", "8888"] {
            assert!(!main.contains(word), "{name} holds {word}");
        }
    }
    assert_eq!(text(&desired, "rfr-custom-cart", "custom.conf"), "hz \"77\"\nmaxclients \"7654\"\n");
}

#[test]
fn custom_conf_as_every_server_version_reads_it() {
    let table: [(&[(&str, &str)], &str); 8] = [
        (&[("watchdog-period", "500"), ("hz", "9")], "hz \"9\"\n"),
        (&[("notify-keyspace-events", "")], "notify-keyspace-events \"\"\n"),
        (&[("save", "")], "save \"\"\n"),
        (&[("save", "60 1 30 2")], "save \"\"\nsave \"60\" \"1\"\nsave \"30\" \"2\"\n"),
        (
            &[("save", "60 1"), ("hz", "9"), ("save", "30 2")],
            "save \"\"\nsave \"60\" \"1\"\nhz \"9\"\nsave \"30\" \"2\"\n",
        ),
        (
            &[("client-output-buffer-limit", "normal 0 0 0 pubsub 1mb 1mb 60")],
            "client-output-buffer-limit \"normal\" \"0\" \"0\" \"0\"\n\
             client-output-buffer-limit \"pubsub\" \"1mb\" \"1mb\" \"60\"\n",
        ),
        (&[("oom-score-adj-values", "0 200 800")], "oom-score-adj-values \"0\" \"200\" \"800\"\n"),
        (&[("proc-title-template", "{title} \"x\"")], "proc-title-template \"{title} \\\"x\\\"\"\n"),
    ];
    for (settings, expected) in table {
        assert_eq!(config::custom(&directives(settings)), expected);
    }
}

#[test]
fn the_password_stands_in_its_secret_alone() {
    let desired = built(&full());
    let encode =
        |text: &str| serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap();
    let data = &body(&desired, ChildKind::Secret, "rfr-auth-cart")["data"];
    assert_eq!(data["password"], encode(PASSWORD));
    let quoted = r#""p\"s$w\\d #1""#;
    assert_eq!(data["auth.conf"], encode(&format!("requirepass {quoted}\nmasterauth {quoted}\n")));

    let recognisable = password("Recognisable1");
    let desired = build(&full(), &Passwords { redis: Some(recognisable.clone()), sentinel: None });
    let base64 = encode("Recognisable1").as_str().unwrap().to_owned();
    for child in desired.present.iter().filter(|child| child.kind != ChildKind::Secret) {
        let text = child.body.to_string();
        assert!(!text.contains("Recognisable1") && !text.contains(&base64), "{}", child.name);
    }
    assert!(!format!("{recognisable:?}").contains("Recognisable1"));
}

/// The servers' way of reading the arguments of a line, as far as double quotes go.
fn read_back(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut bytes = line.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'"' {
            continue;
        }
        let mut word = Vec::new();
        loop {
            match bytes.next().expect("a closing quote") {
                b'"' => break,
                b'\\' => word.push(match bytes.next().expect("an escape") {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'x' => {
                        let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                    }
                    other => other,
                }),
                other => word.push(other),
            }
        }
        assert!(bytes.peek().is_none_or(|&next| next == b' '), "a blank after a closing quote");
        words.push(word);
    }
    words
}

proptest! {
    #[test]
    fn any_password_reads_back_as_it_was(text in any::<String>()) {
        let conf = config::redis_auth(&password(&text));
        let lines: Vec<_> = conf.lines().collect();
        prop_assert_eq!(lines.len(), 2);
        for line in lines {
            prop_assert_eq!(read_back(line), vec![text.as_bytes().to_vec()]);
        }
        let conf = config::sentinel_auth(&password(&text));
        prop_assert_eq!(conf.lines().count(), 1);
        prop_assert_eq!(read_back(conf.trim_end_matches('\n')), vec![text.into_bytes()]);
    }

    #[test]
    fn any_value_stays_on_its_line(text in any::<String>()) {
        let conf = config::custom(&directives(&[("proc-title-template", &text)]));
        prop_assert_eq!(conf.lines().count(), 1);
        prop_assert_eq!(read_back(conf.trim_end_matches('\n')), vec![text.into_bytes()]);
    }
}
