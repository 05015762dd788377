//! The catalogue of rules in a real API server: what it does not hold up, and that it refuses nothing which works.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use redis_operator::api::defaults::{self, Images};
use redis_operator::api::rules::{CATALOGUE, Rule, Severity};
use redis_operator::api::{Identity, RedisFailoverSpec, Valid, parse, schema};
use redis_operator::desired::{self, ChildKind};
use redis_operator::secret::Passwords;
use serde_json::{Value, json};

use crate::server::eventually;
use crate::stage::{Stage, redis_failover, refusal};
use crate::webhook::Webhook;

/// The rules that refuse a creation, with the names of their objects.
fn refusals() -> impl Iterator<Item = (&'static Rule, &'static str)> {
    let rules = CATALOGUE.iter().flat_map(|chapter| chapter.rules);
    let refusals = rules.filter(|rule| rule.severity == Severity::Refuse && rule.example.before.is_empty());
    refusals.map(|rule| (rule, if rule.example.name.is_empty() { rule.id } else { rule.example.name }))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn typed(text: &str) -> RedisFailoverSpec {
    let mut spec = yaml(text);
    defaults::fill(&mut spec, &Images::default());
    parse::spec(&spec).unwrap()
}

/// What people and controllers do to an object without a thought for its spec; the last one deletes it.
async fn live_on(api: &Api<DynamicObject>, name: &str) -> Result<(), kube::Error> {
    let params = PatchParams::default();
    let patches = [
        json!({"metadata": {"labels": {"a": "b"}}}),
        json!({"metadata": {"annotations": {"a": "b"}, "finalizers": ["tests.invalid/wait"]}}),
        json!({"spec": {"redis": {"disablePodDisruptionBudget": true}}}),
        json!({"spec": {"redis": {"replicas": 4}}}),
    ];
    for patch in patches {
        api.patch(name, &params, &Patch::Merge(patch)).await?;
    }
    api.patch_scale(name, &params, &Patch::Merge(json!({"spec": {"replicas": 5}}))).await?;
    api.patch_status(name, &params, &Patch::Merge(json!({"status": {"phase": "Invalid"}}))).await?;
    api.delete(name, &DeleteParams::default()).await?;
    api.patch(name, &params, &Patch::Merge(json!({"metadata": {"finalizers": null}}))).await?;
    match api.get_opt(name).await? {
        None => Ok(()),
        Some(object) => panic!("{name} is still there: {object:?}"),
    }
}

async fn all_live_on(api: &Api<DynamicObject>, names: &[&str]) {
    let mut faults = Vec::new();
    for name in names {
        if let Err(error) = live_on(api, name).await {
            faults.push(format!("{name}: {error}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Stored while there was no webhook; what CEL refuses by itself is the next test's.
#[tokio::test]
async fn the_webhook_holds_up_nothing_that_was_stored_before() {
    let stage = Stage::open("rules-webhook").await;
    let release = stage.release().await;
    let mut stored = Vec::new();
    for (rule, name) in refusals() {
        if stage.create(name, yaml(rule.example.bad)).await.is_ok() {
            stored.push(name);
        }
    }
    assert!(stored.len() > 25, "{stored:?}");
    let _webhook = Webhook::start(&stage, &release).await;
    let text = refusal(stage.create("new", json!({"redis": {"dnsPolicy": "None"}})).await);
    assert!(text.contains("is not valid"), "{text}");
    all_live_on(&stage.redis_failovers(), &stored).await;
}

/// Stored while the CRD had no rules, as by another operator, or before the rule existed.
#[tokio::test]
async fn cel_holds_up_nothing_that_was_stored_before() {
    let stage = Stage::open("rules-cel").await;
    let crds: Api<CustomResourceDefinition> = Api::all(stage.client.clone());
    let apply = async |crd: &CustomResourceDefinition| {
        let name = crd.metadata.name.clone().unwrap();
        crds.patch(&name, &PatchParams::apply("tests").force(), &Patch::Apply(crd)).await.unwrap();
    };
    let strict = of_another_group();
    let mut lax = serde_json::to_value(&strict).unwrap();
    take_rules_away(&mut lax);
    apply(&serde_json::from_value(lax).unwrap()).await;
    let resource = ApiResource {
        group: GROUP.to_owned(),
        api_version: format!("{GROUP}/v1"),
        ..redis_operator::controller::primary()
    };
    let api: Api<DynamicObject> = Api::namespaced_with(stage.client.clone(), &stage.namespace, &resource);
    let object = |name: &str, spec: Value| {
        let mut object = DynamicObject::new(name, &resource);
        object.data = redis_failover(name, spec).data;
        object
    };
    let create = async |name: &str, spec: Value, dry_run: bool| {
        api.create(&PostParams { dry_run, ..PostParams::default() }, &object(name, spec)).await
    };
    eventually("the copy is served", async || {
        create("probe", json!({"redis": {"replicas": 0}}), true)
            .await
            .map(|_| ())
            .map_err(|error| error.to_string())
    })
    .await;
    for (rule, name) in refusals() {
        create(name, yaml(rule.example.bad), false).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        // The operator gives every object a status, a wrong one too.
        let status = json!({"status": {"phase": "Invalid"}});
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    }
    apply(&strict).await;
    eventually("the rules are in force", async || {
        match create("probe", json!({"redis": {"replicas": 0}}), true).await {
            Err(_) => Ok(()),
            Ok(object) => Err(format!("{object:?}")),
        }
    })
    .await;
    let names: Vec<_> = refusals().map(|(_, name)| name).collect();
    all_live_on(&api, &names).await;
}

const GROUP: &str = "rules.tests.invalid";

/// The definition of a kind of the same shape, so that no other test sees it change.
fn of_another_group() -> CustomResourceDefinition {
    let mut crd = schema::crd();
    crd.metadata.name = Some(format!("{}.{GROUP}", crd.spec.names.plural));
    crd.spec.group = GROUP.to_owned();
    crd.spec.names.short_names = None;
    crd.spec.conversion = None;
    crd.spec.versions.retain(|version| version.storage);
    crd
}

fn take_rules_away(schema: &mut Value) {
    const RULES: [&str; 6] =
        ["x-kubernetes-validations", "minimum", "maximum", "enum", "maxItems", "maxLength"];
    match schema {
        Value::Object(fields) => {
            fields.retain(|key, _| !RULES.contains(&key.as_str()));
            fields.values_mut().for_each(take_rules_away);
        }
        Value::Array(items) => items.iter_mut().for_each(take_rules_away),
        _ => {}
    }
}

/// Trap: a rule on an optional field does not see the field go and come back with another value.
#[tokio::test]
async fn storage_cannot_change_in_two_steps_without_the_webhook() {
    let stage = Stage::open("rules-steps").await;
    let claim = json!({
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}},
    });
    stage.create("kept", json!({"redis": {"storage": {"persistentVolumeClaim": claim}}})).await.unwrap();
    let steps = [
        (json!({"persistentVolumeClaim": null}), "the data in the claims would be left behind"),
        (json!(null), "the data in the claims would be left behind"),
        (
            json!({"persistentVolumeClaim": {"spec": {"storageClassName": null}}}),
            "existing claims keep their class",
        ),
        (json!({"persistentVolumeClaim": {"metadata": {"name": null}}}), "lives in claims of the old name"),
        (json!({"persistentVolumeClaim": {"metadata": null}}), "lives in claims of the old name"),
        (json!({"persistentVolumeClaim": {"spec": {"accessModes": null}}}), "says how its volume is used"),
        (json!({"persistentVolumeClaim": {"spec": null}}), "a claim needs a size"),
    ];
    for (storage, want) in steps {
        let text = refusal(stage.merge("kept", json!({"spec": {"redis": {"storage": storage}}})).await);
        assert!(text.contains(want), "{storage}: {text}");
    }
    for spec in [json!({"redis": null}), json!(null)] {
        let text = refusal(stage.merge("kept", json!({"spec": spec})).await);
        assert!(text.contains("would be left behind") || text.contains("Required value"), "{spec}: {text}");
    }
    stage.create("memory", json!({})).await.unwrap();
    let text = refusal(
        stage
            .merge("memory", json!({"spec": {"redis": {"storage": {"persistentVolumeClaim": claim}}}}))
            .await,
    );
    assert!(text.contains("cannot be added to servers that run with an emptyDir"), "{text}");
}

/// The children of a spec, with the redis pods and the storage as they are, right or wrong.
fn children(name: &str, spec: RedisFailoverSpec) -> Vec<Value> {
    let identity = Identity { namespace: "default".to_owned(), name: "x".to_owned(), ..Identity::default() };
    let mut valid = Valid::new(identity, typed("{}")).unwrap();
    valid.redis.pod = spec.redis.pod;
    if let Some(template) = spec.redis.storage.persistent_volume_claim {
        valid.redis.storage =
            redis_operator::api::Storage::Claim { template: Box::new(template), keep: false };
    }
    let built = desired::build(&valid, &Passwords::default()).present;
    let set = built.into_iter().find(|child| child.kind == ChildKind::StatefulSet).unwrap();
    let template = &set.body["spec"]["template"];
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
    pod["metadata"]["name"] = json!(name);
    let claims = set.body["spec"]["volumeClaimTemplates"].as_array().cloned().unwrap_or_default();
    for claim in &claims {
        let volume = json!({"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": "a"}});
        pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
    }
    [vec![pod], claims].concat()
}

/// Kubernetes' own verdict on a child: on its being applied, as the operator does.
async fn verdict(stage: &Stage, child: &Value) -> Result<(), String> {
    let params = PatchParams { dry_run: true, ..PatchParams::apply("tests") };
    let name = child["metadata"]["name"].as_str().unwrap();
    let applied = if child["kind"] == "Pod" {
        stage.api::<Pod>().patch(name, &params, &Patch::Apply(child)).await.map(|_| ())
    } else {
        let mut claim = child.clone();
        claim["apiVersion"] = json!("v1");
        claim["kind"] = json!("PersistentVolumeClaim");
        stage.api::<PersistentVolumeClaim>().patch(name, &params, &Patch::Apply(&claim)).await.map(|_| ())
    };
    applied.map_err(|error| error.to_string())
}

/// Rules about pods and claims refuse what could not have been made, and nothing else.
#[tokio::test]
async fn what_the_rules_refuse_in_pods_kubernetes_refuses_too() {
    let stage = Stage::open("rules-pods").await;
    let of_kubernetes = [
        "storage-claim-access-modes",
        "storage-claim-size-not-a-quantity",
        "storage-claim-name",
        "storage-claim-without-size",
    ];
    let pods = CATALOGUE.iter().find(|chapter| chapter.title == "Pods").unwrap().rules;
    let rules = refusals().map(|(rule, _)| rule);
    let rules = rules.filter(|rule| pods.contains(rule) || of_kubernetes.contains(&rule.id));
    let mut seen = 0;
    for rule in rules {
        for (example, is_good) in [(rule.example.bad, false), (rule.example.good, true)] {
            let mut faults = Vec::new();
            for child in children("x", typed(example)) {
                faults.extend(verdict(&stage, &child).await.err());
            }
            assert_eq!(faults.is_empty(), is_good, "{}: {example}: {faults:?}", rule.id);
        }
        seen += 1;
    }
    assert_eq!(seen, pods.len() + of_kubernetes.len());
}
