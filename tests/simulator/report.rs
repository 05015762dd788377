//! What happened in histories, so that it can be seen that things happen at all.

use std::collections::BTreeMap;

use redis_operator::heal::{Action, Plan};

use super::isolation::Crossing;

/// Counted.
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
    /// Two groups: how often something crossed from one to the other; for how long the operator had looked and both had
    /// had a master, at most, in milliseconds; and the seed.
    pub(crate) crossings: BTreeMap<Crossing, (u64, u64, u64)>,
    /// The longest that a foreign address stayed while it was so, in milliseconds, and its seed.
    pub(crate) longest_stay: (u64, u64),
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
        for (crossing, (count, guarded, seed)) in &other.crossings {
            let all = self.crossings.entry(*crossing).or_default();
            all.0 += count;
            (all.1, all.2) = (all.1, all.2).max((*guarded, *seed));
        }
        self.longest_stay = self.longest_stay.max(other.longest_stay);
    }

    pub(crate) fn crossed(&mut self, crossing: Crossing, guarded: u64, seed: u64) {
        let all = self.crossings.entry(crossing).or_default();
        all.0 += 1;
        (all.1, all.2) = (all.1, all.2).max((guarded, seed));
    }

    pub(crate) fn count(&mut self, plan: &Plan) {
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
