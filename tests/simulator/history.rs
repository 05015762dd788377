//! One history: a first start, some faults, and then peace, in which everything must heal.

use std::cell::RefCell;

use jiff::Timestamp;
use redis_operator::heal::{Action, Memory, Plan};
use redis_operator::observe::facts::{Observed, Role, ServerFacts};

use super::operator::{Operator, Planner, ordinal, spec};
use super::world::{TICK, World};

/// Faults come in the first of these milliseconds, after the start.
const FAULTS_FOR: u64 = 25_000;
/// After the last fault all must be well within this: three failovers of the Sentinels, and the strangers forgotten.
const PEACE: u64 = 120_000;
/// How often the operator looks.
const LOOK: u64 = 500;

/// What happened, so that it can be seen that things happen at all.
#[derive(Debug, Default, Clone)]
pub(crate) struct Report {
    pub(crate) handovers: u64,
    pub(crate) promotions: u64,
    pub(crate) demotions: u64,
    pub(crate) resets: u64,
    pub(crate) failovers: u64,
    pub(crate) operator_deaths: u64,
    pub(crate) left_to_a_person: u64,
    /// Milliseconds from the end of the faults to health in the slowest history, and its seed.
    pub(crate) slowest_peace: (u64, u64),
    /// Writes that a master acknowledged.
    pub(crate) acknowledged: u64,
    /// Of those, the ones that the last master lacks: replication does not wait, and servers without a disk forget.
    pub(crate) lost: u64,
    /// How often a chosen master was compared with another server that could be asked: it must lack none of its writes.
    pub(crate) compared: u64,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Self) {
        self.handovers += other.handovers;
        self.promotions += other.promotions;
        self.demotions += other.demotions;
        self.resets += other.resets;
        self.failovers += other.failovers;
        self.operator_deaths += other.operator_deaths;
        self.left_to_a_person += other.left_to_a_person;
        self.slowest_peace = self.slowest_peace.max(other.slowest_peace);
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.compared += other.compared;
    }

    fn count(&mut self, plan: &Plan) {
        self.handovers += u64::from(plan.handover.is_some());
        for action in &plan.actions {
            match action {
                Action::Promote { .. } => self.promotions += 1,
                Action::Demote { .. } => self.demotions += 1,
                Action::Reset { .. } => self.resets += 1,
                Action::Failover { .. } => self.failovers += 1,
                _ => {}
            }
        }
    }
}

thread_local! {
    /// The hands set deadlines, which want a clock; no time passes in it.
    static CLOCK: RefCell<tokio::runtime::Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap(),
    );
}

/// Plays one history; what went wrong is the error, with what happened before it where `log` is set.
pub(crate) fn play(seed: u64, planner: Planner, log: bool) -> Result<Report, String> {
    CLOCK.with(|clock| {
        let clock = clock.borrow();
        let _entered = clock.enter();
        let mut world = World::new(seed, log);
        let result = run(&mut world, planner, seed);
        for line in world.log.iter().flatten() {
            println!("{line}");
        }
        result
    })
}

