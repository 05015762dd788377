//! What can go wrong, each with a fixed reason.

use kube::core::Status;
use kube::runtime::watcher;

/// A sentence or another error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A failure of the certificate keeper.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// The system gave no random numbers for a serial number.
    #[error("no random numbers for a serial number")]
    Random,
    /// The wall clock is outside of what a certificate can express.
    #[error("the time {0} does not fit into a certificate")]
    Clock(jiff::Timestamp),
    /// Stored data is missing or cannot be used.
    #[error("{field}: {problem}")]
    Damaged {
        /// The key of the Secret, or the part of the certificate.
        field: &'static str,
        /// What is wrong with it; never the data itself.
        problem: Cause,
    },
    /// The API server refused a call or could not be reached.
    #[error("cannot {action} {object}: {}", brief(source))]
    Api {
        /// The verb.
        action: &'static str,
        /// `Kind/name`.
        object: String,
        /// The client's error.
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("cannot {action} {object}: no answer in time")]
    Deadline {
        /// The verb.
        action: &'static str,
        /// `Kind/name`.
        object: String,
    },
    /// A watch broke; it is opened again.
    #[error("cannot watch {object}: {}", answer(source).map_or_else(|| source.to_string(), |status| status.message.clone()))]
    Watch {
        /// `Kind/name`.
        object: String,
        /// The watcher's error.
        source: Box<watcher::Error>,
    },
    /// There is no Secret, and others have to make it.
    #[error("there is no Secret {0}")]
    Missing(String),
    /// Others kept changing the Secrets while this keeper worked.
    #[error("the certificate Secrets keep changing")]
    Unsettled,
}

impl Error {
    /// A fixed word for log fields, event reasons and metric labels.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Issue(_) | Self::Random | Self::Clock(_) => "CertificateIssueFailed",
            Self::Damaged { .. } => "CertificateDamaged",
            Self::Missing(_) => "CertificateMissing",
            Self::Api { source, .. } => match &**source {
                kube::Error::Api(status) if status.is_forbidden() => "CertificateApiForbidden",
                _ => "CertificateApiFailed",
            },
            Self::Deadline { .. } => "CertificateApiTimeout",
            Self::Watch { source, .. } => match answer(source) {
                Some(status) if status.is_forbidden() => "CertificateApiForbidden",
                _ => "CertificateWatchFailed",
            },
            Self::Unsettled => "CertificateUnsettled",
        }
    }

    pub(crate) fn damaged(field: &'static str, problem: impl Into<Cause>) -> Self {
        Self::Damaged { field, problem: problem.into() }
    }
}

/// The API server's own sentence; the client's Display adds the whole status again.
fn brief(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// What the API server says of a watch.
fn answer(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    }
}
