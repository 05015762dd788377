//! The definition in a real API server: it is accepted, however it is applied, and its parts work.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams, Patch, PatchParams};
use redis_operator::api::schema;
use rstest::rstest;
use serde_json::{Value, json};

use crate::examples;
use crate::server::server;
use crate::stage::{Stage, refusal};

/// The API server tells of every structural fault and every rule that does not compile in a condition or a refusal.
#[tokio::test]
async fn server_side_apply_takes_it_twice_and_finds_no_fault() {
    let server = server().await;
    let crds: Api<CustomResourceDefinition> = Api::all(server.client(None));
    let name = schema::crd().metadata.name.unwrap();
    let mut generations = Vec::new();
    for _ in 0..2 {
        let crd =
            crds.patch(&name, &PatchParams::apply("tests"), &Patch::Apply(schema::crd())).await.unwrap();
        generations.push(crd.metadata.generation);
    }
    assert_eq!(generations[0], generations[1], "the second one found something to change");
    let conditions = crds.get(&name).await.unwrap().status.unwrap().conditions.unwrap();
    for condition in conditions {
        let good = condition.type_ != "NonStructuralSchema" || condition.status == "False";
        assert!(good, "{}: {:?}", condition.type_, condition.message);
    }
}

/// kubectl keeps the whole object in an annotation of at most 262,144 bytes, on the second run it reads it back.
#[tokio::test]
async fn plain_kubectl_apply_takes_it_twice() {
    let server = server().await;
    let text = schema::yaml(Some(schema::Converter::default()));
    let first = server.kubectl(&["apply", "-f", "-"], &text).unwrap();
    assert!(first.contains("redisfailovers.storage.spotahome.com"), "{first}");
    let second = server.kubectl(&["apply", "-f", "-"], &text).unwrap();
    assert!(second.contains("unchanged"), "{second}");
}

#[tokio::test]
async fn kubectl_shows_the_columns_and_explains_the_fields() {
    let stage = Stage::open("columns").await;
    stage.create("shown", json!({"redis": {"replicas": 3}, "sentinel": {"replicas": 5}})).await.unwrap();
    let status = json!({"status": {
        "phase": "Ready", "ready": "8/8", "master": {"pod": "rfr-shown-1", "address": "10.0.0.1:6379"},
        "redis": {"replicas": 3, "ready": 3}, "sentinel": {"replicas": 5, "ready": 5},
    }});
    stage
        .redis_failovers()
        .patch_status("shown", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    let table = stage.server.kubectl(&["get", "rf", "-n", &stage.namespace], "").unwrap();
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "REDIS", "SENTINELS", "MASTER", "READY", "PHASE", "AGE"]);
    assert_eq!(rows[1][..6], ["shown", "3", "5", "rfr-shown-1", "8/8", "Ready"]);
    let explained = stage.server.kubectl(&["explain", "rf.spec.redis.customConfig"], "").unwrap();
    assert!(explained.contains("Settings as in redis.conf"), "{explained}");
}

#[tokio::test]
async fn kubectl_scales_the_redis_servers() {
    let stage = Stage::open("scale").await;
    stage.create("scaled", json!({"redis": {"replicas": 3}})).await.unwrap();
    let arguments = ["scale", "rf", "scaled", "--replicas=5", "-n", &stage.namespace];
    stage.server.kubectl(&arguments, "").unwrap();
    let object = stage.redis_failovers().get("scaled").await.unwrap();
    assert_eq!(object.data["spec"]["redis"]["replicas"], 5);
    let status = json!({"status": {"redis": {"replicas": 4, "ready": 4}, "selector": "a=b"}});
    let api = stage.redis_failovers();
    api.patch_status("scaled", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let scale = api.get_scale("scaled").await.unwrap().status.unwrap();
    assert_eq!((scale.replicas, scale.selector.as_deref()), (4, Some("a=b")));
}

/// `cpu: 1` is what people write, and what the API server has to keep as it is.
#[tokio::test]
async fn quantities_may_be_numbers() {
    let stage = Stage::open("quantities").await;
    let spec = json!({"redis": {
        "resources": {"requests": {"cpu": 1, "memory": "1Gi"}},
        "storage": {"persistentVolumeClaim": {"spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": 1_073_741_824}},
        }}},
    }});
    let stored = stage.create("numbers", spec).await.unwrap();
    assert_eq!(stored.data["spec"]["redis"]["resources"]["requests"]["cpu"], 1);
    crate::stage::valid(&stored);
}

