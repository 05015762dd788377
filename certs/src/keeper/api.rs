//! The keeper's calls to the API server, each with a deadline.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
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
    manager: String,
}

impl Api {
    pub(super) fn new(client: kube::Client, options: &Options) -> Self {
        Self {
            secrets: KubeApi::namespaced(client.clone(), &options.namespace),
            mutating: KubeApi::all(client.clone()),
            validating: KubeApi::all(client.clone()),
            definitions: KubeApi::all(client),
            manager: options.field_manager.clone(),
        }
    }

    /// Replaces the Secret if it was read before (its `resourceVersion` says so), else creates it.
    pub(super) async fn write(&self, secret: Secret) -> Result<Option<Secret>, Error> {
        let name = secret.name_any();
        let object = format!("Secret/{name}");
        let params = PostParams { field_manager: Some(self.manager.clone()), ..PostParams::default() };
        let written = if secret.metadata.resource_version.is_some() {
            call("replace", &object, self.secrets.replace(&name, &params, &secret)).await
        } else {
            call("create", &object, self.secrets.create(&params, &secret)).await
        };
        match written {
            Ok(secret) => Ok(Some(secret)),
            Err(error) if lost(&error) => call("get", &object, self.secrets.get_opt(&name)).await,
            Err(error) => Err(error),
        }
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

/// Whether somebody else created, changed or deleted the object in between.
fn lost(error: &Error) -> bool {
    let Error::Api { source, .. } = error else {
        return false;
    };
    matches!(&**source, kube::Error::Api(status)
        if status.is_already_exists() || status.is_conflict() || status.is_not_found())
}
