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
    /// How often the new master is behind still when it is asked.
    behind: Mutex<u32>,
}

/// Server 0 is the master.
fn info(host: &str, behind: bool) -> String {
    let (role, offset) = if host == world::ip(0) {
        ("master\r\nmaster_repl_offset", 100)
    } else {
        let role =
            "slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:up\r\nslave_repl_offset";
        (role, if behind { 99 } else { 100 })
    };
    format!("run_id:r\r\nmaster_replid:h\r\nrole:{role}:{offset}\r\n")
}

impl Council {
    fn new() -> Self {
        let seat = Seat { named: world::ip(0), epoch: 0, flags: "master", deaf: false };
        let seats = (0..3).map(|number| (world::sentinel_ip(number), seat.clone())).collect();
        Self {
            seats: Mutex::new(seats),
            told: Mutex::default(),
            refuse: None,
            hangs: None,
            behind: Mutex::default(),
        }
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
        told.iter()
            .filter(|line| !line.contains("SENTINEL MASTER") && !line.contains("INFO"))
            .cloned()
            .collect()
    }

    fn answer(&self, host: &str, command: &[&str]) -> Reply {
        let mut seats = self.seats.lock().unwrap();
        let behind = || {
            let mut left = self.behind.lock().unwrap();
            *left = left.saturating_sub(u32::from(host != world::ip(0)));
            *left > 0
        };
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
            (["INFO"], _) => Reply::Text(info(host, behind())),
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

/// Server 0 is master and stops; the plan hands over to server 1.
fn stopping() -> (Observed, Handover) {
    let mut observed = world::healthy();
    observed.redis[0].pod.terminating = true;
    let plan = plan(&world::plain(), &observed, &Memory::default(), jiff::Timestamp::UNIX_EPOCH);
    (observed, plan.handover.unwrap())
}

async fn hand_over(council: &Council) -> Result<(), Failure> {
    carry_out(council, crashed()).await
}

async fn carry_out(council: &Council, (observed, handover): (Observed, Handover)) -> Result<(), Failure> {
    let (valid, passwords) = (world::plain(), Passwords::default());
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

/// Without what is told to the Sentinels.
fn orders(council: &Council) -> Vec<String> {
    council.deeds().into_iter().filter(|line| !line.contains("PUBLISH")).collect()
}

const PAUSED: &str = "10.0.0.1:6379 CLIENT PAUSE 10000 WRITE";
const GOES_ON: &str = "10.0.0.1:6379 CLIENT UNPAUSE";

#[tokio::test(start_paused = true)]
async fn a_serving_master_is_paused_caught_up_with_and_demoted_before_anybody_hears_of_it() {
    let council = Council { behind: Mutex::new(3), ..Council::new() };
    carry_out(&council, stopping()).await.unwrap();
    let wanted = [
        PAUSED,
        "10.0.0.2:6379 REPLICAOF NO ONE",
        "10.0.0.1:6379 REPLICAOF 10.0.0.2 6379",
        "10.0.0.1:6379 CLIENT KILL TYPE normal SKIPME yes",
        GOES_ON,
    ];
    assert_eq!(orders(&council), wanted);
    assert!(council.deeds()[3].contains("PUBLISH"), "{:?}", council.deeds());
    assert_eq!(council.named(), vec![world::ip(1); 3]);
    let asked =
        council.told.lock().unwrap().iter().filter(|line| line.contains("10.0.0.2:6379 INFO")).count();
    assert_eq!(asked, 3, "until it has caught up");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_does_not_catch_up_takes_nothing_over_and_writes_go_on() {
    let council = Council { behind: Mutex::new(u32::MAX), ..Council::new() };
    let begun = Instant::now();
    assert_eq!(carry_out(&council, stopping()).await.unwrap_err().reason, "ReplicaBehind");
    assert_eq!(orders(&council), [PAUSED, GOES_ON]);
    assert!(begun.elapsed() < CATCH_UP * 2, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_fails_before_the_demotion_is_undone() {
    let council = Council { refuse: Some("NO ONE"), ..Council::new() };
    assert_eq!(carry_out(&council, stopping()).await.unwrap_err().reason, "ConnectionTimedOut");
    assert_eq!(orders(&council)[2..], ["10.0.0.2:6379 REPLICAOF 10.0.0.1 6379", GOES_ON]);
}

/// Whether the old master took the order is not known: to undo the promotion could make both follow each other.
#[tokio::test(start_paused = true)]
async fn a_demotion_that_failed_is_left_to_the_next_look() {
    let council = Council { refuse: Some("REPLICAOF 10.0.0.2"), ..Council::new() };
    assert_eq!(carry_out(&council, stopping()).await.unwrap_err().reason, "ConnectionTimedOut");
    assert_eq!(orders(&council).len(), 3);
    assert_eq!(council.named(), vec![world::ip(0); 3]);
}

#[tokio::test(start_paused = true)]
async fn where_too_few_sentinels_took_it_over_only_the_clients_are_let_go() {
    let council = Council::new().edit(0, |seat| seat.deaf = true).edit(1, |seat| seat.deaf = true);
    assert_eq!(carry_out(&council, stopping()).await.unwrap_err().reason, "NotTakenOver");
    assert_eq!(orders(&council)[3..], ["10.0.0.1:6379 CLIENT KILL TYPE normal SKIPME yes", GOES_ON]);
}
