//! A held connection that listens to what a server says by itself. It is noticed at once when the server ends.
//!
//! It counts as a subscriber: `CLIENT KILL TYPE normal` and the server's setting `timeout` leave it alone. It holds no
//! buffer while nothing arrives, because there is one for each server.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::real::{typed_io, typed_line};
use super::wire::{self, Frame};
use super::{Error, Peer, greeting, reply};

/// How much is read at once, from a buffer on the stack.
const CHUNK: usize = 4096;
/// Buffer that may stay between two messages, in bytes.
const KEPT: usize = 512;

/// What is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// On a redis server: what Sentinels tell one another.
    Greetings,
    /// On a Sentinel: what happens to the master, the replicas and the other Sentinels.
    Events,
}

impl Topic {
    fn subscribe(self) -> Vec<u8> {
        match self {
            Self::Greetings => wire::command(&["SUBSCRIBE", greeting::CHANNEL]),
            Self::Events => wire::command(&[
                "PSUBSCRIBE",
                "+switch-master",
                "[+-]sdown",
                "[+-]odown",
                "[+-]failover-*",
                "+convert-to-slave",
                "+slave",
                "+sentinel",
                "+new-epoch",
                "+reset-master",
            ]),
        }
    }
}

/// What a server said by itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The channel; empty for the answer to a `PING`.
    pub channel: &'a [u8],
    /// The text.
    pub payload: &'a [u8],
}

/// Why a subscription ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The peer closed the connection.
    Closed,
    /// Anything else. It says nothing about the server.
    Failed(Error),
}

/// An open subscription; it closes on drop.
#[derive(Debug)]
pub struct Subscription {
    stream: TcpStream,
    run_id: String,
    buffer: Vec<u8>,
    /// Bytes at the start of the buffer that were read already.
    taken: usize,
}

impl Subscription {
    /// Connects, logs in, asks which process it is and subscribes, all within the deadline.
    pub async fn open(peer: &Peer, topic: Topic, deadline: Duration) -> Result<Self, End> {
        timeout(deadline, Self::connect(peer, topic)).await.unwrap_or(Err(End::Failed(Error::Timeout)))
    }

    async fn connect(peer: &Peer, topic: Topic) -> Result<Self, End> {
        let address = (peer.address.host.as_str(), peer.address.port);
        let stream = TcpStream::connect(address).await.map_err(|error| End::Failed(typed_io(&error)))?;
        stream.set_nodelay(true).map_err(|error| end(&error))?;
        let mut opened = Self { stream, run_id: String::new(), buffer: Vec::new(), taken: 0 };
        let login = peer.password.as_ref().map(|password| wire::command(&["AUTH", password.expose()]));
        let words = [login.unwrap_or_default(), wire::command(&["INFO", "server"]), topic.subscribe()];
        opened.stream.write_all(&words.concat()).await.map_err(|error| end(&error))?;
        if peer.password.is_some() {
            opened.answer().await?;
        }
        let info = opened.answer().await?;
        opened.run_id = reply::info(&info).get("run_id").map(|id| (*id).to_owned()).unwrap_or_default();
        if opened.run_id.is_empty() {
            return Err(End::Failed(Error::Protocol("the field run_id is missing".to_owned())));
        }
        Ok(opened)
    }

    /// The process at the other end; changes with every start.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The next message. It can be dropped while it waits, and nothing is lost.
    pub async fn next(&mut self) -> Result<Message<'_>, End> {
        loop {
            self.arrive().await?;
            if matches!(wire::frame(&self.buffer), Ok(Some((Frame::List(list), _))) if message(list.items()).is_some())
            {
                break; // It is read once more below, because a borrow cannot leave a loop that goes on.
            }
        }
        match wire::frame(&self.buffer) {
            Ok(Some((Frame::List(list), _))) => message(list.items()).ok_or_else(malformed),
            _ => Err(malformed()),
        }
    }

    /// Asks for a sign of life: a message with an empty channel.
    pub async fn ping(&mut self) -> Result<(), End> {
        self.stream.write_all(&wire::command(&["PING"])).await.map_err(|error| end(&error))
    }

    async fn answer(&mut self) -> Result<String, End> {
        self.arrive().await?;
        match wire::frame(&self.buffer) {
            Ok(Some((Frame::Text(text) | Frame::Line(text), _))) => {
                Ok(String::from_utf8_lossy(text).into_owned())
            }
            _ => Err(malformed()),
        }
    }

    /// Waits until a whole frame stands at the start of the buffer. One that is an error ends the subscription.
    async fn arrive(&mut self) -> Result<(), End> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        loop {
            match wire::frame(&self.buffer) {
                Ok(Some((Frame::Error(line), _))) => {
                    return Err(End::Failed(typed_line(&String::from_utf8_lossy(line))));
                }
                Ok(Some((_, taken))) => {
                    self.taken = taken;
                    return Ok(());
                }
                Ok(None) => {}
                Err(wire::Malformed) => return Err(malformed()),
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), End> {
        if self.buffer.is_empty() {
            self.buffer.shrink_to(KEPT);
        }
        self.stream.readable().await.map_err(|error| end(&error))?;
        let mut chunk = [0; CHUNK];
        match self.stream.try_read(&mut chunk) {
            Ok(0) => Err(End::Closed),
            Ok(length) => {
                self.buffer.extend_from_slice(chunk.get(..length).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(end(&error)),
        }
    }
}

/// The message in a list; none in the confirmation of a subscription.
#[must_use]
pub fn message<'a>(items: &[&'a [u8]]) -> Option<Message<'a>> {
    match *items {
        [b"message", channel, payload] | [b"pmessage", _, channel, payload] => {
            Some(Message { channel, payload })
        }
        [b"pong", payload] => Some(Message { channel: &[], payload }),
        _ => None,
    }
}

/// Only an end that the peer sent is one: the own kernel gives up on peers that merely cannot be reached.
fn end(error: &io::Error) -> End {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => End::Closed,
        _ => End::Failed(typed_io(error)),
    }
}

fn malformed() -> End {
    End::Failed(Error::Protocol("it is not in the protocol of redis".to_owned()))
}
