//! All small cases in which pods of two groups get each other's addresses: which pods, who gets whose address, how long
//! each takes, whose Sentinels have the higher epoch, and whether the operator is there.

use super::council::sentinel_goes;
use super::history::{START, run};
use super::isolation::Crossing;
use super::operator::Planner;
use super::report::Report;
use super::world::{Ip, Kind, MEMBERS, World};

/// A pod by its part in a group that has just started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Master,
    Replica,
    OtherReplica,
    Sentinel,
    OtherSentinel,
}

use Part::{Master, OtherReplica, OtherSentinel, Replica, Sentinel};

/// Which pods of the first group go, beside which of the second; what is alike but for a number stands once.
const PAIRS: [&[(Part, Part)]; 25] = [
    &[(Master, Master)],
    &[(Master, Replica)],
    &[(Master, Sentinel)],
    &[(Replica, Replica)],
    &[(Replica, Sentinel)],
    &[(Sentinel, Sentinel)],
    &[(Master, Master), (Replica, Replica)],
    &[(Master, Master), (Replica, Sentinel)],
    &[(Master, Master), (Sentinel, Replica)],
    &[(Master, Master), (Sentinel, Sentinel)],
    &[(Master, Replica), (Replica, Master)],
    &[(Master, Replica), (Replica, OtherReplica)],
    &[(Master, Replica), (Replica, Sentinel)],
    &[(Master, Replica), (Sentinel, Master)],
    &[(Master, Replica), (Sentinel, OtherReplica)],
    &[(Master, Replica), (Sentinel, Sentinel)],
    &[(Master, Sentinel), (Replica, Replica)],
    &[(Master, Sentinel), (Replica, OtherSentinel)],
    &[(Master, Sentinel), (Sentinel, Master)],
    &[(Master, Sentinel), (Sentinel, Replica)],
    &[(Master, Sentinel), (Sentinel, OtherSentinel)],
    &[(Replica, Replica), (OtherReplica, OtherReplica)],
    &[(Replica, Replica), (Sentinel, Sentinel)],
    &[(Replica, Sentinel), (Sentinel, Replica)],
    &[(Sentinel, Sentinel), (OtherSentinel, OtherSentinel)],
];
/// How long until a pod's successor runs: at once, as soon as its Sentinels have looked, and after they call it dead.
const DELAYS: [u64; 3] = [300, 2_000, 7_000];
/// How long the operator is away from then on.
const AWAY: [u64; 2] = [0, 10_000];
/// Epochs of the Sentinels of both groups.
const EPOCHS: [[i64; 2]; 3] = [[0, 0], [5, 0], [0, 5]];

/// Who gets an address of the other group; the other one's pods get new addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Both,
    First,
    Second,
}

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pairs: &'static [(Part, Part)],
    takes: Takes,
    delays: [u64; 2],
    away: u64,
    epochs: [i64; 2],
}

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for pairs in PAIRS {
        for takes in [Takes::Both, Takes::First, Takes::Second] {
            for (first, second) in DELAYS.into_iter().flat_map(|first| DELAYS.map(|second| (first, second))) {
                for (away, epochs) in AWAY.into_iter().flat_map(|away| EPOCHS.map(|epochs| (away, epochs))) {
                    cases.push(Case { pairs, takes, delays: [first, second], away, epochs });
                }
            }
        }
    }
    cases
}

/// Plays one case; `seed` determines what is left to chance.
pub(crate) fn play(case: &Case, seed: u64, planner: Planner, log: bool) -> Result<Report, String> {
    let mut world = World::new(Kind::Twins, seed, log);
    world.deadly = false;
    let at = world.now + START;
    let script = |world: &mut World, wait: &mut u64| {
        if world.now == at {
            swap(world, case);
            *wait = world.now + case.away;
        }
    };
    let report = run(world, script, at + case.away.max(case.delays[0]).max(case.delays[1]), planner, seed)?;
    let harmless = |crossing: &Crossing| *crossing == Crossing::Write;
    if case.away == 0 && !report.crossings.keys().all(harmless) {
        return Err(format!("crossed although the operator looks: {:?}", report.crossings));
    }
    Ok(report)
}

fn swap(world: &mut World, case: &Case) {
    for (number, sentinel) in world.sentinels.iter_mut().enumerate() {
        let epoch = case.epochs[number / MEMBERS];
        (sentinel.config_epoch, sentinel.current_epoch, sentinel.heard) = (epoch, epoch, Some(epoch));
    }
    for (first, second) in case.pairs {
        let (theirs, ours) = (address(world, 1, *second), address(world, 0, *first));
        let first_ip = if case.takes == Takes::Second { world.new_ip() } else { theirs };
        let second_ip = if case.takes == Takes::First { world.new_ip() } else { ours };
        replace(world, 0, *first, first_ip, case.delays[0]);
        replace(world, 1, *second, second_ip, case.delays[1]);
    }
}

fn number(group: usize, part: Part) -> (bool, usize) {
    let place = match part {
        Master => (false, 0),
        Replica => (false, 1),
        OtherReplica => (false, 2),
        Sentinel => (true, 0),
        OtherSentinel => (true, 1),
    };
    (place.0, group * MEMBERS + place.1)
}

fn address(world: &World, group: usize, part: Part) -> Ip {
    match number(group, part) {
        (false, number) => world.servers[number].ip,
        (true, number) => world.sentinels[number].ip,
    }
}

fn replace(world: &mut World, group: usize, part: Part, ip: Ip, delay: u64) {
    let back = Some(world.now + delay);
    match number(group, part) {
        (false, number) => {
            world.server_goes(number);
            (world.servers[number].next_ip, world.servers[number].back_at) = (Some(ip), back);
        }
        (true, number) => {
            sentinel_goes(world, number);
            (world.sentinels[number].next_ip, world.sentinels[number].back_at) = (Some(ip), back);
        }
    }
}
