//! How certificates lie in Secrets of type `kubernetes.io/tls`.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;

use crate::issue::{Authority, Pair};
use crate::{Error, Options};

/// The key of the certificate.
pub const CERTIFICATE: &str = "tls.crt";
/// The key of the private key.
pub const KEY: &str = "tls.key";
/// In the CA Secret: the certificates of CAs before the present one.
pub const PREVIOUS: &str = "ca-previous.crt";
/// In the leaf Secret: the certificate of the CA that signed it.
pub const ISSUER: &str = "ca.crt";

type Data = BTreeMap<String, ByteString>;

/// Reads the CA Secret; an error names the key that is missing or not text.
pub fn authority(secret: &Secret) -> Result<Authority, Error> {
    Ok(Authority { pair: leaf(secret)?, previous: previous(secret)? })
}

/// The certificates of earlier CAs in the CA Secret, one text each.
pub fn previous(secret: &Secret) -> Result<Vec<String>, Error> {
    let text = text(secret, PREVIOUS)?.unwrap_or_default();
    let parts = text.split_inclusive("-----END CERTIFICATE-----").map(str::trim);
    Ok(parts.filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect())
}

/// Reads the leaf Secret; an error names the key that is missing or not text.
pub fn leaf(secret: &Secret) -> Result<Pair, Error> {
    let required = |key| text(secret, key)?.ok_or_else(|| Error::damaged(key, "is missing or empty"));
    Ok(Pair { certificate: required(CERTIFICATE)?.to_owned(), key: required(KEY)?.to_owned() })
}

/// The text under `key`; none when it is missing or empty.
pub fn text<'a>(secret: &'a Secret, key: &'static str) -> Result<Option<&'a str>, Error> {
    let Some(bytes) = secret.data.as_ref().and_then(|data| data.get(key)) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes.0).map_err(|_| Error::damaged(key, "is not text"))?;
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

/// The contents of the CA Secret.
#[must_use]
pub fn authority_data(authority: &Authority) -> BTreeMap<&'static str, Option<String>> {
    BTreeMap::from([
        (CERTIFICATE, Some(authority.pair.certificate.clone())),
        (KEY, Some(authority.pair.key.clone())),
        (PREVIOUS, Some(authority.previous.join("\n")).filter(|text| !text.is_empty())),
    ])
}

/// The contents of the leaf Secret.
#[must_use]
pub fn leaf_data(leaf: &Pair, authority: &Authority) -> BTreeMap<&'static str, Option<String>> {
    BTreeMap::from([
        (CERTIFICATE, Some(leaf.certificate.clone())),
        (KEY, Some(leaf.key.clone())),
        (ISSUER, Some(authority.pair.certificate.clone())),
    ])
}

/// A Secret with `contents`. What others put into an `existing` one stays, as does its `resourceVersion`, so that
/// a replace fails when somebody was faster.
#[must_use]
pub fn secret(
    existing: Option<&Secret>,
    name: &str,
    contents: BTreeMap<&'static str, Option<String>>,
    options: &Options,
) -> Secret {
    let mut secret = existing.cloned().unwrap_or_else(|| Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(options.namespace.clone()),
            ..ObjectMeta::default()
        },
        // The type of an existing Secret cannot be changed.
        type_: Some("kubernetes.io/tls".to_owned()),
        ..Secret::default()
    });
    secret.metadata.managed_fields = None;
    secret.metadata.labels.get_or_insert_default().extend(options.labels.clone());
    let data: &mut Data = secret.data.get_or_insert_default();
    for (key, value) in contents {
        match value {
            Some(value) => data.insert(key.to_owned(), ByteString(value.into_bytes())),
            None => data.remove(key),
        };
    }
    secret
}

/// Whether a person asks for a rotation: the annotation has a value that was not carried out yet.
#[must_use]
pub fn requested(secret: &Secret, options: &Options) -> bool {
    let annotation = |key: &String| secret.metadata.annotations.as_ref()?.get(key);
    let wish = annotation(&options.rotate_annotation);
    wish.is_some() && wish != annotation(&options.rotated_annotation())
}

/// Remembers that what was asked for is carried out, with the very write that does it.
pub fn mark_rotated(secret: &mut Secret, options: &Options) {
    let annotations = secret.metadata.annotations.as_mut();
    let Some((annotations, wish)) =
        annotations.and_then(|all| all.get(&options.rotate_annotation).cloned().map(|wish| (all, wish)))
    else {
        return;
    };
    annotations.insert(options.rotated_annotation(), wish);
}

#[cfg(test)]
pub(crate) mod tests;
