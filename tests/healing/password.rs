//! The Sentinels' password: what a wrong one is taken for, and how it is changed.

use std::time::Duration;

use redis_operator::observe::facts::Silence;
use redis_operator::observe::observe;
use redis_operator::redis::{Client, Deadlines, Error};
use redis_operator::secret::{Password, Passwords};

use crate::handover::{PASSWORD, PATIENCE, name, ordinal, started};
use crate::stage::{Stage, Writer};
use crate::support::processes::{versions, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_not_taken_is_told() {
    for binary in versions() {
        for (theirs, ours) in [(Some(PASSWORD), Some("wrong")), (Some(PASSWORD), None), (None, Some("wrong"))]
        {
            let (mut stage, mut operator, _) = started(Stage::with(&binary, &[], theirs)).await;
            stage.set_password(ours);
            let passwords =
                Passwords { redis: None, sentinel: ours.map(|text| Password::new(text.to_owned())) };
            let client = Client::new(Deadlines::default());
            let seen = observe(&client, &stage.valid, &stage.pods(), &passwords).await;
            for node in &seen.sentinels {
                assert_eq!(node.server, Err(Silence::Failed(Error::Auth)), "{binary} {ours:?}");
            }
            assert!(seen.redis.iter().all(|node| node.server.is_ok()), "{seen:?}");
            let plan = operator.step(&stage).await;
            assert!(plan.actions.is_empty() && plan.handover.is_none(), "{plan:#?}");
            assert!(!plan.quorum.ok && plan.quorum.reason == "NoQuorum", "{plan:#?}");
            assert!(plan.quorum.message.contains("the password was not accepted"), "{}", plan.quorum.message);
        }
    }
}

/// As Kubernetes rolls the Deployment: a new Sentinel is ready when it names a master, then the next one goes. Meanwhile
/// those with the old password and those with the new one cannot agree, and a client that has the master writes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_added_changed_and_taken_away_by_new_sentinels() {
    for binary in versions() {
        let (mut stage, mut operator, master) = started(Stage::start(&binary)).await;
        let writer = Writer::start(&stage);
        writer.goes_on().await;
        for password in [Some("one"), Some("two"), None] {
            stage.set_password(password);
            for number in 0..3 {
                stage.renew_sentinel(number);
                wait_until("the new Sentinel is ready", PATIENCE, async || {
                    let plan = operator.step(&stage).await;
                    let alone = [stage.sentinel_at(&stage.sentinels[number].ip)];
                    let named = crate::stage::named(&Client::new(Deadlines::default()), &alone).await;
                    let right = named.as_ref() == Some(&stage.address(master));
                    if right { Ok(()) } else { Err(format!("it names {named:?}: {plan:#?}")) }
                })
                .await;
            }
            assert_eq!(ordinal(&operator.heal(&stage, PATIENCE).await), master, "nothing else has changed");
        }
        let written = writer.stop(&stage.address(master)).await;
        println!("{} during the changes: longest gap {:.2?}", name(&binary), written.longest_gap);
        assert!(
            written.longest_gap < Duration::from_secs(3) && written.lost == 0,
            "{:?}",
            written.longest_gap
        );

        let writer = Writer::start(&stage);
        writer.goes_on().await;
        stage.redis[master].kill();
        let new = stage.successor_of(master, PATIENCE).await;
        let written = writer.stop(&stage.address(new)).await;
        println!("{} after the last change: longest gap {:.2?}", name(&binary), written.longest_gap);
        assert!(written.longest_gap < Duration::from_secs(15));
    }
}
