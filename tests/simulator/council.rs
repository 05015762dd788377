//! Sentinels as the real ones are: each with its own, delayed view; INFO every 10 s, every second while the master is
//! down; greetings every 2 s, through servers and to each other; votes by epoch; orders to replicas that are not what they
//! should be after 8 s. They take whoever lives at an address for the one that they met there.

use super::isolation::Crossing;
use super::sentinel::{
    DOWN_AFTER, FAILOVER_TIMEOUT, Failover, HELLO, INFO, INFO_WHILE_DOWN, ORDERS_AFTER, Seen, Sentinel,
};
use super::server::REPLACED;
use super::world::{Ip, World, group_of};

pub(super) fn tick(world: &mut World) {
    for number in 0..world.sentinels.len() {
        if world.sentinels[number].leaves_at.is_some_and(|at| at <= world.now) {
            sentinel_goes(world, number);
        }
        if world.sentinels[number].back_at.is_some_and(|at| at <= world.now) {
            come_back(world, number);
        }
    }
    // Who lives does not change while Sentinels talk.
    let answering = world.servers.iter().filter(|server| server.answers()).map(|server| server.ip);
    let living: Vec<Ip> = answering.chain(world.foreign.iter().copied()).collect();
    for number in 0..world.sentinels.len() {
        if !world.sentinels[number].answers() {
            continue;
        }
        if world.sentinels[number].master != 0 {
            world.sentinels[number].ping(&living, world.now);
            info(world, number);
        }
        greet(world, number, &living);
        if world.sentinels[number].master != 0 {
            elect(world, number);
            promote(world, number);
        }
    }
}

/// Its pod is gone, and with it what it knew and the address.
pub(crate) fn sentinel_goes(world: &mut World, number: usize) {
    let soonest = world.now + REPLACED;
    let sentinel = &mut world.sentinels[number];
    let (ip, there) = (sentinel.ip, !sentinel.gone);
    (sentinel.up, sentinel.gone, sentinel.leaves_at) = (false, true, None);
    sentinel.back_at = Some(sentinel.back_at.map_or(soonest, |at| at.max(soonest)));
    if there {
        world.free.push(ip);
        world.say(|| format!("the pod of Sentinel {number} is gone from {ip}"));
    }
}

fn come_back(world: &mut World, number: usize) {
    if world.sentinels[number].gone {
        let ip = world.sentinels[number].next_ip.unwrap_or_else(|| world.take_ip());
        let id = world.new_id();
        world.sentinels[number] = Sentinel::new(ip, id);
    }
    let now = world.now;
    let sentinel = &mut world.sentinels[number];
    (sentinel.back_at, sentinel.silent) = (None, false);
    if !sentinel.up {
        sentinel.restart(now);
    }
    let ip = sentinel.ip;
    world.say(|| format!("Sentinel {number} is back at {ip}"));
}

fn info(world: &mut World, number: usize) {
    let (now, sentinel) = (world.now, &world.sentinels[number]);
    let hurry = sentinel.is_down(now) || sentinel.failover.is_some();
    if now - sentinel.last_info < if hurry { INFO_WHILE_DOWN } else { INFO } && sentinel.last_info != 0 {
        return;
    }
    let master = sentinel.master;
    let at_master = world.at(master).filter(|server| server.answers());
    let (answers, sane) = (at_master.is_some(), at_master.is_some_and(|server| server.master));
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
    if answers {
        let wrong_since = sentinel.master_seen.wrong_since.unwrap_or(now);
        sentinel.master_seen.wrong_since = (!sane).then_some(wrong_since);
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
        order(world, number, server, master);
    }
}

fn order(world: &mut World, number: usize, server: usize, master: Ip) {
    if group_of(server) != group_of(number) {
        world.cross(Crossing::Order, format!("Sentinel {number} orders server {server} to follow {master}"));
    }
    world.say(|| format!("Sentinel {number} orders server {server} to follow {master}"));
    world.follow(server, master);
}

/// Through every server that both know and that answers, and to each Sentinel that it knows.
fn greet(world: &mut World, number: usize, living: &[Ip]) {
    let (now, sentinel) = (world.now, &world.sentinels[number]);
    if now - sentinel.last_hello < HELLO {
        return;
    }
    let known = sentinel.replicas.keys().chain([&sentinel.master]).copied();
    let channels: Vec<Ip> = known.filter(|ip| living.contains(ip)).collect();
    let (me, epoch) = ((sentinel.ip, sentinel.id), sentinel.current_epoch);
    let (master, config_epoch) = (sentinel.master, sentinel.config_epoch);
    let addressed: Vec<Ip> = sentinel.peers.values().copied().collect();
    for (other, peer) in world.sentinels.iter_mut().enumerate() {
        let hears = peer.answers()
            && other != number
            && (addressed.contains(&peer.ip)
                || channels.iter().any(|ip| *ip == peer.master || peer.replicas.contains_key(ip)));
        if hears {
            peer.hear(me, epoch, master, config_epoch, now);
        }
    }
    let own =
        channels.iter().any(|ip| world.number_at(*ip).is_some_and(|at| group_of(at) == group_of(number)));
    let sentinel = &mut world.sentinels[number];
    sentinel.last_hello = now;
    if own {
        sentinel.heard = Some(sentinel.current_epoch);
    }
}

fn elect(world: &mut World, number: usize) {
    let (now, me) = (world.now, &world.sentinels[number]);
    if !me.is_down(now) || me.failover.is_some() || now < me.may_try_at || world.random.once_in(4) {
        return;
    }
    let me = me.clone();
    // It asks whoever lives at the address of a peer.
    let knows = |peer: &&mut Sentinel| peer.answers() && peer.master == me.master && me.has_peer_at(peer.ip);
    let agree = world.sentinels.iter_mut().filter(knows).filter(|peer| peer.is_down(now)).count();
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
                    if group_of(server) != group_of(number) {
                        world.cross(Crossing::Order, format!("Sentinel {number} promotes server {server}"));
                    }
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
                order(world, number, server, promoted);
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
