use proptest::prelude::*;

use super::*;
use crate::redis::Address;

const POD: &str = "pod-0";

/// One pod and what is remembered of it, with a clock in milliseconds.
struct Story {
    evidence: Evidence,
    begin: Instant,
}

fn pod(number: usize) -> PodFacts {
    PodFacts {
        uid: format!("pod-{number}"),
        ip: Some(format!("10.0.0.{number}")),
        running: true,
        ..PodFacts::default()
    }
}

fn facts(run_id: &str, role: Role) -> ServerFacts {
    ServerFacts { run_id: run_id.to_owned(), role, clock: Some(1000), ..ServerFacts::default() }
}

fn master(run_id: &str) -> ServerFacts {
    facts(run_id, Role::default())
}

/// A replica of the server of pod 0, without its link since that many seconds.
fn replica(run_id: &str, unlinked_for: Option<u64>) -> ServerFacts {
    let source = Address { host: "10.0.0.0".to_owned(), port: 6379 };
    let role = Role::Replica { source, link_up: unlinked_for.is_none(), syncing: false };
    ServerFacts { unlinked_for, ..facts(run_id, role) }
}

/// A server that came back and follows nobody.
fn waiting(run_id: &str) -> ServerFacts {
    let source = Address { host: "127.0.0.1".to_owned(), port: 6379 };
    facts(run_id, Role::Replica { source, link_up: false, syncing: false })
}

fn silence() -> Result<ServerFacts, Silence> {
    Err(Silence::Failed(Error::Timeout))
}

impl Story {
    fn begin() -> Self {
        Self { evidence: Evidence::default(), begin: Instant::now() }
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.begin + Duration::from_millis(milliseconds)
    }

    /// A look at pods 0, 1, … that was begun and ended at these times.
    fn look(&mut self, times: (u64, u64), servers: Vec<Result<ServerFacts, Silence>>) -> Vec<RedisNode> {
        let nodes = servers.into_iter().enumerate().map(|(number, server)| RedisNode {
            pod: pod(number),
            server,
            death: None,
            before: None,
        });
        self.look_at(times, nodes.collect())
    }

    fn look_at(&mut self, (asked, now): (u64, u64), redis: Vec<RedisNode>) -> Vec<RedisNode> {
        let mut observed = Observed { redis, sentinels: Vec::new() };
        let (asked, now) = (self.at(asked), self.at(now));
        self.evidence.weigh(&mut observed, asked, now);
        observed.redis
    }

    /// A master of pod 0 that answered at 0, and whose connection was closed and then refused at this time.
    fn with_dead_master(at: u64) -> Self {
        let mut story = Self::begin();
        story.look((0, 1), vec![Ok(master("a"))]);
        story.evidence.lost(POD, "a", story.at(at));
        assert!(story.evidence.refused(POD, "a", story.at(at)));
        story
    }
}

fn seen(nodes: &[RedisNode]) -> (Option<Death>, Option<&str>) {
    (nodes[0].death, nodes[0].before.as_ref().map(|before| before.run_id.as_str()))
}

#[test]
fn a_silent_server_is_not_dead_and_its_last_words_are_known() {
    let mut story = Story::begin();
    assert_eq!(seen(&story.look((0, 1), vec![silence()])), (None, None));
    assert_eq!(seen(&story.look((2, 3), vec![Ok(master("a"))])), (None, None));
    assert_eq!(seen(&story.look((4, 5), vec![silence()])), (None, Some("a")));
    story.evidence.lost(POD, "a", story.at(6));
    assert_eq!(seen(&story.look((7, 8), vec![silence()])), (None, Some("a")), "closed, but not refused");
}

#[test]
fn closed_and_refused_is_dead_until_the_same_process_answers() {
    let mut story = Story::with_dead_master(10);
    assert_eq!(seen(&story.look((20, 21), vec![silence()])), (Some(Death::Refused), Some("a")));
    assert!(!story.evidence.refused(POD, "a", story.at(22)), "no news");
    assert_eq!(seen(&story.look((30, 31), vec![Ok(master("a"))])), (None, None), "it lives");

    let mut story = Story::with_dead_master(10);
    assert_eq!(story.evidence.met(POD, "a", story.at(20)), Met::Known);
    assert_eq!(seen(&story.look((30, 31), vec![silence()])), (None, Some("a")), "it lives");
}

