//! Several candidates and one Lease, with the API server's own compare-and-swap between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use redis_operator::leader::{Elector, Error, LEASE, Options, RENEW_EVERY};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::server::eventually;
use crate::stage::{Release, Stage};

/// The usual times, and many looks: no test has to wait long, and a loaded machine costs no term.
fn options(stage: &Stage, release: &Release, me: &str) -> Options {
    Options {
        every: Duration::from_millis(200),
        ..Options::new(stage.namespace.clone(), release.name.clone(), me.to_owned())
    }
}

fn elector(stage: &Stage, release: &Release, me: &str) -> Elector {
    Elector::new(release.client.clone(), options(stage, release, me))
}

async fn holder(stage: &Stage, release: &Release) -> String {
    let lease: Lease = stage.api().get(&release.name).await.unwrap();
    lease.spec.unwrap().holder_identity.unwrap_or_default()
}

#[tokio::test]
async fn of_three_candidates_one_leads_at_a_time() {
    let stage = Stage::open("lease-race").await;
    let release = stage.release().await;
    let leading = Arc::new(AtomicUsize::new(0));
    let race = |me: &'static str| {
        let mut elector = elector(&stage, &release, me);
        let leading = Arc::clone(&leading);
        tokio::spawn(async move {
            for _ in 0..7 {
                elector.acquire().await;
                assert_eq!(leading.fetch_add(1, Ordering::SeqCst), 0, "{me} and another lead");
                let lost = timeout(Duration::from_millis(50), elector.keep()).await;
                assert!(lost.is_err(), "{me} lost it: {lost:?}");
                leading.fetch_sub(1, Ordering::SeqCst);
                elector.release().await;
            }
        })
    };
    for candidate in ["a", "b", "c"].map(race) {
        candidate.await.unwrap();
    }
    let lease: Lease = stage.api().get(&release.name).await.unwrap();
    let changes = lease.spec.unwrap().lease_transitions.unwrap();
    assert_eq!(changes, 42, "taken and released 21 times");
    release.assert_nothing_was_forbidden();
}

/// With the usual rhythm: who waits is told, and need not look to find out.
#[tokio::test]
async fn a_released_lease_is_taken_within_a_second() {
    let stage = Stage::open("lease-release").await;
    let release = stage.release().await;
    let usual = |me: &str| {
        let options = Options::new(stage.namespace.clone(), release.name.clone(), me.to_owned());
        Elector::new(release.client.clone(), options)
    };
    let (mut old, mut new) = (usual("old"), usual("new"));
    old.acquire().await;
    let waiting = tokio::spawn(async move {
        new.acquire().await;
        Instant::now()
    });
    eventually("the other candidate watches", async || match release.answers("watch", "leases").first() {
        Some(200) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let begin = Instant::now();
    old.release().await;
    let taken = timeout(RENEW_EVERY, waiting).await.unwrap().unwrap() - begin;
    assert!(taken < Duration::from_secs(1), "taken after {taken:?}");
    assert_eq!(holder(&stage, &release).await, "new");
    release.assert_nothing_was_forbidden();
}

#[tokio::test]
async fn a_dead_holders_lease_is_taken_when_it_expires_and_not_before() {
    let stage = Stage::open("lease-expiry").await;
    let release = stage.release().await;
    let short = Duration::from_secs(2);
    let [mut dead, mut next] = ["dead", "next"].map(|me| {
        let options = Options { lease: short, ..options(&stage, &release, me) };
        Elector::new(release.client.clone(), options)
    });
    dead.acquire().await;
    let begin = Instant::now();
    drop(dead);
    timeout(LEASE, next.acquire()).await.unwrap();
    let waited = begin.elapsed();
    // It may look for the first time a moment after the last renewal; it never counts from before.
    assert!(waited >= short, "taken after {waited:?}");
    assert_eq!(holder(&stage, &release).await, "next");
}

#[tokio::test]
async fn a_stolen_lease_ends_the_term() {
    let stage = Stage::open("lease-theft").await;
    let release = stage.release().await;
    let mut robbed = elector(&stage, &release, "robbed");
    robbed.acquire().await;
    let leases: Api<Lease> = stage.api();
    let thief = json!({"spec": {"holderIdentity": "thief"}});
    leases.patch(&release.name, &PatchParams::default(), &Patch::Merge(thief)).await.unwrap();
    let lost = timeout(LEASE, robbed.keep()).await.unwrap();
    assert!(matches!(lost, Error::Taken), "{lost:?}");
    robbed.release().await;
    assert_eq!(holder(&stage, &release).await, "thief", "what is not ours is not released");
}

/// Somebody else's write that leaves the holder alone costs no term, and does not stand in the way of its end.
#[tokio::test]
async fn a_touched_lease_is_kept_and_given_back() {
    let stage = Stage::open("lease-touch").await;
    let release = stage.release().await;
    let mut elector = elector(&stage, &release, "keeper");
    elector.acquire().await;
    let leases: Api<Lease> = stage.api();
    let label = json!({"metadata": {"labels": {"touched": "yes"}}});
    leases.patch(&release.name, &PatchParams::default(), &Patch::Merge(label)).await.unwrap();
    let lost = timeout(Duration::from_millis(1500), elector.keep()).await;
    assert!(lost.is_err(), "lost it: {lost:?}");
    let touched: Lease = leases.get(&release.name).await.unwrap();
    assert_eq!(touched.metadata.labels.unwrap()["touched"], "yes", "the renewal keeps what others wrote");
    leases
        .patch(&release.name, &PatchParams::default(), &Patch::Merge(json!({"metadata": {"labels": null}})))
        .await
        .unwrap();
    elector.release().await;
    assert_eq!(holder(&stage, &release).await, "");
}

#[tokio::test]
async fn a_deleted_lease_ends_the_term() {
    let stage = Stage::open("lease-deleted").await;
    let release = stage.release().await;
    let mut elector = elector(&stage, &release, "keeper");
    elector.acquire().await;
    let leases: Api<Lease> = stage.api();
    leases.delete(&release.name, &DeleteParams::default()).await.unwrap();
    let lost = timeout(LEASE, elector.keep()).await.unwrap();
    assert!(matches!(lost, Error::Taken), "{lost:?}");
}

#[tokio::test]
async fn failed_renewals_end_the_term_only_when_they_last() {
    let stage = Stage::open("lease-failure").await;
    let release = stage.release().await;
    let mut elector = elector(&stage, &release, "keeper");
    elector.acquire().await;
    let term = tokio::spawn(async move { elector.keep().await });
    let answer = async |wanted: u64| {
        eventually("the renewal is answered", async || match release.answers("update", "leases").last() {
            Some(code) if *code == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    };
    let rights: Api<RoleBinding> = stage.api();
    let mut binding = rights.get(&release.name).await.unwrap();
    binding.metadata.resource_version = None;
    for last in [false, true] {
        rights.delete(&release.name, &DeleteParams::default()).await.unwrap();
        answer(403).await;
        if !last {
            rights.create(&PostParams::default(), &binding).await.unwrap();
            answer(200).await;
            assert!(!term.is_finished(), "one failure ended the term");
        }
    }
    let lost = timeout(LEASE * 2, term).await.unwrap().unwrap();
    assert!(!matches!(lost, Error::Taken), "{lost}");
}
