use jiff::Timestamp;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{Slot, issue};

const NAME: &str = "webhook.ns.svc";
const DEADLINE: Duration = Duration::from_secs(10);

/// Serves one handshake with a leaf that was made at `made`, and says how to reach and trust it.
async fn server(made: Timestamp) -> (String, Bundle) {
    let authority = issue::authority(Timestamp::now()).unwrap();
    let slot = Slot::new();
    slot.load(&issue::leaf(&authority, &[NAME.to_owned()], made).unwrap()).unwrap();
    let config = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(slot);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // A refused handshake is the client's to report.
        let _ = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
    });
    (address, authority.bundle())
}

#[tokio::test]
async fn a_good_server_is_reached() {
    let (address, bundle) = server(Timestamp::now()).await;
    dial(&address, NAME, &bundle, DEADLINE).await.unwrap();
}

#[tokio::test]
async fn another_name_is_refused() {
    let (address, bundle) = server(Timestamp::now()).await;
    let error = dial(&address, "other.ns.svc", &bundle, DEADLINE).await.unwrap_err();
    assert!(matches!(&error, DialError::WrongName(name) if name == "other.ns.svc"), "{error:?}");
}

#[tokio::test]
async fn another_authority_is_refused() {
    let (address, _) = server(Timestamp::now()).await;
    let other = issue::authority(Timestamp::now()).unwrap().bundle();
    let error = dial(&address, NAME, &other, DEADLINE).await.unwrap_err();
    assert!(matches!(error, DialError::UnknownAuthority), "{error:?}");
}

#[tokio::test]
async fn a_certificate_outside_of_its_time_is_refused() {
    for days in [-100, 100] {
        let made = Timestamp::from_second(Timestamp::now().as_second() + days * 24 * 60 * 60).unwrap();
        let (address, bundle) = server(made).await;
        let error = dial(&address, NAME, &bundle, DEADLINE).await.unwrap_err();
        assert!(matches!(error, DialError::NotValidNow), "{days} days: {error:?}");
    }
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let bundle = issue::authority(Timestamp::now()).unwrap().bundle();
    let error = dial(&address, NAME, &bundle, DEADLINE).await.unwrap_err();
    assert!(matches!(error, DialError::Refused), "{error:?}");
}

#[tokio::test]
async fn a_silent_server_runs_into_the_deadline() {
    // The kernel accepts the connection; nobody ever speaks TLS on it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let bundle = issue::authority(Timestamp::now()).unwrap().bundle();
    let error = dial(&address, NAME, &bundle, Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, DialError::Timeout(_)), "{error:?}");
}

#[tokio::test]
async fn unusable_input_is_told_apart() {
    let bundle = issue::authority(Timestamp::now()).unwrap().bundle();
    for (name, bundle) in [("not a name", &bundle), (NAME, &Bundle::new([]))] {
        let error = dial("127.0.0.1:1", name, bundle, DEADLINE).await.unwrap_err();
        assert!(matches!(error, DialError::Input(_)), "{error:?}");
    }
}
