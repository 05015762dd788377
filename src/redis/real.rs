//! Real servers, over connections that are held.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use redis::{ErrorKind, RedisError, Value};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Connection;
use super::{Address, Error, Peer, Reply, Servers};
use crate::secret::Password;

/// Settings that hold a password.
const TAKES_PASSWORD: [&str; 3] = ["requirepass", "masterauth", "auth-pass"];

/// How long to wait for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For a new connection, with its authentication.
    pub connect: Duration,
    /// For the reply to one command.
    pub response: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { connect: Duration::from_secs(1), response: Duration::from_secs(1) }
    }
}

/// One long-lived connection to each server, shared by everybody who asks it.
///
/// A connection that fails is dropped and the command fails with it: whether the server had taken the command is not known,
/// so nothing is sent twice. The next command connects anew. A connection that the server closed while nobody used it is
/// replaced before anything is sent.
#[derive(Debug)]
pub struct Client {
    deadlines: Deadlines,
    held: Mutex<HashMap<Address, Held>>,
}

/// A connection, there or under way. All who wait for it get the same result.
type Connecting = Shared<BoxFuture<'static, Result<Arc<Connection>, Error>>>;

#[derive(Debug)]
struct Held {
    incarnation: String,
    password: Option<Password>,
    connecting: Connecting,
}

impl Held {
    fn serves(&self, peer: &Peer) -> bool {
        let closed = matches!(self.connecting.peek(), Some(Ok(connection)) if connection.is_closed());
        !closed && self.incarnation == peer.incarnation && self.password == peer.password
    }
}

impl Client {
    /// A client without connections; they are made when they are needed.
    #[must_use]
    pub fn new(deadlines: Deadlines) -> Self {
        Self { deadlines, held: Mutex::default() }
    }

