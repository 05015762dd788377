//! The watch: what is noticed without asking, how soon, and what is no proof of a death.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use redis_operator::api::{SENTINEL_PORT, Valid};
use redis_operator::observe::facts::{Death, Observed, RedisNode, Role, Silence};
use redis_operator::observe::{Owner, Watch};
use redis_operator::redis::{Client, Deadlines, Error, Reply, Servers, Subscription, Topic, reply};
use redis_operator::secret::{Password, Passwords};

use crate::common::PATIENCE;
use crate::observation::{answers, at, pod, pods_of, tell, valid};
use crate::support::processes::{Server, free_port, loopback, versions, wait_until};
use crate::support::scripted::{Proxy, Traffic};

/// A watch, with the calls that come from it.
pub(crate) struct Scene {
    pub(crate) client: Arc<Client>,
    pub(crate) watch: Watch,
    pub(crate) calls: Pin<Box<dyn Stream<Item = Owner> + Send>>,
    pub(crate) valid: Valid,
    pub(crate) pods: Vec<Arc<Pod>>,
    pub(crate) passwords: Passwords,
}

impl Scene {
    pub(crate) fn new(port: u16, pods: Vec<Arc<Pod>>) -> Self {
        let client = Arc::new(Client::new(Deadlines::default()));
        let (watch, calls) = Watch::new(Arc::clone(&client) as Arc<dyn Servers>);
        Self {
            client,
            watch,
            calls: calls.boxed(),
            valid: valid(port, &[]),
            pods,
            passwords: Passwords::default(),
        }
    }

    /// One server that answers and is listened to.
    async fn of(server: &Server) -> Self {
        let scene = Self::new(server.port, vec![pod("redis", 0, &server.ip)]);
        answers(&scene.client, server).await;
        scene.look().await;
        scene.listens(server).await;
        scene
    }

    pub(crate) async fn look(&self) -> Observed {
        self.watch.look(&self.valid, &self.pods, &self.passwords).await
    }

    async fn node(&self) -> RedisNode {
        self.look().await.redis.remove(0)
    }

    /// Waits until this many held connections of the watch are open at a server.
    pub(crate) async fn listens(&self, server: &Server) {
        wait_until("the watch listens", PATIENCE, async || match self.listeners(server).await {
            list if list.lines().count() == 1 => Ok(()),
            list => Err(list),
        })
        .await;
    }

    async fn listeners(&self, server: &Server) -> String {
        let list = tell(&self.client, server, &["CLIENT", "LIST", "TYPE", "pubsub"]).await;
        reply::text(list).unwrap()
    }

    /// Waits for a call and looks, until what is seen is as wanted; says how long that took.
    async fn called(&mut self, what: &str, wanted: impl Fn(&RedisNode) -> bool) -> (RedisNode, Duration) {
        let start = Instant::now();
        loop {
            let call = tokio::time::timeout(PATIENCE, self.calls.next()).await;
            let took = start.elapsed();
            let node = self.node().await;
            assert!(call.is_ok(), "{what}: no call; last state: {node:#?}");
            if wanted(&node) {
                println!("{what}: called after {took:?}");
                return (node, took);
            }
        }
    }

    /// Looks for some seconds at what must not be taken for a death.
    async fn no_death(&self, what: &str, still: impl Fn(&RedisNode) -> bool) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(1500) {
            let node = self.node().await;
            assert_eq!(node.death, None, "{what}: {node:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        wait_until(what, PATIENCE, async || match self.node().await {
            node if node.death.is_none() && still(&node) => Ok(()),
            node => Err(format!("{node:#?}")),
        })
        .await;
    }
}

fn lives(node: &RedisNode) -> bool {
    node.server.is_ok()
}

fn is_silent(node: &RedisNode) -> bool {
    node.server == Err(Silence::Failed(Error::Timeout)) && node.before.is_some()
}

/// The fastest of some tries: the machine may be busy with other things.
fn soon(times: &[Duration], limit: Duration) {
    let best = times.iter().min().unwrap();
    assert!(*best < limit, "{times:?}");
}

