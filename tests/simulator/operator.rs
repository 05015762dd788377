//! The operator: facts from the simulated world, the real planner, the real hands. It dies between any two of its deeds.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, OnceLock};

use futures::FutureExt;
use jiff::Timestamp;
use redis_operator::act::servers::Hands;
use redis_operator::api::defaults::{self, Images};
use redis_operator::api::{Identity, Valid, parse};
use redis_operator::heal::{self, Action, Memory, Plan};
use redis_operator::observe::facts::{Death, Observed, RedisNode, Role, SentinelNode, ServerFacts};
use redis_operator::secret::Passwords;

use super::facts::{Words, redis_node, sentinel_node, words};
use super::reality::Reality;
use super::server::Server;
use super::world::{MEMBERS, World};

/// A planner; the honest one, or one with a fault.
pub(crate) type Planner = fn(&Valid, &Observed, &Memory, Timestamp) -> Plan;

pub(crate) fn honest(valid: &Valid, observed: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    heal::plan(valid, observed, memory, now)
}

/// What looks after one group.
#[derive(Default)]
pub(crate) struct Operator {
    pub(crate) group: usize,
    pub(crate) memory: Memory,
    evidence: BTreeMap<u64, Evidence>,
    /// What the Sentinels said at the last look, and what was made of it: they say the same most of the time.
    said: Vec<Words>,
    pub(crate) sentinels: Vec<SentinelNode>,
}

/// What is remembered of the process in one pod.
#[derive(Clone)]
struct Evidence {
    run: u64,
    said: ServerFacts,
    linked: Option<ServerFacts>,
    dead: Option<Death>,
}

pub(crate) fn spec() -> &'static Valid {
    static SPEC: OnceLock<Valid> = OnceLock::new();
    SPEC.get_or_init(|| {
        let mut spec = serde_json::json!({"sentinel": {"customConfig": []}});
        defaults::fill(&mut spec, &Images::default());
        let identity = Identity { name: "x".to_owned(), ..Identity::default() };
        let mut valid = Valid::new(identity, parse::spec(&spec).unwrap()).unwrap();
        valid.sentinel.config.clear();
        valid
    })
}

pub(crate) fn ordinal(pod: &str) -> usize {
    pod.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

impl Operator {
    pub(crate) fn new(group: usize) -> Self {
        Self { group, ..Self::default() }
    }

    /// Another process. It knows the status and nothing else.
    pub(crate) fn restarts(&mut self) {
        let memory = Memory { last_master: self.memory.last_master.clone(), ..Memory::default() };
        *self = Self { memory, ..Self::new(self.group) };
    }

    /// Numbers of the servers, and of the Sentinels, that it looks after.
    pub(crate) fn numbers(&self) -> Range<usize> {
        self.group * MEMBERS..(self.group + 1) * MEMBERS
    }

    /// What is seen now.
    pub(crate) fn look(&mut self, world: &World) -> Observed {
        let mut redis: Vec<RedisNode> = Vec::with_capacity(MEMBERS);
        for (ordinal, number) in
            self.numbers().enumerate().filter(|(_, number)| world.servers[*number].exists)
        {
            let server = &world.servers[number];
            let mut node = redis_node(world, ordinal, server);
            self.remember(server, &mut node);
            redis.push(node);
        }
        Observed { redis, sentinels: self.listen(world) }
    }

    fn listen(&mut self, world: &World) -> Vec<SentinelNode> {
        let mut before = std::mem::take(&mut self.said).into_iter().zip(std::mem::take(&mut self.sentinels));
        let mut nodes = Vec::with_capacity(MEMBERS);
        for (ordinal, number) in
            self.numbers().enumerate().filter(|(_, number)| !world.sentinels[*number].gone)
        {
            let words = words(world, ordinal, number);
            nodes.push(match before.next() {
                Some((old, node)) if old == words => node,
                _ => sentinel_node(&words),
            });
            self.said.push(words);
        }
        nodes
    }

    fn remember(&mut self, server: &Server, node: &mut RedisNode) {
        let known = self.evidence.get_mut(&server.uid);
        match (&node.server, known) {
            (Ok(facts), Some(known)) if known.run == server.run => {
                let linked = |facts: &ServerFacts| matches!(facts.role, Role::Replica { link_up: true, .. });
                if linked(&known.said) && !linked(facts) {
                    known.linked = Some(known.said.clone());
                } else if linked(facts) {
                    known.linked = None;
                }
                known.said = facts.clone();
                (known.dead, node.before) = (None, known.linked.clone());
            }
            (Ok(facts), known) => {
                node.death = known.as_ref().map(|_| Death::Restarted);
                node.before = known.map(|known| known.said.clone());
                let fresh = Evidence { run: server.run, said: facts.clone(), linked: None, dead: None };
                self.evidence.insert(server.uid, fresh);
            }
            (Err(_), Some(known)) => {
                if !server.up && !server.silent {
                    known.dead = Some(Death::Refused);
                }
                (node.death, node.before) = (known.dead, Some(known.said.clone()));
            }
            (Err(_), None) => {}
        }
    }

    /// Carries out a plan; false where it died before the end of it.
    pub(crate) fn act(&mut self, world: &mut World, observed: &Observed, plan: &Plan, deeds: u64) -> bool {
        let base = self.group * MEMBERS;
        let cell = Mutex::new((world, deeds));
        let reality = Reality { group: self.group, world: &cell };
        let passwords = Passwords::default();
        let hands = Hands { servers: &reality, valid: spec(), observed, passwords: &passwords };
        if let Some(handover) = &plan.handover {
            match hands.hand_over(handover).now_or_never() {
                None => return false,
                Some(Err(_)) => return true,
                Some(Ok(())) => {}
            }
        }
        for action in &plan.actions {
            if let Action::Label { pod, role } = action {
                cell.lock().unwrap().0.servers[base + ordinal(pod)].label = Some(role);
            } else if hands.carry_out(action, &mut self.memory).now_or_never().is_none() {
                return false;
            }
        }
        true
    }
}
