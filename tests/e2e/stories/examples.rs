//! Every good example is accepted as it is and becomes ready.

use std::path::Path;
use std::time::Duration;

use futures::{StreamExt, stream};

use crate::operator;
use crate::stage::Stage;
use crate::wait::{ensure, until};

/// Examples that start at the same time.
const AT_ONCE: usize = 3;
const GOOD: [&str; 2] = ["example/redisfailover", "example/redisfailover/v1alpha2"];

/// Files of a folder under `example`, sorted, as kubectl takes them.
pub(crate) fn files(folder: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(root.join(folder))
        .expect(folder)
        .map(|entry| entry.expect(folder).path())
        .filter(|path| path.is_file())
        .map(|path| path.strip_prefix(root).expect("below the root").display().to_string())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

pub(crate) async fn play(stage: Stage) {
    let play = async |file: String| becomes_ready(&stage, &file).await;
    stream::iter(GOOD.into_iter().flat_map(files)).map(play).buffer_unordered(AT_ONCE).collect::<()>().await;
}

async fn becomes_ready(stage: &Stage, file: &str) {
    let said = stage.try_kubectl(&["create", "--filename", file]).await;
    assert!(said.good && said.err.is_empty(), "{file}: {}{}", said.out, said.err);
    let created = said.out.lines().find(|line| line.starts_with("redisfailover."));
    let name = created
        .and_then(|line| line.split(['/', ' ']).nth(1))
        .unwrap_or_else(|| panic!("{file}: {}", said.out));
    stage.ready(name).await;
    if name == "enable-exporter" {
        the_exporter_is_found(stage).await;
    }
    stage.say(format!("{file} is ready"));
    stage.kubectl(&["delete", "--filename", file, "--wait=false"]).await;
}

/// The Service of the metrics leads to every redis pod, on the port that it names for scraping.
async fn the_exporter_is_found(stage: &Stage) {
    let service = stage.get(&["service", "rfr-enable-exporter"]).await;
    let port = service["spec"]["ports"][0]["port"].to_string();
    assert_eq!(service["metadata"]["annotations"]["prometheus.io/port"], port.as_str());
    until("the metrics' Service leads to the servers", Duration::from_secs(10), async || {
        let selector = "--selector=kubernetes.io/service-name=rfr-enable-exporter";
        let path = "--output=jsonpath={.items[*].ports[*].port} {.items[*].endpoints[*].addresses[*]}";
        let text = stage.kubectl(&["get", "endpointslices", selector, path]).await;
        let words: Vec<_> = text.split_whitespace().collect();
        ensure(words.first() == Some(&port.as_str()) && words.len() == 4, || text.clone())
    })
    .await;
    let metrics = operator::metrics(&stage.namespace, "rfr-enable-exporter-0", &port).await;
    assert!(metrics.contains("redis_up"), "{metrics}");
}
