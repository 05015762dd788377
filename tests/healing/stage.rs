//! A `RedisFailover` of plain processes, and a client that writes to it through its Sentinels.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Pod, Secret};
use redis_operator::api::defaults::{self, Images};
use redis_operator::api::{Identity, SENTINEL_PORT, Valid, parse};
use redis_operator::desired::ChildKind;
use redis_operator::observe::pods;
use redis_operator::redis::{Address, Client, Deadlines, Error, Peer, Reply, Servers};
use redis_operator::secret::{Password, Passwords};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::processes::{Server, free_port, loopback, tools, wait_until};

/// Three servers and three Sentinels that know nothing of one another, as new pods do.
pub(crate) struct Stage {
    pub(crate) binary: String,
    pub(crate) valid: Valid,
    pub(crate) passwords: Passwords,
    pub(crate) redis: Vec<Server>,
    pub(crate) sentinels: Vec<Server>,
    /// The server whose pod was deleted; it serves until it stops.
    pub(crate) leaving: Option<usize>,
}

impl Stage {
    pub(crate) fn start(binary: &str) -> Self {
        Self::with(binary, &[], None)
    }

    /// With this customConfig of the servers and this password of the Sentinels.
    pub(crate) fn with(binary: &str, config: &[&str], password: Option<&str>) -> Self {
        let mut spec = json!({"redis": {"port": free_port(), "customConfig": config}});
        defaults::fill(&mut spec, &Images::default());
        let identity = Identity { name: "x".to_owned(), ..Identity::default() };
        let valid = Valid::new(identity, parse::spec(&spec).unwrap()).unwrap();
        let (binary, passwords) = (binary.to_owned(), Passwords::default());
        let (redis, sentinels) = (Vec::new(), Vec::new());
        let mut stage = Self { binary, valid, passwords, redis, sentinels, leaving: None };
        stage.set_password(password);
        stage.sentinels = (0..3).map(|_| stage.new_sentinel()).collect();
        stage.redis = (0..3).map(|_| stage.new_server()).collect();
        stage
    }

    /// What the spec and its Secret say of the Sentinels' password from now on; those that run keep theirs.
    pub(crate) fn set_password(&mut self, password: Option<&str>) {
        self.valid.sentinel_auth_secret = password.map(|_| "secret".to_owned());
        self.passwords.sentinel = password.map(|text| Password::new(text.to_owned()));
    }

    /// A new pod in place of that of a Sentinel.
    pub(crate) fn renew_sentinel(&mut self, number: usize) {
        self.sentinels[number] = self.new_sentinel();
    }

    fn new_sentinel(&self) -> Server {
        let monitor = format!("sentinel monitor mymaster 127.0.0.1 {} 2", self.valid.redis.port);
        let lines = format!("{monitor}\n{}", self.secret("sentinel-auth.conf").unwrap_or_default());
        Server::sentinel_of((&self.binary).into(), &loopback(), SENTINEL_PORT, &lines)
    }

    /// A text of the Secret with the passwords.
    fn secret(&self, key: &str) -> Option<String> {
        let desired = redis_operator::desired::build(&self.valid, &self.passwords);
        let child = desired.present.into_iter().find(|child| child.kind == ChildKind::Secret)?;
        let secret: Secret = serde_json::from_value(child.body).unwrap();
        String::from_utf8(secret.data.unwrap().remove(key).unwrap().0).ok()
    }

    /// The server that the Sentinels name, once they name one that is another than `old`.
    pub(crate) async fn successor_of(&self, old: usize, limit: Duration) -> usize {
        let client = Client::new(Deadlines::default());
        wait_until("the Sentinels name another master", limit, async || {
            let named = named(&client, &self.sentinel_peers()).await;
            let new = (0..self.redis.len()).find(|ordinal| named.as_ref() == Some(&self.address(*ordinal)));
            new.filter(|new| *new != old).ok_or_else(|| format!("{named:?}"))
        })
        .await
    }

    /// The Sentinels, for one who has their password.
    pub(crate) fn sentinel_peers(&self) -> Vec<Peer> {
        self.sentinels.iter().map(|sentinel| self.sentinel_at(&sentinel.ip)).collect()
    }

    pub(crate) fn sentinel_at(&self, ip: &str) -> Peer {
        let address = Address { host: ip.to_owned(), port: SENTINEL_PORT };
        Peer { password: self.passwords.sentinel.clone(), ..peer(&address) }
    }

    pub(crate) fn pods(&self) -> Vec<Arc<Pod>> {
        let redis = self.redis.iter().enumerate();
        let redis = redis.map(|(number, server)| {
            pod(pods::REDIS, &format!("rfr-x-{number}"), &server.ip, self.leaving == Some(number))
        });
        let sentinels = self.sentinels.iter().enumerate();
        let sentinels = sentinels
            .map(|(number, server)| pod(pods::SENTINEL, &format!("rfs-x-{number}"), &server.ip, false));
        redis.chain(sentinels).collect()
    }

    pub(crate) fn address(&self, ordinal: usize) -> Address {
        Address { host: self.redis[ordinal].ip.clone(), port: self.redis[ordinal].port }
    }

