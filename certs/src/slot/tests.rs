use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::issue::{self, Authority};
use crate::{DialError, dial};

const NAME: &str = "webhook.ns.svc";
const DEADLINE: Duration = Duration::from_secs(10);

/// A TLS server on loopback that serves the slot until the test ends.
async fn server(slot: &Arc<Slot>) -> String {
    let config = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(slot) as Arc<dyn ResolvesServerCert>);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A refused handshake is the client's to report.
            tokio::spawn(acceptor.accept(stream));
        }
    });
    address
}

fn authority() -> Authority {
    issue::authority(Timestamp::now()).unwrap()
}

fn leaf(authority: &Authority) -> Pair {
    issue::leaf(authority, &[NAME.to_owned()], Timestamp::now()).unwrap()
}

#[tokio::test]
async fn a_swap_takes_effect_without_a_restart() {
    let (slot, first, foreign) = (Slot::new(), authority(), authority());
    let address = server(&slot).await;
    let reach = async |ca: &Authority| dial(&address, NAME, &ca.bundle(), DEADLINE).await;

    assert!(!slot.loaded());
    assert!(matches!(reach(&first).await, Err(DialError::Tls(_))), "nothing to serve yet");

    assert!(slot.load(&leaf(&first)).unwrap());
    reach(&first).await.unwrap();

    assert!(slot.load(&leaf(&foreign)).unwrap());
    assert!(matches!(reach(&first).await, Err(DialError::UnknownAuthority)), "the old trust no longer holds");
    reach(&foreign).await.unwrap();
}

#[tokio::test]
async fn clients_get_through_at_every_moment_of_a_rotation() {
    let (slot, old) = (Slot::new(), authority());
    let address = server(&slot).await;
    slot.load(&leaf(&old)).unwrap();
    let new = Authority { previous: vec![old.pair.certificate.clone()], ..authority() };

    dial(&address, NAME, &new.bundle(), DEADLINE).await.expect("new bundle, old leaf");
    slot.load(&leaf(&new)).unwrap();
    dial(&address, NAME, &new.bundle(), DEADLINE).await.expect("new bundle, new leaf");
}

#[test]
fn an_unusable_or_equal_leaf_changes_nothing() {
    let slot = Slot::new();
    let ca = authority();
    let good = leaf(&ca);
    assert!(slot.load(&good).unwrap());
    assert!(!slot.load(&good).unwrap(), "the same again");

    let mixed = Pair { key: leaf(&ca).key, ..good };
    assert!(slot.load(&mixed).is_err(), "the key of another leaf");
    assert!(slot.loaded());
    let left = slot.not_after().unwrap().as_second() - Timestamp::now().as_second();
    assert!((issue::LEAF_LIFE - 60..=issue::LEAF_LIFE).contains(&left), "{left}");
}

#[test]
fn the_slot_does_not_print_its_key() {
    let slot = Slot::new();
    slot.load(&leaf(&authority())).unwrap();
    let text = format!("{slot:?}");
    assert!(text.starts_with("Slot { not_after: Some(") && text.len() < 80, "{text}");
}
