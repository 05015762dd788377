//! The early version on a real API server: served beside v1, converted by the webhook, never stored.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use certs::{Keeper, Options, Slot};
use futures::{StreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams,
};
use kube::runtime::{WatchStreamExt, watcher};
use redis_operator::admission::Admission;
use redis_operator::api::v1alpha2::{ANNOTATION_OF_V1, ANNOTATION_OF_V1ALPHA2, LABEL_OF_V1ALPHA2};
use redis_operator::api::{GROUP, KIND, schema};
use serde_json::{Value, json};
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use webhook::{Limits, Stop};

use crate::certificates::options;
use crate::examples;
use crate::server::{Server, eventually};
use crate::stage::{Stage, redis_failover, refusal};

const CRD: &str = "redisfailovers.storage.spotahome.com";
/// As kubectl calls the early version.
const EARLY: &str = "redisfailovers.v1alpha2.storage.spotahome.com";

/// Servers of their own, whose CRD the webhook of this process converts: all tests here share it.
static SERVER: OnceCell<&'static Server> = OnceCell::const_new();
/// Held by all tests that convert, and by one alone that stops the conversion.
static PEACE: RwLock<()> = RwLock::const_new(());

/// A stage on those servers, and the promise that objects are converted.
async fn converting(namespace: &str) -> (Stage, RwLockReadGuard<'static, ()>) {
    let server = SERVER.get_or_init(start).await;
    (Stage::open_on(server, namespace).await, PEACE.read().await)
}

async fn start() -> &'static Server {
    let server = Server::apart("converting").await;
    let stage = Stage::open_on(server, "operator").await;
    let release = stage.release().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let mut configuration = release.configuration(kind, "", port);
        configuration["webhooks"][0].as_object_mut().unwrap().remove("namespaceSelector");
        stage.apply(&configuration).await.unwrap();
    }
    let options = Options { definition: Some(CRD.to_owned()), ..options(&stage, &release) };
    let user = release.user.clone();
    thread::spawn(move || serve(server, &user, options, listener));
    stage.apply(&definition(port)).await.unwrap();
    eventually("objects are converted", async || {
        early(&stage).list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let wrong = json!({"redis": {"customConfig": ["no-value"]}});
        match create(&stage, "wrong", wrong).await {
            Err(kube::Error::Api(status)) if status.message.contains("is not valid") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    release.assert_nothing_was_forbidden();
    server
}

/// The CRD with the URL in place of the Service: no packet finds its way to a Service here.
fn definition(port: u16) -> Value {
    let mut crd = json!(schema::crd());
    let url = format!("https://localhost:{port}/convert");
    crd["spec"]["conversion"]["webhook"]["clientConfig"] = json!({"url": url});
    crd
}

/// What a replica of the operator does for the webhook, until this process ends: longer than the runtime of any test.
fn serve(server: &Server, user: &str, options: Options, listener: std::net::TcpListener) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let slot = Slot::new();
        let (keeper, _) = Keeper::new(server.client(Some(user)), options, Arc::clone(&slot));
        let router = webhook::router(Arc::new(Admission::default()), Arc::new(|_| {}));
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let stop = CancellationToken::new();
        let serving = webhook::serve(listener, slot, router, Stop::new(stop.clone()), Limits::default());
        tokio::join!(keeper.run(stop), serving);
    });
}

fn early(stage: &Stage) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, "v1alpha2", KIND));
    Api::namespaced_with(stage.client.clone(), &stage.namespace, &resource)
}

async fn create(stage: &Stage, name: &str, spec: Value) -> Result<DynamicObject, kube::Error> {
    let object = manifest(stage, name, &spec);
    early(stage).create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await
}

fn manifest(stage: &Stage, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1alpha2"),
        "kind": KIND,
        "metadata": {"name": name, "namespace": stage.namespace},
        "spec": spec,
    })
}

fn annotation<'a>(object: &'a DynamicObject, key: &str) -> Option<&'a str> {
    object.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// What only v1alpha2 says, and what only v1 says, in one object.
fn spec_with_everything() -> Value {
    json!({
        "hardAntiAffinity": true,
        "tolerations": [{"key": "k"}],
        "redis": {
            "replicas": 3, "image": "redis", "version": "7.2", "exporter": true, "exporterVersion": "v1.43.0",
            "disableExporterProbes": true, "resources": {"limits": {"cpu": "1", "memory": ""}},
        },
        "sentinel": {"replicas": 3},
    })
}

#[tokio::test]
async fn until_the_ca_is_injected_v1_works_and_v1alpha2_waits() {
    let stage = Stage::open("conversion-waits").await;
    stage.create("new", json!({})).await.unwrap();
    let text = refusal(create(&stage, "early", json!({})).await);
    assert!(text.contains("conversion webhook"), "{text}");
    assert_eq!(stage.redis_failovers().list(&ListParams::default()).await.unwrap().items.len(), 1);
}

