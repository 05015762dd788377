//! One server of each version at hand, and its settings.

use std::collections::BTreeMap;

use redis_operator::api::MASTER_NAME;
use redis_operator::api::rules::settings::Versions;
use redis_operator::redis::reply::pairs;
use redis_operator::redis::{Client, Deadlines, Error, Peer, Reply, Servers};

use crate::common::{PATIENCE, peer};
use crate::support::processes::{Server, free_port, loopback, version, wait_until};

/// Major and minor version, and which server it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Version {
    Redis(u8, u8),
    Valkey(u8, u8),
}

impl Version {
    pub(super) const AT_HAND: [Self; 3] = [Self::Redis(6, 2), Self::Redis(7, 0), Self::Valkey(9, 1)];

    pub(super) fn is_among(self, versions: Versions) -> bool {
        match self {
            Self::Redis(major, minor) => versions.has_redis((major, minor)),
            Self::Valkey(major, minor) => versions.has_valkey((major, minor)),
        }
    }

    pub(super) fn binary(self) -> std::path::PathBuf {
        match self {
            Self::Redis(major, minor) => version(&format!("redis-server-{major}.{minor}")),
            Self::Valkey(major, minor) => version(&format!("valkey-server-{major}.{minor}")),
        }
    }
}

/// A running redis server or Sentinel.
pub(super) struct Real {
    pub(super) version: Version,
    is_sentinel: bool,
    server: Server,
    client: Client,
    peer: Peer,
}

impl Real {
    /// A redis server of each version.
    pub(super) async fn redis() -> Vec<Self> {
        let mut all = Vec::new();
        for version in Version::AT_HAND {
            let server = Server::redis_of(version.binary(), &loopback(), free_port(), &[]);
            let real = Self::ready(version, server, false).await;
            // Tests set limits below what their own connection needs. Redis 6.2 has neither the limit nor the command.
            let _ = real.ask(&["CLIENT", "NO-EVICT", "ON"]).await;
            all.push(real);
        }
        all
    }

    /// A Sentinel of each version; its master need not be there.
    pub(super) async fn sentinels() -> Vec<Self> {
        let mut all = Vec::new();
        for version in Version::AT_HAND {
            let ip = loopback();
            let lines = format!("sentinel monitor {MASTER_NAME} {ip} {} 1", free_port());
            let server = Server::sentinel_of(version.binary(), &ip, free_port(), &lines);
            all.push(Self::ready(version, server, true).await);
        }
        all
    }

    /// A redis server that read these lines at its start.
    pub(super) async fn booted(version: Version, lines: &str) -> Self {
        let ip = loopback();
        let file = std::env::temp_dir().join(format!("redis-operator-test-{ip}.conf"));
        std::fs::write(&file, lines).unwrap();
        let include = file.display().to_string();
        let server = Server::redis_of(version.binary(), &ip, free_port(), &["--include", &include]);
        let real = Self::ready(version, server, false).await;
        std::fs::remove_file(file).unwrap();
        real
    }

    async fn ready(version: Version, server: Server, is_sentinel: bool) -> Self {
        let client = Client::new(Deadlines { connect: PATIENCE, response: PATIENCE });
        let peer = peer(&server.ip, server.port, "a", None);
        wait_until(&format!("{version:?} answers"), PATIENCE, async || {
            client.ask(&peer, &["PING"]).await.map_err(|error| format!("{error}\n{}", server.log()))
        })
        .await;
        Self { version, is_sentinel, server, client, peer }
    }

    async fn ask(&self, command: &[&str]) -> Result<Reply, Error> {
        self.client.ask(&self.peer, command).await
    }

    /// The settings that match a pattern and their values, as the server shows them.
    pub(super) async fn shown(&self, pattern: &str) -> BTreeMap<String, String> {
        let command: &[&str] =
            if self.is_sentinel { &["SENTINEL", "MASTER", MASTER_NAME] } else { &["CONFIG", "GET", pattern] };
        pairs(self.ask(command).await.unwrap()).unwrap()
    }

    /// Sets one setting; the error is what the server has against it. A server that breaks fails the test.
    pub(super) async fn set(&self, key: &str, value: &str) -> Result<(), String> {
        let command: &[&str] = if self.is_sentinel {
            &["SENTINEL", "SET", MASTER_NAME, key, value]
        } else {
            &["CONFIG", "SET", key, value]
        };
        match self.ask(command).await {
            Ok(_) => Ok(()),
            Err(Error::Server(text)) => Err(text),
            Err(error) => panic!("{:?} {key} {value:?}: {error}\n{}", self.version, self.server.log()),
        }
    }
}