#[test]
fn an_answer_from_before_the_death_is_no_life() {
    let mut story = Story::with_dead_master(10);
    let nodes = story.look((9, 11), vec![Ok(master("a"))]);
    assert_eq!(seen(&nodes), (Some(Death::Refused), Some("a")));
    assert_eq!(nodes[0].server, Err(Silence::Failed(Error::Refused)));

    assert_eq!(story.evidence.met(POD, "b", story.at(20)), Met::Successor);
    let nodes = story.look((19, 21), vec![Ok(master("a"))]);
    assert_eq!(seen(&nodes), (Some(Death::Restarted), Some("a")), "nor is it a third process");
    assert!(nodes[0].server.is_err());
}

#[test]
fn the_connection_of_an_earlier_process_proves_nothing() {
    let mut story = Story::begin();
    story.look((0, 1), vec![Ok(master("b"))]);
    assert!(!story.evidence.refused(POD, "a", story.at(2)));
    assert!(!story.evidence.refused("pod-9", "a", story.at(2)), "a pod that is not known");
    assert_eq!(seen(&story.look((3, 4), vec![silence()])), (None, Some("b")));
}

#[test]
fn a_restart_is_shown_until_the_server_has_its_place() {
    let mut story = Story::begin();
    story.look((0, 1), vec![Ok(master("a"))]);
    let restarted = (Some(Death::Restarted), Some("a"));
    assert_eq!(seen(&story.look((10, 11), vec![Ok(waiting("b"))])), restarted);
    assert_eq!(seen(&story.look((20, 21), vec![silence()])), restarted);
    assert_eq!(seen(&story.look((30, 31), vec![Ok(waiting("b"))])), restarted);
    assert_eq!(seen(&story.look((40, 41), vec![Ok(waiting("c"))])), restarted, "and once more");
    story.evidence.refused(POD, "c", story.at(42));
    assert_eq!(seen(&story.look((50, 51), vec![silence()])), (Some(Death::Refused), Some("a")));
    assert_eq!(story.evidence.met(POD, "d", story.at(55)), Met::Successor);
    assert_eq!(seen(&story.look((60, 61), vec![Ok(replica("d", None))])), restarted, "shown once at least");
    assert_eq!(seen(&story.look((70, 71), vec![Ok(replica("d", None))])), (None, None));
}

#[test]
fn the_kubelet_proves_an_end_after_the_last_words() {
    let cases = [
        // last words, end, running; dead
        (1000, None, true, false),
        (1000, Some(999), true, false), // of the process before
        (1000, Some(1000), true, false),
        (1000, Some(1000), false, true),
        (1000, Some(1001), true, true),
        (1000, Some(1001), false, true),
    ];
    for (spoke, ended, running, dead) in cases {
        let mut story = Story::begin();
        story.look((0, 1), vec![Ok(ServerFacts { clock: Some(spoke), ..master("a") })]);
        let pod = PodFacts { running, ended, ..pod(0) };
        let node = RedisNode { pod: pod.clone(), server: silence(), death: None, before: None };
        let nodes = story.look_at((10, 11), vec![node]);
        assert_eq!(nodes[0].death, dead.then_some(Death::Ended), "{spoke} {pod:?}");
        let node = RedisNode { pod, server: Ok(master("a")), death: None, before: None };
        assert_eq!(seen(&story.look_at((20, 21), vec![node])), (None, None), "who answers is not dead");
    }
}

#[test]
fn the_link_of_a_replica_is_that_from_before_the_death() {
    // Found down by a look between the death and its proof, or after it.
    for between in [true, false] {
        let mut story = Story::begin();
        story.look((0, 1), vec![Ok(master("a")), Ok(replica("r", None))]);
        if between {
            let nodes = story.look((9_999, 10_001), vec![silence(), Ok(replica("r", Some(0)))]);
            assert_eq!(nodes[1].before, None, "no death is known yet");
        }
        story.evidence.lost(POD, "a", story.at(10_000));
        story.evidence.refused(POD, "a", story.at(10_002));
        for (now, unlinked_for) in [(10_010, 1), (14_000, 5)] {
            let lost = replica("r", Some(unlinked_for));
            let nodes = story.look((now, now + 1), vec![silence(), Ok(lost)]);
            assert_eq!(nodes[1].before, Some(replica("r", None)), "{now}");
            assert_eq!(nodes[1].death, None);
        }
        let nodes = story.look((15_000, 15_001), vec![silence(), Ok(replica("r", None))]);
        assert_eq!(nodes[1].before, None, "linked again");
    }
}

