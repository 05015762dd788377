use proptest::prelude::*;

use super::*;

fn seen(holder: &str, since: Instant) -> Seen {
    Seen { holder: holder.to_owned(), duration: LEASE, since }
}

#[tokio::test(start_paused = true)]
async fn the_table() {
    let start = Instant::now();
    let later = |seconds| start + Duration::from_secs(seconds);
    let cases = [
        (None, 0, Decision::Create),
        (Some(seen("me", start)), 0, Decision::Renew),
        (Some(seen("me", start)), 60, Decision::Renew),
        (Some(seen("", start)), 0, Decision::Take),
        (Some(seen("other", start)), 0, Decision::Wait(RENEW_EVERY)),
        (Some(seen("other", start)), 14, Decision::Wait(Duration::from_secs(1))),
        (Some(seen("other", start)), 15, Decision::Take),
    ];
    for (lease, at, want) in cases {
        assert_eq!(decide(lease.as_ref(), "me", later(at)), want, "{lease:?} at {at} s");
    }
}

/// A model of the API server's compare-and-swap: a write succeeds only on the version that was read.
#[derive(Clone, Default)]
struct Server {
    version: u64,
    holder: Option<String>,
}

struct Candidate {
    name: &'static str,
    read: Option<(u64, Seen)>,
    read_version: u64,
    leads_until: Option<Instant>,
}

impl Candidate {
    fn look(&mut self, server: &Server, now: Instant) {
        self.read_version = server.version;
        match (&server.holder, &self.read) {
            (None, _) => self.read = None,
            (Some(_), Some((version, _))) if *version == server.version => {}
            (Some(holder), _) => self.read = Some((server.version, seen(holder, now))),
        }
    }

    fn act(&mut self, server: &mut Server, now: Instant) {
        let decision = decide(self.read.as_ref().map(|(_, seen)| seen), self.name, now);
        if matches!(decision, Decision::Wait(_)) || server.version != self.read_version {
            return;
        }
        server.version += 1;
        server.holder = Some(self.name.to_owned());
        self.read_version = server.version;
        self.read = Some((server.version, seen(self.name, now)));
        self.leads_until = Some(now + GIVE_UP_AFTER);
    }
}

proptest! {
    /// Whatever the interleaving of looks and writes of two candidates: never two leaders at once.
    #[test]
    fn never_two_leaders(steps in proptest::collection::vec((0..2_usize, any::<bool>(), 0..8_000_u64), 1..200)) {
        let mut now = Instant::now();
        let mut server = Server::default();
        let mut candidates = ["a", "b"].map(|name| Candidate { name, read: None, read_version: 0, leads_until: None });
        for (who, write, pause) in steps {
            now += Duration::from_millis(pause);
            if write {
                candidates[who].act(&mut server, now);
            } else {
                candidates[who].look(&server, now);
            }
            let leading = candidates.iter().filter(|c| c.leads_until.is_some_and(|until| now < until)).count();
            prop_assert!(leading <= 1, "two leaders");
        }
    }
}
