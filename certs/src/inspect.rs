//! Reads certificates back into the facts that the plan needs.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::issue::{Authority, Pair};
use crate::plan::{AuthorityFacts, LeafFacts, Life, SignedBy};
use crate::{Bundle, Error, store, tls};

/// The facts of a CA; an error when it cannot sign or be trusted.
pub(crate) fn authority(authority: &Authority, requested: bool) -> Result<AuthorityFacts, Error> {
    tls::certified_key(&authority.pair.certificate, &authority.pair.key)?;
    let life = authority_life(store::CERTIFICATE, &authority.pair.certificate)?;
    for pem in &authority.previous {
        authority_life(store::PREVIOUS, pem)?;
    }
    Ok(AuthorityFacts { life, previous: authority.previous.len(), requested })
}

/// The life of a certificate that must be a CA's. The text goes into the public bundle as it is, so it must hold
/// that one certificate and nothing else.
pub(crate) fn authority_life(field: &'static str, pem: &str) -> Result<Life, Error> {
    let text = pem.trim();
    if !text.starts_with("-----BEGIN CERTIFICATE-----") || text.matches("-----BEGIN ").count() != 1 {
        return Err(Error::damaged(field, "is not one PEM certificate"));
    }
    let der = tls::certificate(field, pem)?;
    if !parse(&der)?.is_ca() {
        return Err(Error::damaged(field, "is not the certificate of a CA"));
    }
    life(&der)
}

/// The facts of a leaf, as seen by `authority`; an error when it cannot be served.
pub(crate) fn leaf(
    leaf: &Pair,
    authority: &Authority,
    names: &[String],
    requested: bool,
) -> Result<LeafFacts, Error> {
    tls::certified_key(&leaf.certificate, &leaf.key)?;
    let der = tls::certificate("tls.crt", &leaf.certificate)?;
    let life = life(&der)?;
    let by = |pem: &String| signed(&der, life, pem);
    let signed_by = if by(&authority.pair.certificate) {
        SignedBy::Current
    } else if authority.previous.iter().any(by) {
        SignedBy::Previous
    } else {
        SignedBy::Unknown
    };
    let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    Ok(LeafFacts { life, signed_by, names_match: dns_names(&parse(&der)?) == wanted, requested })
}

/// The validity of a certificate.
pub(crate) fn life(der: &CertificateDer<'_>) -> Result<Life, Error> {
    let certificate = parse(der)?;
    let moment = |second| Timestamp::from_second(second).map_err(|error| Error::damaged("validity", error));
    let validity = certificate.validity();
    Ok(Life {
        not_before: moment(validity.not_before.timestamp())?,
        not_after: moment(validity.not_after.timestamp())?,
    })
}

/// The validity of the first certificate under `key`, if there is one that can be read.
pub(crate) fn first_life(secret: &Secret, key: &'static str) -> Option<Life> {
    life(&tls::certificate(key, store::text(secret, key).ok()??).ok()?).ok()
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(error) => Err(Error::damaged("tls.crt", error)),
    }
}

fn dns_names<'a>(certificate: &'a X509Certificate<'_>) -> BTreeSet<&'a str> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|extension| extension.value.general_names.iter());
    names
        .into_iter()
        .flatten()
        .filter_map(|name| if let GeneralName::DNSName(name) = name { Some(*name) } else { None })
        .collect()
}

/// Whether the CA in `authority_pem` signed the leaf for TLS servers. The plan judges the time, so the check is
/// made at a moment when the leaf was valid.
fn signed(leaf: &CertificateDer<'_>, life: Life, authority_pem: &str) -> bool {
    let bundle = Bundle::new([authority_pem]);
    verify(std::slice::from_ref(leaf), &bundle, None, life.not_before).is_ok()
}

/// Whether clients that trust `bundle` alone accept a server with this chain, leaf first, under `name` at `now`.
pub(crate) fn trusted(
    chain: &[CertificateDer<'_>],
    bundle: &Bundle,
    name: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let name = ServerName::try_from(name).map_err(|error| Error::damaged("name", error))?;
    verify(chain, bundle, Some(&name), now)
}

fn verify(
    chain: &[CertificateDer<'_>],
    bundle: &Bundle,
    name: Option<&ServerName<'_>>,
    now: Timestamp,
) -> Result<(), Error> {
    let damaged = |error: rustls::Error| Error::damaged(store::CERTIFICATE, error);
    let (leaf, intermediates) =
        chain.split_first().ok_or_else(|| Error::damaged(store::CERTIFICATE, "holds no certificate"))?;
    let leaf = ParsedCertificate::try_from(leaf).map_err(damaged)?;
    let second = u64::try_from(now.as_second()).unwrap_or_default();
    let moment = UnixTime::since_unix_epoch(Duration::from_secs(second));
    let algorithms = tls::provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&leaf, &bundle.roots()?, intermediates, moment, algorithms)
        .map_err(damaged)?;
    name.map_or(Ok(()), |name| verify_server_name(&leaf, name).map_err(damaged))
}
