//! Makes certificates. Nothing here reads a clock or talks to the API.

use std::fmt;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use time::OffsetDateTime;

use crate::{Bundle, Error, inspect, tls};

const DAY: i64 = 24 * 60 * 60;
/// The life of a CA in seconds: one year.
pub const AUTHORITY_LIFE: i64 = 365 * DAY;
/// The life of a leaf in seconds: 90 days.
pub const LEAF_LIFE: i64 = 90 * DAY;
/// Certificates are valid from this many seconds before they were made: clocks of other nodes may be behind.
pub const BACKDATE: i64 = 5 * 60;

/// A certificate and its private key, both as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The private key (PKCS #8). Never printed.
    pub key: String,
}

impl fmt::Debug for Pair {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// A CA that can sign, and those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The CA in use.
    pub pair: Pair,
    /// The certificates of CAs before it that are trusted still.
    pub previous: Vec<String>,
}

impl Authority {
    /// The CAs to trust.
    #[must_use]
    pub fn bundle(&self) -> Bundle {
        Bundle::new(std::iter::once(&self.pair.certificate).chain(&self.previous).map(String::as_str))
    }
}

/// Makes a new CA: ECDSA P-256, one year, may sign leaves only.
pub fn authority(now: Timestamp) -> Result<Authority, Error> {
    let mut params = CertificateParams::default();
    // The moment in the name tells the CAs of an overlap apart.
    params.distinguished_name = common_name(&format!("webhook-ca-{}", now.as_second()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_life(&mut params, now, now.as_second() + AUTHORITY_LIFE)?;
    params.serial_number = Some(serial()?);

    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?.pem();
    Ok(Authority { pair: Pair { certificate, key: key.serialize_pem() }, previous: Vec::new() })
}

/// Makes a serving certificate for `dns_names`: ECDSA P-256, 90 days, but never longer than its CA.
pub fn leaf(authority: &Authority, dns_names: &[String], now: Timestamp) -> Result<Pair, Error> {
    let signer = tls::certificate("tls.crt", &authority.pair.certificate)?;
    let signer_end = inspect::life(&signer)?.not_after.as_second();

    let mut params = CertificateParams::new(dns_names)?;
    params.distinguished_name = common_name(dns_names.first().map_or("webhook", String::as_str));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_life(&mut params, now, signer_end.min(now.as_second() + LEAF_LIFE))?;
    params.serial_number = Some(serial()?);

    let issuer = Issuer::from_ca_cert_der(&signer, KeyPair::from_pem(&authority.pair.key)?)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.signed_by(&key, &issuer)?.pem();
    Ok(Pair { certificate, key: key.serialize_pem() })
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

fn set_life(params: &mut CertificateParams, now: Timestamp, end: i64) -> Result<(), Error> {
    let moment = |second| OffsetDateTime::from_unix_timestamp(second).map_err(|_| Error::Clock(now));
    params.not_before = moment(now.as_second() - BACKDATE)?;
    params.not_after = moment(end)?;
    Ok(())
}

/// 127 random bits: positive and within the 20 bytes that RFC 5280 allows.
fn serial() -> Result<SerialNumber, Error> {
    let mut bytes = [0_u8; 16];
    tls::provider().secure_random.fill(&mut bytes).map_err(|_| Error::Random)?;
    bytes[0] &= 0x7f;
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests;
