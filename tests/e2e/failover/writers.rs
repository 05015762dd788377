//! Clients that write all the time, and a ledger of every write that a server acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, cmd, pipe};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Time between two writes: some 250 a second.
const RHYTHM: Duration = Duration::from_millis(4);
/// Time before a client tries again after a failure. Clients do not sleep for long: it is the servers that are measured.
const AGAIN: Duration = Duration::from_millis(10);
/// How long a client waits for a connection, and for an answer. Above the slowest honest answer of a busy machine.
const DEADLINES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(500));
/// Keys looked up in one go.
const BATCH: usize = 500;

/// How a client finds the master.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// It asks a Sentinel at this address (`host:port`), each time anew.
    Sentinel(String),
    /// It connects to the Service of the master (`host:port`).
    Service(String),
}

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Self::Sentinel(_) => "sentinel",
            Self::Service(_) => "service",
        }
    }
}

/// A client that writes until it is stopped.
pub(crate) struct Writer {
    stop: CancellationToken,
    task: JoinHandle<Ledger>,
    acked: Arc<AtomicU64>,
}

/// Every acknowledged write, in order.
#[derive(Debug)]
pub(crate) struct Ledger {
    prefix: String,
    acked: Vec<(Instant, u64)>,
}

impl Writer {
    pub(crate) fn start(way: Way, round: &str) -> Self {
        let stop = CancellationToken::new();
        let acked = Arc::default();
        let prefix = format!("{round}:{}:", way.name());
        let task = tokio::spawn(write(way, prefix, stop.clone(), Arc::clone(&acked)));
        Self { stop, task, acked }
    }

    /// Writes acknowledged so far.
    pub(crate) fn count(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    pub(crate) async fn end(self) -> Ledger {
        self.stop.cancel();
        self.task.await.expect("a writer's ledger")
    }
}

impl Ledger {
    /// The longest time without an acknowledged write, that before the first and after the last left out.
    pub(crate) fn longest_gap(&self) -> Duration {
        self.acked.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.acked.len()
    }

    /// Acknowledged writes that the server does not have.
    pub(crate) async fn lost(&self, connection: &mut MultiplexedConnection) -> Result<usize, String> {
        let mut lost = 0;
        for batch in self.acked.chunks(BATCH) {
            let mut asked = pipe();
            for (_, number) in batch {
                asked.cmd("EXISTS").arg(self.key(*number));
            }
            let there: Vec<usize> = asked.query_async(connection).await.map_err(|error| error.to_string())?;
            lost += there.into_iter().filter(|there| *there == 0).count();
        }
        Ok(lost)
    }

    fn key(&self, number: u64) -> String {
        format!("{}{number}", self.prefix)
    }
}

async fn write(way: Way, prefix: String, stop: CancellationToken, count: Arc<AtomicU64>) -> Ledger {
    let mut ledger = Ledger { prefix, acked: Vec::new() };
    let mut connection = None;
    let mut number = 0;
    while !stop.is_cancelled() {
        number += 1;
        if write_one(&way, &mut connection, &ledger.key(number)).await.is_ok() {
            ledger.acked.push((Instant::now(), number));
            count.fetch_add(1, Ordering::Relaxed);
            sleep(RHYTHM).await;
        } else {
            connection = None;
            sleep(AGAIN).await;
        }
    }
    ledger
}

async fn write_one(
    way: &Way,
    connection: &mut Option<MultiplexedConnection>,
    key: &str,
) -> Result<(), RedisError> {
    if connection.is_none() {
        let address = match way {
            Way::Service(address) => address.clone(),
            Way::Sentinel(sentinel) => named_master(sentinel).await?,
        };
        *connection = Some(connect(&address).await?);
    }
    match connection {
        Some(connection) => cmd("SET").arg(key).arg("x").query_async(connection).await,
        None => Ok(()),
    }
}

async fn named_master(sentinel: &str) -> Result<String, RedisError> {
    let mut connection = connect(sentinel).await?;
    let (host, port): (String, u16) =
        cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg("mymaster").query_async(&mut connection).await?;
    Ok(format!("{host}:{port}"))
}

async fn connect(address: &str) -> Result<MultiplexedConnection, RedisError> {
    let (connect, answer) = DEADLINES;
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(connect)).set_response_timeout(Some(answer));
    Client::open(format!("redis://{address}"))?.get_multiplexed_async_connection_with_config(&config).await
}