    /// A server that starts as the container in a pod does: by the script and with the files of its ConfigMaps and
    /// its Secret.
    fn new_server(&self) -> Server {
        let (valid, binary) = (&self.valid, &self.binary);
        let (ip, path) = (loopback(), std::env::var("PATH").unwrap());
        let path = tools().map(|tools| format!("{}:{path}", tools.display())).unwrap_or(path);
        let desired = redis_operator::desired::build(valid, &self.passwords);
        let file = |config_map: &str, key: &'static str| {
            let child = desired.present.iter().find(|child| child.name == config_map).unwrap();
            let text = child.body["data"][key].as_str().unwrap().replace("/data", "FOLDER");
            let places = ["/redis/", "/redis-custom/", "/redis-auth/"];
            (key, places.iter().fold(text, |text, place| text.replace(place, "FOLDER/")))
        };
        // What a pod has by its own network and image.
        let server = format!(
            "#!/bin/sh\nPATH='{path}'\nexec {binary} \"$@\" --bind {ip} --replica-announce-ip {ip} \
             --repl-diskless-sync-delay 0\n"
        );
        let mut files = vec![
            file("rfr-x", "redis.conf"),
            file("rfr-x", "start.sh"),
            file("rfr-custom-x", "custom.conf"),
            ("redis-server", server),
        ];
        files.extend(self.secret("sentinel-password").map(|text| ("sentinel-password", text)));
        let command = [
            format!("PATH=FOLDER:{path}"),
            format!("REDIS_PORT={}", valid.redis.port),
            format!("POD_IP={ip}"),
            format!("SENTINEL_HOST={}", self.sentinels[0].ip),
            format!("MASTER_NAME={}", valid.sentinel.master_name),
            "/bin/sh".to_owned(),
            "FOLDER/start.sh".to_owned(),
        ];
        Server::container(&ip, valid.redis.port, &files, &command)
    }
}

fn pod(component: &str, name: &str, ip: &str, leaving: bool) -> Arc<Pod> {
    let status = json!({"phase": "Running", "podIP": ip, "containerStatuses": [{
        "name": component, "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}}]});
    let labels = json!({pods::COMPONENT_LABEL: component});
    let deleted = leaving.then_some("2026-01-01T00:00:00Z");
    let metadata = json!({"name": name, "uid": ip, "labels": labels, "deletionTimestamp": deleted});
    Arc::new(serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap())
}

pub(crate) fn peer(address: &Address) -> Peer {
    Peer { address: address.clone(), incarnation: address.host.clone(), password: None }
}

/// Writes numbered keys as fast as they are acknowledged, never slower than every few milliseconds, and asks any Sentinel
/// for the master when a write fails.
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    task: JoinHandle<Vec<(Instant, u64)>>,
}

/// What a writer has seen.
pub(crate) struct Written {
    pub(crate) longest_gap: Duration,
    pub(crate) acknowledged: usize,
    pub(crate) lost: usize,
}

impl Writer {
    pub(crate) fn start(stage: &Stage) -> Self {
        let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let sentinels = stage.sentinel_peers();
        Self { stop: stop.clone(), count: count.clone(), task: tokio::spawn(write(sentinels, stop, count)) }
    }

    /// Waits until it has written some more.
    pub(crate) async fn goes_on(&self) {
        let before = self.count.load(Ordering::SeqCst);
        wait_until("the client writes", Duration::from_secs(20), async || {
            let now = self.count.load(Ordering::SeqCst);
            if now > before + 10 { Ok(()) } else { Err(format!("{now} writes, {before} before")) }
        })
        .await;
    }

    /// Stops it, once it has found the master again, and counts what is missing on the master.
    pub(crate) async fn stop(self, master: &Address) -> Written {
        self.goes_on().await;
        self.stop.store(true, Ordering::SeqCst);
        let acknowledged = self.task.await.unwrap();
        let gaps = acknowledged.windows(2).map(|pair| pair[1].0 - pair[0].0);
        let client = Client::new(Deadlines::default());
        let mut lost = 0;
        for (_, number) in &acknowledged {
            let found = client.ask(&peer(master), &["EXISTS", &format!("k{number}")]).await;
            lost += usize::from(found != Ok(Reply::Integer(1)));
        }
        Written { longest_gap: gaps.max().unwrap_or_default(), acknowledged: acknowledged.len(), lost }
    }
}

async fn write(sentinels: Vec<Peer>, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) -> Vec<(Instant, u64)> {
    let client = Client::new(Deadlines::default());
    let (mut acknowledged, mut master, mut number) = (Vec::new(), None, 0_u64);
    while !stop.load(Ordering::SeqCst) {
        let Some(at) = master.clone() else {
            master = named(&client, &sentinels).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        number += 1;
        match client.ask(&peer(&at), &["SET", &format!("k{number}"), "1"]).await {
            Ok(_) => {
                acknowledged.push((Instant::now(), number));
                count.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => master = None,
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    acknowledged
}

pub(crate) async fn named(client: &Client, sentinels: &[Peer]) -> Option<Address> {
    for sentinel in sentinels {
        let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"];
        let Ok(Reply::List(items)) = client.ask(sentinel, &ask).await else { continue };
        if let [Reply::Text(host), Reply::Text(port)] = &items[..] {
            return Some(Address { host: host.clone(), port: port.parse().ok()? });
        }
    }
    None
}

/// The fields of a list of lists, as `SENTINEL REPLICAS` answers.
pub(crate) fn rows(reply: Result<Reply, Error>) -> Vec<BTreeMap<String, String>> {
    let Ok(Reply::List(rows)) = reply else { return Vec::new() };
    rows.into_iter().filter_map(|row| redis_operator::redis::reply::pairs(row).ok()).collect()
}
