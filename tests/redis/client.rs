//! The client against peers that answer by script.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::join_all;
use redis_operator::redis::{Client, Deadlines, Error, Reply, Servers};

use crate::common::{PATIENCE, peer, text};
use crate::support::processes::{free_port, wait_until};
use crate::support::scripted::{Answer, Scripted};

/// Deadlines of tests that run into them.
const SHORT: Deadlines =
    Deadlines { connect: Duration::from_millis(200), response: Duration::from_millis(200) };

#[tokio::test]
async fn nobody_listens() {
    let result = Client::new(SHORT).ask(&peer("127.0.0.1", free_port(), "a", None), &["PING"]).await;
    assert_eq!(result, Err(Error::Refused));
}

#[tokio::test]
async fn bad_answers_are_typed_and_the_next_command_connects_anew() {
    let long = "*2\r\n$3\r\nabc\r\n$100\r\nhalf";
    let cases = [
        (Answer::Nothing, "ConnectionTimedOut"),
        (Answer::Bytes(long), "ConnectionTimedOut"),
        (Answer::ThenClose(""), "ConnectionLost"),
        (Answer::ThenClose(long), "ConnectionLost"),
        (Answer::Bytes("HTTP/1.1 400 Bad Request\r\n\r\n"), "UnreadableAnswer"),
    ];
    for (answer, reason) in cases {
        let scripted = Scripted::start(move |command| match command {
            "PING" => Answer::Bytes("+PONG\r\n"),
            _ => answer.clone(),
        })
        .await;
        let client = Client::new(SHORT);
        let peer = peer("127.0.0.1", scripted.port, "a", None);
        assert_eq!(client.ask(&peer, &["PING"]).await, Ok(text("PONG")), "{reason}");
        assert_eq!(client.ask(&peer, &["INFO"]).await.unwrap_err().reason(), reason);
        assert_eq!(client.ask(&peer, &["PING"]).await, Ok(text("PONG")), "{reason}");
        assert_eq!(scripted.accepted(), 2, "{reason}");
    }
}

#[tokio::test]
async fn errors_of_the_server_keep_the_connection() {
    let scripted = Scripted::start(|command| match command {
        "INFO" => Answer::Bytes("-LOADING Redis is loading the dataset in memory\r\n"),
        "CONFIG GET a" => Answer::Bytes("-ERR unknown command\r\n"),
        _ => Answer::Bytes("$2\r\n\u{80}\r\n"),
    })
    .await;
    let client = Client::new(SHORT);
    let peer = peer("127.0.0.1", scripted.port, "a", None);
    assert_eq!(client.ask(&peer, &["INFO"]).await, Err(Error::Loading));
    assert_eq!(
        client.ask(&peer, &["CONFIG", "GET", "a"]).await,
        Err(Error::Server("ERR unknown command".into()))
    );
    assert_eq!(client.ask(&peer, &["GET"]).await, Ok(text("\u{80}")));
    assert_eq!(scripted.accepted(), 1);
}

#[tokio::test]
async fn replies_go_to_those_who_asked() {
    let scripted = Scripted::start(|command| match command {
        "GET a" => Answer::Bytes("$1\r\na\r\n"),
        "GET b" => Answer::Bytes("*2\r\n$1\r\nb\r\n*-1\r\n"),
        _ => Answer::Bytes("-ERR no such key\r\n"),
    })
    .await;
    let client = Client::new(Deadlines::default());
    let peer = peer("127.0.0.1", scripted.port, "a", None);
    let (a, b) = (Ok(text("a")), Ok(Reply::List(vec![text("b"), Reply::Nil])));
    let none = Err(Error::Server("ERR no such key".into()));
    let words = [["GET", "a"], ["GET", "b"], ["GET", "c"]].repeat(20);
    let replies = join_all(words.iter().map(|words| client.ask(&peer, words))).await;
    assert_eq!(replies, vec![[a, b.clone(), none]; 20].concat());

    assert_eq!(client.ask(&peer, &["GET", "a"]).now_or_never(), None, "who gives up waiting ...");
    assert_eq!(client.ask(&peer, &["GET", "b"]).await, b, "... takes nobody's reply");
    assert_eq!(scripted.accepted(), 1);
}

