//! A server on loopback that answers by script: for everything that a real server does not do on request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
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
        Self::start_at("127.0.0.1:0", script).await
    }

    /// The same at this address; `0.0.0.0` plays many servers at once.
    pub(crate) async fn start_at(
        address: &str,
        script: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
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

/// What a proxy does with its connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Passes everything on.
    Flows,
    /// Accepts, keeps connections open and passes nothing on, as a network that is cut off.
    Stalls,
}

/// A proxy before a server: for what networks do. It ends on drop.
pub(crate) struct Proxy {
    traffic: watch::Sender<Traffic>,
    /// Counts up when all connections are to be cut.
    cuts: watch::Sender<u32>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(address: &str, server: String) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let (traffic, cuts) = (watch::Sender::new(Traffic::Flows), watch::Sender::new(0));
        let (state, cut) = (traffic.subscribe(), cuts.subscribe());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, mut cut, server) = (state.clone(), cut.clone(), server.clone());
                cut.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = pass(stream, &server, state) => {}
                        _ = cut.changed() => {} // Bytes that nobody read make it a reset.
                    }
                });
            }
        });
        Self { traffic, cuts, task }
    }

    pub(crate) fn set(&self, traffic: Traffic) {
        self.traffic.send_replace(traffic);
    }

    /// Ends all connections, and takes new ones.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(client: TcpStream, server: &str, state: watch::Receiver<Traffic>) -> std::io::Result<()> {
    flowing(state.clone()).await;
    let server = TcpStream::connect(server).await?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::try_join!(copy(from_client, to_server, state.clone()), copy(from_server, to_client, state))?;
    Ok(())
}

async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    state: watch::Receiver<Traffic>,
) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        flowing(state.clone()).await;
        let length = from.read(&mut bytes).await?;
        flowing(state.clone()).await;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into()); // Both ways end together.
        }
        to.write_all(&bytes[..length]).await?;
    }
}

async fn flowing(mut state: watch::Receiver<Traffic>) {
    let _ = state.wait_for(|traffic| *traffic == Traffic::Flows).await; // An error: the proxy is gone.
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
