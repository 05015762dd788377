//! What must hold between two groups in one network.

use super::report::Report;
use super::world::{Ip, Kind, World, group_of};

/// What got from one group to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Crossing {
    /// A server has all data of a foreign one.
    Copy,
    /// A Sentinel tells a foreign server whom to follow, or makes it master.
    Order,
    /// A client writes to a foreign server.
    Write,
    /// The operator tells a server or Sentinel of one group what is meant for the other.
    Command,
}

/// For how long the operator must have looked, and both groups had a master, before nothing is copied: milliseconds.
const NO_COPY_AFTER: u64 = 3_000;
/// The same for orders: a Sentinel that was led astray before has been told better by then.
const NO_ORDER_AFTER: u64 = 12_000;
/// The longest that a foreign address may stay while it is so. Changes of addresses that follow one another add up.
const STAYS: u64 = 20_000;

/// Watches over both groups.
#[derive(Default)]
pub(crate) struct Watch {
    /// Since when each group knows an address of the other one.
    knows_since: [Option<u64>; 2],
    /// Since when the operator looks, and both have a master, without a break.
    guarded_since: u64,
}

impl Watch {
    /// After each tick. `guarded`: the operator is there, and both have a master.
    pub(crate) fn tick(
        &mut self,
        world: &mut World,
        guarded: bool,
        report: &mut Report,
        seed: u64,
    ) -> Result<(), String> {
        if !guarded {
            self.guarded_since = world.now;
        }
        let lasts = world.now - self.guarded_since;
        for group in 0..world.kind.groups() {
            let knows = knows_a_stranger(world, group);
            self.knows_since[group] = knows.then(|| self.knows_since[group].unwrap_or(world.now));
            if let Some(since) = self.knows_since[group] {
                let stay = lasts.min(world.now - since);
                report.longest_stay = report.longest_stay.max((stay, seed));
                if stay > STAYS {
                    return Err(format!("group {group} has known a foreign address for {stay} ms"));
                }
            }
        }
        for (crossing, what) in std::mem::take(&mut world.crossed) {
            if crossing == Crossing::Command || world.kind != Kind::Twins {
                return Err(what);
            }
            report.crossed(crossing, lasts, seed);
            let limit = match crossing {
                Crossing::Copy => NO_COPY_AFTER,
                Crossing::Order => NO_ORDER_AFTER,
                Crossing::Write | Crossing::Command => u64::MAX,
            };
            if lasts > limit {
                return Err(format!("{what}, though all was guarded for {lasts} ms"));
            }
        }
        Ok(())
    }
}

/// Whether a Sentinel knows, or a server follows, the address of a pod of the other group.
fn knows_a_stranger(world: &World, group: usize) -> bool {
    let foreign = |ip: Ip| world.number_at(ip).is_some_and(|number| group_of(number) != group);
    let foreign_peer = |ip: Ip| {
        let at = world.sentinels.iter().position(|sentinel| !sentinel.gone && sentinel.ip == ip);
        at.is_some_and(|number| group_of(number) != group)
    };
    let sentinels = world.sentinels.iter().enumerate().filter(|(number, _)| group_of(*number) == group);
    let mut sentinels = sentinels.map(|(_, sentinel)| sentinel).filter(|sentinel| sentinel.answers());
    let servers = world.servers.iter().enumerate().filter(|(number, _)| group_of(*number) == group);
    let mut servers = servers.map(|(_, server)| server).filter(|server| server.answers());
    sentinels.any(|sentinel| {
        foreign(sentinel.master)
            || sentinel.replicas.keys().any(|ip| foreign(*ip))
            || sentinel.peers.values().any(|ip| foreign_peer(*ip))
    }) || servers.any(|server| !server.master && foreign(server.source))
}