#[tokio::test]
async fn a_long_reply_arrives_in_parts() {
    let line = "x".repeat(100_000);
    let answer: &'static str = format!("*2\r\n${}\r\n{line}\r\n:1\r\n", line.len()).leak();
    let scripted = Scripted::start(move |_| Answer::Bytes(answer)).await;
    let client = Client::new(Deadlines::default());
    let peer = peer("127.0.0.1", scripted.port, "a", None);
    for _ in 0..3 {
        let reply = client.ask(&peer, &["INFO"]).await;
        assert_eq!(reply, Ok(Reply::List(vec![text(&line), Reply::Integer(1)])));
    }
    assert_eq!(scripted.accepted(), 1);
}

#[tokio::test]
async fn a_reply_to_no_command_ends_the_connection() {
    let scripted = Scripted::start(|command| match command {
        "INFO" => Answer::Bytes("+one\r\n+two\r\n"),
        _ => Answer::Bytes("+PONG\r\n"),
    })
    .await;
    let client = Client::new(SHORT);
    let peer = peer("127.0.0.1", scripted.port, "a", None);
    assert_eq!(client.ask(&peer, &["INFO"]).await, Ok(text("one")));
    assert_eq!(client.ask(&peer, &["PING"]).await, Ok(text("PONG")), "and not `two`");
    assert_eq!(scripted.accepted(), 2);
}

#[tokio::test]
async fn nothing_is_sent_on_connecting_but_the_password() {
    let scripted = Scripted::start(|command| match command {
        "AUTH right" | "PING" => Answer::Bytes("+OK\r\n"),
        _ => Answer::Bytes("-ERR unexpected\r\n"),
    })
    .await;
    let client = Client::new(SHORT);
    let ask = async |password| client.ask(&peer("127.0.0.1", scripted.port, "a", password), &["PING"]).await;
    assert_eq!(ask(Some("right")).await, Ok(text("OK")));
    assert_eq!(ask(None).await, Ok(text("OK")));
    assert_eq!(ask(Some("wrong")).await, Err(Error::Server("ERR unexpected".into())));
}

#[tokio::test]
async fn a_server_that_hangs_while_connecting_is_given_up() {
    let scripted = Scripted::start(|_| Answer::Nothing).await;
    let client = Client::new(SHORT);
    let start = Instant::now();
    let asks =
        (0..20).map(async |_| client.ask(&peer("127.0.0.1", scripted.port, "a", Some("p")), &["PING"]).await);
    assert!(join_all(asks).await.iter().all(|result| *result == Err(Error::Timeout)));
    assert_eq!(scripted.accepted(), 1, "all who ask at once share one attempt");
    assert!(start.elapsed() < SHORT.connect * 5, "and its deadline: {:?}", start.elapsed());
    assert_eq!(client.connections(), 0);
}

#[tokio::test]
async fn connections_are_shared_replaced_and_closed() {
    let scripted = Scripted::start(|_| Answer::Bytes("+PONG\r\n")).await;
    let client = Client::new(Deadlines::default());
    let ask = async |incarnation, password| {
        client.ask(&peer("127.0.0.1", scripted.port, incarnation, password), &["PING"]).await.unwrap()
    };
    let open = async |count| {
        wait_until("open connections", PATIENCE, async || match scripted.open() {
            open if open == count => Ok(()),
            open => Err(format!("{open} instead of {count}")),
        })
        .await;
    };
    join_all((0..50).map(|_| ask("a", None))).await;
    assert_eq!(scripted.accepted(), 1, "fifty who ask at once share one");
    ask("b", None).await;
    assert_eq!(scripted.accepted(), 2, "another pod at the same address");
    open(1).await;
    ask("b", Some("new")).await;
    assert_eq!(scripted.accepted(), 3, "another password");
    open(1).await;
    client.retain(|incarnation| incarnation == "b");
    assert_eq!(client.connections(), 1);
    client.retain(|_| false);
    assert_eq!(client.connections(), 0);
    open(0).await;
}

#[tokio::test]
async fn one_hanging_server_does_not_delay_the_others() {
    let [hanging, good] =
        [Scripted::start(|_| Answer::Nothing).await, Scripted::start(|_| Answer::Bytes("+PONG\r\n")).await];
    let client = Client::new(Deadlines { response: Duration::from_secs(60), ..SHORT });
    let [stuck, alive] = [&hanging, &good].map(|scripted| peer("127.0.0.1", scripted.port, "a", None));
    tokio::select! {
        _ = client.ask(&stuck, &["PING"]) => panic!("it hangs"),
        () = async { for _ in 0..100 { assert_eq!(client.ask(&alive, &["PING"]).await, Ok(text("PONG"))); } } => {}
    }
}
