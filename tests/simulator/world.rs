//! The simulated world: one or two groups of pods in one network, each group a `RedisFailover` of its own.

use std::time::Duration;

use super::isolation::Crossing;
use super::random::Random;
use super::sentinel::Sentinel;
use super::server::Server;

/// Last part of an address `10.0.0.N`; 0 is `127.0.0.1`, which means nobody.
pub(crate) type Ip = u8;

/// Simulated milliseconds of one tick.
pub(crate) const TICK: u64 = 100;
/// Servers, and Sentinels, of one `RedisFailover`.
pub(crate) const MEMBERS: usize = 3;
/// Acknowledged writes of all groups together, one bit each.
const WRITES: u32 = 120;

/// What a world consists of and what happens in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// One `RedisFailover`; what fails is gone at once, and what starts has its data at once.
    Abrupt,
    /// One `RedisFailover`; pods also stop after a grace period, and servers take a while to load their data.
    Gradual,
    /// Two of them, whose pods get one another's addresses.
    Twins,
}

impl Kind {
    pub(crate) fn groups(self) -> usize {
        if self == Self::Twins { 2 } else { 1 }
    }
}

pub(crate) struct World {
    pub(crate) kind: Kind,
    pub(crate) now: u64,
    pub(crate) random: Random,
    /// Those of the first group, then those of the second.
    pub(crate) servers: Vec<Server>,
    pub(crate) sentinels: Vec<Sentinel>,
    /// Living servers of somebody else, at addresses that were ours.
    pub(crate) foreign: Vec<Ip>,
    /// Addresses that pods have left.
    pub(crate) free: Vec<Ip>,
    next_ip: Ip,
    next_id: u64,
    /// How many writes were acknowledged, by group.
    pub(crate) written: [u32; 2],
    /// What one group did to the other since the last look, in words.
    pub(crate) crossed: Vec<(Crossing, String)>,
    /// The operator may die between any two of its deeds.
    pub(crate) deadly: bool,
    pub(crate) log: Option<Vec<String>>,
}

/// The group of a server or Sentinel, by its number.
pub(crate) fn group_of(number: usize) -> usize {
    number / MEMBERS
}

impl World {
    pub(crate) fn new(kind: Kind, seed: u64, log: bool) -> Self {
        let mut world = Self {
            kind,
            now: 1_000_000,
            random: Random::new(seed),
            servers: Vec::new(),
            sentinels: Vec::new(),
            foreign: Vec::new(),
            free: Vec::new(),
            next_ip: 0,
            next_id: 0,
            written: [0; 2],
            crossed: Vec::new(),
            deadly: true,
            log: log.then(Vec::new),
        };
        for group in 0..kind.groups() {
            for _ in 0..MEMBERS {
                let (ip, durable) = (world.new_ip(), world.random.once_in(2));
                world.servers.push(Server::new(ip, durable));
            }
            for number in group * MEMBERS..(group + 1) * MEMBERS {
                world.boot(number);
                let (ip, id) = (world.new_ip(), world.new_id());
                world.sentinels.push(Sentinel::new(ip, id));
            }
        }
        world
    }

    /// Keeps a line for whoever reads this history; what lasts is said once.
    pub(crate) fn say(&mut self, text: impl FnOnce() -> String) {
        let Some(log) = &mut self.log else { return };
        let seconds = Duration::from_millis(self.now - 1_000_000).as_secs_f64();
        let text = text();
        if !text.is_empty() && log.last().is_none_or(|last| !last.ends_with(&text)) {
            log.push(format!("{seconds:>6.1} {text}"));
        }
    }

    /// Something got from one group to the other.
    pub(crate) fn cross(&mut self, crossing: Crossing, what: String) {
        self.say(|| format!("{crossing:?} from one to the other: {what}"));
        self.crossed.push((crossing, what));
    }

    pub(crate) fn new_ip(&mut self) -> Ip {
        self.next_ip += 1;
        self.next_ip
    }

    /// The address of a new pod: where there are two groups, mostly one that another pod has left.
    pub(crate) fn take_ip(&mut self) -> Ip {
        if self.kind != Kind::Twins || self.free.is_empty() || self.random.once_in(4) {
            return self.new_ip();
        }
        let chosen = self.random.below(self.free.len().try_into().unwrap());
        self.free.swap_remove(usize::try_from(chosen).unwrap())
    }

    pub(crate) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn at(&self, ip: Ip) -> Option<&Server> {
        self.servers.iter().find(|server| server.exists && server.ip == ip)
    }

    pub(crate) fn number_at(&self, ip: Ip) -> Option<usize> {
        self.servers.iter().position(|server| server.exists && server.ip == ip)
    }

    /// Everything that happens by itself in one tick.
    pub(crate) fn tick(&mut self) {
        self.now += TICK;
        for number in 0..self.servers.len() {
            if self.servers[number].leaves_at.is_some_and(|at| at <= self.now) {
                self.server_goes(number);
            }
            if self.servers[number].back_at.is_some_and(|at| at <= self.now) {
                self.come_back(number);
            }
            self.replicate(number);
        }
        super::council::tick(self);
        for group in 0..self.kind.groups() {
            if self.random.once_in(2) {
                self.write(group);
            }
        }
    }

    /// A client asks a Sentinel for the master and writes to it.
    fn write(&mut self, group: usize) {
        let chosen = group * MEMBERS + usize::try_from(self.random.below(3)).unwrap();
        let sentinel = &self.sentinels[chosen];
        if !sentinel.answers() || self.written[group] >= self.most_writes() {
            return;
        }
        let Some(number) = self.number_at(sentinel.master) else { return };
        let bit = 1 << (self.most_writes() * u32::try_from(group).unwrap() + self.written[group]);
        let now = self.now;
        let server = &mut self.servers[number];
        if server.answers() && server.master && server.paused_until <= now {
            server.offset += 1;
            server.data |= bit;
            self.written[group] += 1;
            if group_of(number) != group {
                self.cross(Crossing::Write, format!("a client of group {group} writes to server {number}"));
            }
        }
    }

    fn most_writes(&self) -> u32 {
        WRITES / u32::try_from(self.kind.groups()).unwrap()
    }

    /// The writes that clients of a group may have made.
    pub(crate) fn writes_of(&self, group: usize) -> u128 {
        let most = self.most_writes();
        ((1 << most) - 1) << (most * u32::try_from(group).unwrap())
    }
}
