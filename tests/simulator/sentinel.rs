//! One Sentinel: what it knows, and what changes that. It is as the real one is.

use std::collections::BTreeMap;

use super::world::Ip;

pub(crate) const DOWN_AFTER: u64 = 5_000;
pub(crate) const FAILOVER_TIMEOUT: u64 = 10_000;
pub(crate) const INFO: u64 = 10_000;
pub(crate) const INFO_WHILE_DOWN: u64 = 1_000;
pub(crate) const HELLO: u64 = 2_000;
pub(crate) const ORDERS_AFTER: u64 = 8_000;

#[derive(Clone, Debug)]
pub(crate) struct Sentinel {
    pub(crate) ip: Ip,
    pub(crate) id: u64,
    pub(crate) up: bool,
    pub(crate) silent: bool,
    pub(crate) back_at: Option<u64>,
    /// The address of its next pod, where that is settled.
    pub(crate) next_ip: Option<Ip>,
    /// When its pod goes that was deleted; it serves until then.
    pub(crate) leaves_at: Option<u64>,
    /// Its pod is gone; another one comes in its place.
    pub(crate) gone: bool,
    pub(crate) master: Ip,
    pub(crate) config_epoch: i64,
    pub(crate) current_epoch: i64,
    /// What it was last heard to speak of.
    pub(crate) heard: Option<i64>,
    pub(crate) replicas: BTreeMap<Ip, Seen>,
    pub(crate) peers: BTreeMap<u64, Ip>,
    pub(super) master_seen: Seen,
    pub(super) voted: (i64, u64),
    pub(crate) failover: Option<Failover>,
    pub(super) may_try_at: u64,
    pub(super) last_info: u64,
    pub(super) last_hello: u64,
}

/// A server as a Sentinel sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Last answer to a ping.
    pub(crate) alive_at: u64,
    pub(super) offset: i64,
    /// It is not what it should be since then.
    pub(super) wrong_since: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Failover {
    pub(super) epoch: i64,
    pub(super) since: u64,
    pub(super) promoted: Option<Ip>,
}

impl Sentinel {
    pub(crate) fn new(ip: Ip, id: u64) -> Self {
        Self {
            ip,
            id,
            up: true,
            silent: false,
            back_at: None,
            next_ip: None,
            leaves_at: None,
            gone: false,
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

    /// Its master is silent, or has been a replica for long.
    pub(crate) fn is_down(&self, now: u64) -> bool {
        let seen = &self.master_seen;
        let wrong = seen.wrong_since.is_some_and(|since| now - since > DOWN_AFTER + 2 * INFO);
        now.saturating_sub(seen.alive_at) > DOWN_AFTER || wrong
    }

    /// Whether it knows a Sentinel, or something else, at this address.
    pub(super) fn has_peer_at(&self, ip: Ip) -> bool {
        self.peers.values().any(|at| *at == ip)
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

    /// A greeting of a peer, of whatever group: Sentinels know one another by the name of the master alone.
    pub(crate) fn hear(&mut self, (ip, id): (Ip, u64), epoch: i64, master: Ip, config_epoch: i64, now: u64) {
        if id == self.id {
            return;
        }
        self.peers.retain(|other, address| *other == id || *address != ip || ip == 0);
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

    /// The process starts again: what it knows is in its file, how it stood with them is not.
    pub(super) fn restart(&mut self, now: u64) {
        self.up = true;
        let fresh = Seen { alive_at: now, ..Seen::default() };
        self.master_seen = fresh.clone();
        self.replicas.values_mut().for_each(|seen| *seen = fresh.clone());
        (self.failover, self.last_info) = (None, 0);
    }

    pub(super) fn switch(&mut self, master: Ip, now: u64) {
        self.master = master;
        self.replicas.remove(&master);
        for seen in self.replicas.values_mut() {
            *seen = Seen { alive_at: now, ..Seen::default() };
        }
        self.master_seen = Seen { alive_at: now, ..Seen::default() };
        (self.failover, self.last_info) = (None, 0);
    }

    pub(super) fn ping(&mut self, living: &[Ip], now: u64) {
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
