//! Redis servers: roles, replication ids, offsets, links, data; and the pods that they run in.

use std::time::Duration;

use super::council::Sentinel;
use super::random::Random;

/// Last part of an address `10.0.0.N`; 0 is `127.0.0.1`, which means nobody.
pub(crate) type Ip = u8;

/// Simulated milliseconds of one tick.
pub(crate) const TICK: u64 = 100;
/// How often, and how long, the script that starts a server waits: milliseconds.
const ASKS_AGAIN: u64 = 500;
const WAITS: u64 = 20_000;
/// Who lost the link to its master before that has not the newest data: milliseconds.
const WAS_LINKED: u64 = 100_000;
/// Ticks that a full copy of the data takes.
const COPY: u8 = 5;

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) random: Random,
    pub(crate) servers: Vec<Server>,
    pub(crate) sentinels: Vec<Sentinel>,
    /// Living servers of somebody else, at addresses that were ours.
    pub(crate) foreign: Vec<Ip>,
    pub(crate) next_ip: Ip,
    next_id: u64,
    /// Acknowledged writes, one bit each.
    pub(crate) written: u32,
    pub(crate) log: Option<Vec<String>>,
}

#[allow(clippy::struct_excessive_bools, reason = "independent facts of one server")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Server {
    pub(crate) ip: Ip,
    pub(crate) uid: u64,
    /// The pod is there, with an address.
    pub(crate) exists: bool,
    /// The process runs.
    pub(crate) up: bool,
    /// The process is stopped, or its node is cut off: it does not answer, and nobody knows why.
    pub(crate) silent: bool,
    /// When what is gone comes back.
    pub(crate) back_at: Option<u64>,
    /// Its data survives the process.
    pub(crate) durable: bool,
    pub(crate) run: u64,
    pub(crate) master: bool,
    /// Sentinels made it master, not the operator.
    pub(crate) elected: bool,
    pub(crate) source: Ip,
    pub(crate) link: bool,
    /// When it last had a link to its source; 0 is never.
    linked_at: u64,
    /// Until when its script waits for another server to become master; 0 while it does not.
    waits_until: u64,
    pub(crate) copying: u8,
    pub(crate) id: u64,
    pub(crate) id2: u64,
    id2_until: i64,
    pub(crate) offset: i64,
    /// The writes that it holds.
    pub(crate) data: u128,
    pub(crate) label: Option<&'static str>,
}

impl Server {
    pub(crate) fn answers(&self) -> bool {
        self.exists && self.up && !self.silent
    }
}

