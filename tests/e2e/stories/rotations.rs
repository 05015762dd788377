//! Certificates are rotated, again and again, and no create is refused meanwhile.
//!
//! `LEAF_ROTATIONS` and `CA_ROTATIONS` say how often, by default 3 and 1. One of a CA takes a minute: API servers get
//! the time to read the new bundle.

use std::time::{Duration, Instant};

use certs::{Slot, store};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;

use crate::operator;
use crate::shell::kubectl;
use crate::stage::Stage;
use crate::stream::Stream;
use crate::wait::{ensure, until};

const CA: &str = "redisoperator-webhook-ca";
const LEAF: &str = "redisoperator-webhook-tls";
/// How long a rotation may take. That of a CA waits for the one before, and then a minute for the API servers.
const LIMIT: Duration = Duration::from_secs(150);

pub(crate) async fn play(stage: Stage) {
    let (leaves, authorities) = (count("LEAF_ROTATIONS", 3), count("CA_ROTATIONS", 1));
    let pods = operator::pods(&stage.client).await;
    assert_eq!(pods.len(), 2, "{}", pods.join(", "));
    let stream = Stream::start(&stage);
    let mut slowest = Duration::ZERO;
    for (secret, times) in [(LEAF, leaves), (CA, authorities)] {
        for number in 1..=times {
            let began = Instant::now();
            rotate(&stage, secret, &format!("{number}-of-{times}-{:?}", std::process::id()), &pods).await;
            slowest = slowest.max(began.elapsed());
        }
        stage.say(format!("{secret}: {times} rotations, slowest {:.1} s", slowest.as_secs_f64()));
    }
    stream.end(&stage, &format!("{leaves} rotations of the certificate and {authorities} of the CA")).await;
    let now = operator::pods(&stage.client).await;
    assert!(pods.iter().all(|pod| now.contains(pod)), "pods were replaced: {pods:?}, now {now:?}");
}

fn count(variable: &str, default: usize) -> usize {
    let text = std::env::var(variable).unwrap_or_else(|_| default.to_string());
    text.parse().unwrap_or_else(|_| panic!("{variable}={text}: write a number"))
}

/// Asks for a rotation as a person does, and waits until every replica serves a certificate by the present CA.
async fn rotate(stage: &Stage, secret: &str, wish: &str, pods: &[String]) {
    let annotation = format!("storage.spotahome.com/rotate={wish}");
    let namespace = ["--namespace", operator::NAMESPACE];
    kubectl(&[&namespace[..], &["annotate", "secret", secret, "--overwrite", &annotation]].concat()).await;
    until(&format!("{secret} is rotated"), LIMIT, async || {
        let (ca, leaf) = (read(stage, CA).await?, read(stage, LEAF).await?);
        let rotated = if secret == CA { &ca } else { &leaf };
        let annotations = rotated.metadata.annotations.clone().unwrap_or_default();
        let done = annotations.get("storage.spotahome.com/rotated");
        ensure(done.is_some_and(|done| done == wish), || format!("rotated: {done:?}, not {wish}"))?;
        let issuer = store::text(&leaf, store::ISSUER).ok().flatten().map(str::trim);
        let authority = store::text(&ca, store::CERTIFICATE).ok().flatten().map(str::trim);
        ensure(issuer == authority, || "the certificate is by an earlier CA still".to_owned())?;
        served(pods, &leaf).await
    })
    .await;
}

async fn read(stage: &Stage, name: &str) -> Result<Secret, String> {
    let api: Api<Secret> = Api::namespaced(stage.client.clone(), operator::NAMESPACE);
    api.get(name).await.map_err(|error| format!("{name}: {error}"))
}

/// Whether every replica tells the end of this certificate as that of the one that it serves.
async fn served(pods: &[String], leaf: &Secret) -> Result<(), String> {
    let probe = Slot::new();
    let pair = store::leaf(leaf).map_err(|error| error.to_string())?;
    probe.load(&pair).map_err(|error| error.to_string())?;
    let end = probe.not_after().expect("a certificate").as_second();
    for pod in pods {
        let metrics = operator::metrics(operator::NAMESPACE, pod, "9710").await;
        let name = "redis_operator_controller_certificate_expiry_seconds{certificate=\"serving\"} ";
        let told = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let same = told.split('.').next() == Some(end.to_string().as_str());
        ensure(same, || format!("{pod} serves one that ends at {told}, not at {end}"))?;
    }
    Ok(())
}
