//! The loop with a real server behind a pod that was written by hand: what the server does calls for a look.

use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams, PostParams};
use redis_operator::api::RedisFailoverStatus;
use redis_operator::desired::names;
use redis_operator::redis::{Address, Client, Deadlines, Peer, Reply, Servers};
use serde_json::json;

use crate::controller::Operator;
use crate::processes::{Server, free_port, loopback};
use crate::server::eventually;

/// Makes the first pod of the StatefulSet, as Kubernetes would, with its server at this address.
async fn pod_of(operator: &Operator, ip: &str) {
    let sets: Api<StatefulSet> = operator.stage.api();
    let set = eventually("the StatefulSet comes", async || {
        sets.get(&names::redis("x")).await.map_err(|error| error.to_string())
    })
    .await;
    let template = set.spec.unwrap().template.metadata.unwrap();
    let pods: Api<Pod> = operator.stage.api();
    let name = format!("{}-0", names::redis("x"));
    let pod = json!({
        "metadata": {"name": name, "labels": template.labels, "annotations": template.annotations},
        "spec": {"containers": [{"name": "redis", "image": "redis"}], "automountServiceAccountToken": false},
    });
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let running = json!({"status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "containerStatuses": [{
        "name": "redis", "image": "redis", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}}]}});
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&running)).await.unwrap();
}

fn master(status: &RedisFailoverStatus) -> bool {
    status
        .conditions
        .iter()
        .any(|condition| condition.type_ == "MasterAvailable" && condition.status == "True")
}

#[tokio::test]
async fn a_death_is_told_at_once_and_connections_end_with_the_lead() {
    let operator = Operator::start("loop-pushed").await;
    let (ip, port) = (loopback(), free_port());
    let spec = json!({"redis": {"replicas": 1, "port": port}, "sentinel": {"replicas": 1}});
    operator.stage.create("x", spec).await.unwrap();
    pod_of(&operator, &ip).await;
    let arguments = ["--replicaof", "127.0.0.1", "1"];
    let mut server = Server::redis(&ip, port, &arguments);
    operator.status("x", master).await;
    let client = Client::new(Deadlines::default());
    let peer = Peer { address: Address { host: ip, port }, incarnation: "a".to_owned(), password: None };
    let clients = async || match client.ask(&peer, &["CLIENT", "LIST"]).await {
        Ok(Reply::Text(list)) => Ok(list),
        other => Err(format!("{other:?}")),
    };
    let count = async |wanted: usize| {
        eventually("connections", async || match clients().await? {
            list if list.lines().count() == wanted => Ok(()),
            list => Err(list),
        })
        .await;
    };
    count(3).await; // The operator's two, and this test's.

    server.kill();
    let start = Instant::now();
    operator.status("x", |status| !master(status)).await;
    println!("kill -9 → status after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    server.restart();
    let start = Instant::now();
    operator.status("x", master).await;
    println!("restart → master again after {:?}", start.elapsed());
    count(3).await;

    // As when the Lease is lost: not one action more, and no connection.
    operator.task.abort();
    count(1).await;
}
