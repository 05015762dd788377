//! Whatever a server or a Sentinel answers is read as it stands there, or is an error. Nothing is guessed: no master, no
//! offset, no address that the text does not name.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use redis_operator::observe::facts::Role;
use redis_operator::observe::read;
use redis_operator::redis::subscription::message;
use redis_operator::redis::wire::{self, Frame};
use redis_operator::redis::{Error, Reply, greeting, reply};

fuzz_target!(|bytes: &[u8]| {
    // As it comes, and as the answer of a server whose values are odd.
    let text = String::from_utf8_lossy(bytes);
    info(&text);
    greeted(bytes);
    framed(bytes);
    let mut choices = Unstructured::new(bytes);
    while !choices.is_empty() && structured(&mut choices).is_ok() {}
});

fn structured(choices: &mut Unstructured<'_>) -> Result<()> {
    match choices.int_in_range(0..=3)? {
        0 => info(&answer(choices)?),
        1 => asked_of_a_sentinel(choices)?,
        2 => {
            let fields: Vec<_> =
                (0..choices.int_in_range(7..=9)?).map(|_| value(choices)).collect::<Result<_>>()?;
            greeted(fields.join(",").as_bytes());
        }
        _ => {
            let words: Vec<_> =
                (0..choices.int_in_range(0..=4)?).map(|_| value(choices)).collect::<Result<_>>()?;
            sent(&words);
        }
    }
    Ok(())
}

/// What servers say, beside numbers and any text.
const WORDS: &[&str] = &[
    "",
    "master",
    "slave",
    "Master",
    "sentinel",
    "up",
    "down",
    "online",
    "1",
    "0",
    "-1",
    "6379",
    "65536",
    "9223372036854775807",
    "9223372036854775808",
    "10.0.0.1",
    "fd00::1",
    "mymaster",
    "s_down,o_down",
    "0123456789abcdef0123456789abcdef01234567",
    "0000000000000000000000000000000000000000",
    "keys=2,expires=1",
    "keys=18446744073709551615",
    "ip=10.0.0.1,port=6379,state=online,offset=42,lag=0",
    "ip=10.0.0.1,port=6379,offset=-1",
    "message",
    "pmessage",
    "pong",
];

fn value(choices: &mut Unstructured<'_>) -> Result<String> {
    Ok(match choices.int_in_range(0..=5)? {
        0..=3 => (*choices.choose(WORDS)?).to_owned(),
        4 => choices.arbitrary::<i64>()?.to_string(),
        _ => choices.arbitrary::<&str>()?.to_owned(),
    })
}

const FIELDS: &[&str] = &[
    "role",
    "run_id",
    "master_replid",
    "master_replid2",
    "master_host",
    "master_port",
    "master_link_status",
    "master_repl_offset",
    "slave_repl_offset",
    "master_sync_in_progress",
    "loading",
    "async_loading",
    "server_time_usec",
    "master_link_down_since_seconds",
    "db0",
    "db15",
    "dbx",
    "slave0",
    "slave1",
    "slaves",
];

/// An `INFO` that is right in most of its fields.
fn answer(choices: &mut Unstructured<'_>) -> Result<String> {
    let id = "0123456789abcdef0123456789abcdef01234567";
    let role = *choices.choose(&["master", "slave"])?;
    let mut text = format!("# Replication\r\nrole:{role}\r\nrun_id:{id}\r\nmaster_replid:{id}\r\n");
    text += "master_host:10.0.0.2\r\nmaster_port:6379\r\nmaster_repl_offset:7\r\nslave_repl_offset:7\r\n";
    for _ in 0..choices.int_in_range(0..=6)? {
        text += &format!("{}:{}\r\n", choices.choose(FIELDS)?, value(choices)?);
    }
    Ok(text)
}

/// Reads an `INFO`, and reads it again in the most stupid way.
fn info(text: &str) {
    let last = |name: &str| {
        let value = |line: &&str| !line.starts_with('#') && line.trim_end().split(':').next() == Some(name);
        let line = text.lines().filter(|line| line.trim_end().contains(':')).filter(value).last()?;
        Some(&line.trim_end()[name.len() + 1..])
    };
    let number = |name| last(name).and_then(|value| value.parse::<i64>().ok());
    let facts = match read::server(text, BTreeMap::new()) {
        Ok(facts) => facts,
        Err(error) => return typed(&error),
    };
    assert_eq!(Some(facts.run_id.as_str()), last("run_id"));
    assert_eq!(Some(facts.replication_id.as_str()), last("master_replid"));
    assert!(!facts.run_id.is_empty() && !facts.replication_id.is_empty() && facts.offset >= 0);
    let second = &facts.second_replication_id;
    assert!(second.is_empty() || Some(second.as_str()) == last("master_replid2"));
    assert_eq!(facts.loading, last("loading") == Some("1") || last("async_loading") == Some("1"));
    assert_eq!(facts.clock, number("server_time_usec").map(|clock| clock / 1_000_000));
    let offset = match &facts.role {
        Role::Master { replicas } => {
            assert_eq!(last("role"), Some("master"));
            for link in replicas {
                let names = |line: &str| line.starts_with("slave") && line.contains(&link.address.host);
                assert!(text.lines().any(names), "nobody names {:?}", link.address.host);
                assert!(link.offset >= 0);
            }
            number("master_repl_offset")
        }
        Role::Replica { source, link_up, syncing } => {
            assert_eq!(last("role"), Some("slave"));
            assert_eq!(Some(source.host.as_str()), last("master_host"));
            assert!(!source.host.is_empty());
            assert_eq!(Some(i64::from(source.port)), number("master_port"));
            assert_eq!(*link_up, last("master_link_status") == Some("up"));
            assert_eq!(*syncing, last("master_sync_in_progress") == Some("1"));
            number("slave_repl_offset").map(|offset| if offset == 1 && !link_up { 0 } else { offset })
        }
    };
    assert_eq!(Some(facts.offset), offset.map(|offset| offset.max(0)));
}

