//! A rolling update: redis pods of an older template are replaced one at a time, replicas first and the master last, after
//! it handed over. Kubernetes does not know who is master, so the StatefulSet leaves this to the operator.

use super::handover::Handover;
use super::{Action, Finding, Memory, switchover};
use crate::api::Valid;
use crate::observe::facts::{Observed, RedisNode};

/// The next step of a rolling update.
pub(super) struct Roll {
    /// A pod to be replaced.
    pub(super) action: Option<Action>,
    /// The master's turn to hand over.
    pub(super) handover: Option<Handover>,
    /// Whether every pod runs what the spec says.
    pub(super) finding: Finding,
}

impl Roll {
    fn wait(finding: Finding) -> Self {
        Self { action: None, handover: None, finding }
    }

    fn restart(node: &RedisNode, finding: Finding) -> Self {
        let pod = node.pod.name.clone();
        Self { action: Some(Action::Restart { pod }), ..Self::wait(finding) }
    }
}

/// What is to be said of pods of an older template while there is no master: nothing is restarted then.
pub(super) fn without_master(observed: &Observed) -> Finding {
    match outdated(observed)[..] {
        [] => up_to_date(),
        ref old => Finding::bad("Updating", format!("{}; waiting for a master", older(old))),
    }
}

/// `calm`: nothing else is to be done, the replicas are in sync and the Sentinels agree.
pub(super) fn plan(
    valid: &Valid,
    observed: &Observed,
    memory: &Memory,
    master: &RedisNode,
    calm: bool,
    now: jiff::Timestamp,
) -> Roll {
    let old = outdated(observed);
    if old.is_empty() {
        return Roll::wait(up_to_date());
    }
    let is_master = |node: &RedisNode| node.pod.name == master.pod.name;
    // A pod that does not start has nothing to lose, and a corrected spec reaches it in no other way.
    let is_broken = |node: &RedisNode| node.pod.waiting.is_some() && !node.pod.terminating;
    if let Some(broken) = old.iter().find(|node| !is_master(node) && is_broken(node)) {
        let why = broken.pod.waiting.as_deref().unwrap_or_default();
        let text = format!("{}; {} does not run ({why}) and is replaced", older(&old), broken.pod.name);
        return Roll::restart(broken, Finding::bad("Updating", text));
    }
    if let Some(obstacle) = obstacle(valid, observed, calm) {
        return Roll::wait(Finding::bad(obstacle.0, format!("{}; {}", older(&old), obstacle.1)));
    }
    let next = old.iter().filter(|node| !is_master(node)).max_by_key(|node| node.pod.ordinal);
    match next {
        Some(next) => {
            let text = format!("{}; {} is replaced", older(&old), next.pod.name);
            Roll::restart(next, Finding::bad("Updating", text))
        }
        None if valid.redis.replicas == 1 => {
            let text = format!("{}; it is replaced, and nobody can serve meanwhile", older(&old));
            Roll::restart(master, Finding::bad("Updating", text))
        }
        None => {
            let why = format!("{} is to be replaced by a pod of today's template", master.pod.name);
            match switchover::to_the_best(valid, observed, memory, master, why, now) {
                Ok(handover) => Roll {
                    handover: Some(handover),
                    ..Roll::wait(Finding::bad("Updating", format!("{}; it hands over", older(&old))))
                },
                Err(why) => Roll::wait(Finding::bad("Updating", format!("{}; {why}", older(&old)))),
            }
        }
    }
}

/// Why no pod may be taken away now.
fn obstacle(valid: &Valid, observed: &Observed, calm: bool) -> Option<(&'static str, String)> {
    let pods = || observed.redis.iter().map(|node| &node.pod);
    if let Some(stuck) = pods().find(|pod| !pod.outdated && !pod.terminating && pod.waiting.is_some()) {
        let why = stuck.waiting.as_deref().unwrap_or_default();
        return Some(("UpdateStuck", format!("the new {} does not run: {why}", stuck.name)));
    }
    if let Some(pod) = pods().find(|pod| !pod.ready || pod.terminating) {
        return Some(("Updating", format!("waiting for {}", pod.name)));
    }
    let wanted = usize::try_from(valid.redis.replicas).unwrap_or_default();
    if pods().count() < wanted {
        return Some(("Updating", format!("waiting for {wanted} pods")));
    }
    (!calm).then(|| ("Updating", "waiting until all is in sync".to_owned()))
}

fn outdated(observed: &Observed) -> Vec<&RedisNode> {
    observed.redis.iter().filter(|node| node.pod.outdated).collect()
}

fn older(old: &[&RedisNode]) -> String {
    let names: Vec<_> = old.iter().map(|node| node.pod.name.as_str()).collect();
    format!("of an older pod template: {}", names.join(", "))
}

fn up_to_date() -> Finding {
    Finding::good("UpToDate", "every redis pod runs what the spec says")
}
