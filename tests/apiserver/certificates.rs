//! The keeper of certificates against a real API server, with the rights of the chart and no more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use certs::{Bundle, Keeper, Mode, Options, Slot, State, store};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use redis_operator::admission::Admission;
use redis_operator::api::defaults::Images;
use redis_operator::surroundings::watch::Surroundings;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::server::{all_the_time, eventually};
use crate::stage::{Release, Stage};

/// Any port: nobody calls these webhooks.
const PORT: u16 = 1;
const ROTATE: &str = "storage.spotahome.com/rotate";
pub(crate) const KINDS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The settings that the operator has in this release; the certificate is for `localhost`.
pub(crate) fn options(stage: &Stage, release: &Release) -> Options {
    let name = &release.name;
    Options {
        mode: Mode::Own,
        namespace: stage.namespace.clone(),
        service: "localhost".to_owned(),
        ca_secret: format!("{name}-webhook-ca"),
        leaf_secret: format!("{name}-webhook-tls"),
        mutating_configuration: Some(name.clone()),
        validating_configuration: Some(name.clone()),
        definition: None,
        field_manager: "redis-operator-certificates".to_owned(),
        labels: BTreeMap::new(),
        rotate_annotation: ROTATE.to_owned(),
    }
}

/// A TLS server that serves what the slot holds, for as long as the test runs.
async fn serve(slot: &Arc<Slot>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = webhook::router(
        Arc::new(Admission::new(Images::default(), Surroundings::default())),
        Arc::new(|_| {}),
    );
    let (slot, stop) = (Arc::clone(slot), webhook::Stop::new(CancellationToken::new()));
    tokio::spawn(webhook::serve(listener, slot, router, stop, webhook::Limits::default()));
    address
}

/// Several replicas that keep the certificates of one release.
pub(crate) struct Keepers {
    pub(crate) stage: Stage,
    pub(crate) release: Release,
    pub(crate) options: Options,
    pub(crate) slots: Vec<Arc<Slot>>,
    pub(crate) states: Vec<watch::Receiver<State>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Keepers {
    /// Starts them all at once, on a release that has neither Secrets nor bundles.
    pub(crate) async fn start(namespace: &str, replicas: usize) -> Self {
        let stage = Stage::open(namespace).await;
        let release = stage.release().await;
        let options = options(&stage, &release);
        Self::start_with(stage, release, options, replicas).await
    }

    pub(crate) async fn start_with(
        stage: Stage,
        release: Release,
        options: Options,
        replicas: usize,
    ) -> Self {
        for kind in KINDS {
            let configuration = release.configuration(kind, &stage.namespace, PORT);
            stage.apply(&configuration).await.unwrap();
        }
        let (mut keepers, mut slots, mut states) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..replicas {
            let slot = Slot::new();
            let (keeper, receiver) = Keeper::new(release.client.clone(), options.clone(), Arc::clone(&slot));
            keepers.push(keeper);
            slots.push(slot);
            states.push(receiver);
        }
        let stop = CancellationToken::new();
        let tasks = keepers.into_iter().map(|keeper| keeper.run(stop.clone())).collect();
        Self { stage, release, options, slots, states, stop, tasks }
    }

    async fn secret(&self, name: &str) -> Option<Secret> {
        self.stage.api().get_opt(name).await.unwrap()
    }

    async fn delete(&self, name: &str) {
        let secrets: Api<Secret> = self.stage.api();
        secrets.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until every replica serves a certificate of the one CA that is stored, and every webhook trusts it.
    pub(crate) async fn settled(&self) -> Bundle {
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
            let told = |seen: &watch::Receiver<State>| seen.borrow().bundle.as_ref() == Some(&bundle);
            if !self.states.iter().all(told) {
                return Err("a keeper has not announced it".to_owned());
            }
            let stored = store::leaf(&leaf).unwrap();
            if !self.slots.iter().all(|slot| slot.serves(&stored)) {
                return Err("a keeper serves another certificate".to_owned());
            }
            Ok(bundle)
        })
        .await
    }

