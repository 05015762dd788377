//! A server on loopback that answers by script: for everything that a real server does not do on request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a scripted server does with one command.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Sends these bytes.
    Bytes(&'static str),
    /// Sends these bytes, maybe half a reply, and closes the connection.
    ThenClose(&'static str),
    /// Says nothing and keeps the connection open.
    Nothing,
}

/// A running scripted server; it ends on drop.
pub(crate) struct Scripted {
    pub(crate) port: u16,
    accepted: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Scripted {
    /// Starts a server that answers each command, given as words joined by blanks, with `script`.
    pub(crate) async fn start(script: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (accepted, open) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (count, still_open, script) = (accepted.clone(), open.clone(), Arc::new(script));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (open, script) = (still_open.clone(), script.clone());
                open.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    serve(stream, script.as_ref()).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, accepted, open, task }
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Connections that neither side has closed.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, script: &(impl Fn(&str) -> Answer + Sync)) {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    while let Some(command) = command(&mut read).await {
        let (bytes, close) = match script(&command) {
            Answer::Bytes(bytes) => (bytes, false),
            Answer::ThenClose(bytes) => (bytes, true),
            Answer::Nothing => ("", false),
        };
        if write.write_all(bytes.as_bytes()).await.is_err() || close {
            return;
        }
    }
}

/// Reads one command, a list of bulk strings; nothing at the end of the stream.
async fn command(read: &mut (impl AsyncBufReadExt + Unpin)) -> Option<String> {
    let mut words = Vec::new();
    for _ in 0..length(read).await? {
        let mut word = vec![0; length(read).await? + 2];
        read.read_exact(&mut word).await.ok()?;
        words.push(String::from_utf8_lossy(&word).trim_end().to_owned());
    }
    Some(words.join(" "))
}

async fn length(read: &mut (impl AsyncBufReadExt + Unpin)) -> Option<usize> {
    let mut line = String::new();
    read.read_line(&mut line).await.ok()?;
    line.trim_end().get(1..)?.parse().ok()
}
