//! The keeper of certificates against a real API server, with the rights of the chart and no more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use certs::{Bundle, Keeper, Options, Slot, store};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::server::{all_the_time, eventually};
use crate::stage::{Release, Stage};

/// Any port: nobody calls these webhooks.
const PORT: u16 = 1;

/// The settings that the operator has in this release; the certificate is for `localhost`.
pub(crate) fn options(stage: &Stage, release: &Release) -> Options {
    let name = &release.name;
    Options {
        namespace: stage.namespace.clone(),
        service: "localhost".to_owned(),
        ca_secret: format!("{name}-webhook-ca"),
        leaf_secret: format!("{name}-webhook-tls"),
        mutating_configuration: Some(name.clone()),
        validating_configuration: Some(name.clone()),
        definition: None,
        field_manager: "redis-operator-certificates".to_owned(),
        labels: BTreeMap::new(),
    }
}

/// Several replicas that keep the certificates of one release.
struct Keepers {
    stage: Stage,
    release: Release,
    options: Options,
    slots: Vec<Arc<Slot>>,
    bundles: Vec<watch::Receiver<Option<Bundle>>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Keepers {
    /// Starts them all at once, on a release that has neither Secrets nor bundles.
    async fn start(namespace: &str, replicas: usize) -> Self {
        let stage = Stage::open(namespace).await;
        let release = stage.release().await;
        for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
            let configuration = release.configuration(kind, namespace, PORT);
            stage.apply(&configuration).await.unwrap();
        }
        let options = options(&stage, &release);
        let (mut keepers, mut slots, mut bundles) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..replicas {
            let slot = Slot::new();
            let (keeper, bundle) = Keeper::new(release.client.clone(), options.clone(), Arc::clone(&slot));
            keepers.push(keeper);
            slots.push(slot);
            bundles.push(bundle);
        }
        let stop = CancellationToken::new();
        let tasks = keepers.into_iter().map(|keeper| keeper.run(stop.clone())).collect();
        Self { stage, release, options, slots, bundles, stop, tasks }
    }

    async fn secret(&self, name: &str) -> Option<Secret> {
        self.stage.api().get_opt(name).await.unwrap()
    }

    async fn delete(&self, name: &str) {
        let secrets: Api<Secret> = self.stage.api();
        secrets.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until every replica serves a certificate of the one CA that is stored, and every webhook trusts it.
    async fn settled(&self) -> Bundle {
        eventually("all certificates agree", async || {
            let ca = self.secret(&self.options.ca_secret).await.ok_or("no CA")?;
            let bundle = store::authority(&ca).map_err(|error| error.to_string())?.bundle();
            let leaf = self.secret(&self.options.leaf_secret).await.ok_or("no leaf")?;
            let issuer = store::text(&leaf, store::ISSUER).unwrap().unwrap_or_default();
            if !bundle.pem().contains(issuer.trim()) {
                return Err("the leaf is of another CA".to_owned());
            }
            let trusted = self.trusted().await;
            if trusted.iter().any(|pem| pem != bundle.pem()) {
                return Err(format!("webhooks trust {trusted:?}"));
            }
            let told = |seen: &watch::Receiver<Option<Bundle>>| seen.borrow().as_ref() == Some(&bundle);
            if !self.bundles.iter().all(told) {
                return Err("a keeper has not announced it".to_owned());
            }
            let stored = store::leaf(&leaf).unwrap();
            let serve = |slot: &Arc<Slot>| slot.loaded() && !slot.load(&stored).unwrap();
            if !self.slots.iter().all(serve) {
                return Err("a keeper serves another certificate".to_owned());
            }
            Ok(bundle)
        })
        .await
    }

    /// The bundles in all webhooks of the release.
    async fn trusted(&self) -> Vec<String> {
        let name = &self.release.name;
        let client = || self.stage.client.clone();
        let mutating: MutatingWebhookConfiguration = Api::all(client()).get(name).await.unwrap();
        let validating: ValidatingWebhookConfiguration = Api::all(client()).get(name).await.unwrap();
        let mutating = mutating.webhooks.into_iter().flatten().map(|hook| hook.client_config);
        let validating = validating.webhooks.into_iter().flatten().map(|hook| hook.client_config);
        mutating
            .chain(validating)
            .map(|client| String::from_utf8(client.ca_bundle.unwrap_or_default().0).unwrap())
            .collect()
    }

    async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.release.assert_nothing_was_forbidden();
    }
}

#[tokio::test]
async fn five_keepers_make_one_authority_and_then_rest() {
    let keepers = Keepers::start("certs-race", 5).await;
    keepers.settled().await;
    let writes = keepers.release.writes();
    for secret in [&keepers.options.ca_secret, &keepers.options.leaf_secret] {
        // The API server knows the name of an object to be created by the request's body alone, which it does not log.
        assert!(keepers.secret(secret).await.is_some(), "{secret}");
    }
    let created =
        writes.iter().filter(|write| write.starts_with("create secrets") && write.ends_with(" 201")).count();
    assert_eq!(created, 2, "one CA and one leaf: {writes:?}");
    all_the_time("no keeper writes at rest", Duration::from_secs(2), async || {
        let now = keepers.release.writes();
        if now == writes { Ok(()) } else { Err(format!("{:?}", &now[writes.len()..])) }
    })
    .await;
    keepers.stop().await;
}

#[tokio::test]
async fn deleted_secrets_are_made_again_and_the_old_authority_stays_trusted() {
    let keepers = Keepers::start("certs-deleted", 2).await;
    let first = keepers.settled().await;
    keepers.delete(&keepers.options.leaf_secret).await;
    assert_eq!(keepers.settled().await, first, "the CA is the same");
    let old = store::authority(&keepers.secret(&keepers.options.ca_secret).await.unwrap()).unwrap();
    keepers.delete(&keepers.options.ca_secret).await;
    let second = keepers.settled().await;
    assert_ne!(second, first);
    assert!(second.pem().contains(old.pair.certificate.trim()), "no call fails meanwhile");
    keepers.stop().await;
}

#[tokio::test]
async fn an_overwritten_bundle_is_put_back_within_two_seconds() {
    let keepers = Keepers::start("certs-bundle", 2).await;
    let bundle = keepers.settled().await;
    let empty = Patch::Json::<()>(
        serde_json::from_value(
            json!([{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]),
        )
        .unwrap(),
    );
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(keepers.stage.client.clone());
    let begin = Instant::now();
    configurations.patch(&keepers.release.name, &PatchParams::default(), &empty).await.unwrap();
    assert_eq!(keepers.settled().await, bundle);
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(2), "put back after {took:?}");
    keepers.stop().await;
}