    /// The bundles in all webhooks of the release.
    pub(crate) async fn trusted(&self) -> Vec<String> {
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

    /// Annotates a Secret, as a person does who wants a rotation.
    async fn ask(&self, secret: &str, wish: &str) {
        let patch = json!({"metadata": {"annotations": {ROTATE: wish}}});
        let secrets: Api<Secret> = self.stage.api();
        secrets.patch(secret, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Waits until the wish has come true, and returns the Secret.
    async fn rotated(&self, secret: &str, wish: &str) -> Secret {
        eventually(&format!("{secret} was rotated for {wish}"), async || {
            let secret = self.secret(secret).await.ok_or("no Secret")?;
            let annotations = secret.metadata.annotations.clone().unwrap_or_default();
            match annotations.get(&self.options.rotated_annotation()) {
                Some(done) if done == wish => Ok(secret),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Writes a bundle as somebody else would.
    pub(crate) async fn overwrite(&self, kind: &str, pem: &str) {
        let bundle = ByteString(pem.as_bytes().to_vec());
        let patch = json!([{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]);
        let patch = Patch::Json::<()>(serde_json::from_value(patch).unwrap());
        let (name, client) = (&self.release.name, self.stage.client.clone());
        if kind == KINDS[0] {
            let api: Api<MutatingWebhookConfiguration> = Api::all(client);
            api.patch(name, &PatchParams::default(), &patch).await.unwrap();
        } else {
            let api: Api<ValidatingWebhookConfiguration> = Api::all(client);
            api.patch(name, &PatchParams::default(), &patch).await.unwrap();
        }
    }

    /// Waits until all webhooks have this bundle.
    pub(crate) async fn put_back(&self, bundle: &Bundle) {
        eventually("the bundle is put back", async || {
            let trusted = self.trusted().await;
            if trusted.iter().all(|pem| pem == bundle.pem()) { Ok(()) } else { Err(format!("{trusted:?}")) }
        })
        .await;
    }

    /// Replaces a Secret by a damaged one of its name.
    async fn damage(&self, bad: &Secret) {
        let secrets: Api<Secret> = self.stage.api();
        let name = bad.metadata.name.clone().unwrap();
        eventually("the damage is done", async || {
            // A keeper may be faster to make a good one.
            let _ = secrets.delete(&name, &DeleteParams::default()).await;
            secrets.create(&PostParams::default(), bad).await.map_err(|error| error.to_string())
        })
        .await;
    }

    /// Waits until both Secrets can be used again and every webhook trusts the CA.
    async fn usable(&self) {
        eventually("the Secrets are mended", async || {
            let ca = self.secret(&self.options.ca_secret).await.ok_or("no CA")?;
            let authority = store::authority(&ca).map_err(|error| error.to_string())?;
            let leaf = self.secret(&self.options.leaf_secret).await.ok_or("no leaf")?;
            let leaf = store::leaf(&leaf).map_err(|error| error.to_string())?;
            certs::issue::leaf(&authority, &self.options.dns_names(), jiff::Timestamp::now())
                .map_err(|error| format!("the CA: {error}"))?;
            Slot::new().load(&leaf).map_err(|error| format!("the leaf: {error}"))?;
            let trusted = self.trusted().await;
            let all = trusted.iter().all(|pem| pem == authority.bundle().pem());
            if all { Ok(()) } else { Err(format!("webhooks trust {trusted:?}")) }
        })
        .await;
    }

    pub(crate) async fn stop(mut self) {
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
async fn each_wish_for_another_leaf_is_carried_out_once_and_clients_get_through() {
    let keepers = Keepers::start("certs-leaf-wish", 2).await;
    let bundle = keepers.settled().await;
    let address = serve(&keepers.slots[0]).await;
    let (name, secret) = (keepers.options.server_name(), keepers.options.leaf_secret.clone());
    let writes =
        || keepers.release.answers("update", "secrets").into_iter().filter(|code| *code == 200).count();
    let before = writes();
    for wish in 0..5 {
        keepers.ask(&secret, &wish.to_string()).await;
        let wish = wish.to_string();
        let rotated = keepers.rotated(&secret, &wish);
        let dialling = async {
            loop {
                certs::dial(&address, &name, &bundle, Duration::from_secs(5)).await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! { _ = rotated => {}, () = dialling => {} }
        assert_eq!(keepers.settled().await, bundle, "the CA is the same");
    }
    all_the_time("a wish is carried out once", Duration::from_secs(1), async || {
        let written = writes() - before;
        if written == 5 { Ok(()) } else { Err(format!("{written} writes")) }
    })
    .await;
    keepers.stop().await;
}

#[tokio::test]
async fn a_wish_for_another_authority_publishes_both_and_a_second_one_waits() {
    let keepers = Keepers::start("certs-ca-wish", 2).await;
    let first = keepers.settled().await;
    let leaf = keepers.secret(&keepers.options.leaf_secret).await;
    let secret = keepers.options.ca_secret.clone();
    keepers.ask(&secret, "one").await;
    keepers.rotated(&secret, "one").await;
    let both = keepers.settled().await;
    assert_ne!(both, first);
    assert!(both.pem().ends_with(first.pem()), "the old CA is trusted beside the new one");
    keepers.ask(&secret, "two").await;
    all_the_time("the rotation that runs is finished first", Duration::from_secs(2), async || {
        let trusted = keepers.trusted().await;
        if trusted.iter().any(|pem| pem != both.pem()) {
            return Err(format!("{trusted:?}"));
        }
        let same = keepers.secret(&keepers.options.leaf_secret).await == leaf;
        if same { Ok(()) } else { Err("the leaf is of a CA that not all may know".to_owned()) }
    })
    .await;
    keepers.stop().await;
}

/// Puts garbage into a Secret and marks it as never to be changed.
fn immutable(mut secret: Secret) -> Secret {
    secret.data.get_or_insert_default().insert("tls.key".to_owned(), ByteString(b"garbage".to_vec()));
    Secret { immutable: Some(true), ..secret }
}

/// Another type, which no write can change, and nothing in it.
fn opaque(secret: Secret) -> Secret {
    Secret { type_: Some("Opaque".to_owned()), data: None, ..secret }
}

/// Keys without values.
fn hollow(mut secret: Secret) -> Secret {
    secret.data.get_or_insert_default().values_mut().for_each(|value| value.0.clear());
    secret
}

#[tokio::test]
async fn damaged_secrets_are_made_anew() {
    let keepers = Keepers::start("certs-damaged", 2).await;
    keepers.settled().await;
    let damages: [fn(Secret) -> Secret; 3] = [immutable, opaque, hollow];
    for name in [&keepers.options.leaf_secret, &keepers.options.ca_secret] {
        for (number, damage) in damages.iter().enumerate() {
            let mut bad = damage(keepers.secret(name).await.unwrap());
            bad.metadata.resource_version = None;
            bad.metadata.uid = None;
            bad.metadata.creation_timestamp = None;
            bad.metadata.managed_fields = None;
            keepers.damage(&bad).await;
            let begin = Instant::now();
            keepers.usable().await;
            println!("{name}, damage {number}: mended after {:?}", begin.elapsed());
        }
    }
    keepers.stop().await;
}