/// Whoever wrote in v1alpha2 is remembered with that version, and every server-side apply asks for the object in it.
#[tokio::test]
async fn while_nobody_converts_a_mark_of_v1alpha2_holds_up_server_side_apply_alone() {
    let server = SERVER.get_or_init(start).await;
    let stage = Stage::open_on(server, "early-marks").await;
    let _alone = PEACE.write().await;
    create(&stage, "marked", json!({"redis": {"replicas": 3}})).await.unwrap();
    create(&stage, "updated", json!({"redis": {"replicas": 3}})).await.unwrap();
    let crds: Api<CustomResourceDefinition> = Api::all(stage.client.clone());
    let client =
        crds.get(CRD).await.unwrap().spec.conversion.unwrap().webhook.unwrap().client_config.unwrap();
    let call = async |url: &str| {
        let patch = json!({"spec": {"conversion": {"webhook": {"clientConfig": {"url": url}}}}});
        crds.patch(CRD, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    };
    let apply = async |name: &str| {
        let status = json!({"apiVersion": format!("{GROUP}/v1"), "kind": KIND, "status": {"phase": "Ready"}});
        let params = PatchParams::apply("redis-operator").force();
        stage.redis_failovers().patch_status(name, &params, &Patch::Apply(status)).await
    };

    call("https://localhost:1/convert").await;
    eventually("nobody converts", async || match early(&stage).get("marked").await {
        Err(kube::Error::Api(status)) if status.message.contains("conversion webhook") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let text = refusal(apply("marked").await);
    assert!(text.contains("conversion webhook"), "{text}");
    let updated = stage.merge("updated", json!({"spec": {"redis": {"replicas": 5}}})).await.unwrap();
    assert_eq!(updated.metadata.managed_fields, None, "an update goes on without them");
    apply("updated").await.unwrap();
    let clear = r#"[{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]"#;
    let patch = ["patch", "rf", "marked", "-n", &stage.namespace, "--type", "json", "-p", clear];
    server.kubectl(&patch, "").unwrap();
    apply("marked").await.unwrap();

    call(&client.url.unwrap()).await;
    eventually("objects are converted again", async || {
        early(&stage).get("marked").await.map_err(|error| error.to_string())
    })
    .await;
}

#[tokio::test]
async fn early_examples_are_created_by_kubectl_and_stored_as_v1() {
    let (stage, _peace) = converting("early-examples").await;
    for example in examples::all_early() {
        let arguments = ["create", "-n", &stage.namespace, "-f", "-"];
        stage
            .server
            .kubectl(&arguments, &example.text)
            .unwrap_or_else(|text| panic!("{}: {text}", example.name));
        let name = format!("early-{}", example.name);
        let stored = stage.redis_failovers().get(&name).await.unwrap();
        assert_eq!(stored.data["spec"]["redis"]["port"], 6379, "{name}: the defaults of v1");
        crate::stage::valid(&stored);
        let sent = example.object().data["spec"].clone();
        let shown = early(&stage).get(&name).await.unwrap();
        let changed = changed("spec", &sent, &shown.data["spec"]);
        assert!(changed.is_empty(), "{name}: {changed:?}");
    }
    let crds: Api<CustomResourceDefinition> = Api::all(stage.client.clone());
    let status = crds.get(CRD).await.unwrap().status.unwrap();
    assert_eq!(status.stored_versions, Some(vec!["v1".to_owned()]));
}

/// Paths of what is not shown as it was sent; what was filled in is no change.
fn changed(path: &str, sent: &Value, shown: &Value) -> Vec<String> {
    match (sent, shown) {
        (Value::Object(sent), Value::Object(shown)) => {
            let field = |(key, value): (&String, &Value)| {
                changed(&format!("{path}.{key}"), value, shown.get(key).unwrap_or(&Value::Null))
            };
            sent.iter().flat_map(field).collect()
        }
        // The operator adds its own two times to the Sentinels' settings.
        (Value::Array(sent), Value::Array(shown)) if sent.iter().all(|item| shown.contains(item)) => vec![],
        _ if sent == shown => vec![],
        _ => vec![format!("{path} was {sent} and is {shown}")],
    }
}

#[tokio::test]
async fn kubectl_gets_and_edits_both_versions() {
    let (stage, _peace) = converting("early-kubectl").await;
    create(&stage, "edited", spec_with_everything()).await.unwrap();
    let kubectl = |arguments: &[&str]| {
        stage.server.kubectl(&[arguments, &["-n", &stage.namespace]].concat(), "").unwrap()
    };
    let table = kubectl(&["get", EARLY]);
    assert!(table.starts_with("NAME") && table.contains("SENTINELS") && table.contains("edited"), "{table}");
    for resource in [EARLY, "redisfailovers.v1.storage.spotahome.com"] {
        let said = kubectl(&["edit", resource, "edited"]);
        assert!(said.contains("edited"), "{said}");
        for api in [early(&stage), stage.redis_failovers()] {
            let object = api.get("edited").await.unwrap();
            assert_eq!(object.data["spec"]["redis"]["replicas"], 5, "{resource}");
        }
        let back = json!({"spec": {"redis": {"replicas": 3}, "sentinel": {"replicas": 3}}});
        early(&stage).patch("edited", &PatchParams::default(), &Patch::Merge(back)).await.unwrap();
    }
    let shown = early(&stage).get("edited").await.unwrap();
    let changed = changed("spec", &spec_with_everything(), &shown.data["spec"]);
    assert!(changed.is_empty(), "{changed:?}");
}

#[tokio::test]
async fn a_put_in_either_version_keeps_what_the_other_says() {
    let (stage, _peace) = converting("early-put").await;
    let params = PostParams::default();
    create(&stage, "both", spec_with_everything()).await.unwrap();

    let mut stored = stage.redis_failovers().get("both").await.unwrap();
    assert!(annotation(&stored, ANNOTATION_OF_V1).is_some_and(|text| text.contains("disableExporterProbes")));
    stored.data["spec"]["redis"]["port"] = json!(7000);
    stored.data["spec"]["redis"]["replicas"] = json!(5);
    stage.redis_failovers().replace("both", &params, &stored).await.unwrap();

    let mut shown = early(&stage).get("both").await.unwrap();
    assert!(annotation(&shown, ANNOTATION_OF_V1ALPHA2).is_some_and(|text| text.contains("7000")));
    assert_eq!(annotation(&shown, ANNOTATION_OF_V1), None);
    let mut expected = spec_with_everything();
    expected["redis"]["replicas"] = json!(5);
    assert!(changed("spec", &expected, &shown.data["spec"]).is_empty(), "{:#}", shown.data["spec"]);
    shown.data["spec"]["redis"]["version"] = json!("7.4");
    early(&stage).replace("both", &params, &shown).await.unwrap();

    let stored = stage.redis_failovers().get("both").await.unwrap();
    let spec = &stored.data["spec"];
    assert_eq!((&spec["redis"]["port"], &spec["redis"]["replicas"]), (&json!(7000), &json!(5)));
    assert_eq!(
        (&spec["redis"]["image"], &spec["sentinel"]["image"]),
        (&json!("redis:7.4"), &json!("redis:7.4"))
    );
    assert_eq!(annotation(&stored, ANNOTATION_OF_V1ALPHA2), None);
}

/// Applied again, a manifest changes nothing; not even after others wrote their parts in v1.
#[tokio::test]
async fn applying_an_early_manifest_again_changes_nothing() {
    let (stage, _peace) = converting("early-apply").await;
    for (name, how) in [("by-client", &[][..]), ("by-server", &["--server-side"][..])] {
        let text = manifest(&stage, name, &spec_with_everything()).to_string();
        let apply = || stage.server.kubectl(&[&["apply", "-f", "-"][..], how].concat(), &text).unwrap();
        apply();
        stage.merge(name, json!({"spec": {"redis": {"port": 7000}}})).await.unwrap();
        // As the operator writes it: server-side apply looks at the fields of all managers, in their versions.
        let status = json!({"apiVersion": format!("{GROUP}/v1"), "kind": KIND, "status": {"phase": "Ready"}});
        let params = PatchParams::apply("redis-operator").force();
        stage.redis_failovers().patch_status(name, &params, &Patch::Apply(status)).await.unwrap();
        let before = stage.redis_failovers().get(name).await.unwrap();
        apply();
        let after = stage.redis_failovers().get(name).await.unwrap();
        assert_eq!(before.data, after.data, "{name}");
        assert_eq!(before.metadata.annotations, after.metadata.annotations, "{name}");
        assert_eq!(before.metadata.generation, after.metadata.generation, "{name}");
        assert_eq!(after.data["spec"]["redis"]["port"], 7000);
        assert_eq!(early(&stage).get(name).await.unwrap().data["status"]["phase"], "Ready");
    }
}

#[tokio::test]
async fn lists_of_500_and_watches_speak_the_early_version() {
    let (stage, _peace) = converting("early-list").await;
    let api = early(&stage);
    let seen = watcher(api.clone(), watcher::Config::default()).default_backoff().touched_objects();
    let mut seen = seen.filter_map(async |object| object.ok()).boxed();
    stage.create("watched", json!({"redis": {"image": "redis:7.2", "port": 7000}})).await.unwrap();
    let object = timeout(Duration::from_secs(20), seen.next()).await.expect("an event").unwrap();
    assert_eq!(object.types.unwrap().api_version, format!("{GROUP}/v1alpha2"));
    assert_eq!(object.data["spec"]["redis"]["version"], "7.2");

    let params = PostParams::default();
    let objects = stage.redis_failovers();
    let one = async |number| {
        let object = redis_failover(&format!("one-of-{number}"), json!({"redis": {"port": 7000}}));
        objects.create(&params, &object).await.unwrap()
    };
    stream::iter(1..500).map(one).buffer_unordered(16).collect::<Vec<_>>().await;
    let began = Instant::now();
    let list = api.list(&ListParams::default()).await.unwrap();
    println!("{} objects listed in v1alpha2 in {:?}", list.items.len(), began.elapsed());
    assert_eq!(list.items.len(), 500);
    for object in &list.items {
        assert!(object.data["spec"]["redis"].get("port").is_none());
        assert!(annotation(object, ANNOTATION_OF_V1ALPHA2).is_some_and(|text| text.contains("7000")));
    }
}

#[tokio::test]
async fn a_wrong_early_spec_is_refused_by_its_field() {
    let (stage, _peace) = converting("early-wrong").await;
    let text = refusal(create(&stage, "wrong", json!({"redis": {"exporter": "yes"}})).await);
    assert!(text.contains("spec.redis.exporter: \"yes\": is a text, but must be true or false"), "{text}");
    let text = refusal(create(&stage, "wrong", json!({"redis": {"customConfig": ["port 1"]}})).await);
    assert!(text.contains("spec.redis.customConfig[0]: \"port 1\": belongs to the operator"), "{text}");
}

#[tokio::test]
async fn an_overwritten_bundle_of_the_crd_is_put_back() {
    let (stage, _peace) = converting("early-bundle").await;
    let crds: Api<CustomResourceDefinition> = Api::all(stage.client.clone());
    let bundle = async || {
        let conversion = crds.get(CRD).await.unwrap().spec.conversion.unwrap();
        conversion.webhook.unwrap().client_config.unwrap().ca_bundle.unwrap().0
    };
    let good = bundle().await;
    // One more CA, so that conversions go on meanwhile.
    let other = certs::issue::authority(jiff::Timestamp::now()).unwrap().pair.certificate;
    let other = json!(k8s_openapi::ByteString([&good[..], other.as_bytes()].concat()));
    let patch = json!({"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": other}}}}});
    let began = Instant::now();
    crds.patch(CRD, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    eventually("the bundle is back", async || match bundle().await {
        found if found == good => Ok(()),
        found => Err(String::from_utf8_lossy(&found).into_owned()),
    })
    .await;
    println!("the CRD's bundle was back after {:?}", began.elapsed());
}

