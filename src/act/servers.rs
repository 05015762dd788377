//! Carries out the planner's actions on redis servers and Sentinels, in their order.

use crate::api::Valid;
use crate::heal::{Action, Memory, Outcome, SettingKey};
use crate::observe::facts::Observed;
use crate::observe::probe::{redis_peer, sentinel_peer};
use crate::redis::{Address, Error, Peer, Reply, Servers, reply};
use crate::secret::Passwords;

/// The channel on which Sentinels introduce themselves.
pub(super) const HELLO_CHANNEL: &str = "__sentinel__:hello";

/// Hands to the servers of one `RedisFailover`.
pub struct Hands<'a> {
    /// The connections.
    pub servers: &'a dyn Servers,
    /// The checked spec.
    pub valid: &'a Valid,
    /// Where the servers are.
    pub observed: &'a Observed,
    /// The servers' passwords.
    pub passwords: &'a Passwords,
}

impl Hands<'_> {
    /// Carries out one action; those on Kubernetes objects are not for these hands.
    pub async fn carry_out(&self, action: &Action, memory: &mut Memory) -> Result<(), Error> {
        match action {
            Action::Label { .. } | Action::Restart { .. } | Action::Dismiss { .. } => Ok(()),
            Action::Promote { pod, .. } => self.promote(pod).await,
            Action::Follow { pod, master } => self.follow(pod, master).await,
            Action::Monitor { pod, master, quorum, replace } => {
                self.monitor(pod, master, *quorum, *replace).await
            }
            Action::Demote { pod, master } => self.demote(pod, master).await,
            Action::Expel { pod, host } => self.expel(pod, host).await,
            Action::Failover { pod, .. } => {
                self.tell_sentinel(pod, &["SENTINEL", "FAILOVER", self.name()]).await
            }
            Action::Introduce { pod, hello } => {
                self.tell_sentinel(pod, &["PUBLISH", HELLO_CHANNEL, hello]).await
            }
            Action::Authenticate { pod } => self.authenticate(pod).await,
            Action::Reset { pod } => self.tell_sentinel(pod, &["SENTINEL", "RESET", self.name()]).await,
            Action::SetRedis(key) => self.set_redis(key, memory).await,
            Action::SetSentinel(key) => self.set_sentinel(key, memory).await,
        }
    }

    /// Name under which the Sentinels know the master.
    fn name(&self) -> &str {
        &self.valid.sentinel.master_name
    }

    pub(super) async fn promote(&self, pod: &str) -> Result<(), Error> {
        self.tell(&self.redis(pod)?, &["REPLICAOF", "NO", "ONE"]).await
    }

    /// Its clients are cut off, so that they ask the Sentinels anew instead of getting errors on every write.
    async fn demote(&self, pod: &str, master: &Address) -> Result<(), Error> {
        self.follow(pod, master).await?;
        self.cut_off_clients(pod).await
    }

    pub(super) async fn cut_off_clients(&self, pod: &str) -> Result<(), Error> {
        self.tell_redis(pod, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await
    }

    /// Closes the links of replicas at that host. They come back as long as they are told to; this one only sees to it
    /// that our Sentinels can forget them.
    async fn expel(&self, pod: &str, host: &str) -> Result<(), Error> {
        let peer = self.redis(pod)?;
        let clients = reply::text(self.servers.ask(&peer, &["CLIENT", "LIST", "TYPE", "replica"]).await?)?;
        for address in clients.lines().filter_map(|line| addressed(line, host)) {
            self.tell(&peer, &["CLIENT", "KILL", "ADDR", address]).await?;
        }
        Ok(())
    }

    pub(super) async fn follow(&self, pod: &str, master: &Address) -> Result<(), Error> {
        self.tell(&self.redis(pod)?, &["REPLICAOF", &master.host, &master.port.to_string()]).await
    }

    pub(super) async fn tell_redis(&self, pod: &str, command: &[&str]) -> Result<(), Error> {
        self.tell(&self.redis(pod)?, command).await
    }

    pub(super) async fn tell_sentinel(&self, pod: &str, command: &[&str]) -> Result<(), Error> {
        self.tell(&self.sentinel(pod)?, command).await
    }

    /// Has a Sentinel monitor the master with all that belongs to it. Its settings go in the same breath: a Sentinel
    /// that was just told has forgotten them.
    async fn monitor(&self, pod: &str, master: &Address, quorum: i32, replace: bool) -> Result<(), Error> {
        let peer = self.sentinel(pod)?;
        if replace {
            self.tell(&peer, &["SENTINEL", "REMOVE", self.name()]).await?;
        }
        let (port, quorum) = (master.port.to_string(), quorum.to_string());
        self.tell(&peer, &["SENTINEL", "MONITOR", self.name(), &master.host, &port, &quorum]).await?;
        self.authenticate(pod).await?;
        for setting in &self.valid.sentinel.config {
            self.tell(&peer, &["SENTINEL", "SET", self.name(), &setting.key, &setting.value]).await?;
        }
        Ok(())
    }

    async fn authenticate(&self, pod: &str) -> Result<(), Error> {
        let Some(password) = &self.passwords.redis else { return Ok(()) };
        self.tell_sentinel(pod, &["SENTINEL", "SET", self.name(), "auth-pass", password.expose()]).await
    }

    async fn set_redis(&self, key: &SettingKey, memory: &mut Memory) -> Result<(), Error> {
        let peer = self.redis(&key.pod)?;
        let result = self.tell(&peer, &["CONFIG", "SET", &key.name, &key.value]).await;
        if result.is_ok() {
            let shown = self.servers.ask(&peer, &["CONFIG", "GET", &key.name]).await?;
            memory.settle(key.clone(), Outcome::Shown(second_text(&shown)));
        }
        settle_refusal(&result, key, memory);
        result
    }

    async fn set_sentinel(&self, key: &SettingKey, memory: &mut Memory) -> Result<(), Error> {
        let peer = self.sentinel(&key.pod)?;
        let result = self.tell(&peer, &["SENTINEL", "SET", self.name(), &key.name, &key.value]).await;
        if result.is_ok() {
            let shown = self.servers.ask(&peer, &["SENTINEL", "MASTER", self.name()]).await?;
            memory.settle(key.clone(), Outcome::Shown(field(&shown, &key.name)));
        }
        settle_refusal(&result, key, memory);
        result
    }

    pub(super) fn redis(&self, pod: &str) -> Result<Peer, Error> {
        let node = self.observed.redis.iter().map(|node| &node.pod).find(|facts| facts.name == pod);
        node.and_then(|facts| redis_peer(self.valid, facts, self.passwords)).ok_or_else(|| gone(pod))
    }

    pub(super) fn sentinel(&self, pod: &str) -> Result<Peer, Error> {
        let node = self.observed.sentinels.iter().map(|node| &node.pod).find(|facts| facts.name == pod);
        node.and_then(|facts| sentinel_peer(facts, self.passwords)).ok_or_else(|| gone(pod))
    }

    async fn tell(&self, peer: &Peer, command: &[&str]) -> Result<(), Error> {
        self.servers.ask(peer, command).await.map(|_| ())
    }
}

