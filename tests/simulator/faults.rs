//! What breaks. It comes back at the end of the faults at the latest.

use super::council::sentinel_goes;
use super::server::REPLACED;
use super::world::{Ip, Kind, MEMBERS, World};

/// The longest that a pod serves after it was deleted: milliseconds.
const GRACE: u64 = 6_000;

/// Something breaks; true where it is the operator that is away until `wait`.
pub(crate) fn fault(world: &mut World, wait: &mut u64) {
    let group = if world.kind == Kind::Twins { usize::try_from(world.random.below(2)).unwrap() } else { 0 };
    if world.kind == Kind::Twins && world.random.once_in(2) {
        return swap(world);
    }
    let number = group * MEMBERS + usize::try_from(world.random.below(3)).unwrap();
    let back = world.now + 300 + world.random.below(10) * world.random.below(1500);
    let master = world.sentinels[number].master;
    let victim = if world.random.once_in(2) { world.number_at(master).unwrap_or(number) } else { number };
    match world.random.below(if world.kind == Kind::Abrupt { 9 } else { 11 }) {
        0..=2 => {
            world.say(|| format!("server {victim} crashes"));
            world.crash(victim, back);
        }
        3 => replace_server(world, victim, back),
        4 => {
            world.say(|| format!("server {victim} is cut off"));
            (world.servers[victim].silent, world.servers[victim].back_at) = (true, Some(back));
        }
        5 => {
            world.say(|| format!("all servers of group {group} restart"));
            for number in group * MEMBERS..(group + 1) * MEMBERS {
                world.crash(number, back);
            }
        }
        6 | 7 => {
            let replaced = world.random.once_in(2);
            world.say(|| format!("Sentinel {number} is gone, replaced: {replaced}"));
            (world.sentinels[number].up, world.sentinels[number].back_at) = (false, Some(back));
            if replaced || world.sentinels[number].leaves_at.is_some() {
                sentinel_goes(world, number);
            }
        }
        8 => {
            world.say(|| "the operator is away".to_owned());
            *wait = world.now + world.random.below(12) * 1000;
        }
        9 => {
            let leaves = world.now + world.random.below(GRACE);
            world.say(|| format!("the pod of server {victim} is deleted"));
            let server = &mut world.servers[victim];
            (server.leaves_at, server.back_at) = (Some(leaves), Some(back.max(leaves + REPLACED)));
        }
        _ => {
            let leaves = world.now + world.random.below(GRACE);
            world.say(|| format!("the pod of Sentinel {number} is deleted"));
            let sentinel = &mut world.sentinels[number];
            (sentinel.leaves_at, sentinel.back_at) = (Some(leaves), Some(back.max(leaves + REPLACED)));
        }
    }
}

fn replace_server(world: &mut World, victim: usize, back: u64) {
    world.say(|| format!("the pod of server {victim} is replaced"));
    let (ip, there): (Ip, bool) = (world.servers[victim].ip, world.servers[victim].exists);
    world.server_goes(victim);
    world.servers[victim].back_at = Some(back);
    if world.kind != Kind::Twins && there && world.random.once_in(2) {
        world.say(|| format!("its address {ip} goes to a stranger"));
        world.foreign.push(ip);
    }
}

/// Up to three pods of each group go at once; most that come get an address that another one left.
fn swap(world: &mut World) {
    for group in 0..2 {
        for _ in 0..=world.random.below(3) {
            let number = group * MEMBERS + usize::try_from(world.random.below(3)).unwrap();
            let back = world.now + 300 + world.random.below(8) * world.random.below(1000);
            if world.random.once_in(3) {
                sentinel_goes(world, number);
                world.sentinels[number].back_at = Some(back);
            } else {
                replace_server(world, number, back);
            }
        }
    }
}
