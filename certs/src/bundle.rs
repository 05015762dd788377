//! The set of CAs that clients of the webhook have to trust.

use rustls::RootCertStore;

use crate::{Error, tls};

/// The trusted CAs as PEM: the current one first, then those before it that are trusted still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    pem: String,
}

impl Bundle {
    /// Joins PEM certificates; each ends with exactly one newline, so that all replicas write the same bytes.
    pub fn new<'a>(certificates: impl IntoIterator<Item = &'a str>) -> Self {
        let pem = certificates.into_iter().fold(String::new(), |text, one| text + one.trim() + "\n");
        Self { pem }
    }

    /// A bundle that somebody else made; it holds certificates and nothing else, for it becomes public.
    pub(crate) fn read(field: &'static str, pem: &str) -> Result<Self, Error> {
        let certificates = tls::certificates(field, pem)?;
        if pem.matches("-----BEGIN ").count() != certificates.len() {
            return Err(Error::damaged(field, "holds more than certificates"));
        }
        let bundle = Self::new([pem]);
        bundle.roots()?;
        Ok(bundle)
    }

    /// What belongs into `clientConfig.caBundle` (before base64).
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The trust anchors for a TLS client.
    pub(crate) fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in tls::certificates("caBundle", &self.pem)? {
            roots.add(certificate).map_err(|error| Error::damaged("caBundle", error))?;
        }
        Ok(roots)
    }
}