/// The rule refuses such a spec; further annotations make one of what was stored.
#[tokio::test]
async fn an_object_too_long_for_v1alpha2_spoils_no_list_and_loses_nothing() {
    let (stage, _peace) = converting("early-too-long").await;
    let with = |length: usize| json!({"redis": {"exporter": {"args": ["x".repeat(length)]}}});
    let text = refusal(stage.create("refused", with(300_000)).await);
    assert!(text.contains("spec.redis.exporter.args: takes most of the 300"), "{text}");
    let spec = stage.create("long", with(100_000)).await.unwrap().data["spec"].clone();
    create(&stage, "plain", json!({})).await.unwrap();
    let annotations = json!({"metadata": {"annotations": {"user": "y".repeat(200_000)}}});
    stage.merge("long", annotations).await.unwrap();

    let list = early(&stage).list(&ListParams::default()).await.unwrap().items;
    assert_eq!(list.len(), 2);
    let shown = early(&stage).get("long").await.unwrap();
    assert_eq!(annotation(&shown, ANNOTATION_OF_V1ALPHA2), None);
    assert_eq!(shown.metadata.labels.unwrap()[LABEL_OF_V1ALPHA2], "left-out");
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let text = refusal(early(&stage).patch("long", &PatchParams::default(), &Patch::Merge(&label)).await);
    assert!(text.contains("write the object in v1"), "{text}");
    let stored = stage.merge("long", label).await.unwrap();
    assert_eq!(stored.data["spec"], spec);
    // The API server writes an object anew before it deletes it, where its cache has it by then.
    if let Err(refused) = early(&stage).delete("long", &DeleteParams::default()).await {
        let text = refusal::<()>(Err(refused));
        assert!(text.contains("write the object in v1"), "{text}");
        stage.redis_failovers().delete("long", &DeleteParams::default()).await.unwrap();
    }
}