fn typed(error: &Error) {
    assert_eq!(error.reason(), "UnreadableAnswer", "{error}");
}

const SENTINEL_FIELDS: &[&str] =
    &["ip", "port", "flags", "runid", "num-slaves", "num-other-sentinels", "quorum", "config-epoch", "name"];

/// The answer to `SENTINEL MASTER`, and a row of `SENTINEL REPLICAS`.
fn asked_of_a_sentinel(choices: &mut Unstructured<'_>) -> Result<()> {
    let (mut items, mut first) = (Vec::new(), BTreeMap::new());
    let mut is_plain = true;
    for _ in 0..choices.int_in_range(0..=10)? {
        let (name, value) = (*choices.choose(SENTINEL_FIELDS)?, value(choices)?);
        let (item, text) = match choices.int_in_range(0..=9)? {
            0 => (Reply::Nil, String::new()),
            1 => (Reply::Integer(6379), "6379".to_owned()),
            2 => (Reply::List(vec![]), String::new()),
            _ => (Reply::Text(value.clone()), value),
        };
        is_plain &= !matches!(item, Reply::List(_));
        items.extend([Reply::Text(name.to_owned()), item]);
        first.entry(name.to_owned()).or_insert(text);
    }
    if choices.ratio(1, 20)? {
        is_plain &= items.pop().is_none();
    }
    let fields = match reply::pairs(Reply::List(items)) {
        Ok(fields) => fields,
        Err(error) => {
            assert!(!is_plain, "{error}");
            typed(&error);
            return Ok(());
        }
    };
    assert_eq!((is_plain, &fields), (true, &first));
    let field = |name: &str| fields.get(name).filter(|value| !value.is_empty());
    let (host, port) = (field("ip"), field("port").and_then(|port| port.parse::<u16>().ok()));
    match read::known(&fields) {
        Some(known) => assert_eq!((Some(&known.address.host), Some(known.address.port)), (host, port)),
        None => assert!(host.is_none() || port.is_none()),
    }
    match read::monitored(fields.clone()) {
        Ok(monitored) => {
            assert_eq!((Some(&monitored.host), Some(monitored.port)), (host, port));
            let epoch = field("config-epoch").and_then(|epoch| epoch.parse().ok());
            assert_eq!(monitored.config_epoch, epoch.unwrap_or(0));
            let flags: Vec<_> = monitored.flags.into_iter().collect();
            assert!(
                flags
                    .iter()
                    .all(|flag| field("flags").is_some_and(|all| all.split(',').any(|one| one == flag)))
            );
            assert_eq!(monitored.settings, fields);
        }
        Err(error) => {
            assert!(host.is_none() || port.is_none(), "{error}");
            typed(&error);
        }
    }
    Ok(())
}

/// A greeting has eight fields, and what is read of it stands there.
fn greeted(payload: &[u8]) {
    let Some(greeting) = greeting::read(payload) else { return };
    let text = std::str::from_utf8(payload).expect("a greeting is a text");
    let fields: Vec<_> = text.split(',').collect();
    assert_eq!(fields.len(), 8, "{text}");
    assert_eq!((greeting.id, greeting.name, greeting.host), (fields[2], fields[4], fields[5]));
    assert_eq!(fields[3].parse(), Ok(greeting.epoch));
    assert_eq!(fields[6].parse(), Ok(greeting.port));
    assert_eq!(fields[7].parse(), Ok(greeting.config_epoch));
    assert!(
        greeting.epoch >= 0
            && greeting.config_epoch >= 0
            && !greeting.host.is_empty()
            && greeting.id.len() == 40
    );
}

/// Any bytes are a frame, the beginning of one, or none; more bytes behind a frame change nothing.
fn framed(bytes: &[u8]) {
    let Ok(Some((frame, taken))) = wire::frame(bytes) else { return };
    assert!((1..=bytes.len()).contains(&taken));
    assert_eq!(wire::frame(&bytes[..taken]), Ok(Some((frame, taken))));
    assert_eq!(wire::frame(&bytes[..taken - 1]), Ok(None), "a part of a frame is a wish for more");
}

/// What is sent comes back, and a message is what stands in it.
fn sent(words: &[String]) {
    let texts: Vec<&str> = words.iter().map(String::as_str).collect();
    let bytes = wire::command(&texts);
    framed(&bytes);
    let Ok(Some((Frame::List(list), taken))) = wire::frame(&bytes) else { panic!("{words:?}") };
    let items: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    assert_eq!((list.items(), taken), (&items[..], bytes.len()));
    let expected: Option<[&[u8]; 2]> = match texts[..] {
        ["message", channel, payload] | ["pmessage", _, channel, payload] => {
            Some([channel.as_bytes(), payload.as_bytes()])
        }
        ["pong", payload] => Some([b"", payload.as_bytes()]),
        _ => None,
    };
    assert_eq!(message(list.items()).map(|message| [message.channel, message.payload]), expected);
}