/// What the schema and its rules find by themselves, with the text that the webhook would give.
#[tokio::test]
async fn bad_examples_are_refused_without_the_webhook() {
    let stage = Stage::open("refused").await;
    let by_schema = [
        "bootstrap-node",
        "malformed-option",
        "name-too-long",
        "name-with-dot",
        "owned-option",
        "port-of-sentinel",
        "port-out-of-range",
        "redis-control-character",
        "redis-owned-family",
        "redis-owned-option",
        "redis-owned-option-in-capitals",
        "rename-odd-characters",
        "rename-of-nothing",
        "sentinel-option-without-value",
        "sentinel-owned-option",
        "sentinel-zero-replicas",
        "storage-claim-access-modes",
        "storage-claim-and-empty-dir",
        "storage-claim-without-size",
        "termination-grace-period-zero",
        "wrong-type",
        "wrong-type-nested",
        "zero-replicas",
    ];
    for name in by_schema {
        let example = examples::bad(name);
        let text = refusal(example.create_in(&stage, false).await);
        assert!(text.contains(&example.promise()), "{name}: {text}");
    }
}

#[rstest]
#[case("port-zero", json!({"redis": {"port": 0}}), "spec.redis.port")]
#[case("negative", json!({"sentinel": {"replicas": -1}}), "spec.sentinel.replicas")]
#[case("dots.in.name", json!({}), "cannot be part of a Service's name")]
#[case("policy", json!({"redis": {"imagePullPolicy": "Sometimes"}}), "spec.redis.imagePullPolicy")]
#[case("entry", json!({"redis": {"customConfig": ["hz 10", "port 1"]}}), "spec.redis.customConfig[1]: Invalid value")]
#[case("password", json!({"redis": {"customConfig": ["requirepass x"]}}), "spec.redis.customConfig: Invalid value: belongs to")]
#[case("sentinels", json!({"sentinel": {"customConfig": ["requirepass x"]}}), "use spec.auth.sentinelSecretPath")]
#[case("host", json!({"bootstrapNode": {}}), "spec.bootstrapNode: Invalid value: has no host")]
#[case("fraction", json!({"redis": {"replicas": 2.5}}), "spec.redis.replicas")]
#[tokio::test]
async fn bad_specs_are_refused_without_the_webhook(
    #[case] name: &str,
    #[case] spec: Value,
    #[case] want: &str,
) {
    let stage = Stage::open(&format!("schema-{}", name.replace('.', "-"))).await;
    let text = refusal(stage.create(name, spec).await);
    assert!(text.contains(want), "{text}");
    let none = stage.redis_failovers().list(&ListParams::default()).await.unwrap();
    assert!(none.items.is_empty());
}

#[tokio::test]
async fn storage_cannot_change_under_the_data_without_the_webhook() {
    let stage = Stage::open("storage").await;
    let claim = |class: &str| {
        json!({"spec": {
            "storageClassName": class,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        }})
    };
    let spec = json!({"redis": {"storage": {"persistentVolumeClaim": claim("fast")}}});
    stage.create("kept", spec).await.unwrap();
    let with = |claim: Value| json!({"spec": {"redis": {"storage": {"persistentVolumeClaim": claim}}}});
    let text = refusal(stage.merge("kept", with(claim("slow"))).await);
    assert!(text.contains("existing claims keep their class"), "{text}");
    let text = refusal(stage.merge("kept", with(Value::Null)).await);
    assert!(text.contains("the data in the claims would be left behind"), "{text}");
    stage.merge("kept", json!({"spec": {"redis": {"replicas": 5}}})).await.unwrap();
}
