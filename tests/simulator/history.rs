//! One history: a first start, some faults, and then peace, in which everything must heal.

use std::cell::RefCell;

use jiff::Timestamp;
use redis_operator::heal::Plan;

use super::check::check;
use super::faults::fault;
use super::isolation::Watch;
use super::operator::{Operator, Planner, ordinal, spec};
use super::report::Report;
use super::world::{Kind, MEMBERS, TICK, World};

/// Faults come in the first of these milliseconds, after the start.
const FAULTS_FOR: u64 = 25_000;
/// After the last fault all must be well within this: three failovers of the Sentinels, and the strangers forgotten.
const PEACE: u64 = 120_000;
/// How often the operator looks.
const LOOK: u64 = 500;
/// How much later it looks at the second group.
const SECOND_LOOK: u64 = 200;
/// How long a first start has before the first fault.
pub(crate) const START: u64 = 10_000;

thread_local! {
    /// The hands set deadlines, which want a clock; no time passes in it.
    static CLOCK: RefCell<tokio::runtime::Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap(),
    );
}

/// Plays one history; what went wrong is the error, with what happened before it where `log` is set.
pub(crate) fn play(kind: Kind, seed: u64, planner: Planner, log: bool) -> Result<Report, String> {
    let mut world = World::new(kind, seed, log);
    let begin = world.now + START;
    let faults = 1 + world.random.below(5);
    let mut due: Vec<u64> = (0..faults).map(|_| begin + world.random.below(FAULTS_FOR)).collect();
    due.sort_unstable();
    let script = |world: &mut World, wait: &mut u64| {
        while due.first().is_some_and(|at| *at <= world.now) {
            due.remove(0);
            fault(world, wait);
        }
    };
    run(world, script, begin + FAULTS_FOR, planner, seed)
}

/// Plays what `script` lets happen, which is nothing after `peace`.
pub(crate) fn run(
    mut world: World,
    script: impl FnMut(&mut World, &mut u64),
    peace: u64,
    planner: Planner,
    seed: u64,
) -> Result<Report, String> {
    CLOCK.with(|clock| {
        let clock = clock.borrow();
        let _entered = clock.enter();
        let operators = (0..world.kind.groups()).map(Operator::new).collect();
        let wait = world.now;
        let mut history = History { operators, wait, peace, planner, seed, report: Report::default() };
        let result = history.run(&mut world, script);
        for line in world.log.iter().flatten() {
            println!("{line}");
        }
        result.map(|()| history.report)
    })
}

struct History {
    operators: Vec<Operator>,
    /// No operator looks before.
    wait: u64,
    /// Nothing breaks after.
    peace: u64,
    planner: Planner,
    seed: u64,
    report: Report,
}

impl History {
    fn run(&mut self, world: &mut World, mut script: impl FnMut(&mut World, &mut u64)) -> Result<(), String> {
        let mut watch = Watch::default();
        let (mut plans, mut healthy_for) = ([None, None], 0);
        loop {
            world.tick();
            script(world, &mut self.wait);
            let guarded =
                world.now >= self.wait && plans.iter().flatten().all(|plan: &Plan| plan.master.is_some());
            watch.tick(world, guarded, &mut self.report, self.seed)?;
            for (group, offset) in (0..self.operators.len()).zip([0, SECOND_LOOK]) {
                if world.now >= self.wait && (world.now - offset).is_multiple_of(LOOK) {
                    plans[group] = Some(self.look(world, group)?);
                }
            }
            if world.now < self.wait || !world.now.is_multiple_of(LOOK) {
                continue;
            }
            let Some(plans) =
                plans[..self.operators.len()].iter().map(Option::as_ref).collect::<Option<Vec<_>>>()
            else {
                continue;
            };
            let healthy = plans.iter().all(|plan| plan.healthy());
            healthy_for = if healthy { healthy_for + 1 } else { 0 };
            let late = world.now > self.peace + PEACE;
            let left =
                |(group, plan): (usize, &&Plan)| plan.healthy() || left_to_a_person(world, group, plan);
            let stuck = plans.iter().any(|plan| has_no_fit_sentinels(world, plan));
            let left = late && (stuck || plans.iter().enumerate().all(left));
            if left || (world.now > self.peace && healthy_for >= 3) {
                self.ends(world, &plans, left);
                return Ok(());
            }
            if late {
                return Err(format!("not healed {} s after the last fault: {plans:#?}", PEACE / 1000));
            }
        }
    }

