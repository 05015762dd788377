//! Two replicas: the other one leads soon after the leader goes, and no create is refused meanwhile.

use std::time::{Duration, Instant};

use crate::operator;
use crate::shell::kubectl;
use crate::stage::Stage;
use crate::stream::Stream;
use crate::wait::{ensure, until};

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
