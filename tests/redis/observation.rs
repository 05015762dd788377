//! Facts from real servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, Pod};
use redis_operator::api::rules::directive::Directive;
use redis_operator::api::spec::PodSpec;
use redis_operator::api::valid::{Identity, Redis, Sentinel, Storage};
use redis_operator::api::{SENTINEL_PORT, Valid};
use redis_operator::observe::facts::{Monitored, Observed, Role, ServerFacts, Silence};
use redis_operator::observe::{observe, pods};
use redis_operator::redis::{Address, Client, Deadlines, Error, Peer, Reply, Servers};
use redis_operator::secret::Passwords;
use serde_json::json;

use crate::common::{PATIENCE, peer, text};
use crate::support::processes::{Server, free_port, loopback, wait_until};

pub(crate) fn at(server: &Server, password: Option<&str>) -> Peer {
    peer(&server.ip, server.port, &server.ip, password)
}

/// Sends a command to a server that must take it.
pub(crate) async fn tell(client: &Client, server: &Server, command: &[&str]) -> Reply {
    client
        .ask(&at(server, None), command)
        .await
        .unwrap_or_else(|error| panic!("{command:?}: {error}\n{}", server.log()))
}

pub(crate) async fn answers(client: &Client, server: &Server) {
    wait_until(&format!("{} answers", server.ip), PATIENCE, async || {
        client.ask(&at(server, None), &["PING"]).await.map_err(|error| format!("{error}\n{}", server.log()))
    })
    .await;
}

pub(crate) fn valid(port: u16, settings: &[&str]) -> Valid {
    let config =
        settings.iter().map(|key| Directive { key: (*key).to_owned(), value: String::new() }).collect();
    Valid {
        identity: Identity::default(),
        redis: Redis {
            replicas: 3,
            port,
            config,
            renames: Vec::new(),
            shutdown_config_map: None,
            storage: Storage::EmptyDir(EmptyDirVolumeSource::default()),
            grace_seconds: 30,
            pod: PodSpec::default(),
        },
        sentinel: Sentinel {
            replicas: 3,
            master_name: "mymaster".to_owned(),
            config: Vec::new(),
            config_copy: None,
            pod: PodSpec::default(),
        },
        auth_secret: None,
        sentinel_auth_secret: None,
        child_labels: BTreeMap::new(),
    }
}

