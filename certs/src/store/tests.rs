use jiff::Timestamp;

use super::*;
use crate::{Mode, inspect, issue};

pub(crate) fn options() -> Options {
    Options {
        mode: Mode::Own,
        namespace: "ns".into(),
        service: "webhook".into(),
        ca_secret: "ca".into(),
        leaf_secret: "leaf".into(),
        mutating_configuration: None,
        validating_configuration: None,
        definition: None,
        field_manager: "test".into(),
        labels: BTreeMap::from([("app".to_owned(), "redis".to_owned())]),
        rotate_annotation: "example.com/rotate".into(),
    }
}

fn good() -> Authority {
    let old = || issue::authority(Timestamp::now()).unwrap().pair.certificate.trim().to_owned();
    Authority { previous: vec![old(), old()], ..issue::authority(Timestamp::now()).unwrap() }
}

fn stored(authority: &Authority) -> Secret {
    secret(None, "ca", authority_data(authority), &options())
}

#[test]
fn a_ca_survives_its_secret() {
    let ca = good();
    let secret = stored(&ca);
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/tls"));
    assert_eq!(secret.metadata.namespace.as_deref(), Some("ns"));
    assert_eq!(secret.metadata.labels, Some(options().labels));
    assert_eq!(authority(&secret).unwrap(), ca);
    inspect::authority(&ca, false).unwrap();
}

#[test]
fn a_leaf_keeps_the_certificate_of_its_ca_beside_it() {
    let ca = good();
    let pair = issue::leaf(&ca, &options().dns_names(), Timestamp::now()).unwrap();
    let secret = secret(None, "leaf", leaf_data(&pair, &ca), &options());
    assert_eq!(leaf(&secret).unwrap(), pair);
    assert_eq!(text(&secret, ISSUER).unwrap(), Some(ca.pair.certificate.as_str()));
}

#[test]
fn a_renewal_keeps_what_others_put_into_the_secret_and_its_version() {
    let mut existing = stored(&good());
    existing.metadata.resource_version = Some("7".into());
    existing.metadata.annotations = Some(BTreeMap::from([("note".to_owned(), "mine".to_owned())]));
    existing.type_ = Some("Opaque".into());
    existing.data.get_or_insert_default().insert("extra".into(), ByteString(b"1".to_vec()));

    let alone = Authority { previous: Vec::new(), ..good() };
    let renewed = secret(Some(&existing), "ca", authority_data(&alone), &options());
    assert_eq!(renewed.metadata, existing.metadata);
    assert_eq!(renewed.type_, existing.type_, "the API refuses another type");
    assert_eq!(text(&renewed, "extra").unwrap(), Some("1"));
    assert_eq!(authority(&renewed).unwrap(), alone, "the previous CA is gone");
}

#[test]
fn damaged_data_is_an_error_that_names_the_field_and_shows_no_data() {
    let not_a_ca = issue::leaf(&good(), &options().dns_names(), Timestamp::now()).unwrap();
    let cases: [(&str, &'static str, Option<Vec<u8>>); 9] = [
        ("no certificate", CERTIFICATE, None),
        ("no key", KEY, None),
        ("an empty key", KEY, Some(b" \n".to_vec())),
        ("not text", CERTIFICATE, Some(vec![0xff, 0xfe])),
        ("garbage", CERTIFICATE, Some(b"garbage-garbage".to_vec())),
        ("a garbage key", KEY, Some(b"garbage-garbage".to_vec())),
        ("the key of another CA", KEY, Some(good().pair.key.into_bytes())),
        ("a garbage previous CA", PREVIOUS, Some(b"garbage-garbage".to_vec())),
        ("a previous CA that is a leaf", PREVIOUS, Some(not_a_ca.certificate.into_bytes())),
    ];
    for (name, key, value) in cases {
        let mut secret = stored(&good());
        let data = secret.data.get_or_insert_default();
        match value {
            Some(value) => data.insert(key.to_owned(), ByteString(value)),
            None => data.remove(key),
        };
        let error = authority(&secret).and_then(|ca| inspect::authority(&ca, false)).expect_err(name);
        assert!(error.to_string().starts_with(key), "{name}: {error}");
        assert!(!error.to_string().contains("garbage"), "{name}: {error}");
        assert_eq!(error.reason(), "CertificateDamaged", "{name}");
    }
}

#[test]
fn a_secret_without_data_is_damaged() {
    assert!(authority(&Secret::default()).is_err());
    assert!(leaf(&Secret::default()).is_err());
}

#[test]
fn only_a_single_certificate_may_become_part_of_the_public_bundle() {
    let ca = good();
    let with_key = format!("{}{}", ca.pair.certificate, ca.pair.key);
    assert!(inspect::authority_life(CERTIFICATE, &ca.pair.certificate).is_ok());
    assert!(inspect::authority_life(CERTIFICATE, &with_key).is_err());
}

#[test]
fn each_new_value_of_the_annotation_asks_for_one_rotation() {
    let (mut secret, options) = (stored(&good()), options());
    let ask = |secret: &mut Secret, wish: &str| {
        let annotations = secret.metadata.annotations.get_or_insert_default();
        annotations.insert(options.rotate_annotation.clone(), wish.to_owned());
    };
    assert!(!requested(&secret, &options));
    for wish in ["", "1", "2", "1"] {
        ask(&mut secret, wish);
        assert!(requested(&secret, &options), "{wish:?}");
        mark_rotated(&mut secret, &options);
        assert!(!requested(&secret, &options), "{wish:?}");
    }
    secret.metadata.annotations.as_mut().unwrap().remove(&options.rotate_annotation);
    assert!(!requested(&secret, &options), "the wish was taken back");
}
