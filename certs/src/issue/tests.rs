use std::collections::BTreeSet;

use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::plan::SignedBy;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn names() -> Vec<String> {
    ["webhook", "webhook.ns", "webhook.ns.svc", "webhook.ns.svc.cluster.local"].map(String::from).to_vec()
}

fn parsed<T>(pem: &str, read: impl FnOnce(&X509Certificate<'_>) -> T) -> T {
    let der = tls::certificate("test", pem).unwrap();
    read(&X509Certificate::from_der(&der).unwrap().1)
}

#[test]
fn a_ca_signs_leaves_only_and_lasts_a_year() {
    let made = authority(now()).unwrap();
    parsed(&made.pair.certificate, |ca| {
        let constraints = ca.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical);
        assert!(constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(0));
        let usage = ca.key_usage().unwrap().unwrap().value;
        assert!(usage.key_cert_sign() && !usage.digital_signature());
        assert_eq!(
            ca.signature_algorithm.algorithm.to_id_string(),
            "1.2.840.10045.4.3.2",
            "ECDSA with SHA-256"
        );
        assert_eq!(ca.validity().not_before.timestamp(), now().as_second() - 300);
        assert_eq!(ca.validity().not_after.timestamp(), now().as_second() + 365 * DAY);
    });
}

#[test]
fn a_leaf_serves_its_names_for_90_days() {
    let ca = authority(now()).unwrap();
    let made = leaf(&ca, &names(), now()).unwrap();
    parsed(&made.certificate, |leaf| {
        let usage = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && !usage.client_auth);
        assert!(!leaf.is_ca());
        assert_eq!(leaf.validity().not_before.timestamp(), now().as_second() - 300);
        assert_eq!(leaf.validity().not_after.timestamp(), now().as_second() + 90 * DAY);
    });
    let facts = inspect::leaf(&made, &ca, &names(), false).unwrap();
    assert_eq!((facts.signed_by, facts.names_match), (SignedBy::Current, true));
    assert!(!inspect::leaf(&made, &ca, &names()[1..], false).unwrap().names_match, "a name too many");
}

#[test]
fn a_leaf_never_outlives_its_ca() {
    let ca = authority(now()).unwrap();
    let late = Timestamp::from_second(now().as_second() + 364 * DAY).unwrap();
    let made = leaf(&ca, &names(), late).unwrap();
    parsed(&made.certificate, |leaf| {
        assert_eq!(leaf.validity().not_after.timestamp(), now().as_second() + 365 * DAY);
    });
}

#[test]
fn the_issuer_of_a_leaf_is_recognised_through_a_rotation() {
    let first = authority(now()).unwrap();
    let made = leaf(&first, &names(), now()).unwrap();
    // Made in the same second, so the names of both CAs are equal and only the key tells them apart.
    let second = authority(now()).unwrap();
    assert_eq!(inspect::leaf(&made, &second, &names(), false).unwrap().signed_by, SignedBy::Unknown);

    let second = Authority { previous: vec![first.pair.certificate], ..second };
    assert_eq!(inspect::leaf(&made, &second, &names(), false).unwrap().signed_by, SignedBy::Previous);
    assert_eq!(inspect::authority(&second, false).unwrap().previous, 1);
}

#[test]
fn serial_numbers_are_random_and_positive() {
    let serials: BTreeSet<Vec<u8>> = (0..64).map(|_| serial().unwrap().to_bytes()).collect();
    assert_eq!(serials.len(), 64);
    assert!(serials.iter().all(|bytes| bytes.len() == 16 && bytes[0] < 0x80));
}

#[test]
fn keys_are_never_printed() {
    let ca = authority(now()).unwrap();
    let secret = ca.pair.key.lines().nth(1).unwrap().to_owned();
    assert!(!format!("{ca:?}").contains(&secret));
}

#[test]
fn the_bundle_lists_the_current_ca_first_and_ends_each_with_one_newline() {
    let ca = Authority {
        pair: Pair { certificate: "NEW\n\n".into(), key: String::new() },
        previous: vec!["OLD".into(), "OLDER\n".into()],
    };
    assert_eq!(ca.bundle().pem(), "NEW\nOLD\nOLDER\n");
}
