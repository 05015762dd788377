//! The Secrets of a whole life: damage, and a simulated cluster whose clients must never meet a leaf that they do
//! not trust.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use k8s_openapi::ByteString;
use proptest::prelude::*;

use super::*;
use crate::plan::{RETIRE, Reason, SETTLE, SignedBy};
use crate::store::tests::options;
use crate::{Bundle, tls};

const START: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

/// Both Secrets, and all that happens to them.
#[derive(Clone, Default)]
struct Stored {
    authority: Option<Secret>,
    leaf: Option<Secret>,
}

impl Stored {
    fn secrets<'a>(&'a self, options: &'a Options) -> Secrets<'a> {
        Secrets { authority: self.authority.as_ref(), leaf: self.leaf.as_ref(), options }
    }

    /// Does all steps of one moment, as if the bundle had been published long ago.
    fn settle(&mut self, options: &Options, now: Timestamp) -> Vec<Step> {
        let mut done = Vec::new();
        loop {
            let secrets = self.secrets(options);
            let step = secrets.next_step(Some(SETTLE), now);
            match step {
                Step::Authority(_) => self.authority = Some(secrets.new_authority(now).unwrap()),
                Step::ForgetPrevious => self.authority = Some(secrets.without_previous().unwrap()),
                Step::Leaf(_) => self.leaf = Some(secrets.new_leaf(now).unwrap()),
                Step::Publish | Step::Wait(_) | Step::Rest => return done,
            }
            done.push(step);
            assert!(done.len() < 6, "no end: {done:?}");
        }
    }
}

fn ask(secret: &mut Option<Secret>, options: &Options, wish: usize) {
    let annotations = secret.as_mut().unwrap().metadata.annotations.get_or_insert_default();
    annotations.insert(options.rotate_annotation.clone(), wish.to_string());
}

#[test]
fn two_secrets_are_made_and_then_left_alone() {
    let (mut stored, options) = (Stored::default(), options());
    let made = [Step::Authority(Reason::Absent), Step::Leaf(Reason::Absent)];
    assert_eq!(stored.settle(&options, at(0)), made);
    assert!(stored.settle(&options, at(1)).is_empty());
}

