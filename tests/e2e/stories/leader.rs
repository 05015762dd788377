//! Two replicas: the other one leads soon after the leader goes, and no create is refused meanwhile.

use std::time::{Duration, Instant};

use kube::api::{Api, PostParams};
use redis_operator::api::{RedisFailover, RedisFailoverSpec};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::operator;
use crate::shell::kubectl;
use crate::stage::Stage;
use crate::wait::{ensure, until};

/// Time between two creates.
const RHYTHM: Duration = Duration::from_millis(50);
/// From the deletion of the leader's pod to another holder: what is promised, and what fails the test.
const HANDOVER: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(8));
/// How long a replaced pod may take to be gone.
const GONE: Duration = Duration::from_secs(60);

pub(crate) async fn play(stage: Stage) {
    let stream = Stream::start(&stage);
    let before = operator::pods(&stage.client).await;
    operator::upgrade(&["--set", "podAnnotations.rolled=yes"]).await;
    operator::rolled_out(operator::NAMESPACE).await;
    gone(&stage, &before).await;
    stream.end(&stage, "helm upgrade").await;

    let stream = Stream::start(&stage);
    let old = operator::leader(&stage.client).await;
    kubectl(&["--namespace", operator::NAMESPACE, "delete", "pod", &old, "--wait=false"]).await;
    let began = Instant::now();
    let (new, _) = until("another replica leads", HANDOVER.1, async || {
        let holder = operator::holder(&stage.client).await;
        ensure(!holder.is_empty() && holder != old, || format!("{holder:?} holds the Lease"))?;
        Ok(holder)
    })
    .await;
    stage.say(format!(
        "the leader's pod deleted: {new} leads after {:.1} s (limit {} s)",
        began.elapsed().as_secs_f64(),
        HANDOVER.0.as_secs()
    ));
    operator::rolled_out(operator::NAMESPACE).await;
    gone(&stage, &[old]).await;
    stream.end(&stage, "the leader's deletion").await;
}

/// Waits until these pods have ended: until then they may be sent requests.
async fn gone(stage: &Stage, pods: &[String]) {
    until("the old pods have ended", GONE, async || {
        let now = operator::pods(&stage.client).await;
        let left: Vec<_> = pods.iter().filter(|pod| now.contains(pod)).collect();
        ensure(left.is_empty(), || format!("{left:?}"))
    })
    .await;
}

/// Creates that go through the webhook and are not stored.
struct Stream {
    stop: CancellationToken,
    task: JoinHandle<(usize, Vec<String>, Duration)>,
}

impl Stream {
    fn start(stage: &Stage) -> Self {
        let stop = CancellationToken::new();
        let api: Api<RedisFailover> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let task = tokio::spawn(send(api, stop.clone()));
        Self { stop, task }
    }

    async fn end(self, stage: &Stage, during: &str) {
        self.stop.cancel();
        let (accepted, refused, slowest) = self.task.await.expect("the stream");
        stage.say(format!(
            "during {during}: {accepted} creates accepted, {} refused, slowest {:.2} s",
            refused.len(),
            slowest.as_secs_f64()
        ));
        assert!(refused.is_empty(), "{}", refused.join("\n"));
        assert!(accepted > 20, "only {accepted} creates");
    }
}

/// Each create is sent at its own time, whether or not the one before was answered.
async fn send(api: Api<RedisFailover>, stop: CancellationToken) -> (usize, Vec<String>, Duration) {
    let mut rhythm = tokio::time::interval(RHYTHM);
    let mut sent = Vec::new();
    while stop.run_until_cancelled(rhythm.tick()).await.is_some() {
        let (api, number) = (api.clone(), sent.len());
        sent.push(tokio::spawn(async move {
            let object = RedisFailover::new(&format!("streamed-{number}"), RedisFailoverSpec::default());
            let parameters = PostParams { dry_run: true, ..PostParams::default() };
            let began = Instant::now();
            let answer = api.create(&parameters, &object).await;
            (answer.map_err(|error| error.to_string()), began.elapsed())
        }));
    }
    let (mut accepted, mut refused, mut slowest) = (0, Vec::new(), Duration::ZERO);
    for answer in sent {
        let (answer, took) = answer.await.expect("a create");
        slowest = slowest.max(took);
        match answer {
            Ok(_) => accepted += 1,
            Err(error) => refused.push(error),
        }
    }
    (accepted, refused, slowest)
}