#[tokio::test]
async fn a_killed_server_is_dead_at_once() {
    let mut times = Vec::new();
    for _ in 0..5 {
        let mut server = Server::redis(&loopback(), free_port(), &[]);
        let mut scene = Scene::of(&server).await;
        let run_id = scene.node().await.server.unwrap().run_id;
        server.kill();
        let (node, took) = scene.called("kill -9 → evidence", |node| node.death.is_some()).await;
        assert_eq!(node.death, Some(Death::Refused));
        assert_eq!(node.before.unwrap().run_id, run_id);
        times.push(took);
        scene.pods.clear();
        scene.look().await;
        assert_eq!(scene.watch.held(), 0);
    }
    soon(&times, Duration::from_millis(50));
}

#[tokio::test]
async fn a_server_that_shuts_down_is_dead() {
    let server = Server::redis(&loopback(), free_port(), &[]);
    let mut scene = Scene::of(&server).await;
    let _ = scene.client.ask(&at(&server, None), &["SHUTDOWN", "NOSAVE"]).await; // It answers by closing.
    let (node, _) = scene.called("SHUTDOWN → evidence", |node| node.death.is_some()).await;
    assert_eq!(node.death, Some(Death::Refused));
}

#[tokio::test]
async fn a_restart_in_place_is_the_end_of_the_process_before() {
    let mut server = Server::redis(&loopback(), free_port(), &["--replicaof", "127.0.0.1", "1"]);
    let mut scene = Scene::of(&server).await;
    tell(&scene.client, &server, &["REPLICAOF", "NO", "ONE"]).await;
    let first = scene.node().await.server.unwrap();
    server.kill();
    server.restart();
    let (node, _) =
        scene.called("kill -9 and restart → evidence", |node| node.death == Some(Death::Restarted)).await;
    assert_eq!(node.before.unwrap().replication_id, first.replication_id);
    wait_until("it answers", PATIENCE, async || match scene.node().await {
        node if lives(&node) && node.death == Some(Death::Restarted) => Ok(()),
        node => Err(format!("{node:#?}")),
    })
    .await;
    tell(&scene.client, &server, &["REPLICAOF", "NO", "ONE"]).await;
    let node = scene.node().await;
    assert_eq!((node.death, node.before), (None, None), "it has its place");
    assert_ne!(node.server.unwrap().run_id, first.run_id);
}

#[tokio::test]
async fn a_server_that_hangs_is_not_dead_and_costs_little() {
    let server = Server::redis(&loopback(), free_port(), &[]);
    let mut scene = Scene::of(&server).await;
    server.signal("STOP");
    assert!(is_silent(&scene.node().await), "the first look waits its deadline");
    let start = Instant::now();
    scene.no_death("SIGSTOP", is_silent).await;
    let one = Instant::now();
    scene.node().await;
    println!("a look with a server that hangs: {:?}", one.elapsed());
    assert!(one.elapsed() < Duration::from_millis(300), "{:?}", one.elapsed());
    server.signal("CONT");
    let (_, took) = scene.called("SIGCONT → a look", lives).await;
    println!("it hung for {:?}, and was back {took:?} after", start.elapsed());
    scene.no_death("SIGCONT", lives).await;

    server.signal("STOP");
    scene.node().await;
    server.signal("KILL");
    let (node, _) = scene.called("SIGSTOP, then kill -9", |node| node.death.is_some()).await;
    assert_eq!(node.death, Some(Death::Refused), "the connection was held all the time");
}