fn run(world: &mut World, planner: Planner, seed: u64) -> Result<Report, String> {
    let (mut operator, mut report) = (Operator::default(), Report::default());
    let mut wait = world.now;
    let begin = world.now;
    let peace = begin + 10_000 + FAULTS_FOR;
    let faults = 1 + world.random.below(5);
    let mut due: Vec<u64> = (0..faults).map(|_| begin + 10_000 + world.random.below(FAULTS_FOR)).collect();
    due.sort_unstable();
    let mut healthy_for = 0;
    loop {
        world.tick();
        while due.first().is_some_and(|at| *at <= world.now) {
            due.remove(0);
            fault(world, &mut wait);
        }
        if world.now < wait || !world.now.is_multiple_of(LOOK) {
            continue;
        }
        let observed = operator.look(world);
        let now = Timestamp::from_millisecond(i64::try_from(world.now).unwrap()).unwrap();
        let plan = planner(spec(), &observed, &operator.memory, now);
        report.compared += check(world, &observed, &plan)?;
        report.count(&plan);
        if let Some(handover) = &plan.handover {
            world.say(|| format!("handover to {}: {}", handover.to.pod, handover.why));
        } else if !plan.healthy() {
            let findings = [&plan.available, &plan.in_sync, &plan.quorum];
            world.say(|| findings.map(|f| if f.ok { "ok" } else { f.message.as_str() }).join(" | "));
        }
        let deeds =
            if world.now < peace && world.random.once_in(10) { world.random.below(6) } else { u64::MAX };
        let alive = operator.act(world, &observed, &plan, deeds);
        operator.sentinels = observed.sentinels;
        if alive {
            operator.memory.update(&plan, now);
        } else {
            report.operator_deaths += 1;
            wait = dies(world, &mut operator);
        }
        healthy_for = if plan.healthy() { healthy_for + 1 } else { 0 };
        let late = world.now > peace + PEACE;
        let left = late && left_to_a_person(world, &plan);
        if left || (world.now > peace && healthy_for >= 3) {
            report.left_to_a_person = u64::from(left);
            report.slowest_peace = if left { (0, seed) } else { (world.now - peace, seed) };
            report.acknowledged = u64::from(world.written);
            report.lost = report.acknowledged - kept(world, &plan);
            return Ok(report);
        }
        if late {
            return Err(format!("not healed {} s after the last fault: {plan:#?}", PEACE / 1000));
        }
    }
}

/// The Sentinels chose an empty server while the only one with data was out of their sight, and nobody writes. The
/// operator cannot know whose data is right, so it says so and overwrites nothing; a person decides.
fn left_to_a_person(world: &World, plan: &Plan) -> bool {
    let Some(master) = plan.master.as_ref().map(|master| &world.servers[ordinal(&master.pod)]) else {
        return false;
    };
    let mut others = world.servers.iter().filter(|other| other.uid != master.uid);
    let spared = others.any(|other| other.answers() && other.data != 0 && other.source == 0);
    master.elected && master.data == 0 && spared && plan.in_sync.message.contains("so that nothing is lost")
}

/// The writes that the master holds.
fn kept(world: &World, plan: &Plan) -> u64 {
    let master = plan.master.as_ref().map(|master| world.servers[ordinal(&master.pod)].data);
    master.map_or(0, |data| u64::from(data.count_ones()))
}

/// Another process takes over a little later. It knows the status and nothing else.
fn dies(world: &mut World, operator: &mut Operator) -> u64 {
    world.say(|| "the operator dies".to_owned());
    let memory = Memory { last_master: operator.memory.last_master.clone(), ..Memory::default() };
    *operator = Operator::default();
    operator.memory = memory;
    world.now + world.random.below(15) * 1000
}

/// Something breaks; what it is comes back at the end of the faults at the latest.
fn fault(world: &mut World, wait: &mut u64) {
    let number = usize::try_from(world.random.below(3)).unwrap();
    let back = world.now + 300 + world.random.below(10) * world.random.below(1500);
    let master = world.sentinels[number].master;
    let victim = if world.random.once_in(2) { world.number_at(master).unwrap_or(number) } else { number };
    match world.random.below(9) {
        0..=2 => {
            world.say(|| format!("server {victim} crashes"));
            let server = &mut world.servers[victim];
            (server.up, server.link, server.back_at) = (false, false, Some(back));
        }
        3 => {
            world.say(|| format!("the pod of server {victim} is replaced"));
            let server = &mut world.servers[victim];
            let (ip, there) = (server.ip, server.exists);
            (server.up, server.exists, server.link, server.back_at) = (false, false, false, Some(back));
            if there && world.random.once_in(2) {
                world.say(|| format!("its address {ip} goes to a stranger"));
                world.foreign.push(ip);
            }
        }
        4 => {
            world.say(|| format!("server {victim} is cut off"));
            (world.servers[victim].silent, world.servers[victim].back_at) = (true, Some(back));
        }
        5 => {
            world.say(|| "all servers restart".to_owned());
            for server in &mut world.servers {
                (server.up, server.link, server.back_at) = (false, false, Some(back));
            }
        }
        6 | 7 => {
            let replaced = world.random.once_in(2);
            world.say(|| format!("Sentinel {number} is gone, replaced: {replaced}"));
            let sentinel = &mut world.sentinels[number];
            (sentinel.up, sentinel.replaced, sentinel.back_at) = (false, replaced, Some(back));
        }
        _ => {
            world.say(|| "the operator is away".to_owned());
            *wait = world.now + world.random.below(12) * 1000;
        }
    }
}

