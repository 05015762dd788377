//! The basic example: its objects, its clients, and nothing left once it is deleted.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::servers;
use crate::stage::Stage;
use crate::wait::{ensure, until};

const NAME: &str = "redisfailover";

/// Every object that one `RedisFailover` without extras has.
const OBJECTS: [&str; 12] = [
    "configmap/rfr-custom-redisfailover",
    "configmap/rfr-readiness-redisfailover",
    "configmap/rfr-redisfailover",
    "configmap/rfr-s-redisfailover",
    "configmap/rfs-redisfailover",
    "deployment.apps/rfs-redisfailover",
    "poddisruptionbudget.policy/rfr-redisfailover",
    "poddisruptionbudget.policy/rfs-redisfailover",
    "service/rfrm-redisfailover",
    "service/rfrs-redisfailover",
    "service/rfs-redisfailover",
    "statefulset.apps/rfr-redisfailover",
];
const KINDS: &str = "configmaps,secrets,deployments,poddisruptionbudgets,services,statefulsets,pvc";

pub(crate) async fn play(stage: Stage) {
    let kinds = all_kinds(&stage).await;
    let before = everything(&stage, &kinds).await;
    stage.kubectl(&["create", "--filename=example/redisfailover/basic.yaml"]).await;
    stage.ready(NAME).await;
    stage.say(format!("ready\n{}", stage.kubectl(&["get", "rf"]).await.trim_end()));

    its_objects_are_there(&stage).await;
    labels_find_the_sentinels(&stage).await;
    the_services_lead_to_their_roles(&stage).await;
    a_client_library_writes_and_reads(&stage).await;
    redis_cli_writes_and_reads(&stage).await;

    stage.kubectl(&["delete", "redisfailover", NAME]).await;
    let ((), took) = until("everything is gone", Duration::from_secs(60), async || {
        let now = everything(&stage, &kinds).await;
        let left: Vec<_> = now.difference(&before).cloned().collect();
        ensure(left.is_empty(), || left.join(", "))
    })
    .await;
    stage.say(format!("deleted, with everything, in {:.1} s", took.as_secs_f64()));
}

async fn its_objects_are_there(stage: &Stage) {
    let mut objects = stage.names(KINDS).await;
    objects.retain(|name| name != "configmap/kube-root-ca.crt");
    assert_eq!(objects, OBJECTS);
    let uid = stage.rf(NAME).await.metadata.uid.expect("a uid");
    let list = stage.get(&[KINDS, "--selector=app.kubernetes.io/managed-by=redis-operator"]).await;
    let items = list["items"].as_array().expect("a list");
    assert_eq!(items.len(), OBJECTS.len());
    for object in items {
        let owners = object["metadata"]["ownerReferences"].as_array().expect("owners");
        let name = &object["metadata"]["name"];
        assert_eq!(owners.len(), 1, "owners of {name}");
        assert_eq!(owners[0]["uid"], uid.as_str(), "the owner of {name}");
        assert_eq!(owners[0]["controller"], true, "the owner of {name}");
    }
}

async fn labels_find_the_sentinels(stage: &Stage) {
    let pods = stage.names("pods").await;
    assert_eq!(pods.len(), 6, "{pods:?}");
    let pods = stage.get(&["pods", "--selector=component=sentinel"]).await;
    assert_eq!(pods["items"].as_array().map(Vec::len), Some(3));
    let services = stage.kubectl(&["get", "service", "--selector=component=sentinel", "--no-headers"]).await;
    assert!(services.starts_with("rfs-redisfailover ") && services.contains("26379/TCP"), "{services}");
    assert_eq!(services.lines().count(), 1, "{services}");
}

async fn the_services_lead_to_their_roles(stage: &Stage) {
    let (master, _) =
        until("Sentinels agree", Duration::from_secs(20), async || servers::agreed(stage, NAME, 2, 3).await)
            .await;
    let replicas: BTreeSet<_> = servers::redis(stage, NAME)
        .await
        .into_iter()
        .map(|server| server.ip)
        .filter(|ip| *ip != master.ip)
        .collect();
    for (service, wanted) in
        [("rfrm-redisfailover", BTreeSet::from([master.ip])), ("rfrs-redisfailover", replicas)]
    {
        until(service, Duration::from_secs(10), async || {
            let selector = format!("--selector=kubernetes.io/service-name={service}");
            let path = "--output=jsonpath={.items[*].endpoints[*].addresses[*]}";
            let text = stage.kubectl(&["get", "endpointslices", &selector, path]).await;
            let led_to: BTreeSet<_> = text.split_whitespace().map(str::to_owned).collect();
            ensure(led_to == wanted, || format!("{led_to:?} instead of {wanted:?}"))
        })
        .await;
    }
}

async fn a_client_library_writes_and_reads(stage: &Stage) {
    servers::write(stage, NAME, None, "written-by", "a library").await;
    let value = servers::read(stage, NAME, None, "written-by").await;
    assert_eq!(value, Ok(Some("a library".to_owned())));
}

async fn redis_cli_writes_and_reads(stage: &Stage) {
    let in_sentinel = async |arguments: &[&str]| {
        let exec = ["exec", "deployment/rfs-redisfailover", "--", "redis-cli"];
        stage.kubectl(&[&exec, arguments].concat()).await
    };
    let address = in_sentinel(&["-p", "26379", "SENTINEL", "get-master-addr-by-name", "mymaster"]).await;
    let (host, port) = address.trim_end().split_once('\n').expect("host and port");
    let told = in_sentinel(&["-h", host, "-p", port, "SET", "hello", "world!"]).await;
    assert_eq!(told.trim_end(), "OK");
    let read = in_sentinel(&["-h", host, "-p", port, "GET", "hello"]).await;
    assert_eq!(read.trim_end(), "world!");
}

/// Every kind of object that can be in a namespace. Events tell of the past and stay.
async fn all_kinds(stage: &Stage) -> String {
    let text = stage.kubectl(&["api-resources", "--verbs=list", "--namespaced", "--output=name"]).await;
    let kinds: Vec<_> = text.lines().filter(|kind| !kind.starts_with("events")).collect();
    kinds.join(",")
}

async fn everything(stage: &Stage, kinds: &str) -> BTreeSet<String> {
    stage.names(kinds).await.into_iter().collect()
}