impl World {
    pub(crate) fn new(seed: u64, log: bool) -> Self {
        let mut world = Self {
            now: 1_000_000,
            random: Random::new(seed),
            servers: Vec::new(),
            sentinels: Vec::new(),
            foreign: Vec::new(),
            next_ip: 0,
            next_id: 0,
            written: 0,
            log: log.then(Vec::new),
        };
        for _ in 0..3 {
            let (ip, durable) = (world.new_ip(), world.random.once_in(2));
            world.servers.push(Server { ip, durable, ..Server::default() });
        }
        for number in 0..3 {
            world.boot(number);
            let (ip, id) = (world.new_ip(), world.new_id());
            world.sentinels.push(Sentinel::new(ip, id));
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

    pub(crate) fn new_ip(&mut self) -> Ip {
        self.next_ip += 1;
        self.next_ip
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

    /// A process starts: a replica of nobody, with what its disk holds.
    pub(crate) fn boot(&mut self, number: usize) {
        let (run, id) = (self.new_id(), self.new_id());
        let server = &mut self.servers[number];
        if !server.durable || server.id == 0 {
            (server.id, server.id2, server.offset, server.data) = (id, 0, 0, 0);
        }
        if server.uid == 0 {
            server.uid = run;
        }
        (server.exists, server.up, server.run) = (true, true, run);
        (server.master, server.source, server.link, server.copying) = (false, 0, false, 0);
        (server.linked_at, server.waits_until) = (0, 0);
    }

    /// The script that starts a server asks a Sentinel first who is master, as the real one does.
    fn start(&mut self, number: usize) {
        let chosen = usize::try_from(self.random.below(3)).unwrap();
        let named = Some(&self.sentinels[chosen]).filter(|sentinel| sentinel.answers()).map(|s| s.master);
        let (ip, until) = (self.servers[number].ip, self.servers[number].waits_until);
        let master =
            named.and_then(|named| self.at(named)).filter(|server| server.answers() && server.master);
        let (found, empty) = (master.is_some(), master.is_none_or(|master| master.data == 0));
        let waits = match named.filter(|named| *named != 0) {
            Some(named) if named == ip => self.has_heir(number),
            Some(_) if found => false,
            _ => until != 0,
        };
        if waits && (until == 0 || self.now < until) {
            self.say(|| format!("server {number} was master and waits"));
            let now = self.now;
            let server = &mut self.servers[number];
            server.waits_until = if until == 0 { now + WAITS } else { until };
            (server.exists, server.back_at) = (true, Some(now + ASKS_AGAIN));
            return;
        }
        self.boot(number);
        if let Some(named) = named.filter(|named| found && !empty && *named != ip) {
            self.follow(number, named);
        }
    }

    /// Whether a server lives that had this one's data until now, or was promoted already.
    fn has_heir(&self, number: usize) -> bool {
        let ip = self.servers[number].ip;
        let lately = |server: &Server| server.linked_at != 0 && self.now - server.linked_at < WAS_LINKED;
        self.servers
            .iter()
            .any(|server| server.answers() && (server.master || (server.source == ip && lately(server))))
    }

    /// `REPLICAOF NO ONE`.
    pub(crate) fn promote(&mut self, number: usize) {
        let id = self.new_id();
        let server = &mut self.servers[number];
        if !server.master {
            (server.id2, server.id2_until, server.id) = (server.id, server.offset, id);
            (server.master, server.link, server.source, server.copying) = (true, false, 0, 0);
            server.elected = false;
        }
        self.say(|| format!("server {number} becomes master"));
    }

    /// `REPLICAOF`.
    pub(crate) fn follow(&mut self, number: usize, source: Ip) {
        let server = &mut self.servers[number];
        if server.master || server.source != source {
            (server.master, server.source, server.link, server.copying) = (false, source, false, 0);
            server.linked_at = 0;
            self.say(|| format!("server {number} follows {source}"));
        }
    }

    /// Everything that happens by itself in one tick.
    pub(crate) fn tick(&mut self) {
        self.now += TICK;
        for number in 0..self.servers.len() {
            if self.servers[number].back_at.is_some_and(|at| at <= self.now) {
                self.come_back(number);
            }
            self.replicate(number);
        }
        super::council::tick(self);
        if self.random.once_in(2) {
            self.write();
        }
    }

    fn come_back(&mut self, number: usize) {
        self.servers[number].back_at = None;
        self.servers[number].silent = false;
        if !self.servers[number].exists {
            let ip = self.new_ip();
            let server = &mut self.servers[number];
            (server.ip, server.uid, server.label) = (ip, 0, None);
        }
        if !self.servers[number].up {
            self.start(number);
        }
        if self.servers[number].up {
            self.say(|| format!("server {number} is back"));
        }
    }

    fn replicate(&mut self, number: usize) {
        let now = self.now;
        let server = &self.servers[number];
        if !server.answers() || server.master {
            return;
        }
        let source = self
            .at(server.source)
            .filter(|source| source.answers() && (source.master || source.link))
            .copied();
        let lag = self.random.once_in(8);
        let server = &mut self.servers[number];
        let Some(source) = source.filter(|source| source.uid != server.uid) else {
            (server.link, server.copying) = (false, 0);
            return;
        };
        let same = server.id == source.id && server.offset <= source.offset;
        let continues = server.id == source.id2 && server.offset <= source.id2_until;
        if server.link || same || continues {
            (server.link, server.linked_at) = (true, now);
            if !lag {
                (server.id, server.id2, server.id2_until) = (source.id, source.id2, source.id2_until);
                (server.offset, server.data) = (source.offset, source.data);
            }
        } else if server.copying == 0 {
            server.copying = COPY;
        } else {
            server.copying -= 1;
            server.link = server.copying == 0;
        }
    }

    /// A client asks a Sentinel for the master and writes to it.
    fn write(&mut self) {
        let chosen = usize::try_from(self.random.below(3)).unwrap();
        let sentinel = &self.sentinels[chosen];
        if !sentinel.answers() || self.written >= 120 {
            return;
        }
        let Some(number) = self.number_at(sentinel.master) else { return };
        let server = &mut self.servers[number];
        if server.answers() && server.master {
            server.offset += 1;
            server.data |= 1 << self.written;
            self.written += 1;
        }
    }
}
