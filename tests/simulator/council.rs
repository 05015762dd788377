//! Sentinels as the real ones are: each with its own, delayed view; INFO every 10 s, every second while the master is
//! down; greetings every 2 s; votes by epoch; orders to replicas that are not what they should be after 8 s.

use std::collections::BTreeMap;

use super::world::{Ip, World};

pub(crate) const DOWN_AFTER: u64 = 5_000;
const FAILOVER_TIMEOUT: u64 = 10_000;
const INFO: u64 = 10_000;
const INFO_WHILE_DOWN: u64 = 1_000;
const HELLO: u64 = 2_000;
const ORDERS_AFTER: u64 = 8_000;

#[derive(Clone, Debug)]
pub(crate) struct Sentinel {
    pub(crate) ip: Ip,
    pub(crate) id: u64,
    pub(crate) up: bool,
    pub(crate) silent: bool,
    pub(crate) back_at: Option<u64>,
    /// Its pod is replaced when it comes back.
    pub(crate) replaced: bool,
    pub(crate) master: Ip,
    pub(crate) config_epoch: i64,
    pub(crate) current_epoch: i64,
    /// What it was last heard to speak of.
    pub(crate) heard: Option<i64>,
    pub(crate) replicas: BTreeMap<Ip, Seen>,
    pub(crate) peers: BTreeMap<u64, Ip>,
    master_seen: Seen,
    voted: (i64, u64),
    pub(crate) failover: Option<Failover>,
    may_try_at: u64,
    last_info: u64,
    last_hello: u64,
}

/// A server as a Sentinel sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Last answer to a ping.
    pub(crate) alive_at: u64,
    offset: i64,
    /// It is not what it should be since then.
    wrong_since: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Failover {
    epoch: i64,
    since: u64,
    promoted: Option<Ip>,
}

impl Sentinel {
    pub(crate) fn new(ip: Ip, id: u64) -> Self {
        Self {
            ip,
            id,
            up: true,
            silent: false,
            back_at: None,
            replaced: false,
            master: 0,
            config_epoch: 0,
            current_epoch: 0,
            heard: None,
            replicas: BTreeMap::new(),
            peers: BTreeMap::new(),
            master_seen: Seen::default(),
            voted: (0, 0),
            failover: None,
            may_try_at: 0,
            last_info: 0,
            last_hello: 0,
        }
    }

    pub(crate) fn answers(&self) -> bool {
        self.up && !self.silent
    }

    pub(crate) fn is_down(&self, now: u64) -> bool {
        now.saturating_sub(self.master_seen.alive_at) > DOWN_AFTER
    }

    /// `SENTINEL MONITOR`, after `REMOVE`.
    pub(crate) fn monitor(&mut self, master: Ip, now: u64) {
        let fresh = Self::new(self.ip, self.id);
        *self = Self { current_epoch: self.current_epoch, heard: self.heard, voted: self.voted, ..fresh };
        self.switch(master, now);
    }

    /// `SENTINEL RESET`.
    pub(crate) fn reset(&mut self, now: u64) {
        self.replicas.clear();
        self.peers.clear();
        (self.failover, self.last_info) = (None, 0);
        self.master_seen = Seen { alive_at: now, ..Seen::default() };
    }

    /// A greeting of a peer.
    pub(crate) fn hear(&mut self, (ip, id): (Ip, u64), epoch: i64, master: Ip, config_epoch: i64, now: u64) {
        if self.master == 0 || id == self.id {
            return;
        }
        self.peers.retain(|other, address| *other == id || *address != ip);
        self.peers.insert(id, ip);
        self.current_epoch = self.current_epoch.max(epoch);
        if config_epoch > self.config_epoch {
            self.config_epoch = config_epoch;
            if master != self.master {
                let old = self.master;
                self.switch(master, now);
                self.replicas.insert(old, Seen { alive_at: now, ..Seen::default() });
            }
        }
    }

    fn switch(&mut self, master: Ip, now: u64) {
        self.master = master;
        self.replicas.remove(&master);
        for seen in self.replicas.values_mut() {
            *seen = Seen { alive_at: now, ..Seen::default() };
        }
        self.master_seen = Seen { alive_at: now, ..Seen::default() };
        (self.failover, self.last_info) = (None, 0);
    }

