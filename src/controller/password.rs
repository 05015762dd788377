//! The passwords of a `RedisFailover`, from the Secrets that its spec names.

use std::time::Duration;

use futures::future::try_join;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use tokio::time::{Instant, timeout};

use crate::act::Failure;
use crate::api::Valid;
use crate::secret::{Password, Passwords};

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
    #[error("{field}: there is no Secret {name:?} in this namespace; create it with the key `password`")]
    Missing {
        /// The field that names it.
        field: &'static str,
        /// Name of the Secret.
        name: String,
    },
    /// The Secret has no usable key `password`.
    #[error("{field}: the Secret {name:?} has no text under the key `password`; add it")]
    Empty {
        /// The field that names it.
        field: &'static str,
        /// Name of the Secret.
        name: String,
    },
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
            Self::Missing { .. } => "SecretMissing",
            Self::Empty { .. } => "PasswordMissing",
            Self::Api { .. } => "SecretUnreadable",
            Self::Timeout(_) => "ApiTimeout",
        }
    }
}

/// The passwords as they were read last.
#[derive(Default)]
pub(super) struct Cache {
    redis: Cached,
    sentinel: Cached,
}

impl Cache {
    /// The passwords that the spec wants; read anew once a minute. Where one cannot be read, the one that the servers
    /// run with is still good, and the failure comes with it.
    pub(super) async fn of(
        &mut self,
        client: &kube::Client,
        valid: &Valid,
    ) -> Result<(Passwords, Vec<Failure>), Error> {
        let namespace = &valid.identity.namespace;
        let secret = |field, name| Source { client, namespace, field, name };
        let redis = valid.auth_secret.as_deref().map(|name| secret("spec.auth.secretPath", name));
        let sentinel =
            valid.sentinel_auth_secret.as_deref().map(|name| secret("spec.auth.sentinelSecretPath", name));
        let ((redis, unread), (sentinel, also_unread)) =
            try_join(self.redis.of(redis), self.sentinel.of(sentinel)).await?;
        Ok((Passwords { redis, sentinel }, unread.into_iter().chain(also_unread).collect()))
    }
}

/// Name of the Secret, the password that was in it, and when.
#[derive(Default)]
struct Cached(Option<(String, Password, Instant)>);

impl Cached {
    async fn of(&mut self, source: Option<Source<'_>>) -> Result<(Option<Password>, Option<Failure>), Error> {
        let Some(source) = source else { return Ok((None, None)) };
        let known = self.0.as_ref().filter(|(known, ..)| known == source.name);
        if let Some((_, password, _)) = known.filter(|(.., read)| read.elapsed() < FRESH) {
            return Ok((Some(password.clone()), None));
        }
        match (source.read().await, known) {
            (Ok(password), _) => {
                self.0 = Some((source.name.to_owned(), password.clone(), Instant::now()));
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

/// Where a password is read.
struct Source<'a> {
    client: &'a kube::Client,
    namespace: &'a str,
    field: &'static str,
    name: &'a str,
}

impl Source<'_> {
    async fn read(&self) -> Result<Password, Error> {
        let (field, name) = (self.field, self.name.to_owned());
        let api: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace);
        let secret = match timeout(CALL, api.get_opt(&name)).await {
            Err(_) => return Err(Error::Timeout(name)),
            Ok(Err(source)) => return Err(Error::Api { name, source: Box::new(source) }),
            Ok(Ok(None)) => return Err(Error::Missing { field, name }),
            Ok(Ok(Some(secret))) => secret,
        };
        let bytes = secret.data.unwrap_or_default().remove(KEY);
        let text = bytes.and_then(|bytes| String::from_utf8(bytes.0).ok()).unwrap_or_default();
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(Error::Empty { field, name }),
            password => Ok(Password::new(password.to_owned())),
        }
    }
}
