//! The other way to install: one manifest for kubectl, on a cluster that has nothing of ours.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::operator;
use crate::shell::{self, kubectl};
use crate::stage::Stage;
use crate::wait::{ensure, until};

const FILE: &str = "example/operator/all-redis-operator-resources.yaml";
const NAME: &str = "redisfailover";
/// The image that the manifest names, whatever its version.
const IMAGE: &str = "image: \"redis-operator:";

pub(crate) async fn play(stage: Stage) {
    the_chart_leaves_the_crd(&stage).await;
    kubectl(&["delete", "crd", operator::CRD]).await;

    let manifest = manifest();
    let began = Instant::now();
    shell::good("kubectl", &["create", "--filename=-"], &manifest).await;
    operator::rolled_out("default").await;
    stage.say(format!("kubectl create to a ready operator: {:.1} s", began.elapsed().as_secs_f64()));

    stage.kubectl(&["create", "--filename=example/redisfailover/basic.yaml"]).await;
    stage.ready(NAME).await;

    stage.kubectl(&["delete", "rf", NAME]).await;
    shell::good("kubectl", &["delete", "--filename=-"], &manifest).await;
    until("nothing of ours is left", Duration::from_secs(60), async || {
        let kinds = "crd,clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations";
        let left = kubectl(&["get", kinds, "--output=name"]).await;
        let ours: Vec<_> = left
            .lines()
            .filter(|name| name.contains("redisoperator") || name.contains("redisfailovers"))
            .collect();
        ensure(ours.is_empty(), || ours.join(", "))
    })
    .await;
}

/// Uninstalling keeps the CRD, and with it every `RedisFailover`.
async fn the_chart_leaves_the_crd(stage: &Stage) {
    stage.create("survivor", serde_json::json!({})).await;
    stage.ready("survivor").await;
    operator::uninstall().await;
    kubectl(&["get", "crd", operator::CRD]).await;
    let pods = stage.names("rf,pods").await;
    assert_eq!(pods.len(), 7, "{pods:?}");
    // Nobody has to be there for a RedisFailover to be deleted.
    stage.kubectl(&["delete", "rf", "survivor"]).await;
}

/// The manifest with the images under test.
fn manifest() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let text = std::fs::read_to_string(path).expect(FILE);
    let mut lines: Vec<String> = Vec::new();
    let mut replaced = 0;
    for line in text.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        if line.trim_start().starts_with(IMAGE) {
            lines.push(format!("{indent}image: \"{}\"", operator::image()));
            replaced += 1;
            continue;
        }
        lines.push(line.to_owned());
        if line.trim() == "- run" {
            let flag = |value: &str| {
                value.replace("redisImage", "--redis-image").replace("exporterImage", "--exporter-image")
            };
            lines.extend(operator::image_flags().iter().map(|value| format!("{indent}- {}", flag(value))));
        }
    }
    assert_eq!(replaced, 1, "images in {FILE}");
    lines.join("\n")
}
