//! The watch over many servers: nothing leaks, nothing hangs, and it costs little.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::{join, join_all};
use k8s_openapi::api::core::v1::Pod;
use redis_operator::observe::facts::Death;
use redis_operator::observe::observe;
use redis_operator::redis::reply;
use redis_operator::secret::Passwords;

use crate::common::PATIENCE;
use crate::observation::{answers, cpu_milliseconds, pod, tell};
use crate::support::processes::{Server, free_port, loopback, wait_until};
use crate::support::scripted::{Answer, Scripted};
use crate::watch::Scene;

const INFO: &str =
    "$82\r\nrole:master\r\nrun_id:r\r\nmaster_replid:h\r\nmaster_repl_offset:5\r\nserver_time_usec:1\r\n\r\n";

fn healthy(command: &str) -> Answer {
    match command {
        "INFO" | "INFO server" => Answer::Bytes(INFO),
        "PING" => Answer::Bytes("+PONG\r\n"),
        _ => Answer::Nothing,
    }
}

/// Pods at addresses of this machine, all of them served by who listens on all of them.
fn pods(numbers: std::ops::Range<usize>) -> Vec<Arc<Pod>> {
    numbers
        .map(|number| pod("redis", number, &format!("127.77.{}.{}", number / 200, 1 + number % 200)))
        .collect()
}

async fn open(server: &Scripted, wanted: usize) {
    wait_until("open connections", PATIENCE, async || match server.open() {
        open if open == wanted => Ok(()),
        open => Err(format!("{open} instead of {wanted}")),
    })
    .await;
}

#[tokio::test]
async fn connections_come_and_go_with_their_pods() {
    let server = Scripted::start_at("0.0.0.0:0", healthy).await;
    let mut scene = Scene::new(server.port, Vec::new());
    let tidy = |scene: &Scene| {
        let uids: HashSet<_> = scene.pods.iter().filter_map(|pod| pod.metadata.uid.clone()).collect();
        scene.client.retain(|incarnation| uids.contains(incarnation));
    };
    for begin in (0..100).step_by(20) {
        scene.pods = pods(begin..begin + 40);
        let seen = scene.look().await;
        assert!(seen.redis.iter().all(|node| node.server.is_ok()), "{seen:#?}");
        tidy(&scene);
        assert_eq!(scene.watch.held(), 40);
        open(&server, 80).await;
    }
    // Other pods at the same addresses.
    for pod in &mut scene.pods {
        Arc::make_mut(pod).metadata.uid.as_mut().unwrap().push_str("-new");
    }
    let accepted = server.accepted();
    scene.look().await;
    tidy(&scene);
    open(&server, 80).await;
    assert_eq!(server.accepted(), accepted + 80);

    scene.pods.clear();
    scene.look().await;
    tidy(&scene);
    assert_eq!((scene.watch.held(), scene.client.connections()), (0, 0));
    open(&server, 0).await;
}

#[tokio::test]
async fn all_connections_close_with_the_watch() {
    let server = Scripted::start_at("0.0.0.0:0", healthy).await;
    let mut scene = Scene::new(server.port, pods(0..20));
    scene.look().await;
    open(&server, 40).await;
    scene.watch.retain(|_| false);
    open(&server, 20).await;
    scene.look().await;
    open(&server, 40).await;
    scene.pods = pods(20..40);
    let Scene { watch, client, mut calls, .. } = scene;
    drop((watch, client));
    open(&server, 0).await;
    wait_until("the calls end", PATIENCE, async || {
        calls.next().await.map_or(Ok(()), |_| Err("a call".into()))
    })
    .await;
}

#[tokio::test]
async fn one_server_that_hangs_delays_the_others_once() {
    let hangs = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&hangs);
    let stuck = Scripted::start_at("127.78.0.5:0", move |command| {
        if state.load(Ordering::SeqCst) { Answer::Nothing } else { healthy(command) }
    })
    .await;
    let ips: Vec<String> = (0..6).map(|number| format!("127.78.0.{number}")).collect();
    let starts = ips[..5].iter().map(|ip| (ip, stuck.port));
    let _others =
        join_all(starts.map(async |(ip, port)| Scripted::start_at(&format!("{ip}:{port}"), healthy).await))
            .await;
    let pods = ips.iter().enumerate().map(|(number, ip)| pod("redis", number, ip));
    let mut scene = Scene::new(stuck.port, pods.collect());
    let look = async |scene: &Scene| {
        let start = Instant::now();
        let seen = scene.look().await;
        (seen.redis.iter().filter(|node| node.server.is_ok()).count(), start.elapsed())
    };
    let begun = Instant::now();
    let (answered, took) = look(&scene).await;
    assert_eq!(answered, 5);
    println!("the first look at a server that hangs: {took:?}");
    for _ in 0..5 {
        let (answered, took) = look(&scene).await;
        println!("the next: {took:?}");
        assert!(answered == 5 && took < Duration::from_millis(300), "{answered} {took:?}");
    }
    // Each begun second: one connection that asks and one that listens.
    let (accepted, most) = (u64::try_from(stuck.accepted()).unwrap(), 2 * (begun.elapsed().as_secs() + 1));
    assert!(accepted <= most, "it is not flooded: {accepted} connections, more than {most}");
    hangs.store(false, Ordering::SeqCst);
    wait_until("it is noticed that the server answers again", PATIENCE, async || {
        scene.calls.next().await;
        match look(&scene).await.0 {
            6 => Ok(()),
            other => Err(format!("{other} answer")),
        }
    })
    .await;
}