#[test]
fn a_link_that_was_lost_before_the_death_is_not_taken_for_good() {
    let mut story = Story::begin();
    story.look((0, 1), vec![Ok(master("a")), Ok(replica("r", None)), Ok(replica("s", None))]);
    story.evidence.refused(POD, "a", story.at(10_000));
    let other = ServerFacts {
        role: Role::Replica {
            source: Address { host: "10.0.0.9".into(), port: 6379 },
            link_up: true,
            syncing: false,
        },
        ..replica("s", None)
    };
    let nodes =
        story.look((10_010, 10_011), vec![silence(), Ok(replica("r", Some(3))), Ok(replica("s2", Some(0)))]);
    assert_eq!(nodes[1].before, None, "3 seconds before");
    assert_eq!(nodes[2].before, Some(replica("s", None)), "it restarted: what the process before it said");

    let mut story = Story::begin();
    story.look((0, 1), vec![Ok(master("a")), Ok(other)]);
    story.evidence.refused(POD, "a", story.at(10));
    let nodes = story.look((20, 21), vec![silence(), Ok(replica("s", Some(0)))]);
    assert_eq!(nodes[1].before, None, "it followed another one");
}

/// A pod that is deleted by force is gone before its server is.
#[test]
fn a_link_to_a_pod_that_is_gone_is_that_from_before_it_went() {
    let linked = || RedisNode { pod: pod(1), server: Ok(replica("r", None)), death: None, before: None };
    let lost = |seconds| RedisNode { server: Ok(replica("r", Some(seconds))), ..linked() };
    // Gone with its death proven, and without.
    for died in [Some(9_000), None] {
        let mut story = Story::begin();
        story.look((0, 1), vec![Ok(master("a")), Ok(replica("r", None))]);
        if let Some(died) = died {
            story.evidence.refused(POD, "a", story.at(died));
        }
        assert_eq!(story.look_at((10_000, 10_001), vec![linked()])[0].before, None);
        let nodes = story.look_at((12_000, 12_001), vec![lost(if died.is_some() { 4 } else { 3 })]);
        assert_eq!(nodes[0].before, Some(replica("r", None)));
        assert_eq!(story.look_at((12_010, 12_011), vec![lost(5)])[0].before, None, "lost before it went");
    }
    let mut story = Story::begin();
    story.look((0, 1), vec![Ok(master("a")), Ok(replica("r", None))]);
    story.look_at((10, 11), vec![linked()]);
    let other = PodFacts { uid: "other".to_owned(), ..pod(0) };
    let other = RedisNode { pod: other, server: silence(), death: None, before: None };
    let nodes = story.look_at((20, 21), vec![other, lost(0)]);
    assert_eq!(nodes[1].before, None, "its address is another pod's now");
}

#[test]
fn what_belongs_to_a_pod_goes_with_it() {
    let mut story = Story::with_dead_master(10);
    story.look((20, 21), vec![]);
    assert!(story.evidence.servers.is_empty());
    assert_eq!(seen(&story.look((30, 31), vec![silence()])), (None, None));
}

proptest! {
    /// Whatever happens: no death without a closed connection, another run id or an ended container.
    #[test]
    fn silence_alone_is_never_a_death(events in prop::collection::vec((0..4_u8, 0..50_u64), 0..30)) {
        let mut story = Story::begin();
        let mut now = 0;
        for (event, pause) in events {
            now += pause;
            let server = match event {
                0 => silence(),
                1 => Ok(master("a")),
                2 => Ok(replica("a", Some(pause))),
                _ => {
                    story.evidence.lost(POD, "a", story.at(now));
                    story.evidence.met(POD, "a", story.at(now));
                    silence()
                }
            };
            prop_assert_eq!(story.look((now, now + 1), vec![server])[0].death, None);
        }
    }
}
