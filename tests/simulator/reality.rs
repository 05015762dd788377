//! The simulated servers behind the operator's own seam.

use std::sync::Mutex;

use futures::future::{BoxFuture, pending, ready};
use redis_operator::redis::{Address, Error, Peer, Reply, Servers};

use super::facts::{flags, host, ip_of};
use super::isolation::Crossing;
use super::world::{World, group_of};

/// What changes something counts as a deed; after the last one the operator is dead and waits for ever.
pub(crate) struct Reality<'a> {
    pub(crate) group: usize,
    /// With the deeds that are left.
    pub(crate) world: &'a Mutex<(&'a mut World, u64)>,
}

impl Servers for Reality<'_> {
    fn ask<'a>(&'a self, peer: &'a Peer, command: &'a [&'a str]) -> BoxFuture<'a, Result<Reply, Error>> {
        let mut guard = self.world.lock().unwrap();
        if !matches!(command, ["SENTINEL", "MASTER", ..] | ["INFO"]) {
            if guard.1 == 0 {
                return Box::pin(pending());
            }
            guard.1 -= 1;
        }
        Box::pin(ready(carry_out(guard.0, self.group, &peer.address, command)))
    }
}

fn carry_out(world: &mut World, group: usize, to: &Address, command: &[&str]) -> Result<Reply, Error> {
    let (ip, now) = (ip_of(&to.host), world.now);
    let at = if to.port == 26379 {
        world.sentinels.iter().position(|sentinel| sentinel.ip == ip && sentinel.answers())
    } else {
        world.number_at(ip).filter(|number| world.servers[*number].answers())
    };
    let number = at.ok_or(Error::Timeout)?;
    if world.foreign.contains(&ip) || group_of(number) != group {
        world.cross(
            Crossing::Command,
            format!("the operator of group {group} gives orders to a stranger: {command:?}"),
        );
    }
    if to.port == 26379 {
        Ok(tell_sentinel(world, number, command, now))
    } else {
        tell_server(world, number, command)
    }
}

fn tell_server(world: &mut World, number: usize, command: &[&str]) -> Result<Reply, Error> {
    let is_loading = world.servers[number].is_loading(world.now);
    match command {
        ["REPLICAOF", ..] if is_loading => return Err(Error::Loading),
        ["REPLICAOF", "NO", "ONE"] => {
            catch_up(world, number);
            world.promote(number);
        }
        ["REPLICAOF", host, _] => world.follow(number, ip_of(host)),
        ["INFO"] => return Ok(Reply::Text(info(world, number))),
        ["CLIENT", "PAUSE", time, "WRITE"] => {
            world.servers[number].paused_until = world.now + time.parse::<u64>().unwrap();
        }
        ["CLIENT", "UNPAUSE"] => world.servers[number].paused_until = 0,
        ["CLIENT", "LIST", ..] => return Ok(Reply::Text(replicas_of(world, number))),
        ["CLIENT", "KILL", "ADDR", address] => {
            let expelled = address.rsplit_once(':').and_then(|(host, _)| world.number_at(ip_of(host)));
            if let Some(expelled) = expelled {
                world.servers[expelled].link = false;
            }
        }
        _ => {}
    }
    Ok(Reply::Text("OK".to_owned()))
}

/// What is on its way to a replica reaches it before its master's pause ends.
fn catch_up(world: &mut World, number: usize) {
    let server = world.servers[number];
    let source = world.at(server.source).copied();
    let paused = source.filter(|source| server.link && source.answers() && source.paused_until > world.now);
    if let Some(source) = paused {
        let server = &mut world.servers[number];
        (server.id, server.offset, server.data) = (source.id, source.offset, source.data);
    }
}

/// What a server says of itself. No time passes in a handover, so a replica whose link is up has caught up already.
fn info(world: &World, number: usize) -> String {
    let server = &world.servers[number];
    let master = world.at(server.source).filter(|source| server.link && source.answers());
    let offset = master.map_or(server.offset, |source| source.offset);
    let role = if server.master {
        format!("role:master\r\nmaster_repl_offset:{offset}")
    } else {
        let (source, link) = (host(server.source), if server.link { "up" } else { "down" });
        format!(
            "role:slave\r\nmaster_host:{source}\r\nmaster_port:6379\r\nmaster_link_status:{link}\r\n\
             slave_repl_offset:{offset}"
        )
    };
    format!("run_id:{}\r\nmaster_replid:{}\r\n{role}\r\n", server.run, server.id)
}

/// As `CLIENT LIST TYPE replica` has them.
fn replicas_of(world: &World, number: usize) -> String {
    let ip = world.servers[number].ip;
    let links = world.servers.iter().filter(|other| other.answers() && other.link && other.source == ip);
    links.map(|other| format!("id=1 addr={}:40000 name=", host(other.ip))).collect::<Vec<_>>().join("\n")
}

fn tell_sentinel(world: &mut World, number: usize, command: &[&str], now: u64) -> Reply {
    world.say(|| {
        if command[1] == "MASTER" { String::new() } else { format!("Sentinel {number} is told {command:?}") }
    });
    let sentinel = &mut world.sentinels[number];
    match command {
        ["SENTINEL", "MASTER", _] => {
            let (master, epoch) = (host(sentinel.master), sentinel.config_epoch.to_string());
            let flags = flags(world, number).join(",");
            let fields = ["ip", &master, "port", "6379", "flags", &flags, "config-epoch", &epoch];
            return Reply::List(fields.iter().map(|field| Reply::Text((*field).to_owned())).collect());
        }
        ["SENTINEL", "MONITOR", _, host, ..] => sentinel.monitor(ip_of(host), now),
        ["SENTINEL", "RESET", _] => sentinel.reset(now),
        ["SENTINEL", "FAILOVER", _] => {
            let epoch = sentinel.current_epoch + 1;
            sentinel.fail_over(epoch, now);
        }
        ["PUBLISH", _, greeting] => {
            let parts: Vec<&str> = greeting.split(',').collect();
            let number = |part: usize| parts[part].parse().unwrap();
            // The port 0 is an invalid address: nobody is spoken to there.
            let ip = if parts[1] == "0" { 0 } else { ip_of(parts[0]) };
            let voice = (ip, parts[2].parse().unwrap());
            sentinel.hear(voice, number(3), ip_of(parts[5]), number(7), now);
        }
        _ => {}
    }
    Reply::Text("OK".to_owned())
}
