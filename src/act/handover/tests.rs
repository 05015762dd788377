//! Handovers told to Sentinels that only keep what they are told.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use futures::future::{BoxFuture, pending, ready};
use tokio::time::Instant;

use super::*;
use crate::heal::tests::world;
use crate::heal::{Memory, plan};
use crate::observe::facts::{Death, Observed};
use crate::redis::{Peer, Reply, Servers};
use crate::secret::Passwords;

/// A Sentinel as far as a handover needs one.
#[derive(Clone)]
struct Seat {
    named: String,
    epoch: i64,
    flags: &'static str,
    deaf: bool,
}

/// Three of them, and servers that write down what they are told.
struct Council {
    seats: Mutex<BTreeMap<String, Seat>>,
    told: Mutex<Vec<String>>,
    refuse: Option<&'static str>,
    hangs: Option<String>,
}

impl Council {
    fn new() -> Self {
        let seat = Seat { named: world::ip(0), epoch: 0, flags: "master", deaf: false };
        let seats = (0..3).map(|number| (world::sentinel_ip(number), seat.clone())).collect();
        Self { seats: Mutex::new(seats), told: Mutex::default(), refuse: None, hangs: None }
    }

    fn edit(self, number: u32, change: impl Fn(&mut Seat)) -> Self {
        change(self.seats.lock().unwrap().get_mut(&world::sentinel_ip(number)).unwrap());
        self
    }

    fn named(&self) -> Vec<String> {
        self.seats.lock().unwrap().values().map(|seat| seat.named.clone()).collect()
    }

    /// What was done, without what was only asked.
    fn deeds(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        told.iter().filter(|line| !line.contains("SENTINEL MASTER")).cloned().collect()
    }

    fn answer(&self, host: &str, command: &[&str]) -> Reply {
        let mut seats = self.seats.lock().unwrap();
        match (command, seats.get_mut(host)) {
            (["SENTINEL", "MASTER", _], Some(seat)) => {
                let epoch = seat.epoch.to_string();
                let fields = ["ip", &seat.named, "port", "6379", "flags", seat.flags, "config-epoch", &epoch];
                Reply::List(fields.iter().map(|field| Reply::Text((*field).to_owned())).collect())
            }
            (["PUBLISH", _, greeting], Some(seat)) => {
                let parts: Vec<_> = greeting.split(',').collect();
                let epoch = parts[7].parse().unwrap();
                if !seat.deaf && epoch > seat.epoch {
                    (seat.named, seat.epoch) = (parts[5].to_owned(), epoch);
                }
                Reply::Integer(1)
            }
            _ => Reply::Text("OK".to_owned()),
        }
    }
}

impl Servers for Council {
    fn ask<'a>(&'a self, peer: &'a Peer, command: &'a [&'a str]) -> BoxFuture<'a, Result<Reply, Error>> {
        let text = command.join(" ");
        self.told.lock().unwrap().push(format!("{} {text}", peer.address));
        if self.hangs.as_ref() == Some(&peer.address.host) {
            return Box::pin(pending());
        }
        if self.refuse.is_some_and(|word| text.contains(word)) {
            return Box::pin(ready(Err(Error::Timeout)));
        }
        Box::pin(ready(Ok(self.answer(&peer.address.host, command))))
    }
}

/// Server 0 was master and is dead; the plan hands over to server 1.
fn crashed() -> (Observed, Handover) {
    let mut observed = world::healthy();
    observed.redis[0] = world::silent(0);
    observed.redis[0].death = Some(Death::Refused);
    let plan = plan(&world::plain(), &observed, &Memory::default(), jiff::Timestamp::UNIX_EPOCH);
    (observed, plan.handover.unwrap())
}

async fn hand_over(council: &Council) -> Result<(), Failure> {
    let ((observed, handover), valid) = (crashed(), world::plain());
    let passwords = Passwords::default();
    Hands { servers: council, valid: &valid, observed: &observed, passwords: &passwords }
        .hand_over(&handover)
        .await
}

#[tokio::test]
async fn the_gate_then_the_promotion_then_the_announcement() {
    let council = Council::new();
    hand_over(&council).await.unwrap();
    let deeds = council.deeds();
    assert_eq!(deeds[0], "10.0.0.2:6379 REPLICAOF NO ONE");
    assert_eq!(deeds.len(), 4);
    assert_eq!(
        deeds[1],
        "10.0.1.0:26379 PUBLISH __sentinel__:hello 10.0.1.1,26379,id-1,4,mymaster,10.0.0.2,6379,4"
    );
    assert_eq!(council.named(), vec![world::ip(1); 3]);
    let asked = council.told.lock().unwrap().iter().position(|line| line.contains("REPLICAOF")).unwrap();
    assert_eq!(asked, 3, "all are asked before");
}

#[tokio::test]
async fn nothing_is_done_where_the_gate_has_closed_since() {
    for (council, reason) in [
        (Council::new().edit(1, |seat| seat.flags = "master,failover_in_progress"), "SentinelsFailOver"),
        (Council::new().edit(2, |seat| seat.named = world::ip(2)), "SentinelsDisagree"),
        (Council::new().edit(2, |seat| seat.epoch = 99), "EpochTooLow"),
    ] {
        assert_eq!(hand_over(&council).await.unwrap_err().reason, reason);
        assert_eq!(council.deeds(), [""; 0]);
    }
}

#[tokio::test]
async fn a_promotion_that_failed_is_not_announced() {
    let council = Council { refuse: Some("NO ONE"), ..Council::new() };
    assert_eq!(hand_over(&council).await.unwrap_err().reason, "ConnectionTimedOut");
    let back = "10.0.0.2:6379 REPLICAOF 10.0.0.1 6379";
    assert_eq!(council.deeds()[1..], [back], "it may have been carried out all the same");
}

#[tokio::test]
async fn what_most_did_not_take_over_is_put_back() {
    let council = Council::new().edit(0, |seat| seat.deaf = true).edit(1, |seat| seat.deaf = true);
    assert_eq!(hand_over(&council).await.unwrap_err().reason, "NotTakenOver");
    assert_eq!(council.deeds()[4], "10.0.0.2:6379 REPLICAOF 10.0.0.1 6379", "the server comes first");
    assert_eq!(council.named(), vec![world::ip(0); 3]);
    let one_deaf = Council::new().edit(0, |seat| seat.deaf = true);
    hand_over(&one_deaf).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sentinel_that_hangs_costs_a_moment_and_no_more() {
    let council = Council { hangs: Some(world::sentinel_ip(2)), ..Council::new() };
    let begun = Instant::now();
    hand_over(&council).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(council.named()[..2], vec![world::ip(1); 2]);
}
