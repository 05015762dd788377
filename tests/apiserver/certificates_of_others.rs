//! Certificates that cert-manager or a person makes, with the rights that the chart gives for it.

use std::collections::BTreeMap;
use std::time::Duration;

use certs::issue::{self, Authority};
use certs::{Mode, Options, State, store};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams};
use redis_operator::notice::{self, Publisher, Reporter};

use crate::certificates::{Keepers, options};
use crate::server::{all_the_time, eventually};
use crate::stage::Stage;

const SECRET: &str = "theirs";

async fn start(namespace: &str, mode: Mode) -> Keepers {
    let stage = Stage::open(namespace).await;
    let (value, secret) = match mode {
        Mode::Provided { inject: false } => {
            let name = format!("redisoperator-{namespace}-webhook-tls");
            ("webhook.certificates.mode=cert-manager", name)
        }
        _ => ("webhook.certificates.mode=secret", SECRET.to_owned()),
    };
    let secret_name = format!("webhook.certificates.secretName={SECRET}");
    let release = stage.release_with(&[value, &secret_name]).await;
    let options = Options { mode, leaf_secret: secret, ..options(&stage, &release) };
    Keepers::start_with(stage, release, options, 2).await
}

fn authority() -> Authority {
    issue::authority(Timestamp::now()).unwrap()
}

/// Writes a new certificate by this CA into the Secret; says which.
async fn provide(keepers: &Keepers, authority: &Authority, with_ca: bool) -> certs::issue::Pair {
    let pair = issue::leaf(authority, &keepers.options.dns_names(), Timestamp::now()).unwrap();
    let data = store::leaf_data(&pair, authority).into_iter().filter(|(key, _)| with_ca || *key != "ca.crt");
    let bytes = |text: Option<String>| ByteString(text.unwrap().into_bytes());
    let name = &keepers.options.leaf_secret;
    let secret = Secret {
        metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(data.map(|(key, text)| (key.to_owned(), bytes(text))).collect::<BTreeMap<_, _>>()),
        ..Secret::default()
    };
    let secrets: Api<Secret> = keepers.stage.api();
    let params = PatchParams::apply("somebody").force();
    secrets.patch(name, &params, &Patch::Apply(&secret)).await.unwrap();
    pair
}

/// Waits until all replicas serve it.
async fn served(keepers: &Keepers, pair: &certs::issue::Pair) {
    eventually("the certificate is served", async || {
        if keepers.slots.iter().all(|slot| slot.serves(pair)) {
            Ok(())
        } else {
            Err(format!("{:?}", keepers.slots))
        }
    })
    .await;
}

async fn state(keepers: &Keepers, what: &str, good: impl Fn(&State) -> bool) {
    eventually(what, async || {
        let states: Vec<_> = keepers.states.iter().map(|state| state.borrow().clone()).collect();
        if states.iter().all(&good) { Ok(()) } else { Err(format!("{states:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_secret_of_the_users_own_is_served_published_and_swapped() {
    let keepers = start("certs-secret", Mode::Provided { inject: true }).await;
    let first = authority();
    let pair = provide(&keepers, &first, true).await;
    served(&keepers, &pair).await;
    keepers.put_back(&first.bundle()).await;
    state(&keepers, "the bundle is told", |state| state.bundle == Some(first.bundle())).await;
    let second = authority();
    let pair = provide(&keepers, &second, true).await;
    served(&keepers, &pair).await;
    keepers.put_back(&second.bundle()).await;
    assert!(
        keepers.release.writes().iter().all(|write| write.starts_with("patch")),
        "nothing but the bundle"
    );
    keepers.stop().await;
}

#[tokio::test]
async fn a_secret_without_a_ca_goes_with_the_bundle_that_is_there() {
    let keepers = start("certs-no-ca", Mode::Provided { inject: true }).await;
    let ca = authority();
    let pair = provide(&keepers, &ca, false).await;
    served(&keepers, &pair).await;
    state(&keepers, "nobody trusts it", |state| state.trouble.is_some()).await;
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        keepers.overwrite(kind, ca.bundle().pem()).await;
    }
    let good = |state: &State| state.trouble.is_none() && state.bundle == Some(ca.bundle());
    state(&keepers, "the bundle is told and all is well", good).await;
    assert!(keepers.release.writes().is_empty(), "{:?}", keepers.release.writes());
    keepers.stop().await;
}

#[tokio::test]
async fn with_cert_manager_nothing_is_written_and_a_new_certificate_waits_for_its_bundle() {
    let keepers = start("certs-manager", Mode::Provided { inject: false }).await;
    let kinds = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];
    let (first, second) = (authority(), authority());
    let old = provide(&keepers, &first, true).await;
    for kind in kinds {
        keepers.overwrite(kind, first.bundle().pem()).await;
    }
    served(&keepers, &old).await;
    state(&keepers, "the injected bundle is told", |state| state.bundle == Some(first.bundle())).await;
    let new = provide(&keepers, &second, true).await;
    let old_still = async || {
        let old_still = keepers.slots.iter().all(|slot| slot.serves(&old));
        if old_still { Ok(()) } else { Err("a certificate that not all trust is served".to_owned()) }
    };
    let slow = "the injector is slower than the issuer";
    all_the_time(slow, Duration::from_secs(2), old_still).await;
    keepers.overwrite(kinds[0], second.bundle().pem()).await;
    all_the_time("one object trusts the old one still", Duration::from_secs(2), old_still).await;
    keepers.overwrite(kinds[1], second.bundle().pem()).await;
    served(&keepers, &new).await;
    assert!(keepers.release.writes().is_empty(), "{:?}", keepers.release.writes());
    keepers.stop().await;
}

#[tokio::test]
async fn a_missing_secret_is_told_once_in_an_event_and_so_is_its_return() {
    let keepers = start("certs-missing", Mode::Provided { inject: true }).await;
    let about = ObjectReference {
        kind: Some("Secret".to_owned()),
        namespace: Some(keepers.stage.namespace.clone()),
        name: Some(SECRET.to_owned()),
        ..ObjectReference::default()
    };
    let reporter = Reporter { client: keepers.release.client.clone(), instance: "replica".to_owned() };
    let mut publisher = Publisher::default();
    let missing = |state: &State| state.trouble.as_ref().is_some_and(|t| t.reason == "CertificateMissing");
    state(&keepers, "trouble", missing).await;
    let trouble = keepers.states[0].borrow().trouble.clone();
    let begin = notice::of_certificates(None, trouble.as_ref());
    publisher.publish(&reporter, &about, begin.into_iter().collect()).await;
    provide(&keepers, &authority(), true).await;
    state(&keepers, "no trouble", |state| state.trouble.is_none() && state.bundle.is_some()).await;
    let end = notice::of_certificates(trouble.as_ref(), None);
    publisher.publish(&reporter, &about, end.into_iter().collect()).await;
    let events: Api<Event> = keepers.stage.api();
    let mut reasons: Vec<_> = events
        .list(&ListParams::default())
        .await
        .unwrap()
        .into_iter()
        .filter_map(|event| event.reason)
        .collect();
    reasons.sort();
    assert_eq!(reasons, ["CertificateMissing", "CertificatesInOrder"]);
    keepers.stop().await;
}
