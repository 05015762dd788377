//! Redis servers: roles, replication ids, offsets, links, data; and the pods that they run in.

use super::isolation::Crossing;
use super::world::{Ip, Kind, MEMBERS, World, group_of};

/// How often, and how long, the script that starts a server waits: milliseconds.
const ASKS_AGAIN: u64 = 500;
const WAITS: u64 = 20_000;
/// Who lost the link to its master before that has not the newest data: milliseconds.
const WAS_LINKED: u64 = 100_000;
/// Ticks that a full copy of the data takes.
const COPY: u8 = 5;
/// The shortest time until another pod is there in the place of one that is gone: milliseconds.
pub(crate) const REPLACED: u64 = 300;
/// The longest that a server takes to load what its disk holds: milliseconds.
const LOADS: u64 = 4_000;

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
    /// The address of its next pod, where that is settled.
    pub(crate) next_ip: Option<Ip>,
    /// When its pod goes that was deleted; it serves until then.
    pub(crate) leaves_at: Option<u64>,
    /// Until when it holds back writes.
    pub(crate) paused_until: u64,
    /// Until when it loads what its disk holds.
    pub(crate) loads_until: u64,
    /// Its data survives the process.
    pub(crate) durable: bool,
    pub(crate) run: u64,
    pub(crate) master: bool,
    /// Its history began when Sentinels made a server master, not the operator.
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
    pub(crate) fn new(ip: Ip, durable: bool) -> Self {
        Self { ip, durable, ..Self::default() }
    }

    pub(crate) fn answers(&self) -> bool {
        self.exists && self.up && !self.silent
    }

    /// It says `-LOADING` to all but questions about itself.
    pub(crate) fn is_loading(&self, now: u64) -> bool {
        now < self.loads_until
    }
}

impl World {
    /// A process starts: a replica of nobody, with what its disk holds.
    pub(crate) fn boot(&mut self, number: usize) {
        let (run, id) = (self.new_id(), self.new_id());
        let server = &mut self.servers[number];
        if !server.durable || server.id == 0 {
            (server.id, server.id2, server.offset, server.data, server.elected) = (id, 0, 0, 0, false);
        }
        if server.uid == 0 {
            server.uid = run;
        }
        (server.exists, server.up, server.run) = (true, true, run);
        (server.master, server.source, server.link, server.copying) = (false, 0, false, 0);
        (server.linked_at, server.waits_until) = (0, 0);
        (server.loads_until, server.paused_until) = (0, 0);
        if self.kind != Kind::Abrupt && server.data != 0 && self.random.once_in(2) {
            server.loads_until = self.now + self.random.below(LOADS);
        }
    }

    /// The script that starts a server asks a Sentinel first who is master, as the real one does.
    fn start(&mut self, number: usize) {
        let chosen = group_of(number) * MEMBERS + usize::try_from(self.random.below(3)).unwrap();
        let named = Some(&self.sentinels[chosen]).filter(|sentinel| sentinel.answers()).map(|s| s.master);
        let (ip, until) = (self.servers[number].ip, self.servers[number].waits_until);
        let master =
            named.and_then(|named| self.at(named)).filter(|server| server.answers() && server.master);
        let (found, empty) = (master.is_some(), master.is_none_or(|master| master.data == 0));
        let waits = match named.filter(|named| *named != 0) {
            Some(named) if named == ip => self.has_heir(number, chosen),
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

    /// Whether a server lives that this Sentinel knows as a replica and that had this one's data until now, or was promoted already.
    fn has_heir(&self, number: usize, sentinel: usize) -> bool {
        let ip = self.servers[number].ip;
        let lately = |server: &Server| server.linked_at != 0 && self.now - server.linked_at < WAS_LINKED;
        let known = &self.sentinels[sentinel].replicas;
        self.servers.iter().any(|server| {
            let heir = server.master || (server.source == ip && lately(server));
            server.answers() && heir && known.contains_key(&server.ip)
        })
    }

    /// Its pod is gone, and with it the process and the address.
    pub(crate) fn server_goes(&mut self, number: usize) {
        let soonest = self.now + REPLACED;
        let server = &mut self.servers[number];
        let (ip, there) = (server.ip, server.exists);
        (server.up, server.exists, server.link, server.leaves_at) = (false, false, false, None);
        server.back_at = Some(server.back_at.map_or(soonest, |at| at.max(soonest)));
        if there {
            self.free.push(ip);
            self.say(|| format!("the pod of server {number} is gone from {ip}"));
        }
    }

    /// Its process ends; it is started again at `back`, in another pod where this one was to go.
    pub(crate) fn crash(&mut self, number: usize, back: u64) {
        let server = &mut self.servers[number];
        (server.up, server.link, server.back_at) = (false, false, Some(back));
        if server.leaves_at.is_some() {
            self.server_goes(number);
        }
    }

    /// `REPLICAOF NO ONE`.
    pub(crate) fn promote(&mut self, number: usize) {
        let id = self.new_id();
        let server = &mut self.servers[number];
        if server.is_loading(self.now) {
            return;
        }
        if !server.master {
            (server.id2, server.id2_until, server.id) = (server.id, server.offset, id);
            (server.master, server.link, server.source, server.copying) = (true, false, 0, 0);
        }
        self.say(|| format!("server {number} becomes master"));
    }

    /// `REPLICAOF`.
    pub(crate) fn follow(&mut self, number: usize, source: Ip) {
        let server = &mut self.servers[number];
        if server.is_loading(self.now) {
            return;
        }
        if server.master || server.source != source {
            (server.master, server.source, server.link, server.copying) = (false, source, false, 0);
            server.linked_at = 0;
            self.say(|| format!("server {number} follows {source}"));
        }
    }

    pub(crate) fn come_back(&mut self, number: usize) {
        self.servers[number].back_at = None;
        self.servers[number].silent = false;
        if !self.servers[number].exists {
            let ip = self.servers[number].next_ip.take().unwrap_or_else(|| self.take_ip());
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

    pub(crate) fn replicate(&mut self, number: usize) {
        let now = self.now;
        let server = &self.servers[number];
        if !server.answers() || server.master || server.is_loading(now) {
            return;
        }
        let at = self.number_at(server.source);
        let source = at
            .map(|at| self.servers[at])
            .filter(|source| source.answers() && (source.master || source.link) && !source.is_loading(now));
        let lag = self.random.once_in(8);
        let server = &mut self.servers[number];
        let Some(source) = source.filter(|source| source.uid != server.uid) else {
            (server.link, server.copying) = (false, 0);
            return;
        };
        let same = server.id == source.id && server.offset <= source.offset;
        let continues = server.id == source.id2 && server.offset <= source.id2_until;
        if server.link || same || continues {
            (server.link, server.linked_at, server.copying) = (true, now, 0);
            if !lag {
                (server.id, server.id2, server.id2_until) = (source.id, source.id2, source.id2_until);
                (server.offset, server.data, server.elected) = (source.offset, source.data, source.elected);
            }
        } else if server.copying == 0 {
            server.copying = COPY;
        } else {
            server.copying -= 1;
            server.link = server.copying == 0;
            if let Some(at) = at.filter(|at| server.link && group_of(*at) != group_of(number)) {
                self.cross(Crossing::Copy, format!("server {number} has a full copy of server {at}"));
            }
        }
    }
}
