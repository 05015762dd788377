//! Whatever a server answers is read or is an error; facts that were read make sense.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_operator::observe::facts::Role;
use redis_operator::observe::read;
use redis_operator::redis::{Reply, reply};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    assert!(reply::info(&text).keys().all(|name| !name.contains(':') && !name.starts_with('#')));
    assert!(reply::parts(&text).keys().all(|name| !name.contains(['=', ','])));
    if let Ok(facts) = read::server(&text, std::collections::BTreeMap::new()) {
        assert!(facts.offset >= 0 && !facts.run_id.is_empty() && !facts.replication_id.is_empty());
        match facts.role {
            Role::Master { replicas } => assert!(replicas.iter().all(|replica| replica.offset >= 0)),
            Role::Replica { source, .. } => assert!(!source.host.is_empty()),
        }
    }
    // One item a line; the first character says what it is.
    let items = text.lines().map(|line| match line.split_at_checked(1) {
        Some((":", number)) => Reply::Integer(number.parse().unwrap_or_default()),
        Some(("_", _)) => Reply::Nil,
        Some(("*", rest)) => Reply::List(vec![Reply::Text(rest.to_owned())]),
        _ => Reply::Text(line.to_owned()),
    });
    let items = Reply::List(items.collect());
    let _ = reply::text(items.clone());
    if let Ok(fields) = reply::pairs(items)
        && let Ok(monitored) = read::monitored(fields)
    {
        assert!(!monitored.host.is_empty());
    }
});
