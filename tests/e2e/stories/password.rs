//! A password: the servers ask for it, replication and Sentinels work with it, and nothing shows it.

use serde_json::json;

use crate::operator;
use crate::servers;
use crate::stage::Stage;

const NAME: &str = "guarded";
const PASSWORD: &str = "p4ssw0rd-e2e-7f3a9c";
/// Everything that can be read without the right to read Secrets.
const READABLE: &str = "configmaps,pods,events,redisfailovers,statefulsets,controllerrevisions,deployments,\
replicasets,services,endpointslices,poddisruptionbudgets,pvc";

pub(crate) async fn play(stage: Stage) {
    let literal = format!("--from-literal=password={PASSWORD}");
    stage.kubectl(&["create", "secret", "generic", "redis-password", &literal]).await;
    stage.create(NAME, json!({"auth": {"secretPath": "redis-password"}})).await;
    stage.ready(NAME).await;

    for server in servers::redis(&stage, NAME).await {
        let refused = server.ask(&["GET", "x"]).await.expect_err("an answer without a password");
        assert!(refused.contains("password"), "{refused}");
        let wrong = server.with_password("wrong").ask(&["GET", "x"]).await;
        assert!(wrong.is_err(), "{wrong:?}");
        let right = server.with_password(PASSWORD).ask(&["GET", "x"]).await;
        assert!(right.is_ok(), "{right:?}");
    }
    servers::write(&stage, NAME, Some(PASSWORD), "guarded", "yes").await;
    let value = servers::read(&stage, NAME, Some(PASSWORD), "guarded").await;
    assert_eq!(value, Ok(Some("yes".to_owned())));
    assert!(servers::read(&stage, NAME, None, "guarded").await.is_err(), "read without the password");
    nothing_shows(&stage, NAME, PASSWORD).await;
    sentinels_fail_over_with_it(&stage).await;
    nothing_shows(&stage, NAME, PASSWORD).await;
}

/// A Sentinel without the password sees its master as down, and could never promote a replica.
async fn sentinels_fail_over_with_it(stage: &Stage) {
    let master = stage.rf(NAME).await.status.and_then(|status| status.master).expect("a master");
    let sentinel = servers::sentinels(stage, NAME).await.remove(0);
    sentinel.ask(&["SENTINEL", "FAILOVER", "mymaster"]).await.expect("SENTINEL FAILOVER");
    crate::wait::until("another master", crate::stage::READY, async || {
        let status = stage.rf(NAME).await.status.unwrap_or_default();
        let now = status.master.map(|master| master.pod).unwrap_or_default();
        crate::wait::ensure(!now.is_empty() && now != master.pod, || format!("master {now:?}"))
    })
    .await;
    stage.ready(NAME).await;
    let value = servers::read(stage, NAME, Some(PASSWORD), "guarded").await;
    assert_eq!(value, Ok(Some("yes".to_owned())), "after the failover");
}

/// Nobody can read a password of this `RedisFailover` who has no right to read Secrets.
pub(crate) async fn nothing_shows(stage: &Stage, name: &str, password: &str) {
    let mut texts = vec![
        ("objects".to_owned(), stage.kubectl(&["get", READABLE, "--output=yaml"]).await),
        ("the operator's log".to_owned(), operator::logs().await),
    ];
    let pods = [servers::redis(stage, name).await, servers::sentinels(stage, name).await];
    for server in pods.iter().flatten() {
        let log = stage.kubectl(&["logs", &server.pod, "--all-containers"]).await;
        texts.push((format!("the log of {}", server.pod), log));
        let arguments =
            stage.kubectl(&["exec", &server.pod, "--", "sh", "-c", "cat /proc/[0-9]*/cmdline"]).await;
        texts.push((format!("the arguments in {}", server.pod), arguments));
    }
    let encoded = encode(password);
    for (what, text) in &texts {
        assert!(!text.is_empty(), "{what} cannot be read");
        if let Some(at) = text.find(password).or_else(|| text.find(encoded.trim())) {
            let (from, to) = (at.saturating_sub(200), (at + 100).min(text.len()));
            panic!("{what} show the password: …{}…", String::from_utf8_lossy(&text.as_bytes()[from..to]));
        }
    }
}

/// Base64, as Secrets show their data.
fn encode(text: &str) -> String {
    use k8s_openapi::ByteString;
    let encoded = serde_json::to_value(ByteString(text.as_bytes().to_vec())).expect("JSON");
    encoded.as_str().unwrap_or_default().to_owned()
}
