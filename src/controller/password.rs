//! The password of a `RedisFailover`, from the Secret that its spec names.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use tokio::time::{Instant, timeout};

use crate::act::Failure;
use crate::api::Valid;
use crate::secret::Password;

/// Deadline of reading the Secret.
const CALL: Duration = Duration::from_secs(5);
/// How long a password is taken for current.
const FRESH: Duration = Duration::from_secs(60);
/// The key in the Secret.
const KEY: &str = "password";

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Secret does not exist.
    #[error(
        "spec.auth.secretPath: there is no Secret {0:?} in this namespace; create it with the key `password`"
    )]
    Missing(String),
    /// The Secret has no usable key `password`.
    #[error("spec.auth.secretPath: the Secret {0:?} has no text under the key `password`; add it")]
    Empty(String),
    /// The API server did not give it.
    #[error("Secret {name}: {source}")]
    Api {
        /// Name of the Secret.
        name: String,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("Secret {0}: no answer from the API server in time")]
    Timeout(String),
}

impl Error {
    /// Fixed name, for log fields, event reasons and metric labels.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing(_) => "SecretMissing",
            Self::Empty(_) => "PasswordMissing",
            Self::Api { .. } => "SecretUnreadable",
            Self::Timeout(_) => "ApiTimeout",
        }
    }
}

/// The password as it was read last.
#[derive(Default)]
pub(super) struct Cached(Option<(String, Password, Instant)>);

impl Cached {
    /// The password of the servers, if the spec wants one; read anew once a minute. Where it cannot be read, the one
    /// that the servers run with is still good, and the failure comes with it.
    pub(super) async fn of(
        &mut self,
        client: &kube::Client,
        valid: &Valid,
    ) -> Result<(Option<Password>, Option<Failure>), Error> {
        let Some(name) = &valid.auth_secret else { return Ok((None, None)) };
        let known = self.0.as_ref().filter(|(known, ..)| known == name);
        if let Some((_, password, _)) = known.filter(|(.., read)| read.elapsed() < FRESH) {
            return Ok((Some(password.clone()), None));
        }
        match (read(client, &valid.identity.namespace, name).await, known) {
            (Ok(password), _) => {
                self.0 = Some((name.clone(), password.clone(), Instant::now()));
                Ok((Some(password), None))
            }
            (Err(error), Some((_, password, _))) => Ok((
                Some(password.clone()),
                Some(Failure { reason: error.reason(), text: error.to_string() }),
            )),
            (Err(error), None) => Err(error),
        }
    }
}

async fn read(client: &kube::Client, namespace: &str, name: &str) -> Result<Password, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = match timeout(CALL, api.get_opt(name)).await {
        Err(_) => return Err(Error::Timeout(name.to_owned())),
        Ok(Err(source)) => return Err(Error::Api { name: name.to_owned(), source: Box::new(source) }),
        Ok(Ok(None)) => return Err(Error::Missing(name.to_owned())),
        Ok(Ok(Some(secret))) => secret,
    };
    let bytes = secret.data.unwrap_or_default().remove(KEY);
    let text = bytes.and_then(|bytes| String::from_utf8(bytes.0).ok()).unwrap_or_default();
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(Error::Empty(name.to_owned())),
        password => Ok(Password::new(password.to_owned())),
    }
}
