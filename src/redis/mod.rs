//! Talking to Redis and Sentinel, behind one trait.

mod connection;
pub mod greeting;
pub mod real;
pub mod reply;
pub mod subscription;
pub mod wire;

use std::fmt;

use futures::future::BoxFuture;

use crate::secret::Password;

pub use real::{Client, Deadlines};
pub use subscription::{Subscription, Topic};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// IPv4 or IPv6 address without brackets, or a host name.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A server to talk to. The incarnation keeps a reused address from being served by an old connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it listens.
    pub address: Address,
    /// Unique id of the pod behind the address.
    pub incarnation: String,
    /// Password, where the server has one.
    pub password: Option<Password>,
}

/// A reply in the shape of RESP2, as far as the operator needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// No value.
    Nil,
    /// A number.
    Integer(i64),
    /// A bulk or simple string; bytes that are not UTF-8 are replaced.
    Text(String),
    /// A list.
    List(Vec<Self>),
}

/// Why a server gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing listens there: the process is gone or not up yet.
    #[error("connection refused")]
    Refused,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The password is wrong, missing or not wanted.
    #[error("the password was not accepted")]
    Auth,
    /// The server is loading its data.
    #[error("the server is loading its data")]
    Loading,
    /// The connection broke.
    #[error("connection lost: {0}")]
    Broken(String),
    /// The server answered with an error.
    #[error("the server answered: {0}")]
    Server(String),
    /// The answer makes no sense.
    #[error("unreadable answer: {0}")]
    Protocol(String),
}

impl Error {
    /// Fixed name, for log fields, event reasons and metric labels.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "ConnectionRefused",
            Self::Timeout => "ConnectionTimedOut",
            Self::Auth => "WrongPassword",
            Self::Loading => "Loading",
            Self::Broken(_) => "ConnectionLost",
            Self::Server(_) => "ServerError",
            Self::Protocol(_) => "UnreadableAnswer",
        }
    }
}

/// The seam between the operator and the servers; tests put fakes here.
pub trait Servers: Send + Sync {
    /// Sends one command and waits for its reply, at most for the client's deadline.
    fn ask<'a>(&'a self, peer: &'a Peer, command: &'a [&'a str]) -> BoxFuture<'a, Result<Reply, Error>>;
}
