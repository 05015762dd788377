//! How long a first start takes, ten times over, asked of the servers themselves.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::servers;
use crate::stage::Stage;
use crate::wait::until;

const TIMES: usize = 10;
/// What the project promises on an idle machine: median and worst.
const PROMISED: (u64, u64) = (8, 12);
/// What fails the test on a busy one.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn play(stage: Stage) {
    let mut all = Vec::new();
    for number in 1..=TIMES {
        let name = format!("first-{number}");
        let began = Instant::now();
        stage.create(&name, json!({})).await;
        until(&format!("{name} serves"), LIMIT, async || servers::agreed(&stage, &name, 2, 3).await).await;
        all.push(began.elapsed());
        stage.ready(&name).await;
        // In the background, so that the next one starts amid some load.
        stage.kubectl(&["delete", "rf", &name, "--wait=false"]).await;
    }
    let seconds = |time: &Duration| format!("{:.1}", time.as_secs_f64());
    let each: Vec<_> = all.iter().map(seconds).collect();
    all.sort();
    let median = (all[(TIMES - 1) / 2] + all[TIMES / 2]) / 2;
    let worst = all[TIMES - 1];
    stage.say(format!(
        "create → Sentinels agree, two replicas online: {} s; median {} s (limit {} s), worst {} s (limit {} s)",
        each.join(" "),
        seconds(&median),
        PROMISED.0,
        seconds(&worst),
        PROMISED.1
    ));
    assert!(worst <= LIMIT, "a first start took {worst:?}");
}