    fn ping(&mut self, living: &[Ip], now: u64) {
        if living.contains(&self.master) {
            self.master_seen.alive_at = now;
        }
        for (_, seen) in self.replicas.iter_mut().filter(|(ip, _)| living.contains(ip)) {
            seen.alive_at = now;
        }
    }

    /// `SENTINEL FAILOVER`, or a won election.
    pub(crate) fn fail_over(&mut self, epoch: i64, now: u64) {
        self.current_epoch = self.current_epoch.max(epoch);
        self.failover = Some(Failover { epoch, since: now, promoted: None });
        self.may_try_at = now + 2 * FAILOVER_TIMEOUT;
    }
}

pub(super) fn tick(world: &mut World) {
    // Who lives does not change while Sentinels talk.
    let answering = world.servers.iter().filter(|server| server.answers()).map(|server| server.ip);
    let living: Vec<Ip> = answering.chain(world.foreign.iter().copied()).collect();
    for number in 0..world.sentinels.len() {
        if world.sentinels[number].back_at.is_some_and(|at| at <= world.now) {
            come_back(world, number);
        }
        if world.sentinels[number].answers() && world.sentinels[number].master != 0 {
            world.sentinels[number].ping(&living, world.now);
            info(world, number);
            greet(world, number, &living);
            elect(world, number);
            promote(world, number);
        }
    }
}

fn come_back(world: &mut World, number: usize) {
    let (ip, id) = (world.new_ip(), world.new_id());
    let sentinel = &mut world.sentinels[number];
    (sentinel.back_at, sentinel.silent) = (None, false);
    if sentinel.replaced {
        *sentinel = Sentinel::new(ip, id);
    }
    sentinel.up = true;
    world.say(|| format!("Sentinel {number} is back"));
}

fn info(world: &mut World, number: usize) {
    let (now, sentinel) = (world.now, &world.sentinels[number]);
    let hurry = sentinel.is_down(now) || sentinel.failover.is_some();
    if now - sentinel.last_info < if hurry { INFO_WHILE_DOWN } else { INFO } && sentinel.last_info != 0 {
        return;
    }
    let master = sentinel.master;
    let sane = world.at(master).is_some_and(|server| server.answers() && server.master);
    let followers: Vec<(Ip, i64)> = world
        .servers
        .iter()
        .filter(|server| server.answers() && !server.master && server.link && server.source == master)
        .map(|server| (server.ip, server.offset))
        .collect();
    let fresh: Vec<Option<(Ip, bool, i64)>> = sentinel
        .replicas
        .keys()
        .map(|ip| {
            let server = world.at(*ip).filter(|server| server.answers());
            let foreign = world.foreign.contains(ip).then_some((*ip, true, 0));
            server.map(|s| (*ip, s.master || s.source != master, s.offset)).or(foreign)
        })
        .collect();
    let calm = sentinel.failover.is_none() && sane;
    let sentinel = &mut world.sentinels[number];
    sentinel.last_info = now;
    if sane {
        for (ip, offset) in followers {
            sentinel.replicas.entry(ip).or_insert_with(|| Seen { alive_at: now, ..Seen::default() }).offset =
                offset;
        }
    }
    let mut orders = Vec::new();
    for (ip, wrong, offset) in fresh.into_iter().flatten() {
        let Some(seen) = sentinel.replicas.get_mut(&ip) else { continue };
        seen.offset = offset;
        seen.wrong_since = wrong.then(|| seen.wrong_since.unwrap_or(now));
        if calm && seen.wrong_since.is_some_and(|since| now - since >= ORDERS_AFTER) {
            seen.wrong_since = None;
            orders.push(ip);
        }
    }
    for server in orders.into_iter().filter_map(|ip| world.number_at(ip)).collect::<Vec<_>>() {
        world.say(|| format!("Sentinel {number} orders server {server} to follow"));
        world.follow(server, master);
    }
}

