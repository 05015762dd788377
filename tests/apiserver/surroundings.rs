//! Rules that need other objects, as the API server's users meet them.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use redis_operator::api::{GROUP, PLURAL, VERSION};
use serde_json::{Value, json};

use crate::server::eventually;
use crate::stage::{Stage, redis_failover};
use crate::webhook::Webhook;

/// What kubectl prints when it creates this: its output and the warnings, or the refusal.
async fn kubectl_create(stage: &Stage, name: &str, spec: Value, dry_run: bool) -> Result<String, String> {
    let mut object = serde_json::to_value(redis_failover(name, spec)).unwrap();
    object["metadata"]["namespace"] = json!(stage.namespace);
    let (server, text) = (stage.server, object.to_string());
    let mode = if dry_run { "--dry-run=server" } else { "--dry-run=none" };
    let create = tokio::task::spawn_blocking(move || server.run_kubectl(&["create", mode, "-f", "-"], &text));
    let created = tokio::time::timeout(Duration::from_secs(20), create).await.unwrap().unwrap();
    created.map(|said| said.concat())
}

/// The warnings of a creation that is judged and not stored.
async fn warnings(stage: &Stage, name: &str, spec: Value) -> Vec<String> {
    let path = format!("/apis/{GROUP}/{VERSION}/namespaces/{}/{PLURAL}?dryRun=All", stage.namespace);
    let body = serde_json::to_vec(&redis_failover(name, spec)).unwrap();
    let request = Request::post(path).header("content-type", "application/json").body(body.into()).unwrap();
    let response = stage.client.send(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    response.headers().get_all("warning").iter().map(|text| text.to_str().unwrap().to_owned()).collect()
}

fn with_password(secret: &str) -> Value {
    json!({"auth": {"secretPath": secret}})
}

fn named<K: Default + kube::Resource>(name: &str) -> K {
    let mut object = K::default();
    *object.meta_mut() = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    object
}

#[tokio::test]
async fn a_name_that_collides_with_a_stored_one_is_refused() {
    let stage = Stage::open("surroundings-names").await;
    let release = stage.release().await;
    let _webhook = Webhook::start(&stage, &release).await;
    stage.create("x", json!({})).await.unwrap();
    let expected = "RedisFailover \"s-x\" is not valid: metadata.name: \"s-x\": wants the ConfigMap \"rfr-s-x\", \
                    and so does the RedisFailover \"x\"; choose another name";
    for dry_run in [true, false] {
        eventually("the name is refused", async || {
            let params = PostParams { dry_run: true, ..PostParams::default() };
            let created = stage.redis_failovers().create(&params, &redis_failover("s-x", json!({}))).await;
            created.map_or_else(|_| Ok(()), |_| Err("it is accepted".to_owned()))
        })
        .await;
        let refused = kubectl_create(&stage, "s-x", json!({}), dry_run).await.unwrap_err();
        assert!(refused.contains(expected), "{refused}");
        assert!(refused.lines().count() <= 2, "{refused}");
    }
    stage.create("auth-x", json!({})).await.unwrap();
    stage.merge("x", json!({"spec": {"redis": {"replicas": 5}}})).await.unwrap();
    stage.redis_failovers().delete("x", &DeleteParams::default()).await.unwrap();
    eventually("the name is free", async || {
        stage.create("s-x", json!({})).await.map_err(|error| error.to_string())
    })
    .await;
    release.assert_nothing_was_forbidden();
}

#[tokio::test]
async fn a_missing_secret_is_warned_of_until_it_is_there() {
    let stage = Stage::open("surroundings-secret").await;
    let release = stage.release().await;
    let _webhook = Webhook::start(&stage, &release).await;
    let warning = "Warning: spec.auth.secretPath: \"later\": there is no Secret of this name in the namespace; \
                   create it with the key `password`";
    eventually("the Secret is missed", async || {
        match kubectl_create(&stage, "a", with_password("later"), true).await {
            Ok(said) if said.contains(warning) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let said = kubectl_create(&stage, "a", with_password("later"), false).await.unwrap();
    assert!(said.contains(warning), "{said}");
    stage.api::<Secret>().create(&PostParams::default(), &named("later")).await.unwrap();
    let said = kubectl_create(&stage, "b", with_password("later"), true).await.unwrap();
    assert!(!said.contains("Warning"), "{said}");
    release.assert_nothing_was_forbidden();
}

/// As the documents of one file reach the API server, a few milliseconds apart.
#[tokio::test]
async fn what_was_created_just_before_is_not_missed() {
    let stage = Stage::open("surroundings-race").await;
    let release = stage.release().await;
    let _webhook = Webhook::start(&stage, &release).await;
    eventually("a Secret is missed", async || match warnings(&stage, "x", with_password("none")).await[..] {
        [] => Err("no warning".to_owned()),
        _ => Ok(()),
    })
    .await;
    let mut missed = Vec::new();
    for round in 0..100 {
        let name = format!("fresh-{round}");
        stage.api::<Secret>().create(&PostParams::default(), &named(&name)).await.unwrap();
        missed.extend(warnings(&stage, &name, with_password(&name)).await);
    }
    println!("of 100 Secrets that were created just before, {} were missed", missed.len());
    // The watch and the creation take two ways; on a loaded machine the creation may win a few times.
    assert!(missed.len() < 10, "{} times: {missed:#?}", missed.len());
}

/// Lists `objects` Secrets and as many ConfigMaps, and follows the same number of creations. Prints what that takes.
#[tokio::test]
async fn names_take_little_memory() {
    const OBJECTS: usize = 5000;
    // Of processor time, in ticks of 10 ms, for 10,000 names: far below what reading their JSON takes, and far above
    // what two starts differ in.
    const LEAST_TO_FOLLOW: u64 = 20;
    const LEAST_TO_LIST: u64 = 5;
    let stage = Stage::open("surroundings-memory").await;
    let lease: Lease = serde_json::from_value(json!({
        "metadata": {"name": "operator"},
        "spec": {"holderIdentity": "another", "leaseDurationSeconds": 3600},
    }))
    .unwrap();
    stage.api().create(&PostParams::default(), &lease).await.unwrap();
    let operator = Operator::start(&stage);
    let before = operator.settled().await;
    let to_start = operator.ticks();
    for number in 0..12 {
        stage.create(&format!("rf-{number}"), json!({})).await.unwrap();
    }
    let twelve = operator.settled().await;
    let to_know_twelve = operator.ticks();
    create_many(&stage, OBJECTS).await;
    let followed = operator.settled().await;
    let to_follow = operator.ticks() - to_know_twelve;
    let operator = Operator::start(&stage);
    let listed = operator.settled().await;
    let to_list = operator.ticks().saturating_sub(to_start);
    println!(
        "resident KiB: nothing {before}; 12 RedisFailovers {twelve}; {OBJECTS} Secrets and ConfigMaps each \
         {followed} when followed ({to_follow} ticks), {listed} when listed ({to_list} ticks)"
    );
    // Who saw nothing has no memory to show.
    assert!(
        to_follow >= LEAST_TO_FOLLOW && to_list >= LEAST_TO_LIST,
        "{to_follow} and {to_list} ticks are no work"
    );
    assert!(twelve.saturating_sub(before) < 1024, "{before} {twelve}");
    let followed = followed.saturating_sub(twelve);
    // None at all, where the names fit into what the start left free.
    assert!(followed < 5 * 1024, "{followed} KiB for {OBJECTS} names twice");
    assert!(listed.saturating_sub(before) < 6 * 1024, "{before} {listed}");
}

async fn create_many(stage: &Stage, count: usize) {
    let (secrets, config_maps) = (stage.api::<Secret>(), stage.api::<ConfigMap>());
    let create = async |number: usize| {
        let name = format!("one-of-very-many-{number}");
        let (params, secret, config_map) = (PostParams::default(), named(&name), named(&name));
        let both = (secrets.create(&params, &secret), config_maps.create(&params, &config_map));
        futures::future::try_join(both.0, both.1).await.unwrap();
    };
    futures::stream::iter(0..count).for_each_concurrent(16, create).await;
}

/// The binary, as a replica that does not lead; killed when it is dropped.
struct Operator(std::process::Child);

impl Operator {
    fn start(stage: &Stage) -> Self {
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_redis-operator"))
            .args(["--lease-name=operator", "--pod-name=follower", "--webhook-configuration=none"])
            .args(["--listen-address=127.0.0.1:0", "--webhook-listen-address=127.0.0.1:0"])
            .arg(format!("--namespace={}", stage.namespace))
            .arg(format!("--kubeconfig={}", stage.server.kubeconfig_path().display()))
            .env("MALLOC_ARENA_MAX", "1") // As in the chart.
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Resident memory in KiB, once that and the processor time have hardly grown for two seconds. The time tells a
    /// process that is done from one that a busy machine keeps waiting.
    async fn settled(&self) -> u64 {
        let mut last = ((0, 0), tokio::time::Instant::now());
        eventually("the memory is settled", async || {
            let now = (self.resident(), self.ticks());
            if now.0.abs_diff(last.0.0) > 16 || now.1 > last.0.1 + 2 {
                last = (now, tokio::time::Instant::now());
            }
            let done = now.1 > 0 && last.1.elapsed() > Duration::from_secs(2);
            if done { Ok(now.0) } else { Err(format!("{now:?} KiB and ticks")) }
        })
        .await
    }

    /// Processor time that it has used, in the kernel's ticks of 10 ms.
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a running process");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
