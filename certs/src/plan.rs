//! Decides what to do next about the certificates, from facts and the time alone.
//!
//! [`decide`] names one step. The caller does it, looks again and asks again until there is nothing to do, so
//! losing a race to another replica needs no special case. A rotation of the CA comes out as: new CA, publish
//! the bundle of both, and after [`SETTLE`] a leaf by the new CA. After [`RETIRE`] the old CA is forgotten.
//!
//! Where others make the certificate, [`adopt`] says when a new one may be served.

use jiff::Timestamp;

use crate::issue::BACKDATE;

/// How long every webhook must have carried a bundle before a leaf that needs it is served, in seconds. API servers
/// learn it by a watch, within milliseconds; one whose watch is broken opens it again after a pause of up to
/// 30 s with as much jitter on top (client-go's reflector), so after 60 s every API server that works knows it.
pub const SETTLE: i64 = 60;
/// How long a CA is trusted after a leaf of its successor was made, in seconds. Replicas swap the leaf within
/// milliseconds; one whose watch is dead without a word notices after 5 minutes. An hour is plenty.
pub const RETIRE: i64 = 60 * 60;
/// The most CAs that are trusted beside the present one. More rotations wait until the old ones are retired, so the
/// bundle stays below 8 kB.
pub const MOST_PREVIOUS: usize = 10;

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

    /// Whether five sixths of the life are over: every keeper of certificates should have renewed it long before.
    #[must_use]
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        let (start, end) = (self.not_before.as_second(), self.not_after.as_second());
        now.as_second() >= end - (end - start) / 6
    }

    /// Why the certificate cannot be used at `now`, if it cannot.
    fn fault(&self, now: Timestamp) -> Option<Reason> {
        if now < self.not_before {
            Some(Reason::NotYetValid)
        } else if now >= self.not_after {
            Some(Reason::Expired)
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
    /// How many CAs before it are trusted still.
    pub previous: usize,
    /// Whether a person asks for another one.
    pub requested: bool,
}

/// Which CA signed a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// The CA in use.
    Current,
    /// One before it, still in the bundle.
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
    /// Whether a person asks for another one.
    pub requested: bool,
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
    /// A person asks for it.
    Requested,
}

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a new CA and trust those before it on.
    Authority(Reason),
    /// Trust the present CA alone.
    ForgetPrevious,
    /// Write the bundle into the webhook configurations.
    Publish,
    /// Make a new leaf.
    Leaf(Reason),
    /// Nothing for so many seconds: API servers read the bundle.
    Wait(i64),
    /// Nothing.
    Rest,
}

/// The next step. `None` stands for missing or damaged; `published` is for how many seconds every webhook has carried
/// the present bundle, if all do.
///
/// A CA is followed by another only when its own leaf is served: so a rotation that is asked for during another one
/// waits for its turn, and every CA that signed a served leaf is in the bundle.
#[must_use]
pub fn decide(
    authority: Option<AuthorityFacts>,
    leaf: Option<LeafFacts>,
    published: Option<i64>,
    now: Timestamp,
) -> Step {
    let Some(authority) = authority else {
        return Step::Authority(Reason::Absent);
    };
    if let Some(reason) = authority.life.fault(now) {
        return Step::Authority(reason);
    }
    let leaf_of_its_own = leaf.filter(|leaf| leaf.signed_by == SignedBy::Current);
    // Forgetting is a change of the Secret, not of each replica's view of it: replicas whose clocks differ
    // would otherwise overwrite each other's bundle.
    if authority.previous > 0 && leaf_of_its_own.is_some_and(|leaf| leaf.retires(now)) {
        return Step::ForgetPrevious;
    }
    // Clients trust the next leaf as they trust the present one: it need not wait for a bundle.
    if let Some(reason) = leaf_of_its_own.and_then(|leaf| leaf.fault(authority, now)) {
        return Step::Leaf(reason);
    }
    let Some(published) = published else {
        return Step::Publish;
    };
    if leaf_of_its_own.is_some() {
        return authority.renewal(now).map_or(Step::Rest, Step::Authority);
    }
    let fault = leaf.map_or(Some(Reason::Absent), |leaf| leaf.fault(authority, now));
    match fault {
        // The replicas still serve a leaf of an earlier CA, from memory where the Secret is lost or foreign.
        Some(Reason::AuthorityRenewed | Reason::Absent | Reason::UnknownIssuer)
            if authority.previous > 0 && published < SETTLE =>
        {
            Step::Wait(SETTLE - published)
        }
        fault => fault.map_or(Step::Rest, Step::Leaf),
    }
}

impl AuthorityFacts {
    /// Why a CA that works should be followed by another.
    fn renewal(self, now: Timestamp) -> Option<Reason> {
        if self.previous >= MOST_PREVIOUS {
            None
        } else if now >= self.life.renew_at() {
            Some(Reason::Due)
        } else {
            self.requested.then_some(Reason::Requested)
        }
    }
}

impl LeafFacts {
    /// Why another leaf has to be made, whatever the state of the bundle.
    fn fault(self, authority: AuthorityFacts, now: Timestamp) -> Option<Reason> {
        if let Some(reason) = self.life.fault(now) {
            return Some(reason);
        }
        if !self.names_match {
            return Some(Reason::WrongNames);
        }
        match self.signed_by {
            SignedBy::Unknown => Some(Reason::UnknownIssuer),
            SignedBy::Previous => Some(Reason::AuthorityRenewed),
            SignedBy::Current if self.requested => Some(Reason::Requested),
            // A leaf that ends with its CA cannot be made to last longer: the CA is renewed.
            SignedBy::Current => (now >= self.life.renew_at()
                && self.life.not_after < authority.life.not_after)
                .then_some(Reason::Due),
        }
    }

    /// Whether it is so old that every replica serves it, or a later one.
    fn retires(self, now: Timestamp) -> bool {
        now.as_second() >= self.life.not_before.as_second() + BACKDATE + RETIRE
    }
}

/// Whether a certificate that others made may be served. `offered` says whether the one bundle of all webhooks verifies
/// the new certificate, `served` whether the bundle of any webhook verifies the one that is served now, `published` for
/// how many seconds all have carried that one bundle.
///
/// What is served stays as long as it is trusted and the new one is not: whoever writes the bundle may be slower than
/// whoever writes the certificate. A certificate that nobody trusts may go for any other.
#[must_use]
pub fn adopt(offered: bool, served: bool, published: Option<i64>) -> Adoption {
    match published {
        _ if !served => Adoption::Serve,
        Some(seconds) if offered && seconds >= SETTLE => Adoption::Serve,
        Some(seconds) if offered => Adoption::Wait(SETTLE - seconds),
        _ => Adoption::Refuse,
    }
}

/// What to do with a certificate that others made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// Serve it.
    Serve,
    /// Serve it in so many seconds: API servers read the bundle.
    Wait(i64),
    /// Keep the one that is served: no bundle fits the new one.
    Refuse,
}

#[cfg(test)]
mod tests;