    /// One look of the operator at one group, and what it does.
    fn look(&mut self, world: &mut World, group: usize) -> Result<Plan, String> {
        let operator = &mut self.operators[group];
        let observed = operator.look(world);
        let now = Timestamp::from_millisecond(i64::try_from(world.now).unwrap()).unwrap();
        let plan = (self.planner)(spec(), &observed, &operator.memory, now);
        self.report.compared += check(world, group, &observed, &plan)?;
        self.report.count(&plan);
        let name = if world.kind == Kind::Twins { ["A: ", "B: "][group] } else { "" };
        if let Some(handover) = &plan.handover {
            world.say(|| format!("{name}handover to {}: {}", handover.to.pod, handover.why));
        } else if !plan.healthy() {
            let findings = [&plan.available, &plan.in_sync, &plan.quorum];
            world.say(|| {
                name.to_owned() + &findings.map(|f| if f.ok { "ok" } else { f.message.as_str() }).join(" | ")
            });
        }
        let dies = world.deadly && world.now < self.peace && world.random.once_in(10);
        let deeds = if dies { world.random.below(6) } else { u64::MAX };
        let alive = operator.act(world, &observed, &plan, deeds);
        operator.sentinels = observed.sentinels;
        if alive {
            operator.memory.update(&plan, now);
        } else {
            world.say(|| "the operator dies".to_owned());
            self.report.operator_deaths += 1;
            self.operators.iter_mut().for_each(Operator::restarts);
            self.wait = world.now + world.random.below(15) * 1000;
        }
        Ok(plan)
    }

    fn ends(&mut self, world: &World, plans: &[&Plan], left: bool) {
        self.report.left_to_a_person = u64::from(left);
        self.report.slowest_peace = if left { (0, self.seed) } else { (world.now - self.peace, self.seed) };
        for (group, plan) in plans.iter().enumerate() {
            let acknowledged = u64::from(world.written[group]);
            self.report.acknowledged += acknowledged;
            self.report.lost += acknowledged - kept(world, group, plan);
        }
    }
}

/// The Sentinels chose an empty server while the only one with data was out of their sight, and nobody writes. Of two
/// groups also where what a server holds may be a foreign copy, or older than what is gone. The operator cannot know
/// whose data is right, so it says so and overwrites nothing; a person decides.
fn left_to_a_person(world: &World, group: usize, plan: &Plan) -> bool {
    let servers = &world.servers[group * MEMBERS..(group + 1) * MEMBERS];
    let Some(master) = plan.master.as_ref().map(|master| &servers[ordinal(&master.pod)]) else {
        return false;
    };
    let mut others = servers.iter().filter(|other| other.uid != master.uid);
    let spared = others.any(|other| other.answers() && other.data != 0 && other.source == 0);
    (master.elected || world.kind == Kind::Twins)
        && master.data == 0
        && spared
        && plan.in_sync.message.contains("so that nothing is lost")
}

/// The master died while two of three Sentinels were new: no two of them know enough to be told of another master, and
/// the operator waits for them.
fn has_no_fit_sentinels(world: &World, plan: &Plan) -> bool {
    let waits =
        plan.available.reason == "WaitingForSentinels" && plan.available.message.contains("can be told");
    world.kind == Kind::Twins && waits
}

/// The writes that the master holds.
fn kept(world: &World, group: usize, plan: &Plan) -> u64 {
    let master =
        plan.master.as_ref().map(|master| world.servers[group * MEMBERS + ordinal(&master.pod)].data);
    master.map_or(0, |data| u64::from((data & world.writes_of(group)).count_ones()))
}

const _: () = assert!(LOOK.is_multiple_of(TICK));