/// The first look at a server that hangs waits a second for it, but not while there is a death to be dealt with.
#[tokio::test]
async fn a_death_does_not_wait_for_a_server_that_hangs() {
    let hangs = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&hangs);
    let stuck = Scripted::start_at("127.78.1.1:0", move |command| {
        if state.load(Ordering::SeqCst) { Answer::Nothing } else { healthy(command) }
    })
    .await;
    let mut server = Server::redis(&loopback(), stuck.port, &[]);
    let scene = Scene::new(stuck.port, vec![pod("redis", 0, &server.ip), pod("redis", 1, "127.78.1.1")]);
    answers(&scene.client, &server).await;
    scene.look().await;
    scene.listens(&server).await;
    hangs.store(true, Ordering::SeqCst);
    let start = Instant::now();
    let kill = async {
        tokio::task::yield_now().await; // The look has asked.
        server.kill();
    };
    let (seen, ()) = join(scene.look(), kill).await;
    println!("a look with a death and a server that hangs: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
    assert_eq!(seen.redis[0].death, Some(Death::Refused), "{seen:#?}");
    assert_eq!(seen.redis[1].death, None);
}

#[tokio::test]
async fn a_server_that_closes_again_and_again_is_not_hammered() {
    let server = Scripted::start_at("0.0.0.0:0", |command| match command {
        "INFO" | "INFO server" => Answer::Bytes(INFO),
        _ => Answer::ThenClose("*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"),
    })
    .await;
    let scene = Scene::new(server.port, pods(0..1));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        assert_eq!(scene.look().await.redis[0].death, None);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!((4..=12).contains(&server.accepted()), "{}", server.accepted());
}

#[tokio::test]
async fn a_quiet_server_is_asked_for_a_sign_of_life() {
    let pings = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pings);
    let server = Scripted::start_at("0.0.0.0:0", move |command| match command {
        "PING" => {
            count.fetch_add(1, Ordering::SeqCst);
            Answer::Bytes("*2\r\n$4\r\npong\r\n$0\r\n\r\n")
        }
        other => healthy(other),
    })
    .await;
    let scene = Scene::new(server.port, pods(0..1));
    scene.look().await;
    wait_until("a PING", PATIENCE, async || match pings.load(Ordering::SeqCst) {
        0 => Err("none yet".to_owned()),
        _ => Ok(()),
    })
    .await;
    assert_eq!((server.accepted(), server.open()), (2, 2), "it is the same connection");
}

/// Prints what 72 held connections cost, as many as 12 times three redis and three Sentinels. One server that listens on
/// all addresses plays all of them: each greeting arrives 72 times.
#[tokio::test]
async fn what_seventy_two_held_connections_cost() {
    const GREETINGS: u64 = 75; // Times 72: what 36 redis servers say in 100 seconds.
    let server = Server::redis(&loopback(), free_port(), &["--bind", "0.0.0.0"]);
    let mut scene = Scene::new(server.port, Vec::new());
    answers(&scene.client, &server).await;
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        status.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4
    };
    scene.pods = pods(0..72);
    observe(&*scene.client, &scene.valid, &scene.pods, &Passwords::default()).await;
    let begin = resident();
    scene.look().await;
    let subscribers = async |wanted: u64| {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let greeting = format!("10.0.0.9,26379,{id},7,mymaster,10.0.0.1,6379,5");
        let reply = tell(&scene.client, &server, &["PUBLISH", "__sentinel__:hello", &greeting]).await;
        let redis_operator::redis::Reply::Integer(heard) = reply else { panic!("{reply:?}") };
        if heard == i64::try_from(wanted).unwrap() { Ok(()) } else { Err(format!("{heard} heard it")) }
    };
    wait_until("all are held", PATIENCE, async || subscribers(72).await).await;
    let cpu = cpu_milliseconds();
    for _ in 0..GREETINGS {
        subscribers(72).await.unwrap();
    }
    wait_until("all was read", PATIENCE, async || {
        let list =
            reply::text(tell(&scene.client, &server, &["CLIENT", "LIST", "TYPE", "pubsub"]).await).unwrap();
        let unread = list.lines().filter(|line| !line.contains(" omem=0 ")).count();
        if unread == 0 { Ok(()) } else { Err(format!("{unread} unread")) }
    })
    .await;
    println!(
        "72 held connections: {} kB resident more; {} greetings: {} ms of CPU (this process with all its tests)",
        resident() - begin,
        GREETINGS * 72,
        cpu_milliseconds() - cpu
    );
    let mut calls = 0;
    while tokio::time::timeout(Duration::from_millis(300), scene.calls.next()).await.is_ok() {
        calls += 1;
    }
    assert!(calls <= 10, "greetings that say nothing new called {calls} times");
}
