//! What must hold for every plan.

use redis_operator::heal::{Action, Plan};
use redis_operator::observe::facts::{Observed, Role, ServerFacts};

use super::operator::ordinal;
use super::world::{MEMBERS, World};

fn facts<'a>(observed: &'a Observed, pod: &str) -> Option<&'a ServerFacts> {
    observed.redis.iter().find(|node| node.pod.name == pod).and_then(|node| node.server.as_ref().ok())
}

/// What must hold for every plan; the number of servers that a new master was compared with.
pub(crate) fn check(world: &World, group: usize, observed: &Observed, plan: &Plan) -> Result<u64, String> {
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
        compared += chosen(world, group, observed, pod).map_err(|fault| format!("{fault}: {plan:?}"))?;
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
                    .filter(|node| !node.pod.terminating)
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

/// The new master must hold every write that another server of the same history holds which stays and can be asked.
fn chosen(world: &World, group: usize, observed: &Observed, pod: &str) -> Result<u64, String> {
    let mut compared = 0;
    let chosen = &world.servers[group * MEMBERS + ordinal(pod)];
    for node in &observed.redis {
        let Ok(facts) = &node.server else { continue };
        if node.pod.name == pod && (node.pod.terminating || facts.loading) {
            return Err(format!("{pod} is no server to choose"));
        }
        if facts.loading || node.pod.terminating {
            continue;
        }
        let other = &world.servers[group * MEMBERS + ordinal(&node.pod.name)];
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