    /// Closes the connections to all servers whose incarnation `keep` does not want.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|_, held| keep(&held.incarnation));
    }

    /// Connections that are held or under way.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.lock().len()
    }

    async fn ask_peer(&self, peer: &Peer, command: &[&str]) -> Result<Reply, Error> {
        let connecting = self.connecting(peer);
        let connection = match connecting.clone().await {
            Ok(connection) => connection,
            Err(error) => {
                self.discard(&peer.address, &connecting);
                return Err(error);
            }
        };
        let result = connection
            .ask(command, self.deadlines.response)
            .await
            .map_err(|error| without_secrets(command, error));
        if !matches!(result, Ok(_) | Err(Error::Server(_) | Error::Loading)) {
            self.discard(&peer.address, &connecting);
        }
        result
    }

    /// The held connection, or the start of a new one in its place. The lock is never held over an await.
    fn connecting(&self, peer: &Peer) -> Connecting {
        let mut held = self.lock();
        if let Some(held) = held.get(&peer.address).filter(|held| held.serves(peer)) {
            return held.connecting.clone();
        }
        let connecting = connect(peer.clone(), self.deadlines.connect).boxed().shared();
        held.insert(
            peer.address.clone(),
            Held {
                incarnation: peer.incarnation.clone(),
                password: peer.password.clone(),
                connecting: connecting.clone(),
            },
        );
        connecting
    }

    /// Forgets this connection, unless another one has taken its place already.
    fn discard(&self, address: &Address, failed: &Connecting) {
        let mut held = self.lock();
        if held.get(address).is_some_and(|held| held.connecting.ptr_eq(failed)) {
            held.remove(address);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Address, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Servers for Client {
    fn ask<'a>(&'a self, peer: &'a Peer, command: &'a [&'a str]) -> BoxFuture<'a, Result<Reply, Error>> {
        self.ask_peer(peer, command).boxed()
    }
}

async fn connect(peer: Peer, deadline: Duration) -> Result<Arc<Connection>, Error> {
    timeout(deadline, open(&peer, deadline)).await.unwrap_or(Err(Error::Timeout))
}

async fn open(peer: &Peer, deadline: Duration) -> Result<Arc<Connection>, Error> {
    let address = (peer.address.host.as_str(), peer.address.port);
    let stream = TcpStream::connect(address).await.map_err(|error| typed_io(&error))?;
    stream.set_nodelay(true).map_err(|error| typed_io(&error))?;
    let connection = Connection::new(stream);
    if let Some(password) = &peer.password {
        connection.ask(&["AUTH", password.expose()], deadline).await.map_err(refused_password)?;
    }
    Ok(Arc::new(connection))
}

/// `AUTH` answers a plain `ERR` where the server wants no password, and, before Redis 6, where it is wrong.
fn refused_password(error: Error) -> Error {
    match error {
        Error::Server(text) if text.contains("AUTH") || text.contains("password") => Error::Auth,
        other => other,
    }
}

/// The shape of a reply that the operator reads; an error of the server is one.
pub(super) fn reply(value: Value) -> Result<Reply, Error> {
    let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(match value {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Integer(number),
        Value::Boolean(truth) => Reply::Integer(truth.into()),
        Value::BulkString(bytes) | Value::BigNumber(bytes) => Reply::Text(lossy(bytes)),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Reply::Text(text),
        Value::Okay => Reply::Text("OK".to_owned()),
        Value::Double(number) => Reply::Text(number.to_string()),
        Value::Array(items) | Value::Set(items) | Value::Push { data: items, .. } => list(items)?,
        Value::Map(entries) => list(entries.into_iter().flat_map(|(key, value)| [key, value]).collect())?,
        Value::Attribute { data, .. } => reply(*data)?,
        Value::ServerError(error) => return Err(typed(&error.into())),
        _ => return Err(Error::Protocol("an unknown kind of reply".to_owned())),
    })
}

fn list(items: Vec<Value>) -> Result<Reply, Error> {
    items.into_iter().map(reply).collect::<Result<_, _>>().map(Reply::List)
}

/// The error in a line such as `ERR unknown command`.
pub(super) fn typed_line(line: &str) -> Error {
    let (code, detail) = line.split_once(' ').unwrap_or((line, ""));
    typed_code(code, detail)
}

fn typed_code(code: &str, detail: &str) -> Error {
    match code {
        "NOAUTH" | "WRONGPASS" | "NOPERM" => Error::Auth,
        "LOADING" => Error::Loading,
        _ => Error::Server(server_text(code, detail)),
    }
}

pub(super) fn typed(error: &RedisError) -> Error {
    if let Some(code) = error.code() {
        return typed_code(code, error.detail().unwrap_or_default());
    }
    match error.kind() {
        ErrorKind::Io if error.is_connection_refusal() => Error::Refused,
        ErrorKind::Io if error.is_timeout() => Error::Timeout,
        ErrorKind::Io => Error::Broken(error.to_string()),
        // The parser's own text repeats bytes of the reply, which may be secret; it only tells the two cases apart.
        ErrorKind::Parse if error.to_string().contains("end of input") => {
            Error::Broken("it ended in the middle of a reply".to_owned())
        }
        ErrorKind::Parse => Error::Protocol("it is not in the protocol of redis".to_owned()),
        _ => Error::Protocol(error.to_string()),
    }
}

pub(super) fn typed_io(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::Refused,
        io::ErrorKind::TimedOut => Error::Timeout,
        _ => Error::Broken(error.to_string()),
    }
}

/// Some servers repeat a value that they refuse; where it was a password, only the code of the error is passed on.
fn without_secrets(command: &[&str], error: Error) -> Error {
    let secret = command.iter().any(|word| TAKES_PASSWORD.iter().any(|name| word.eq_ignore_ascii_case(name)));
    match error {
        Error::Server(text) if secret => {
            let code = text.split(' ').next().unwrap_or_default();
            Error::Server(format!("{code} (the server's text is left out: the command held a password)"))
        }
        other => other,
    }
}

/// The server's text without the arguments that some servers repeat in it: one of them may be a password.
fn server_text(code: &str, detail: &str) -> String {
    let detail = detail.split(", with args beginning with").next().unwrap_or_default();
    format!("{code} {}", detail.trim())
}

#[cfg(test)]
mod tests;
