//! The leaf that is being served.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::issue::Pair;
use crate::{Error, inspect, tls};

/// Holds the current leaf for a rustls server. Handshakes never wait for a swap.
#[derive(Default)]
pub struct Slot {
    served: ArcSwapOption<Served>,
}

struct Served {
    certified: Arc<CertifiedKey>,
    not_after: Timestamp,
}

impl Slot {
    /// An empty slot; handshakes fail until a leaf is loaded.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Whether there is a leaf to serve.
    #[must_use]
    pub fn loaded(&self) -> bool {
        self.served.load().is_some()
    }

    /// When the served leaf expires.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.served.load().as_ref().map(|served| served.not_after)
    }

    /// The served chain, leaf first.
    pub(crate) fn chain(&self) -> Option<Vec<CertificateDer<'static>>> {
        self.served.load().as_ref().map(|served| served.certified.cert.clone())
    }

    /// Whether this very certificate is served.
    #[must_use]
    pub fn serves(&self, leaf: &Pair) -> bool {
        let chain = tls::certificates("tls.crt", &leaf.certificate).ok();
        chain.is_some() && self.chain() == chain
    }

    /// Serves `leaf` from the next handshake on; says whether that is a change. An unusable leaf is an error and
    /// leaves the slot as it was.
    pub fn load(&self, leaf: &Pair) -> Result<bool, Error> {
        let certified = tls::certified_key(&leaf.certificate, &leaf.key)?;
        if self.served.load().as_ref().is_some_and(|served| served.certified.cert == certified.cert) {
            return Ok(false);
        }
        let not_after = inspect::life(&tls::certificate("tls.crt", &leaf.certificate)?)?.not_after;
        self.served.store(Some(Arc::new(Served { certified: Arc::new(certified), not_after })));
        Ok(true)
    }
}

impl ResolvesServerCert for Slot {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.served.load().as_ref().map(|served| Arc::clone(&served.certified))
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Slot").field("not_after", &self.not_after()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
