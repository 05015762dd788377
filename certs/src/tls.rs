//! The parts of rustls that several modules share, always with ring and never with the process default.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::Error;

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// All certificates of a PEM text; at least one.
pub(crate) fn certificates(field: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| Error::damaged(field, error))?;
    if found.is_empty() {
        return Err(Error::damaged(field, "holds no certificate"));
    }
    Ok(found)
}

/// The first certificate of a PEM text.
pub(crate) fn certificate(field: &'static str, pem: &str) -> Result<CertificateDer<'static>, Error> {
    certificates(field, pem).map(|mut all| all.swap_remove(0))
}

/// A certificate chain with its private key; an error when they do not belong together.
pub(crate) fn certified_key(certificate_pem: &str, key_pem: &str) -> Result<CertifiedKey, Error> {
    let chain = certificates("tls.crt", certificate_pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|_| Error::damaged("tls.key", "holds no private key"))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| Error::damaged("tls.key", error))
}
