//! A CA bundle that somebody overwrites is put back, wherever it stands.

use std::time::Duration;

use certs::Options;
use k8s_openapi::ByteString;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::certificates::{KINDS, Keepers, options};
use crate::server::eventually;
use crate::stage::{Release, Stage};

#[tokio::test]
async fn an_overwritten_bundle_is_put_back_within_a_second() {
    let keepers = Keepers::start("certs-bundle", 2).await;
    let bundle = keepers.settled().await;
    let foreign = certs::issue::authority(jiff::Timestamp::now()).unwrap().bundle();
    for (kind, pem) in [(KINDS[1], ""), (KINDS[0], foreign.pem())] {
        let begin = Instant::now();
        keepers.overwrite(kind, pem).await;
        keepers.put_back(&bundle).await;
        let took = begin.elapsed();
        println!("{kind}: put back after {took:?}");
        assert!(took < Duration::from_secs(1), "put back after {took:?}");
    }
    keepers.stop().await;
}

#[tokio::test]
async fn a_quarrel_over_the_bundle_becomes_slow() {
    let keepers = Keepers::start("certs-quarrel", 2).await;
    let bundle = keepers.settled().await;
    let begin = Instant::now();
    let mut times = 0;
    while begin.elapsed() < Duration::from_secs(8) {
        keepers.overwrite(KINDS[0], "").await;
        keepers.put_back(&bundle).await;
        times += 1;
    }
    // Without patience it would be put back some 30 times.
    assert!((3..=12).contains(&times), "put back {times} times");
    keepers.stop().await;
}

/// A `CustomResourceDefinition` is watched and mended like the configurations.
#[tokio::test]
async fn an_overwritten_bundle_of_a_conversion_is_put_back_within_a_second() {
    let stage = Stage::open("certs-crd").await;
    let release = stage.release().await;
    let name = "things.certs-crd.example.com";
    for object in definition_and_rights(name, &release) {
        stage.apply(&object).await.unwrap();
    }
    let options = Options { definition: Some(name.to_owned()), ..options(&stage, &release) };
    let keepers = Keepers::start_with(stage, release, options, 2).await;
    let bundle = keepers.settled().await;
    let crds: Api<CustomResourceDefinition> = Api::all(keepers.stage.client.clone());
    let carries = async || {
        let conversion = crds.get(name).await.unwrap().spec.conversion.unwrap();
        let found = conversion.webhook.unwrap().client_config.unwrap().ca_bundle.unwrap_or_default().0;
        if found == bundle.pem().as_bytes() { Ok(()) } else { Err(format!("{} bytes", found.len())) }
    };
    eventually("the conversion trusts the CA", carries).await;
    let foreign = certs::issue::authority(jiff::Timestamp::now()).unwrap().bundle();
    let value = ByteString(foreign.pem().as_bytes().to_vec());
    let patch = json!({"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": value}}}}});
    let begin = Instant::now();
    crds.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    eventually("the conversion trusts the CA again", carries).await;
    let took = begin.elapsed();
    println!("CustomResourceDefinition: put back after {took:?}");
    assert!(took < Duration::from_secs(1), "put back after {took:?}");
    keepers.stop().await;
}

/// Rights may be older than the operator. Admission must not wait for a conversion that few ask for.
#[tokio::test]
async fn without_rights_on_the_definition_the_webhooks_are_served_and_somebody_is_told() {
    let stage = Stage::open("certs-no-crd").await;
    let release = stage.release().await;
    let name = "things.certs-no-crd.example.com";
    let [definition, role, binding] = definition_and_rights(name, &release);
    stage.apply(&definition).await.unwrap();
    let options = Options { definition: Some(name.to_owned()), ..options(&stage, &release) };
    let keepers = Keepers::start_with(stage, release, options, 2).await;
    keepers.settled().await;
    let told = async |reason: Option<&str>| {
        eventually(&format!("the trouble is {reason:?}"), async || {
            let troubles: Vec<_> = keepers.states.iter().map(|s| s.borrow().trouble.clone()).collect();
            let same = troubles.iter().all(|trouble| trouble.as_ref().map(|t| t.reason) == reason);
            if same { Ok(()) } else { Err(format!("{troubles:?}")) }
        })
        .await;
    };
    told(Some("CertificateApiForbidden")).await;
    for object in [role, binding] {
        keepers.stage.apply(&object).await.unwrap();
    }
    // Not stopped like the others, which must never have been refused anything.
    told(None).await;
}

/// A definition with a conversion webhook, and the rights on it that the chart gives for the operator's own.
fn definition_and_rights(name: &str, release: &Release) -> [Value; 3] {
    let (plural, group) = name.split_once('.').unwrap();
    let version = |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": {"type": "object"}}});
    let webhook = json!({
        "conversionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://localhost:1/convert"},
    });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": group,
            "names": {"plural": plural, "kind": "Thing"},
            "scope": "Namespaced",
            "versions": [version("v1", true), version("v2", false)],
            "conversion": {"strategy": "Webhook", "webhook": webhook},
        },
    });
    let rights = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [{
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": [name],
            "verbs": ["get", "list", "watch", "patch"],
        }],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": release.user}],
    });
    [definition, rights, binding]
}
