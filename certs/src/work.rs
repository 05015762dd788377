//! The two Secrets of a CA of our own: what they hold, what to do next, and what to write. Pure.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;

use crate::issue::{self, Authority, Pair};
use crate::plan::{self, AuthorityFacts, LeafFacts, MOST_PREVIOUS, SignedBy, Step};
use crate::{Error, Options, inspect, store};

/// The Secrets as they were read.
#[derive(Clone, Copy)]
pub(crate) struct Secrets<'a> {
    pub(crate) authority: Option<&'a Secret>,
    pub(crate) leaf: Option<&'a Secret>,
    pub(crate) options: &'a Options,
}

impl Secrets<'_> {
    /// The CA, as stored.
    pub(crate) fn authority(&self) -> Result<Authority, Error> {
        let secret = self.authority.ok_or_else(|| Error::Missing(self.options.ca_secret.clone()))?;
        store::authority(secret)
    }

    /// The CA that can sign, and the error that says why there is none.
    pub(crate) fn usable_authority(&self) -> Result<(AuthorityFacts, Authority), Error> {
        let authority = self.authority()?;
        Ok((inspect::authority(&authority, self.requested(self.authority))?, authority))
    }

    pub(crate) fn usable_leaf(&self, authority: &Authority) -> Result<LeafFacts, Error> {
        let secret = self.leaf.ok_or_else(|| Error::Missing(self.options.leaf_secret.clone()))?;
        let (leaf, names) = (store::leaf(secret)?, self.options.dns_names());
        inspect::leaf(&leaf, authority, &names, self.requested(self.leaf))
    }

    /// The stored leaf, where clients of the present bundle trust it.
    pub(crate) fn servable_leaf(&self) -> Option<Pair> {
        let (_, authority) = self.usable_authority().ok()?;
        let facts = self.usable_leaf(&authority).ok()?;
        let servable = facts.signed_by != SignedBy::Unknown && facts.names_match;
        self.leaf.filter(|_| servable).and_then(|secret| store::leaf(secret).ok())
    }

    fn requested(&self, secret: Option<&Secret>) -> bool {
        secret.is_some_and(|secret| store::requested(secret, self.options))
    }

    /// See [`plan::decide`].
    pub(crate) fn next_step(&self, published: Option<i64>, now: Timestamp) -> Step {
        match self.usable_authority() {
            Ok((facts, authority)) => {
                plan::decide(Some(facts), self.usable_leaf(&authority).ok(), published, now)
            }
            Err(_) => plan::decide(None, None, None, now),
        }
    }

    /// The Secret of a new CA, which trusts those before it on.
    pub(crate) fn new_authority(&self, now: Timestamp) -> Result<Secret, Error> {
        let authority = Authority { previous: self.predecessors(now), ..issue::authority(now)? };
        let mut secret = self.authority_secret(&authority);
        store::mark_rotated(&mut secret, self.options);
        Ok(secret)
    }

    /// The CA Secret with the present CA alone.
    pub(crate) fn without_previous(&self) -> Result<Secret, Error> {
        Ok(self.authority_secret(&Authority { previous: Vec::new(), ..self.authority()? }))
    }

    /// The Secret of a new leaf by the present CA.
    pub(crate) fn new_leaf(&self, now: Timestamp) -> Result<Secret, Error> {
        let authority = self.authority()?;
        let leaf = issue::leaf(&authority, &self.options.dns_names(), now)?;
        let contents = store::leaf_data(&leaf, &authority);
        let mut secret = store::secret(self.leaf, &self.options.leaf_secret, contents, self.options);
        store::mark_rotated(&mut secret, self.options);
        Ok(secret)
    }

    fn authority_secret(&self, authority: &Authority) -> Secret {
        let contents = store::authority_data(authority);
        store::secret(self.authority, &self.options.ca_secret, contents, self.options)
    }

    /// The CAs that clients trust now, as far as they can still be known. The one that signed the served leaf comes
    /// first: when the CA Secret is lost or damaged, the leaf Secret knows it.
    fn predecessors(&self, now: Timestamp) -> Vec<String> {
        let text = |secret: Option<&Secret>, key| Some(store::text(secret?, key).ok()??.trim().to_owned());
        let mut found: Vec<String> = Vec::new();
        let known = [text(self.leaf, store::ISSUER), text(self.authority, store::CERTIFICATE)];
        let earlier = self.authority.and_then(|secret| store::previous(secret).ok()).unwrap_or_default();
        for pem in known.into_iter().flatten().chain(earlier) {
            let life = inspect::authority_life(store::CERTIFICATE, &pem);
            if !found.contains(&pem) && life.is_ok_and(|life| now < life.not_after) {
                found.push(pem);
            }
        }
        found.truncate(MOST_PREVIOUS);
        found
    }
}

#[cfg(test)]
mod tests;
