//! A real TLS handshake against our own server, to know that clients will get through.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{Bundle, tls};

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The bundle or the server name cannot be used.
    #[error("cannot dial: {0}")]
    Input(String),
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// No answer before the deadline.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection failed: name lookup, routing, or the other side hung up.
    #[error("connection failed: {0}")]
    Connection(io::Error),
    /// No CA of the bundle signed the server's certificate.
    #[error("the certificate is not signed by a trusted CA")]
    UnknownAuthority,
    /// The certificate is for other names.
    #[error("the certificate is not valid for the name {0}")]
    WrongName(String),
    /// The certificate is expired or not valid yet.
    #[error("the certificate is not valid now")]
    NotValidNow,
    /// Any other failure of TLS.
    #[error("TLS: {0}")]
    Tls(rustls::Error),
}

impl DialError {
    /// A fixed word for log fields and metric labels.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Input(_) => "DialInputInvalid",
            Self::Refused => "DialRefused",
            Self::Timeout(_) => "DialTimeout",
            Self::Connection(_) => "DialConnectionFailed",
            Self::UnknownAuthority => "DialUnknownAuthority",
            Self::WrongName(_) => "DialWrongName",
            Self::NotValidNow => "DialNotValidNow",
            Self::Tls(_) => "DialTlsFailed",
        }
    }

    fn from_io(error: io::Error, name: &str) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => Self::from_tls(tls, name),
            None if error.kind() == io::ErrorKind::ConnectionRefused => Self::Refused,
            None => Self::Connection(error),
        }
    }

    fn from_tls(error: &rustls::Error, name: &str) -> Self {
        use CertificateError as C;
        match error {
            // A successor with the same name has another key, so its signature does not fit.
            rustls::Error::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => Self::UnknownAuthority,
            rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
                Self::WrongName(name.to_owned())
            }
            rustls::Error::InvalidCertificate(
                C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. },
            ) => Self::NotValidNow,
            other => Self::Tls(other.clone()),
        }
    }
}

/// Connects to `address` (`host:port`) and completes a handshake that verifies chain, validity and `server_name`
/// against `bundle`, all within `deadline`.
pub async fn dial(
    address: &str,
    server_name: &str,
    bundle: &Bundle,
    deadline: Duration,
) -> Result<(), DialError> {
    tokio::time::timeout(deadline, handshake(address, server_name, bundle))
        .await
        .unwrap_or(Err(DialError::Timeout(deadline)))
}

async fn handshake(address: &str, server_name: &str, bundle: &Bundle) -> Result<(), DialError> {
    let name = ServerName::try_from(server_name.to_owned())
        .map_err(|_| DialError::Input(format!("{server_name:?} is not a DNS name")))?;
    let roots = bundle.roots().map_err(|error| DialError::Input(error.to_string()))?;
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(DialError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let describe = |error| DialError::from_io(error, server_name);
    let stream = TcpStream::connect(address).await.map_err(describe)?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(describe)?;
    Ok(())
}

#[cfg(test)]
mod tests;
