//! The operator in the cluster: installed by Helm, watched through its Lease, its pods and its logs.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use redis_operator::api::RedisFailover;

use crate::shell::{self, helm, kubectl};
use crate::wait::{ensure, until};

/// Where the tests install the operator.
pub(crate) const NAMESPACE: &str = "e2e-operator";
/// Name of the release, and of the Deployment and the Lease.
pub(crate) const RELEASE: &str = "redisoperator";
/// Name of the CRD.
pub(crate) const CRD: &str = "redisfailovers.storage.spotahome.com";

const CHART: &str = "charts/redisoperator";
/// What labels the operator's pods.
const PODS: &str = "app.kubernetes.io/name=redisoperator";
/// From `helm install` to a ready operator: what the project promises, and what fails the test on a busy machine.
const INSTALLED: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));
/// Who did not renew a Lease for so long holds it no longer.
const LEASE_SECONDS: i64 = 15;

/// The image under test.
pub(crate) fn image() -> String {
    std::env::var("IMAGE").unwrap_or_else(|_| "redis-operator:dev".to_owned())
}

/// Whether the cluster is that of `tests/cluster`, whose files and processes can be read.
pub(crate) fn is_local_cluster() -> bool {
    std::env::var("CLUSTER").is_ok_and(|cluster| cluster == "local")
}

/// Images for servers and exporters. The local cluster cannot pull: it has those of the tests.
pub(crate) fn image_flags() -> &'static [&'static str] {
    if is_local_cluster() { &["redisImage=redis:7.0.15", "exporterImage=stand-in-exporter:1.0"] } else { &[] }
}

/// Refuses a cluster where the tests would disturb another operator, or delete what is not theirs.
pub(crate) async fn preflight(client: &Client, deletes_crd: bool) {
    let leases: Api<Lease> = Api::all(client.clone());
    for lease in leases.list(&ListParams::default()).await.expect("leases") {
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        let renewed = spec.renew_time.map_or(0, |renewed| renewed.0.as_second());
        let fresh = Timestamp::now().as_second() - renewed < LEASE_SECONDS;
        let (name, namespace) = (lease.name_any(), lease.namespace().unwrap_or_default());
        assert!(
            name != RELEASE || namespace == NAMESPACE || holder.is_empty() || !fresh,
            "another operator ({holder}, namespace {namespace}) works in this cluster: stop it first"
        );
    }
    let objects: Api<RedisFailover> = Api::all(client.clone());
    let foreign: Vec<_> = match objects.list(&ListParams::default()).await {
        Ok(list) => list
            .iter()
            .map(|object| format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any()))
            .filter(|name| !name.starts_with("e2e-"))
            .collect(),
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(), // No CRD yet.
        Err(error) => panic!("RedisFailovers: {error}"),
    };
    assert!(
        foreign.is_empty() || !deletes_crd,
        "these tests delete the CRD, and these RedisFailovers with it: {}; delete them first",
        foreign.join(", ")
    );
}

/// `helm install`, measured until the operator is ready.
pub(crate) async fn install(client: &Client) {
    let began = Instant::now();
    // The CRD that an earlier release left may belong to another namespace in Helm's eyes.
    helm_release("install", &["--create-namespace", "--take-ownership"]).await;
    rolled_out(NAMESPACE).await;
    let took = began.elapsed();
    println!(
        "helm install to a ready operator: {:.1} s (limit {} s)",
        took.as_secs_f64(),
        INSTALLED.0.as_secs()
    );
    assert!(took <= INSTALLED.1, "the installation took {took:?}");
    leader(client).await;
}

/// `helm upgrade` with more arguments; returns before the pods are replaced.
pub(crate) async fn upgrade(more: &[&str]) {
    helm_release("upgrade", more).await;
}

async fn helm_release(verb: &str, more: &[&str]) {
    let image = image();
    let (repository, tag) = image.rsplit_once(':').expect("an image with a tag");
    let (repository, tag) = (format!("image.repository={repository}"), format!("image.tag={tag}"));
    let mut arguments = vec![verb, RELEASE, CHART, "--namespace", NAMESPACE];
    for value in [repository.as_str(), &tag].iter().chain(image_flags()) {
        arguments.extend(["--set", value]);
    }
    arguments.extend(more);
    helm(&arguments).await;
}

/// Waits until the Deployment is wholly of its newest version.
pub(crate) async fn rolled_out(namespace: &str) {
    let deployment = format!("deployment/{RELEASE}");
    kubectl(&["--namespace", namespace, "rollout", "status", &deployment, "--timeout=60s"]).await;
}

/// Removes the release, if it is there. The CRD stays.
pub(crate) async fn uninstall() {
    helm(&["uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--wait"]).await;
}

/// Changes the number of replicas and waits until there are so many.
pub(crate) async fn scale(client: &Client, replicas: usize) {
    let (deployment, count) = (format!("deployment/{RELEASE}"), format!("--replicas={replicas}"));
    kubectl(&["--namespace", NAMESPACE, "scale", &deployment, &count]).await;
    if replicas > 0 {
        rolled_out(NAMESPACE).await;
    }
    until(&format!("{replicas} operators"), Duration::from_secs(60), async || {
        let pods = pods(client).await;
        ensure(pods.len() == replicas, || pods.join(", "))
    })
    .await;
}

/// Names of the operator's pods, those that are ending included.
pub(crate) async fn pods(client: &Client) -> Vec<String> {
    let api: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let pods = api.list(&ListParams::default().labels(PODS)).await.expect("pods");
    pods.iter().map(ResourceExt::name_any).collect()
}

/// The pod that holds the Lease, or an empty text.
pub(crate) async fn holder(client: &Client) -> String {
    let api: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    let lease = api.get_opt(RELEASE).await.expect("the Lease");
    let spec = lease.and_then(|lease| lease.spec).unwrap_or_default();
    spec.holder_identity.unwrap_or_default()
}

/// Waits until a living pod leads, and returns its name.
pub(crate) async fn leader(client: &Client) -> String {
    let limit = Duration::from_secs(30);
    until("an operator leads", limit, async || {
        let (holder, pods) = (holder(client).await, pods(client).await);
        ensure(pods.contains(&holder), || format!("holder {holder:?} of {}", pods.join(", ")))?;
        Ok(holder)
    })
    .await
    .0
}

/// `/metrics` on a port of a pod, fetched by the API server.
pub(crate) async fn metrics(namespace: &str, pod: &str, port: &str) -> String {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/metrics");
    kubectl(&["get", "--raw", &path]).await
}

/// The logs of all replicas.
pub(crate) async fn logs() -> String {
    let arguments = ["--namespace", NAMESPACE, "logs", "--selector", PODS, "--tail=-1"];
    kubectl(&arguments).await
}

/// Prints the operator's pods and the end of their logs.
pub(crate) async fn dump() {
    for arguments in
        [&["get", "pods,leases", "--output=wide"][..], &["logs", "--selector", PODS, "--tail=30", "--prefix"]]
    {
        let said = shell::run("kubectl", &[&["--namespace", NAMESPACE], arguments].concat(), "").await;
        println!("{}{}", said.out, said.err);
    }
}
