//! A steady stream of creates that go through the webhook and are not stored.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::api::{Api, PostParams};
use redis_operator::api::{RedisFailover, RedisFailoverSpec};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::stage::Stage;

/// Time between two creates: 50 a second.
const RHYTHM: Duration = Duration::from_millis(20);
/// The most that wait for an answer at a time: more than a second's worth.
const AT_ONCE: usize = 64;

/// What became of the creates.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: Vec<String>,
    slowest: Duration,
}

impl Tally {
    fn count(&mut self, (answer, took): (Result<(), String>, Duration)) {
        self.slowest = self.slowest.max(took);
        match answer {
            Ok(()) => self.accepted += 1,
            Err(error) => self.refused.push(error),
        }
    }
}

/// The creates of one stage, sent by a task of their own.
pub(crate) struct Stream {
    stop: CancellationToken,
    task: JoinHandle<Tally>,
    began: Instant,
}

impl Stream {
    pub(crate) fn start(stage: &Stage) -> Self {
        let stop = CancellationToken::new();
        let api: Api<RedisFailover> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let task = tokio::spawn(send(api, stop.clone()));
        Self { stop, task, began: Instant::now() }
    }

    /// Ends the stream and panics where a create was refused.
    pub(crate) async fn end(self, stage: &Stage, during: &str) {
        self.stop.cancel();
        let Tally { accepted, refused, slowest } = self.task.await.expect("the stream");
        let seconds = self.began.elapsed().as_secs_f64();
        stage.say(format!(
            "during {during}: {accepted} creates accepted in {seconds:.1} s, {} refused, slowest {:.2} s",
            refused.len(),
            slowest.as_secs_f64()
        ));
        let shown = refused.iter().take(10).map(String::as_str).collect::<Vec<_>>();
        assert!(refused.is_empty(), "{} refused, such as\n{}", refused.len(), shown.join("\n"));
        // A fifth of what was to be sent; a machine with other work to do may be slow.
        let least = Duration::from_secs_f64(seconds).as_millis() / RHYTHM.as_millis() / 5;
        assert!(accepted as u128 > least, "only {accepted} creates in {seconds:.1} s");
    }
}

/// Each create is sent at its own time, whether or not the one before was answered.
async fn send(api: Api<RedisFailover>, stop: CancellationToken) -> Tally {
    let mut rhythm = tokio::time::interval(RHYTHM);
    let (places, mut open, mut tally) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new(), Tally::default());
    let mut number = 0;
    while stop.run_until_cancelled(rhythm.tick()).await.is_some() {
        let place = Arc::clone(&places).acquire_owned().await.expect("a place");
        number += 1;
        open.spawn(create(api.clone(), number, place));
        while let Some(answer) = open.try_join_next() {
            tally.count(answer.expect("a create"));
        }
    }
    while let Some(answer) = open.join_next().await {
        tally.count(answer.expect("a create"));
    }
    tally
}

async fn create(
    api: Api<RedisFailover>,
    number: usize,
    _place: tokio::sync::OwnedSemaphorePermit,
) -> (Result<(), String>, Duration) {
    let object = RedisFailover::new(&format!("streamed-{number}"), RedisFailoverSpec::default());
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let began = Instant::now();
    let answer = api.create(&parameters, &object).await;
    (answer.map(|_| ()).map_err(|error| error.to_string()), began.elapsed())
}
