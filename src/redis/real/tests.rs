use super::*;

fn server_error(line: &str) -> Value {
    redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap()
}

#[test]
fn every_kind_of_reply_has_a_plain_shape() {
    let text = |text: &str| Reply::Text(text.to_owned());
    let cases = [
        (Value::Nil, Reply::Nil),
        (Value::Int(-1), Reply::Integer(-1)),
        (Value::Boolean(true), Reply::Integer(1)),
        (Value::Okay, text("OK")),
        (Value::SimpleString("PONG".into()), text("PONG")),
        (Value::BulkString(b"a\xff".to_vec()), text("a\u{fffd}")),
        (Value::Double(1.5), text("1.5")),
        (Value::Array(vec![Value::Int(1), Value::Nil]), Reply::List(vec![Reply::Integer(1), Reply::Nil])),
        (Value::Map(vec![(Value::Okay, Value::Int(2))]), Reply::List(vec![text("OK"), Reply::Integer(2)])),
    ];
    for (value, expected) in cases {
        assert_eq!(reply(value.clone()), Ok(expected), "{value:?}");
    }
}

#[test]
fn errors_of_the_server_are_typed() {
    let cases = [
        ("NOAUTH Authentication required.", Error::Auth),
        ("WRONGPASS invalid username-password pair or user is disabled.", Error::Auth),
        ("NOPERM this user has no permissions to run the 'info' command", Error::Auth),
        ("LOADING Redis is loading the dataset in memory", Error::Loading),
        ("ERR No such master with that name", Error::Server("ERR No such master with that name".into())),
        ("READONLY You can't write", Error::Server("READONLY You can't write".into())),
        ("INPROG Failover already in progress", Error::Server("INPROG Failover already in progress".into())),
    ];
    for (line, expected) in cases {
        assert_eq!(reply(server_error(line)), Err(expected.clone()), "{line}");
        assert_eq!(reply(Value::Array(vec![server_error(line)])), Err(expected), "in a list: {line}");
    }
}

#[test]
fn arguments_that_a_server_repeats_are_not_passed_on() {
    let line = "ERR unknown command 'CONFIG', with args beginning with: 'SET' 'masterauth' 'hidden' ";
    assert_eq!(reply(server_error(line)), Err(Error::Server("ERR unknown command 'CONFIG'".into())));
}

#[test]
fn only_a_refused_password_is_an_authentication_error() {
    for text in [
        "ERR Client sent AUTH, but no password is set",
        "ERR AUTH <password> called without any password configured for the default user",
        "ERR invalid password",
    ] {
        assert_eq!(refused_password(Error::Server(text.into())), Error::Auth);
    }
    let full = Error::Server("ERR max number of clients reached".into());
    assert_eq!(refused_password(full.clone()), full);
    assert_eq!(refused_password(Error::Loading), Error::Loading);
}

#[test]
fn a_refused_password_is_not_repeated() {
    let refusal = || Error::Server("ERR Invalid argument 'hidden' for SENTINEL SET 'auth-pass'".into());
    let shown = without_secrets(&["SENTINEL", "SET", "mymaster", "AUTH-PASS", "hidden"], refusal());
    assert!(!shown.to_string().contains("hidden") && shown.to_string().contains("ERR"), "{shown}");
    assert_eq!(without_secrets(&["SENTINEL", "SET", "mymaster", "quorum", "0"], refusal()), refusal());
}
