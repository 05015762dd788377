//! A connection that asks: commands go out in the order in which they come, and the replies come back in that order.
//!
//! It holds no buffer while no reply is outstanding, because there is one for each server.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::time::Duration;

use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use redis::Parser;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::real::{reply, typed, typed_io};
use super::{Error, Reply, wire};

/// An open connection. It closes when it is dropped, even while replies are outstanding.
#[derive(Debug)]
pub(super) struct Connection {
    questions: mpsc::UnboundedSender<Question>,
    /// Moves the bytes; ends when the server closes the connection.
    driver: AbortOnDropHandle<()>,
}

/// A command as it is sent, and where its reply goes. It does not print itself: a command may hold a password.
struct Question {
    command: Vec<u8>,
    asker: Asker,
}

type Asker = oneshot::Sender<Result<Reply, Error>>;

impl Connection {
    /// Takes over a stream on which nothing is outstanding.
    pub(super) fn new(stream: TcpStream) -> Self {
        let (questions, coming) = mpsc::unbounded();
        Self { questions, driver: AbortOnDropHandle::new(tokio::spawn(drive(stream, coming))) }
    }

    /// Whether it serves nobody any more.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }

    /// Sends one command and waits for its reply. Who gives up waiting takes no reply from those who ask later.
    pub(super) async fn ask(&self, command: &[&str], deadline: Duration) -> Result<Reply, Error> {
        let (asker, answer) = oneshot::channel();
        // Where the driver has ended, the question is dropped, and the answer with it.
        let _ = self.questions.unbounded_send(Question { command: wire::command(command), asker });
        match timeout(deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(oneshot::Canceled)) => Err(Error::Broken("it was closed".to_owned())),
            Err(_) => Err(Error::Timeout),
        }
    }
}

/// Moves commands and replies until the connection ends, and tells those who still wait why it did.
async fn drive(mut stream: TcpStream, mut coming: mpsc::UnboundedReceiver<Question>) {
    let mut waiting = VecDeque::new();
    let mut parser = Parser::new();
    let end = loop {
        let step = tokio::select! {
            biased; // What was asked before is answered by what has arrived.
            question = coming.next() => match question {
                Some(Question { command, asker }) => {
                    waiting.push_back(asker);
                    stream.write_all(&command).await.map_err(|error| typed_io(&error))
                }
                None => return,
            },
            ready = stream.readable() => match ready {
                Ok(()) => receive(&stream, &mut parser, &mut waiting),
                Err(error) => Err(typed_io(&error)),
            },
        };
        if let Err(error) = step {
            break error;
        }
    };
    for asker in waiting {
        let _ = asker.send(Err(end.clone())); // Who does not wait any more does not miss it.
    }
}

/// Takes what has arrived and gives each reply to who asked for it.
fn receive(stream: &TcpStream, parser: &mut Parser, waiting: &mut VecDeque<Asker>) -> Result<(), Error> {
    let mut arrived = Arrived { stream, exhausted: false };
    loop {
        let value = match parser.parse_value(&mut arrived) {
            Ok(value) => value,
            Err(_) if arrived.exhausted => break,
            Err(error) => return Err(typed(&error)),
        };
        let Some(asker) = waiting.pop_front() else {
            return Err(Error::Protocol("a reply to no command".to_owned()));
        };
        let _ = asker.send(reply(value)); // Who gave up waiting does not miss it.
    }
    if waiting.is_empty() {
        *parser = Parser::new();
    }
    Ok(())
}

/// What has arrived by now. The parser takes up where it was when there is more.
struct Arrived<'a> {
    stream: &'a TcpStream,
    exhausted: bool,
}

impl Read for Arrived<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.try_read(buffer);
        self.exhausted = matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        read
    }
}