/// Through every server that both know and that answers.
fn greet(world: &mut World, number: usize, living: &[Ip]) {
    let (now, sentinel) = (world.now, &world.sentinels[number]);
    if now - sentinel.last_hello < HELLO {
        return;
    }
    let known = sentinel.replicas.keys().chain([&sentinel.master]).copied();
    let channels: Vec<Ip> = known.filter(|ip| living.contains(ip)).collect();
    let (me, epoch) = ((sentinel.ip, sentinel.id), sentinel.current_epoch);
    let (master, config_epoch) = (sentinel.master, sentinel.config_epoch);
    for (other, peer) in world.sentinels.iter_mut().enumerate() {
        let hears = peer.answers()
            && other != number
            && channels.iter().any(|ip| *ip == peer.master || peer.replicas.contains_key(ip));
        if hears {
            peer.hear(me, epoch, master, config_epoch, now);
        }
    }
    let sentinel = &mut world.sentinels[number];
    sentinel.last_hello = now;
    if !channels.is_empty() {
        sentinel.heard = Some(sentinel.current_epoch);
    }
}

fn elect(world: &mut World, number: usize) {
    let (now, me) = (world.now, &world.sentinels[number]);
    if !me.is_down(now) || me.failover.is_some() || now < me.may_try_at || world.random.once_in(4) {
        return;
    }
    let me = me.clone();
    let knows = |peer: &&mut Sentinel| peer.answers() && me.peers.get(&peer.id) == Some(&peer.ip);
    let agree = world
        .sentinels
        .iter_mut()
        .filter(knows)
        .filter(|peer| peer.master == me.master && peer.is_down(now))
        .count();
    if agree + 1 < 2 {
        return;
    }
    let epoch = me.current_epoch + 1;
    let mut votes = 1;
    for peer in world.sentinels.iter_mut().filter(knows) {
        peer.current_epoch = peer.current_epoch.max(epoch);
        if peer.voted.0 < epoch {
            peer.voted = (epoch, me.id);
            peer.may_try_at = now + 2 * FAILOVER_TIMEOUT;
        }
        votes += usize::from(peer.voted == (epoch, me.id));
    }
    let sentinel = &mut world.sentinels[number];
    sentinel.voted = (epoch, me.id);
    (sentinel.current_epoch, sentinel.may_try_at) = (epoch, now + 2 * FAILOVER_TIMEOUT);
    if votes * 2 > me.peers.len() + 1 {
        sentinel.fail_over(epoch, now);
        world.say(|| format!("Sentinel {number} is elected for epoch {epoch}"));
    }
}

fn promote(world: &mut World, number: usize) {
    let Some(failover) = world.sentinels[number].failover.clone() else { return };
    let (now, me) = (world.now, world.sentinels[number].clone());
    let Some(promoted) = failover.promoted else {
        let alive = me.replicas.iter().filter(|(_, seen)| now - seen.alive_at <= DOWN_AFTER);
        let best = alive.max_by_key(|(_, seen)| seen.offset).map(|(ip, _)| *ip);
        match best {
            Some(ip) if !world.foreign.contains(&ip) => {
                if let Some(server) = world.number_at(ip).filter(|server| world.servers[*server].answers()) {
                    let new = !world.servers[server].master;
                    world.promote(server);
                    world.servers[server].elected |= new;
                }
                world.sentinels[number].failover = Some(Failover { promoted: Some(ip), ..failover });
            }
            _ => world.sentinels[number].failover = None,
        }
        return;
    };
    let done = world.at(promoted).is_some_and(|server| server.answers() && server.master);
    if done && now - failover.since >= INFO_WHILE_DOWN {
        for ip in me.replicas.keys().filter(|ip| **ip != promoted) {
            if let Some(server) = world.number_at(*ip).filter(|server| world.servers[*server].answers()) {
                world.follow(server, promoted);
            }
        }
        let sentinel = &mut world.sentinels[number];
        let old = sentinel.master;
        sentinel.config_epoch = failover.epoch;
        sentinel.switch(promoted, now);
        sentinel.replicas.insert(old, Seen { alive_at: now, ..Seen::default() });
        world.say(|| format!("Sentinel {number} switches to {promoted}"));
    } else if now - failover.since > FAILOVER_TIMEOUT {
        world.sentinels[number].failover = None;
    }
}