pub(crate) fn pod(component: &str, ordinal: usize, ip: &str) -> Arc<Pod> {
    let status = json!({"phase": "Running", "podIP": ip, "containerStatuses": [{
        "name": component, "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}}]});
    let labels = json!({pods::COMPONENT_LABEL: component});
    let metadata = json!({"name": format!("{component}-{ordinal}"), "uid": ip, "labels": labels});
    Arc::new(serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap())
}

pub(crate) fn pods_of(component: &str, servers: &[Server]) -> Vec<Arc<Pod>> {
    servers.iter().enumerate().map(|(ordinal, server)| pod(component, ordinal, &server.ip)).collect()
}

/// Looks until what is seen is as wanted; `Err` of the judgement is what is printed when it never is.
async fn see<T>(what: &str, look: impl AsyncFn() -> Observed, wanted: impl Fn(&Observed) -> Option<T>) -> T {
    wait_until(what, PATIENCE, async || {
        let seen = look().await;
        wanted(&seen).ok_or_else(|| format!("{seen:#?}"))
    })
    .await
}

fn server(seen: &Observed, ordinal: usize) -> Option<&ServerFacts> {
    seen.redis.get(ordinal)?.server.as_ref().ok()
}

fn link_up(facts: &ServerFacts) -> bool {
    matches!(facts.role, Role::Replica { link_up: true, .. })
}

fn is_master(facts: &ServerFacts) -> bool {
    matches!(facts.role, Role::Master { .. })
}

#[tokio::test]
async fn the_life_of_a_replica() {
    let (client, port) = (Client::new(Deadlines::default()), free_port());
    let dead = loopback();
    let mut servers = [
        Server::redis(&loopback(), port, &["--repl-ping-replica-period", "1"]),
        Server::redis(&loopback(), port, &["--replicaof", &dead, &port.to_string()]),
    ];
    for server in &servers {
        answers(&client, server).await;
    }
    let (valid, pods) = (valid(port, &[]), pods_of("redis", &servers));
    let look = async || observe(&client, &valid, &pods, &Passwords::default()).await;

    let seen = look().await;
    let fresh = server(&seen, 1).unwrap();
    let source = Address { host: dead.clone(), port };
    assert_eq!(fresh.role, Role::Replica { source, link_up: false, syncing: false });
    assert_eq!((fresh.offset, fresh.keys), (0, 0), "it never synced");

    tell(&client, &servers[0], &["SET", "a", "1"]).await;
    tell(&client, &servers[1], &["REPLICAOF", &servers[0].ip, &port.to_string()]).await;
    let (master, replica) = see("the replica is in sync", look, |seen| {
        let (master, replica) = (server(seen, 0)?, server(seen, 1)?);
        let online = matches!(&master.role, Role::Master { replicas } if replicas.iter().any(|link| link.online && link.offset > 1));
        (online && link_up(replica) && replica.offset > 1).then(|| (master.clone(), replica.clone()))
    })
    .await;
    assert_eq!((master.keys, replica.keys), (1, 1));
    assert_eq!(master.replication_id, replica.replication_id);
    let Role::Master { replicas } = master.role else { panic!("{master:?}") };
    assert_eq!(replicas[0].address, Address { host: servers[1].ip.clone(), port });

    servers[0].kill();
    let orphan =
        see("the link is lost", look, |seen| server(seen, 1).filter(|facts| !link_up(facts)).cloned()).await;
    assert!(orphan.offset >= replica.offset, "{orphan:?}");
    assert_eq!(look().await.redis[0].server, Err(Silence::Failed(Error::Refused)));

    tell(&client, &servers[1], &["REPLICAOF", "NO", "ONE"]).await;
    let promoted =
        see("promotion", look, |seen| server(seen, 1).filter(|facts| is_master(facts)).cloned()).await;
    assert_eq!(promoted.second_replication_id, replica.replication_id);
    assert!(promoted.offset >= orphan.offset, "{promoted:?}");

    tell(&client, &servers[1], &["SAVE"]).await;
    servers[1].kill();
    servers[1].restart();
    let restarted = see("the restart", look, |seen| server(seen, 1).cloned()).await;
    assert_ne!(restarted.run_id, promoted.run_id);
    assert_eq!(restarted.keys, 1, "loaded from disk");
    assert!(!link_up(&restarted) && !is_master(&restarted), "as its arguments say: {restarted:?}");
}

#[tokio::test]
async fn a_death_is_seen_at_once_and_a_restart_after_it() {
    let client = Client::new(Deadlines::default());
    let mut server = Server::redis(&loopback(), free_port(), &[]);
    answers(&client, &server).await;
    server.kill();
    let start = Instant::now();
    wait_until("refusal", PATIENCE, async || match client.ask(&at(&server, None), &["PING"]).await {
        Err(Error::Refused) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    println!("refused {:?} after the death", start.elapsed());
    server.restart();
    answers(&client, &server).await;
}

#[tokio::test]
async fn settings_are_read_as_they_are_now() {
    let client = Client::new(Deadlines::default());
    let server_0 = Server::redis(&loopback(), free_port(), &["--save", "900", "1"]);
    answers(&client, &server_0).await;
    let valid = valid(server_0.port, &["save", "maxmemory", "slowlog-max-len", "no-such-setting"]);
    let pods = [pod("redis", 0, &server_0.ip)];
    let config = async || {
        server(&observe(&client, &valid, &pods, &Passwords::default()).await, 0).unwrap().config.clone()
    };

    let settings = |save: &str, memory: &str| {
        let entries = [("save", save), ("maxmemory", memory), ("slowlog-max-len", "128")];
        entries.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    };
    let expected: BTreeMap<String, String> = settings("900 1", "0");
    assert_eq!(config().await, expected, "and nothing for the setting that it does not know");
    tell(&client, &server_0, &["CONFIG", "SET", "maxmemory", "100mb"]).await;
    tell(&client, &server_0, &["CONFIG", "SET", "save", ""]).await;
    assert_eq!(config().await, settings("", "104857600"));
}

#[tokio::test]
async fn passwords() {
    let client = Client::new(Deadlines::default());
    let server_0 = Server::redis(&loopback(), free_port(), &["--requirepass", "right \" one"]);
    let ask = async |password| client.ask(&at(&server_0, password), &["PING"]).await;
    wait_until("the server is up", PATIENCE, async || match ask(None).await {
        Err(Error::Auth) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(ask(Some("wrong")).await, Err(Error::Auth));
    assert_eq!(ask(Some("right \" one")).await, Ok(text("PONG")));
    let set = ["CONFIG", "SET", "requirepass", ""];
    client.ask(&at(&server_0, Some("right \" one")), &set).await.unwrap();
    assert_eq!(ask(None).await, Ok(text("PONG")));
    assert_eq!(ask(Some("other")).await, Err(Error::Auth), "a password that is not wanted");

    let seen =
        observe(&client, &valid(server_0.port, &[]), &[pod("redis", 0, &server_0.ip)], &Passwords::default())
            .await;
    assert!(server(&seen, 0).is_some(), "{seen:?}");
}

#[tokio::test]
async fn sentinels_tell_what_they_monitor() {
    let (client, port) = (Client::new(Deadlines::default()), free_port());
    let master = Server::redis(&loopback(), port, &[]);
    let replica = Server::redis(&loopback(), port, &["--replicaof", &master.ip, &port.to_string()]);
    answers(&client, &master).await;
    answers(&client, &replica).await;
    // A Sentinel looks for replicas when it starts, and then only every ten seconds.
    wait_until("the replica is online", PATIENCE, async || {
        match tell(&client, &master, &["INFO", "replication"]).await {
            Reply::Text(info) if info.contains("state=online") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let monitor = format!(
        "sentinel monitor mymaster {} {port} 2\nsentinel down-after-milliseconds mymaster 4321",
        master.ip
    );
    let mut sentinels: Vec<Server> =
        (0..3).map(|_| Server::sentinel(&loopback(), SENTINEL_PORT, &monitor)).collect();
    sentinels.push(Server::sentinel(&loopback(), SENTINEL_PORT, ""));
    let (valid, pods) = (valid(port, &[]), pods_of("sentinel", &sentinels));

    let seen = see(
        "three Sentinels know each other",
        async || observe(&client, &valid, &pods, &Passwords::default()).await,
        |seen| {
            let monitored: Vec<&Monitored> = seen
                .sentinels
                .iter()
                .filter_map(|node| node.server.as_ref().ok()?.monitored.as_ref())
                .collect();
            let complete =
                monitored.len() == 3 && monitored.iter().all(|seen| seen.peers == 2 && seen.replicas == 1);
            let all_answer = seen.sentinels.iter().all(|node| node.server.is_ok());
            (complete && all_answer).then(|| seen.sentinels.clone())
        },
    )
    .await;
    let facts: Vec<_> = seen.iter().map(|node| node.server.clone().unwrap()).collect();
    for facts in &facts[..3] {
        let monitored = facts.monitored.as_ref().unwrap();
        assert_eq!(
            (monitored.host.as_str(), monitored.port, monitored.quorum),
            (master.ip.as_str(), port, 2)
        );
        assert_eq!(monitored.flags.iter().collect::<Vec<_>>(), ["master"]);
        assert_eq!(monitored.settings["down-after-milliseconds"], "4321");
    }
    assert_eq!(facts[3].monitored, None, "it was told of no master");
    let ids: BTreeSet<&str> = facts.iter().map(|facts| facts.id.as_str()).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
}

/// Prints what a look at 72 servers costs, as many as 12 times three redis and three Sentinels.
/// One server that listens on all loopback addresses plays all of them.
#[tokio::test]
async fn a_look_at_many_servers() {
    let client = Client::new(Deadlines::default());
    let server_0 = Server::redis(&loopback(), free_port(), &["--bind", "0.0.0.0"]);
    answers(&client, &server_0).await;
    let valid = valid(server_0.port, &["save", "maxmemory", "slowlog-max-len", "timeout"]);
    let pods: Vec<_> = (0..72).map(|ordinal| pod("redis", ordinal, &loopback())).collect();
    observe(&client, &valid, &pods, &Passwords::default()).await;
    let (start, before) = (Instant::now(), cpu_milliseconds());
    for _ in 0..20 {
        let seen = observe(&client, &valid, &pods, &Passwords::default()).await;
        assert!(seen.redis.iter().all(|node| node.server.is_ok()), "{seen:?}");
    }
    assert_eq!(client.connections(), 73, "one for each server, and the first");
    println!(
        "a look at 72 servers with 4 settings: {:?}, {} ms of CPU (debug build: all threads of this test process)",
        start.elapsed() / 20,
        (cpu_milliseconds() - before) / 20
    );
}

/// User and system time of this process; the clock of /proc ticks 100 times a second.
pub(crate) fn cpu_milliseconds() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ').collect::<Vec<_>>();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}