/// Keys and what stands there instead; nothing where they are gone.
type Damage<'a> = &'a [(&'static str, Option<ByteString>)];

#[test]
fn damaged_secrets_are_made_anew_and_the_served_ca_stays_trusted() {
    let options = options();
    let mut good = Stored::default();
    good.settle(&options, at(0));
    let signer = good.secrets(&options).authority().unwrap().pair.certificate;
    let mut other = Stored::default();
    other.settle(&options, at(0));
    let foreign = |key: &str| other.leaf.as_ref().unwrap().data.as_ref().unwrap()[key].clone();
    let garbage = || ByteString(b"garbage".to_vec());
    let damages: [(&str, Damage<'_>); 8] = [
        ("no key", &[("tls.key", None)]),
        ("an empty key", &[("tls.key", Some(ByteString(Vec::new())))]),
        ("a damaged key", &[("tls.key", Some(garbage()))]),
        ("the key of another", &[("tls.key", Some(foreign("tls.key")))]),
        ("a damaged certificate", &[("tls.crt", Some(garbage()))]),
        ("no data", &[("tls.crt", None), ("tls.key", None), ("ca.crt", None), ("ca-previous.crt", None)]),
        ("foreign content", &[("tls.crt", Some(foreign("tls.crt"))), ("tls.key", Some(foreign("tls.key")))]),
        ("damaged earlier CAs", &[("ca-previous.crt", Some(garbage()))]),
    ];
    for (name, changes) in damages {
        let damage = |secret: &mut Option<Secret>| {
            let data = secret.as_mut().unwrap().data.as_mut().unwrap();
            for (key, value) in changes {
                match value {
                    Some(value) => data.insert((*key).to_owned(), value.clone()),
                    None => data.remove(*key),
                };
            }
        };
        let mut stored = good.clone();
        damage(&mut stored.authority);
        let steps = stored.settle(&options, at(10));
        assert_eq!(steps.first(), Some(&Step::Authority(Reason::Absent)), "CA, {name}");
        let bundle = stored.secrets(&options).authority().unwrap().bundle();
        assert!(bundle.pem().contains(signer.trim()), "CA, {name}");

        let mut stored = good.clone();
        damage(&mut stored.leaf);
        let steps = stored.settle(&options, at(10));
        let harmless = name == "damaged earlier CAs";
        assert_eq!(steps.is_empty(), harmless, "leaf, {name}: {steps:?}");
        assert!(steps.iter().all(|step| matches!(step, Step::Leaf(_))), "leaf, {name}: {steps:?}");
    }
}

#[test]
fn a_ca_that_is_damaged_again_and_again_keeps_the_one_that_signed_the_leaf() {
    let (mut stored, options) = (Stored::default(), options());
    stored.settle(&options, at(0));
    let signer = stored.secrets(&options).authority().unwrap().pair.certificate;
    for second in 1..30 {
        stored.authority = Some(stored.secrets(&options).new_authority(at(second)).unwrap());
    }
    let (_, authority) = stored.secrets(&options).usable_authority().unwrap();
    assert_eq!(authority.previous.len(), MOST_PREVIOUS);
    assert!(authority.bundle().pem().contains(signer.trim()));
    let leaf = stored.secrets(&options).usable_leaf(&authority).unwrap();
    assert_eq!(leaf.signed_by, SignedBy::Previous);
}

#[test]
fn a_wish_is_carried_out_once_and_survives_what_happens_in_between() {
    let (mut stored, options) = (Stored::default(), options());
    stored.settle(&options, at(0));
    ask(&mut stored.leaf, &options, 1);
    assert_eq!(stored.settle(&options, at(1)), [Step::Leaf(Reason::Requested)]);
    ask(&mut stored.authority, &options, 1);
    let rotation = [Step::Authority(Reason::Requested), Step::Leaf(Reason::AuthorityRenewed)];
    assert_eq!(stored.settle(&options, at(2)), rotation);
    ask(&mut stored.authority, &options, 2);
    stored.authority = Some(stored.secrets(&options).without_previous().unwrap());
    assert_eq!(stored.settle(&options, at(3)), rotation, "a write that rotates nothing leaves the wish");
    assert!(stored.settle(&options, at(4)).is_empty());
}

#[test]
fn many_rotations_keep_the_bundle_small_and_come_to_an_end() {
    let (mut stored, options) = (Stored::default(), options());
    stored.settle(&options, at(0));
    for wish in 0..25 {
        ask(&mut stored.authority, &options, wish);
        stored.settle(&options, at(i64::try_from(wish).unwrap()));
        let authority = stored.secrets(&options).authority().unwrap();
        assert!(authority.previous.len() <= MOST_PREVIOUS);
        assert!(authority.bundle().pem().len() < 8 * 1024, "{} bytes", authority.bundle().pem().len());
    }
    stored.settle(&options, at(RETIRE + 60));
    assert!(!store::requested(stored.authority.as_ref().unwrap(), &options), "the last wish came true");
    stored.settle(&options, at(3 * RETIRE));
    assert_eq!(stored.secrets(&options).authority().unwrap().previous.len(), 0);
}

/// What happens in the simulated cluster.
#[derive(Clone, Copy, Debug)]
enum Happening {
    RotateLeaf,
    RotateAuthority,
    LoseAuthority,
    LoseLeaf,
    /// A replica learns nothing for so many seconds; its webhook goes on.
    Deaf(usize, i64),
    /// A replica starts again and has forgotten how long the bundle has been published.
    Restart(usize),
    /// Somebody replaces the bundle by an older one, for a moment.
    Overwrite,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => Just(Happening::RotateLeaf),
        6 => Just(Happening::RotateAuthority),
        1 => Just(Happening::LoseAuthority),
        1 => Just(Happening::LoseLeaf),
        2 => (0..REPLICAS, 1..600_i64).prop_map(|(replica, seconds)| Happening::Deaf(replica, seconds)),
        2 => (0..REPLICAS).prop_map(Happening::Restart),
        2 => Just(Happening::Overwrite),
    ]
}

const REPLICAS: usize = 3;
/// Seconds between two turns of the replicas.
const BEAT: i64 = 5;

/// One replica: what it saw of the Secrets, what it serves, and since when it has known the bundle as published.
#[derive(Default)]
struct Replica {
    seen: Stored,
    served: Option<Arc<rustls::sign::CertifiedKey>>,
    published: Option<((Bundle, usize), i64)>,
    deaf_until: i64,
    /// What it had seen of the world when it came to rest, and when it looks again if nothing changes.
    rests: (usize, i64),
}

struct World {
    options: Options,
    stored: Stored,
    /// Bundles in the webhooks with the second of their writing; API servers may work with any of those that was
    /// there within the last [`SETTLE`] seconds.
    bundles: VecDeque<(i64, Bundle)>,
    replicas: Vec<Replica>,
    /// Counts the bundles.
    generation: usize,
    /// Counts all changes that a watch would tell.
    changes: usize,
    /// Leaves and bundles that were checked already.
    verified: HashSet<(Vec<u8>, String)>,
}

impl World {
    fn new() -> Self {
        let replicas = (0..REPLICAS).map(|_| Replica::default()).collect();
        let (stored, bundles, verified) = (Stored::default(), VecDeque::new(), HashSet::new());
        Self { options: options(), stored, bundles, replicas, generation: 0, changes: 0, verified }
    }

    fn happens(&mut self, what: Happening, second: i64) {
        let wish = usize::try_from(second).unwrap();
        self.changes += 1;
        match what {
            Happening::RotateLeaf if self.stored.leaf.is_some() => {
                ask(&mut self.stored.leaf, &self.options, wish);
            }
            Happening::RotateAuthority if self.stored.authority.is_some() => {
                ask(&mut self.stored.authority, &self.options, wish);
            }
            // Whoever deletes both wants to distrust the CA, and only the leaf Secret knows whom a lost CA signed.
            Happening::LoseAuthority if self.stored.leaf.is_some() && self.all_hear(second) => {
                self.stored.authority = None;
            }
            Happening::LoseLeaf => self.stored.leaf = None,
            Happening::Deaf(replica, seconds) => self.replicas[replica].deaf_until = second + seconds,
            Happening::Restart(replica) => self.replicas[replica] = Replica::default(),
            Happening::Overwrite => {
                // An older one of ours still verifies what is served; a foreign one would be the writer's outage.
                if let Some((_, before)) = self.bundles.iter().rev().nth(1).cloned() {
                    self.generation += 1;
                    self.bundles.push_back((second, before));
                }
            }
            Happening::RotateLeaf | Happening::RotateAuthority | Happening::LoseAuthority => {}
        }
    }

    fn all_hear(&self, second: i64) -> bool {
        self.replicas.iter().all(|replica| second >= replica.deaf_until)
    }

    /// A replica sees the cluster, and does what it would do, until it rests.
    fn turn(&mut self, number: usize, second: i64) {
        let (now, replica) = (at(second), &mut self.replicas[number]);
        if second < replica.deaf_until || (replica.rests.0 == self.changes && second < replica.rests.1) {
            return;
        }
        for _ in 0..8 {
            replica.seen = self.stored.clone();
            let secrets = replica.seen.secrets(&self.options);
            if let Some(leaf) = secrets.servable_leaf() {
                replica.served = tls::certified_key(&leaf.certificate, &leaf.key).ok().map(Arc::new);
            }
            let wanted = secrets.authority().ok().map(|authority| authority.bundle());
            let carried = wanted.filter(|bundle| self.bundles.back().is_some_and(|(_, live)| live == bundle));
            let carried = carried.map(|bundle| (bundle, self.generation));
            if replica.published.as_ref().map(|(bundle, _)| bundle) != carried.as_ref() {
                replica.published = carried.map(|bundle| (bundle, second));
            }
            let published = replica.published.as_ref().map(|(_, since)| second - since);
            match secrets.next_step(published, now) {
                Step::Authority(_) => self.stored.authority = Some(secrets.new_authority(now).unwrap()),
                Step::ForgetPrevious => self.stored.authority = Some(secrets.without_previous().unwrap()),
                Step::Leaf(_) => self.stored.leaf = Some(secrets.new_leaf(now).unwrap()),
                Step::Publish => {
                    let bundle = secrets.authority().unwrap().bundle();
                    self.generation += 1;
                    self.bundles.push_back((second, bundle));
                }
                Step::Wait(seconds) => {
                    replica.rests = (self.changes, second + seconds);
                    return;
                }
                Step::Rest => {
                    replica.rests = (self.changes, second + 300);
                    return;
                }
            }
            self.changes += 1;
        }
        panic!("replica {number} does not come to rest");
    }

    /// Every bundle that an API server may still have verifies what every replica serves.
    fn check(&mut self, second: i64) {
        while self.bundles.get(1).is_some_and(|(written, _)| *written <= second - SETTLE) {
            self.bundles.pop_front();
        }
        let name = self.options.server_name();
        for (number, replica) in self.replicas.iter().enumerate() {
            for (written, bundle) in &self.bundles {
                let Some(served) = &replica.served else { continue };
                if !self.verified.insert((served.cert[0].to_vec(), bundle.pem().to_owned())) {
                    continue;
                }
                if let Err(error) = inspect::trusted(&served.cert, bundle, &name, at(second)) {
                    panic!("second {second}: replica {number}, bundle of second {written}: {error}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Happenings a few seconds to minutes apart; every [`BEAT`] all replicas that hear act, in turn.
    #[test]
    fn no_client_ever_meets_a_leaf_that_it_does_not_trust(
        story in prop::collection::vec((1..40, happening()), 1..25)
    ) {
        let (mut world, mut second) = (World::new(), 0);
        for number in 0..REPLICAS {
            world.turn(number, second);
        }
        for (pause, what) in story {
            for _ in 0..pause {
                second += BEAT;
                // From another replica each time: who comes first wins the race.
                for turn in 0..REPLICAS {
                    world.turn((turn + usize::try_from(second / BEAT).unwrap()) % REPLICAS, second);
                }
                world.check(second);
            }
            world.happens(what, second);
        }
    }
}