#[tokio::test]
async fn closed_connections_are_no_deaths() {
    let server = Server::redis(&loopback(), free_port(), &["--timeout", "1"]);
    let scene = Scene::of(&server).await;
    let first = scene.listeners(&server).await;
    let id = |list: &str| list.split(' ').next().unwrap().to_owned();
    scene.no_death("the setting timeout", lives).await;
    tell(&scene.client, &server, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    scene.no_death("CLIENT KILL TYPE normal", lives).await;
    assert_eq!(id(&scene.listeners(&server).await), id(&first), "it was left alone");

    tell(&scene.client, &server, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    scene.no_death("CLIENT KILL TYPE pubsub", lives).await;
    scene.listens(&server).await;
    assert_ne!(id(&scene.listeners(&server).await), id(&first), "it came back");

    tell(&scene.client, &server, &["CONFIG", "SET", "timeout", "0"]).await;
    tell(&scene.client, &server, &["CONFIG", "SET", "maxclients", "1"]).await;
    tell(&scene.client, &server, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    scene.no_death("maxclients", lives).await;
    assert_eq!(scene.listeners(&server).await, "", "there is no room for it");
    tell(&scene.client, &server, &["CONFIG", "SET", "maxclients", "100"]).await;
    scene.listens(&server).await;
}

#[tokio::test]
async fn what_networks_do_is_no_death() {
    let server = Server::redis(&loopback(), free_port(), &[]);
    let front = loopback();
    let back = format!("{}:{}", server.ip, server.port);
    let proxy = Proxy::start(&format!("{front}:{}", server.port), back).await;
    let mut scene = Scene::of(&server).await;
    scene.pods = vec![pod("redis", 0, &front)];
    scene.look().await;
    scene.listens(&server).await;

    proxy.cut();
    scene.no_death("connections are reset", lives).await;
    scene.listens(&server).await;
    proxy.set(Traffic::Stalls);
    scene.node().await;
    scene.no_death("a partition", is_silent).await;
    proxy.cut();
    scene.no_death("a partition that resets", is_silent).await;
    proxy.set(Traffic::Flows);
    scene.called("the partition heals → a look", lives).await;
    scene.no_death("healed", lives).await;
}

#[tokio::test]
async fn a_replica_is_remembered_as_it_was_linked() {
    let port = free_port();
    let mut master = Server::redis(&loopback(), port, &["--repl-ping-replica-period", "1"]);
    let replica = Server::redis(&loopback(), port, &["--replicaof", &master.ip, &port.to_string()]);
    let mut scene = Scene::new(port, vec![pod("redis", 0, &master.ip), pod("redis", 1, &replica.ip)]);
    let linked = |node: &RedisNode| matches!(&node.server, Ok(facts) if matches!(facts.role, Role::Replica { link_up: true, .. }));
    wait_until("the replica is linked", PATIENCE, async || match scene.look().await.redis {
        nodes if lives(&nodes[0]) && linked(&nodes[1]) => Ok(()),
        nodes => Err(format!("{nodes:#?}")),
    })
    .await;
    scene.listens(&master).await;
    let before = scene.look().await.redis[1].server.clone().unwrap();
    master.kill();
    // Looks that may fall between the death and its proof.
    scene.look().await;
    scene.look().await;
    scene.called("the master of a replica", |node| node.death.is_some()).await;
    let node = wait_until("the replica lost its link", PATIENCE, async || {
        let node = scene.look().await.redis.remove(1);
        if node.server.is_ok() && !linked(&node) { Ok(node) } else { Err(format!("{node:#?}")) }
    })
    .await;
    let remembered = node.before.unwrap();
    assert_eq!((node.death, remembered.role, remembered.run_id), (None, before.role, before.run_id));
}

#[tokio::test]
async fn sentinels_are_heard() {
    let port = free_port();
    let master = Server::redis(&loopback(), port, &[]);
    let replica = Server::redis(&loopback(), port, &["--replicaof", &master.ip, &port.to_string()]);
    let monitor = format!("sentinel monitor mymaster {} {port} 2\n", master.ip);
    let sentinels: Vec<Server> =
        (0..2).map(|_| Server::sentinel(&loopback(), redis_operator::api::SENTINEL_PORT, &monitor)).collect();
    let mut pods = vec![pod("redis", 0, &master.ip), pod("redis", 1, &replica.ip)];
    pods.extend(pods_of("sentinel", &sentinels));
    let mut scene = Scene::new(port, pods);
    let complete = |seen: &Observed| {
        let facts: Vec<_> = seen.sentinels.iter().filter_map(|node| node.server.as_ref().ok()).collect();
        (facts.len() == 2)
            .then_some(facts)
            .filter(|all| {
                all.iter().all(|facts| facts.current_epoch.is_some() && facts.known_peers.len() == 1)
            })
            .map(|all| all.into_iter().cloned().collect::<Vec<_>>())
    };
    let facts = wait_until("both Sentinels were heard", PATIENCE, async || {
        let seen = scene.look().await;
        complete(&seen).ok_or_else(|| format!("{:#?}", seen.sentinels))
    })
    .await;
    assert_eq!(facts[0].known_peers[0].address.host, sentinels[1].ip);
    assert_eq!(facts[0].known_peers[0].id, facts[1].id);
    for sentinel in &sentinels {
        scene.listens(sentinel).await;
    }

    // What stays the same calls for nothing.
    let mut quiet = Instant::now();
    let start = Instant::now();
    while quiet.elapsed() < Duration::from_secs(5) {
        assert!(start.elapsed() < PATIENCE, "calls again and again");
        if tokio::time::timeout(Duration::from_secs(5), scene.calls.next()).await.is_ok() {
            quiet = Instant::now();
        }
    }

    let epoch = facts[0].current_epoch.unwrap() + 10;
    let hello =
        format!("{},26379,{},{epoch},mymaster,{},{port},{epoch}", sentinels[1].ip, facts[1].id, replica.ip);
    let witness = async {
        let peer = at(&sentinels[0], None);
        let mut events = Subscription::open(&peer, Topic::Events, PATIENCE).await.unwrap();
        tell(&scene.client, &sentinels[0], &["PUBLISH", "__sentinel__:hello", &hello]).await;
        events.next().await.unwrap();
        Instant::now()
    };
    let call = async {
        scene.calls.next().await;
        Instant::now()
    };
    let (said, called) = tokio::time::timeout(PATIENCE, join(witness, call)).await.unwrap();
    println!("+switch-master → called {:?} after others heard it", called.saturating_duration_since(said));
    assert!(called.saturating_duration_since(said) < Duration::from_millis(500));
    wait_until("the epoch is known", PATIENCE, async || {
        let seen = scene.look().await;
        let facts = seen.sentinels[0].server.clone();
        match &facts {
            Ok(facts)
                if facts.current_epoch == Some(epoch)
                    && facts.monitored.as_ref().is_some_and(|master| master.host == replica.ip) =>
            {
                Ok(())
            }
            other => Err(format!("{other:#?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_comes_up_calls() {
    let (ip, port) = (loopback(), free_port());
    let mut scene = Scene::new(port, vec![pod("redis", 0, &ip)]);
    assert_eq!(scene.node().await.server, Err(Silence::Failed(Error::Refused)));
    let _server = Server::redis(&ip, port, &[]);
    scene.called("a new server → a look", lives).await;
}

#[tokio::test]
async fn a_sentinel_is_listened_to_with_its_password() {
    for binary in versions() {
        let port = free_port();
        let lines = format!("sentinel monitor mymaster 127.0.0.1 {port} 1\nrequirepass \"a b\"");
        let sentinel = Server::sentinel_of(binary.into(), &loopback(), SENTINEL_PORT, &lines);
        let mut scene = Scene::new(port, vec![pod("sentinel", 0, &sentinel.ip)]);
        scene.passwords.sentinel = Some(Password::new("a b".to_owned()));
        let peer = at(&sentinel, Some("a b"));
        wait_until("the watch listens", PATIENCE, async || {
            let seen = scene.look().await.sentinels.remove(0).server;
            match scene.client.ask(&peer, &["CLIENT", "LIST", "TYPE", "pubsub"]).await {
                Ok(Reply::Text(list)) if list.lines().count() == 1 && seen.is_ok() => Ok(()),
                other => Err(format!("{other:?} {seen:?}")),
            }
        })
        .await;
        while tokio::time::timeout(Duration::from_millis(500), scene.calls.next()).await.is_ok() {}
        scene.client.ask(&peer, &["SENTINEL", "RESET", "mymaster"]).await.unwrap();
        let call = tokio::time::timeout(PATIENCE, scene.calls.next()).await;
        assert!(call.is_ok(), "what it says is not heard");
    }
}

#[tokio::test]
async fn a_password_is_needed_and_its_change_followed() {
    let server = Server::redis(&loopback(), free_port(), &["--requirepass", "one"]);
    let scene = Scene::new(server.port, vec![pod("redis", 0, &server.ip)]);
    let count = async |password: &str, new: Option<&str>| {
        let passwords = Passwords { redis: Some(Password::new(password.to_owned())), ..Passwords::default() };
        wait_until("the watch listens", PATIENCE, async || {
            scene.watch.look(&scene.valid, &scene.pods, &passwords).await;
            let peer = at(&server, Some(password));
            match scene.client.ask(&peer, &["CLIENT", "LIST", "TYPE", "pubsub"]).await {
                Ok(Reply::Text(list)) if list.lines().count() == 1 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        if let Some(new) = new {
            let peer = at(&server, Some(password));
            scene.client.ask(&peer, &["CONFIG", "SET", "requirepass", new]).await.unwrap();
        }
    };
    count("one", Some("two")).await;
    count("two", None).await;
    assert_eq!(scene.watch.held(), 1);
}
