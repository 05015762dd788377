//! The commands that actions become, against servers that only write down what they are told.

use std::sync::Mutex;

use futures::future::BoxFuture;
use serde_json::json;

use super::servers::Hands;
use crate::heal::tests::world;
use crate::heal::{Action, Memory, Outcome, SettingKey};
use crate::observe::facts::Observed;
use crate::redis::{Error, Peer, Reply, Servers};
use crate::secret::{Password, Passwords};

/// Answers everything with OK, but `CONFIG GET` and `SENTINEL MASTER` with a value, and refuses what it is to refuse.
#[derive(Default)]
struct Scribe {
    told: Mutex<Vec<String>>,
    refuse: Option<&'static str>,
}

impl Servers for Scribe {
    fn ask<'a>(&'a self, peer: &'a Peer, command: &'a [&'a str]) -> BoxFuture<'a, Result<Reply, Error>> {
        let text = command.join(" ");
        self.told.lock().unwrap().push(format!("{} {text}", peer.address));
        let answer = match command {
            _ if self.refuse.is_some_and(|word| text.contains(word)) => {
                Err(Error::Server("ERR no".to_owned()))
            }
            ["CONFIG", "GET", name] => Ok(list(&[name, "shown"])),
            ["SENTINEL", "MASTER", _] => Ok(list(&["name", "mymaster", "failover-timeout", "3000"])),
            _ => Ok(Reply::Text("OK".to_owned())),
        };
        Box::pin(std::future::ready(answer))
    }
}

fn list(items: &[&str]) -> Reply {
    Reply::List(items.iter().map(|item| Reply::Text((*item).to_owned())).collect())
}

async fn told(scribe: &Scribe, action: Action, memory: &mut Memory) -> (Vec<String>, Result<(), Error>) {
    let valid = world::valid(json!({"sentinel": {"customConfig": ["failover-timeout 3000"]}}));
    let observed: Observed = world::healthy();
    let passwords = Passwords { redis: Some(Password::new("secret".to_owned())), sentinel: None };
    let hands = Hands { servers: scribe, valid: &valid, observed: &observed, passwords: &passwords };
    let result = hands.carry_out(&action, memory).await;
    (std::mem::take(&mut *scribe.told.lock().unwrap()), result)
}

fn setting(pod: &str, name: &str, value: &str) -> SettingKey {
    SettingKey {
        pod: pod.to_owned(),
        process: "p".to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

#[tokio::test]
async fn each_action_becomes_its_commands() {
    let memory = &mut Memory::default();
    let scribe = Scribe::default();
    let pod = "rfr-x-1".to_owned();
    let promote = Action::Promote { pod: pod.clone(), why: String::new() };
    assert_eq!(told(&scribe, promote, memory).await.0, ["10.0.0.2:6379 REPLICAOF NO ONE"]);
    let follow = Action::Follow { pod: pod.clone(), master: world::address(0) };
    assert_eq!(told(&scribe, follow, memory).await.0, ["10.0.0.2:6379 REPLICAOF 10.0.0.1 6379"]);
    assert!(
        told(&scribe, Action::Label { pod, role: "master" }, memory).await.0.is_empty(),
        "labels are not for servers"
    );
}

#[tokio::test]
async fn a_sentinel_gets_master_password_and_settings_at_once() {
    let memory = &mut Memory::default();
    for (replace, first) in
        [(true, "SENTINEL REMOVE mymaster"), (false, "SENTINEL MONITOR mymaster 10.0.0.1 6379 2")]
    {
        let action =
            Action::Monitor { pod: "rfs-x-2".to_owned(), master: world::address(0), quorum: 2, replace };
        let (commands, result) = told(&Scribe::default(), action, memory).await;
        assert_eq!(commands[0], format!("10.0.1.2:26379 {first}"));
        assert_eq!(
            commands[commands.len() - 3..],
            [
                "10.0.1.2:26379 SENTINEL MONITOR mymaster 10.0.0.1 6379 2",
                "10.0.1.2:26379 SENTINEL SET mymaster auth-pass secret",
                "10.0.1.2:26379 SENTINEL SET mymaster failover-timeout 3000",
            ]
        );
        assert!(result.is_ok());
    }
}

#[tokio::test]
async fn what_a_server_shows_after_a_change_is_remembered() {
    let memory = &mut Memory::default();
    let key = setting("rfr-x-0", "hz", "50");
    told(&Scribe::default(), Action::SetRedis(key.clone()), memory).await.1.unwrap();
    assert_eq!(memory.settings.get(&key), Some(&Outcome::Shown(Some("shown".to_owned()))));
    let key = setting("rfs-x-0", "failover-timeout", "3000");
    told(&Scribe::default(), Action::SetSentinel(key.clone()), memory).await.1.unwrap();
    assert_eq!(memory.settings.get(&key), Some(&Outcome::Shown(Some("3000".to_owned()))));
}

#[tokio::test]
async fn a_refusal_is_remembered_and_a_pod_that_is_gone_is_an_error() {
    let memory = &mut Memory::default();
    let scribe = Scribe { refuse: Some("hz"), ..Scribe::default() };
    let key = setting("rfr-x-0", "hz", "many");
    assert!(told(&scribe, Action::SetRedis(key.clone()), memory).await.1.is_err());
    assert_eq!(memory.settings.get(&key), Some(&Outcome::Refused("ERR no".to_owned())));
    let (commands, result) =
        told(&scribe, Action::Promote { pod: "rfr-x-9".to_owned(), why: String::new() }, memory).await;
    assert!(commands.is_empty() && matches!(result, Err(Error::Broken(text)) if text.contains("rfr-x-9")));
}
