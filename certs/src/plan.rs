//! Decides what to do next about the certificates, from facts and the time alone.
//!
//! [`decide`] names one step. The caller does it, looks again and asks again until there is nothing to do, so
//! losing a race to another replica needs no special case. A rotation of the CA comes out as: new CA, publish
//! the bundle of both, and after [`SETTLE`] a leaf by the new CA. Later the old CA is forgotten.

use jiff::Timestamp;

use crate::issue::BACKDATE;

/// How long after a new CA was made the leaf of the previous one is still served, in seconds: time for
/// every API server to see the new bundle.
pub const SETTLE: i64 = 60;

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// The first moment.
    pub not_before: Timestamp,
    /// The last moment.
    pub not_after: Timestamp,
}

impl Life {
    /// When to renew: after two thirds of the life.
    #[must_use]
    pub fn renew_at(&self) -> Timestamp {
        let (start, end) = (self.not_before.as_second(), self.not_after.as_second());
        // Both ends are valid timestamps, so a moment between them is one too.
        Timestamp::from_second(start + (end - start) / 3 * 2).unwrap_or(self.not_after)
    }

    /// Why the certificate has to be made anew at `now`, if it has to.
    fn fault(&self, now: Timestamp) -> Option<Reason> {
        if now < self.not_before {
            Some(Reason::NotYetValid)
        } else if now >= self.not_after {
            Some(Reason::Expired)
        } else if now >= self.renew_at() {
            Some(Reason::Due)
        } else {
            None
        }
    }
}

/// What is known of a usable CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityFacts {
    /// The validity of the CA in use.
    pub life: Life,
    /// The validity of the one before it, while it is kept.
    pub previous: Option<Life>,
}

/// Which CA signed a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// The CA in use.
    Current,
    /// The one before it, still in the bundle.
    Previous,
    /// Neither.
    Unknown,
}

/// What is known of a leaf that can be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafFacts {
    /// Its validity.
    pub life: Life,
    /// Its CA.
    pub signed_by: SignedBy,
    /// Whether its DNS names are the wanted ones.
    pub names_match: bool,
}

/// Why a certificate is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is none, or none that can be used.
    Absent,
    /// Two thirds of its life are over.
    Due,
    /// Its life is over.
    Expired,
    /// It was made by a clock that was ahead.
    NotYetValid,
    /// No trusted CA signed it.
    UnknownIssuer,
    /// It is for other DNS names.
    WrongNames,
    /// Its CA has been succeeded.
    AuthorityRenewed,
}

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a new CA and keep the present one, if there is one, as the previous.
    Authority(Reason),
    /// Remove the expired previous CA from the Secret.
    ForgetPrevious,
    /// Write the bundle into the webhook configurations.
    Publish,
    /// Make a new leaf.
    Leaf(Reason),
    /// Nothing.
    Rest,
}

/// The next step. `None` stands for missing or damaged; `published` says that every webhook configuration has
/// the present bundle. No leaf is made before that, so clients trust it from its first moment.
#[must_use]
pub fn decide(
    authority: Option<AuthorityFacts>,
    leaf: Option<LeafFacts>,
    published: bool,
    now: Timestamp,
) -> Step {
    let Some(authority) = authority else {
        return Step::Authority(Reason::Absent);
    };
    if let Some(reason) = authority.life.fault(now) {
        return Step::Authority(reason);
    }
    // Forgetting is a change of the Secret, not of each replica's view of it: replicas whose clocks differ
    // would otherwise overwrite each other's bundle.
    if authority.previous.is_some_and(|previous| now >= previous.not_after) {
        return Step::ForgetPrevious;
    }
    if !published {
        return Step::Publish;
    }
    leaf_fault(authority, leaf, now).map_or(Step::Rest, Step::Leaf)
}

fn leaf_fault(authority: AuthorityFacts, leaf: Option<LeafFacts>, now: Timestamp) -> Option<Reason> {
    let Some(leaf) = leaf else {
        return Some(Reason::Absent);
    };
    if let Some(reason) = leaf.life.fault(now) {
        return Some(reason);
    }
    if !leaf.names_match {
        return Some(Reason::WrongNames);
    }
    let settled = authority.life.not_before.as_second() + BACKDATE + SETTLE;
    match leaf.signed_by {
        SignedBy::Current => None,
        SignedBy::Unknown => Some(Reason::UnknownIssuer),
        SignedBy::Previous => (now.as_second() >= settled).then_some(Reason::AuthorityRenewed),
    }
}

#[cfg(test)]
mod tests;