fn facts<'a>(observed: &'a Observed, pod: &str) -> Option<&'a ServerFacts> {
    observed.redis.iter().find(|node| node.pod.name == pod).and_then(|node| node.server.as_ref().ok())
}

/// What must hold for every plan; the number of servers that a new master was compared with.
fn check(world: &World, observed: &Observed, plan: &Plan) -> Result<u64, String> {
    let promoted = plan.actions.iter().filter_map(|action| match action {
        Action::Promote { pod, .. } => Some(pod),
        _ => None,
    });
    let new: Vec<&String> = promoted.chain(plan.handover.as_ref().map(|handover| &handover.to.pod)).collect();
    if new.len() > 1 {
        return Err(format!("two masters from one plan: {plan:?}"));
    }
    let mut compared = 0;
    for pod in new {
        compared += chosen(world, observed, pod).map_err(|fault| format!("{fault}: {plan:?}"))?;
    }
    for action in &plan.actions {
        match action {
            Action::Follow { pod, master } | Action::Demote { pod, master } => {
                let Some(wiped) = facts(observed, pod).filter(|_| master.host != "127.0.0.1") else {
                    continue;
                };
                let onto = observed.redis.iter().find(|node| node.pod.ip.as_deref() == Some(&master.host));
                let Some(onto) = onto.map(|node| &node.pod.name).and_then(|name| facts(observed, name))
                else {
                    return Err(format!("a server follows what is no server of ours: {plan:?}"));
                };
                let one_history = onto.replication_id == wiped.replication_id
                    || onto.second_replication_id == wiped.replication_id
                    || onto.replication_id == wiped.second_replication_id;
                if wiped.keys > 0 && onto.keys == 0 && !one_history {
                    return Err(format!("an empty server over data: {plan:?}"));
                }
            }
            Action::Reset { .. } => {
                let bad = |flag: &String| flag.ends_with("_down") || flag == "failover_in_progress";
                let seen = observed
                    .sentinels
                    .iter()
                    .filter_map(|node| node.server.as_ref().ok()?.monitored.as_ref());
                if seen.filter(|seen| seen.host != "127.0.0.1").any(|seen| seen.flags.iter().any(bad)) {
                    return Err(format!("a Sentinel is made to forget in a crisis: {plan:?}"));
                }
            }
            _ => {}
        }
    }
    let resets = plan.actions.iter().filter(|action| matches!(action, Action::Reset { .. })).count();
    if resets > 1 {
        return Err(format!("several Sentinels are made to forget at once: {plan:?}"));
    }
    Ok(compared)
}

/// The new master must hold every write that another server of the same history holds which can be asked.
fn chosen(world: &World, observed: &Observed, pod: &str) -> Result<u64, String> {
    let mut compared = 0;
    let chosen = &world.servers[ordinal(pod)];
    for node in &observed.redis {
        let Ok(facts) = &node.server else { continue };
        let other = &world.servers[ordinal(&node.pod.name)];
        let same = other.id == chosen.id;
        compared += u64::from(node.pod.name != pod);
        let replica = matches!(facts.role, Role::Replica { .. });
        if same && replica && other.data & !chosen.data != 0 {
            return Err(format!("{pod} lacks acknowledged writes that {} holds", node.pod.name));
        }
        if chosen.data == 0
            && other.data != 0
            && chosen.id != other.id
            && chosen.id2 != other.id
            && other.id2 != chosen.id
        {
            return Err(format!("{pod} is empty and {} is not", node.pod.name));
        }
    }
    Ok(compared)
}

const _: () = assert!(LOOK.is_multiple_of(TICK));