/// The address in a line of `CLIENT LIST`, if its host is this one.
fn addressed<'a>(line: &'a str, host: &str) -> Option<&'a str> {
    let address = line.split(' ').find_map(|part| part.strip_prefix("addr="))?;
    let found = address.rsplit_once(':')?.0;
    (found.trim_matches(['[', ']']) == host).then_some(address)
}

fn gone(pod: &str) -> Error {
    Error::Broken(format!("{pod} is gone"))
}

/// A setting that the server refused is not sent again to the same process. Other answers, such as BUSY, pass.
fn settle_refusal(result: &Result<(), Error>, key: &SettingKey, memory: &mut Memory) {
    if let Err(Error::Server(text)) = result
        && text.starts_with("ERR")
    {
        memory.settle(key.clone(), Outcome::Refused(text.clone()));
    }
}

fn second_text(reply: &Reply) -> Option<String> {
    match reply {
        Reply::List(items) => match items.get(1) {
            Some(Reply::Text(text)) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The value after `name` in a flat list of names and values.
fn field(reply: &Reply, name: &str) -> Option<String> {
    let Reply::List(items) = reply else { return None };
    items.chunks(2).find_map(|pair| match pair {
        [Reply::Text(key), Reply::Text(value)] if key == name => Some(value.clone()),
        _ => None,
    })
}
