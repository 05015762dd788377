//! The keeper's calls to the API server, each with a deadline.

use std::time::Duration;

use http::{Request, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::client::Body;
use kube::{Api as KubeApi, ResourceExt};

use crate::inject::{Configuration, Definition, Kind};
use crate::{Bundle, Error, Options};

/// The longest wait for one answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// Writes return what is there afterwards. Losing a race is no error: the winner's object is read and returned.
pub(super) struct Api {
    pub(super) secrets: KubeApi<Secret>,
    pub(super) mutating: KubeApi<MutatingWebhookConfiguration>,
    pub(super) validating: KubeApi<ValidatingWebhookConfiguration>,
    pub(super) definitions: KubeApi<Definition>,
    client: kube::Client,
    manager: String,
}

impl Api {
    pub(super) fn new(client: kube::Client, options: &Options) -> Self {
        Self {
            secrets: KubeApi::namespaced(client.clone(), &options.namespace),
            mutating: KubeApi::all(client.clone()),
            validating: KubeApi::all(client.clone()),
            definitions: KubeApi::all(client.clone()),
            client,
            manager: options.field_manager.clone(),
        }
    }

    /// Replaces the Secret if it was read before (its `resourceVersion` says so), else creates it.
    pub(super) async fn write(&self, secret: Secret) -> Result<Option<Secret>, Error> {
        let (name, object) = (secret.name_any(), format!("Secret/{}", secret.name_any()));
        let params = PostParams { field_manager: Some(self.manager.clone()), ..PostParams::default() };
        let written = if secret.metadata.resource_version.is_some() {
            match call("replace", &object, self.secrets.replace(&name, &params, &secret)).await {
                Err(error) if refused(&error) => self.recreate(&object, &params, secret).await,
                written => written,
            }
        } else {
            call("create", &object, self.secrets.create(&params, &secret)).await
        };
        match written {
            Ok(secret) => Ok(Some(secret)),
            Err(error) if lost(&error) => self.secret(&name).await,
            Err(error) => Err(error),
        }
    }

    /// For a Secret that cannot be changed: somebody made it immutable. It goes as it was read, or not at all.
    async fn recreate(&self, object: &str, params: &PostParams, mut secret: Secret) -> Result<Secret, Error> {
        let (name, metadata) = (secret.name_any(), &mut secret.metadata);
        let read =
            Preconditions { uid: metadata.uid.take(), resource_version: metadata.resource_version.take() };
        let delete = DeleteParams { preconditions: Some(read), ..DeleteParams::default() };
        call("delete", object, self.secrets.delete(&name, &delete)).await?;
        (secret.immutable, secret.metadata.creation_timestamp) = (None, None);
        call("create", object, self.secrets.create(params, &secret)).await
    }

    pub(super) async fn secret(&self, name: &str) -> Result<Option<Secret>, Error> {
        call("get", &format!("Secret/{name}"), self.secrets.get_opt(name)).await
    }

    /// The time by the API server's clock, which is the one that judges certificates. A clock of ours that is wrong
    /// would have this replica renew, with dates that nobody accepts, what the others then renew again.
    pub(super) async fn now(&self) -> Result<Timestamp, Error> {
        let request = Request::get("/version").body(Body::empty());
        let request = request.map_err(|error| Error::Api {
            action: "get",
            object: "/version".to_owned(),
            source: Box::new(kube::Error::HttpError(error)),
        })?;
        let answer = call("get", "/version", self.client.send(request)).await?;
        // Any answer has the header, a refusal too; without it our own clock has to do.
        let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        Ok(date.and_then(http_date).unwrap_or_else(Timestamp::now))
    }

    /// Puts the bundle into the webhooks of the object as it was read.
    pub(super) async fn apply(
        &self,
        kind: Kind,
        stale: &Configuration,
        bundle: &Bundle,
    ) -> Result<Option<Configuration>, Error> {
        match kind {
            Kind::Mutating => self.apply_to(&self.mutating, kind, stale, bundle).await,
            Kind::Validating => self.apply_to(&self.validating, kind, stale, bundle).await,
            Kind::Definition => self.apply_to(&self.definitions, kind, stale, bundle).await,
        }
    }

    async fn apply_to<K>(
        &self,
        api: &KubeApi<K>,
        kind: Kind,
        stale: &Configuration,
        bundle: &Bundle,
    ) -> Result<Option<Configuration>, Error>
    where
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + Into<Configuration>,
    {
        let name = stale.name();
        let object = format!("{}/{name}", kind.name());
        let (params, patch) = (PatchParams::apply(&self.manager).force(), stale.patch(kind, bundle));
        match call("patch", &object, api.patch(name, &params, &Patch::Apply(&patch))).await {
            Ok(live) => Ok(Some(live.into())),
            Err(error) if lost(&error) => {
                let live = call("get", &object, api.get_opt(name)).await?;
                Ok(live.map(Into::into))
            }
            Err(error) => Err(error),
        }
    }
}

async fn call<T>(
    action: &'static str,
    object: &str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(Error::Api { action, object: object.to_owned(), source: Box::new(source) }),
        Err(_) => Err(Error::Deadline { action, object: object.to_owned() }),
    }
}

/// The date of an HTTP answer, as in `Sun, 22 Nov 2026 12:00:00 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

/// Whether the API server finds the object invalid.
fn refused(error: &Error) -> bool {
    let Error::Api { source, .. } = error else {
        return false;
    };
    matches!(&**source, kube::Error::Api(status) if status.is_invalid())
}

/// Whether somebody else created, changed or deleted the object in between.
fn lost(error: &Error) -> bool {
    let Error::Api { source, .. } = error else {
        return false;
    };
    matches!(&**source, kube::Error::Api(status)
        if status.is_already_exists() || status.is_conflict() || status.is_not_found())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let expected: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        assert_eq!(http_date("Sun, 22 Nov 2026 12:00:00 GMT"), Some(expected));
        assert_eq!(http_date("yesterday"), None);
    }
}
