use std::collections::HashMap;
use std::future::pending;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;

use super::*;
use crate::api::rules::directive::Directive;
use crate::api::spec::PodSpec;
use crate::api::valid::{Identity, Redis, Sentinel, Storage};
use crate::redis::Reply;

const INFO: &str = "role:master\r\nrun_id:r\r\nmaster_replid:h\r\nmaster_repl_offset:5\r\n";

/// Answers by address and command; what is not listed hangs for ever.
#[derive(Default)]
struct Fake(HashMap<(String, String), Result<Reply, Error>>);

impl Fake {
    /// A Sentinel that knows nobody.
    fn alone(self, address: &str) -> Self {
        let none = || Ok(Reply::List(Vec::new()));
        self.with(address, "SENTINEL REPLICAS mymaster", none()).with(
            address,
            "SENTINEL SENTINELS mymaster",
            none(),
        )
    }

    fn with(mut self, address: &str, command: &str, result: Result<Reply, Error>) -> Self {
        self.0.insert((address.to_owned(), command.to_owned()), result);
        self
    }
}

impl Servers for Fake {
    fn ask<'a>(&'a self, peer: &'a Peer, command: &'a [&'a str]) -> BoxFuture<'a, Result<Reply, Error>> {
        match self.0.get(&(peer.address.to_string(), command.join(" "))) {
            Some(result) => std::future::ready(result.clone()).boxed(),
            None => pending().boxed(),
        }
    }
}

fn valid(settings: &[&str]) -> Valid {
    let config =
        settings.iter().map(|key| Directive { key: (*key).to_owned(), value: String::new() }).collect();
    Valid {
        identity: Identity::default(),
        redis: Redis {
            replicas: 3,
            port: 7000,
            config,
            renames: Vec::new(),
            shutdown_config_map: None,
            storage: Storage::EmptyDir(k8s_openapi::api::core::v1::EmptyDirVolumeSource::default()),
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

fn pod(component: &str, name: &str, ip: &str) -> Arc<Pod> {
    let status = json!({"phase": "Running", "podIP": ip, "containerStatuses": [{
        "name": component, "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}}]});
    let labels = json!({pods::COMPONENT_LABEL: component});
    let pod = json!({"metadata": {"name": name, "uid": name, "labels": labels}, "status": status});
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn text(text: &str) -> Reply {
    Reply::Text(text.to_owned())
}

fn list(items: &[&str]) -> Reply {
    Reply::List(items.iter().map(|item| text(item)).collect())
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_costs_its_deadline_and_nothing_else() {
    let fake = Fake::default()
        .with("10.0.0.2:7000", "INFO", Ok(text(INFO)))
        .with("10.0.0.10:7000", "INFO", Err(Error::Refused))
        .alone("10.0.1.1:26379")
        .with("10.0.1.1:26379", "SENTINEL MYID", Ok(text("id")))
        .with("10.0.1.1:26379", "SENTINEL MASTER mymaster", Ok(list(&["ip", "10.0.0.2", "port", "7000"])));
    let pods = [
        pod("redis", "rfr-a-10", "10.0.0.10"),
        pod("sentinel", "rfs-a-y", "10.0.1.2"),
        pod("redis", "rfr-a-2", "10.0.0.2"),
        pod("redis", "rfr-a-0", "10.0.0.3"),
        pod("redis", "rfr-a-1", ""),
        pod("sentinel", "rfs-a-x", "10.0.1.1"),
        pod("else", "other", "10.0.2.1"),
    ];
    let start = tokio::time::Instant::now();
    let seen = observe(&fake, &valid(&[]), &pods, &Passwords::default()).await;

    assert_eq!(start.elapsed(), SERVER_DEADLINE);
    let names: Vec<&str> = seen.redis.iter().map(|node| node.pod.name.as_str()).collect();
    assert_eq!(names, ["rfr-a-0", "rfr-a-1", "rfr-a-2", "rfr-a-10"], "by ordinal, not by name");
    let silence: Vec<_> = seen.redis.iter().map(|node| node.server.as_ref().err().cloned()).collect();
    let failed = |error| Some(Silence::Failed(error));
    assert_eq!(silence, [failed(Error::Timeout), Some(Silence::NotAsked), None, failed(Error::Refused)]);
    let sentinels: Vec<_> =
        seen.sentinels.iter().map(|node| (node.pod.name.as_str(), node.server.is_ok())).collect();
    assert_eq!(sentinels, [("rfs-a-x", true), ("rfs-a-y", false)]);
}

#[tokio::test(start_paused = true)]
async fn settings_that_the_server_does_not_know_are_absent() {
    let fake = Fake::default()
        .with("10.0.0.1:7000", "INFO", Ok(text(INFO)))
        .with("10.0.0.1:7000", "CONFIG GET save", Ok(list(&["save", ""])))
        .with("10.0.0.1:7000", "CONFIG GET hz", Ok(list(&["hz-other", "1", "HZ", "10"])))
        .with("10.0.0.1:7000", "CONFIG GET unknown", Ok(list(&[])))
        .with("10.0.0.1:7000", "CONFIG GET refused", Err(Error::Server("ERR".into())));
    let pods = [pod("redis", "rfr-a-0", "10.0.0.1")];
    let seen =
        observe(&fake, &valid(&["save", "hz", "unknown", "refused", "save"]), &pods, &Passwords::default())
            .await;
    let facts = seen.redis[0].server.as_ref().unwrap();
    let expected = [("hz".to_owned(), "10".to_owned()), ("save".to_owned(), String::new())];
    assert_eq!(facts.config, BTreeMap::from(expected));
}

#[tokio::test(start_paused = true)]
async fn a_setting_without_an_answer_is_not_taken_for_absent() {
    let fake = Fake::default().with("10.0.0.1:7000", "INFO", Ok(text(INFO))).with(
        "10.0.0.1:7000",
        "CONFIG GET save",
        Err(Error::Broken("reset".into())),
    );
    let seen =
        observe(&fake, &valid(&["save"]), &[pod("redis", "rfr-a-0", "10.0.0.1")], &Passwords::default())
            .await;
    assert_eq!(seen.redis[0].server, Err(Silence::Failed(Error::Broken("reset".into()))));
}

#[tokio::test(start_paused = true)]
async fn a_sentinel_without_our_master_monitors_nothing() {
    let answers = [
        (Err(Error::Server("ERR No such master with that name".into())), Ok(None)),
        (Err(Error::Server("ERR else".into())), Err(Silence::Failed(Error::Server("ERR else".into())))),
        (
            Ok(list(&["flags", "master"])),
            Err(Silence::Failed(Error::Protocol("the field ip is missing".into()))),
        ),
    ];
    for (answer, expected) in answers {
        let fake = Fake::default()
            .alone("10.0.1.1:26379")
            .with("10.0.1.1:26379", "SENTINEL MYID", Ok(text("id")))
            .with("10.0.1.1:26379", "SENTINEL MASTER mymaster", answer);
        let seen =
            observe(&fake, &valid(&[]), &[pod("sentinel", "rfs-a-x", "10.0.1.1")], &Passwords::default())
                .await;
        assert_eq!(seen.sentinels[0].server.clone().map(|facts| facts.monitored), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sentinel_tells_whom_it_knows() {
    let row = |ip: &str, id: &str| {
        list(&["name", "n", "ip", ip, "port", "26379", "runid", id, "flags", "sentinel,s_down"])
    };
    let peers = Reply::List(vec![row("fd00::1", "p"), row("", "no address"), row("10.0.0.1", "")]);
    let unknown = Err(Error::Server("ERR No such master with that name".into()));
    let at = "10.0.1.1:26379";
    let fake = Fake::default()
        .with(at, "SENTINEL MYID", Ok(text("id")))
        .with(at, "SENTINEL MASTER mymaster", unknown.clone())
        .with(at, "SENTINEL REPLICAS mymaster", unknown)
        .with(at, "SENTINEL SENTINELS mymaster", Ok(peers));
    let seen =
        observe(&fake, &valid(&[]), &[pod("sentinel", "rfs-a-x", "10.0.1.1")], &Passwords::default()).await;
    let facts = seen.sentinels[0].server.as_ref().unwrap();
    assert_eq!(facts.known_replicas, []);
    let known = |host: &str, id: &str| KnownServer {
        address: Address { host: host.into(), port: 26379 },
        id: id.into(),
        flags: ["sentinel".to_owned(), "s_down".to_owned()].into(),
    };
    assert_eq!(facts.known_peers, [known("fd00::1", "p"), known("10.0.0.1", "")]);
}
