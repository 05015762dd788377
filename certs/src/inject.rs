//! The CA bundle in the objects that name the webhook.

mod definition;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::Resource;
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use crate::Bundle;
pub(crate) use definition::Definition;

/// The kinds that name webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mutating,
    Validating,
    Definition,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Mutating, Self::Validating, Self::Definition];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mutating => "MutatingWebhookConfiguration",
            Self::Validating => "ValidatingWebhookConfiguration",
            Self::Definition => "CustomResourceDefinition",
        }
    }

    fn api_version(self) -> String {
        match self {
            Self::Mutating => MutatingWebhookConfiguration::api_version(&()).into_owned(),
            Self::Validating => ValidatingWebhookConfiguration::api_version(&()).into_owned(),
            Self::Definition => Definition::api_version(&()).into_owned(),
        }
    }
}

/// What the keeper remembers of an object that names webhooks.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    metadata: ObjectMeta,
    hooks: Vec<Hook>,
}

#[derive(Clone, Debug)]
struct Hook {
    name: String,
    bundle: Vec<u8>,
}

impl Hook {
    fn new(name: String, client: WebhookClientConfig) -> Self {
        Self { name, bundle: client.ca_bundle.unwrap_or_default().0 }
    }
}

impl From<MutatingWebhookConfiguration> for Configuration {
    fn from(live: MutatingWebhookConfiguration) -> Self {
        let hooks = live.webhooks.unwrap_or_default().into_iter();
        let hooks = hooks.map(|hook| Hook::new(hook.name, hook.client_config)).collect();
        Self { metadata: live.metadata, hooks }
    }
}

impl From<ValidatingWebhookConfiguration> for Configuration {
    fn from(live: ValidatingWebhookConfiguration) -> Self {
        let hooks = live.webhooks.unwrap_or_default().into_iter();
        let hooks = hooks.map(|hook| Hook::new(hook.name, hook.client_config)).collect();
        Self { metadata: live.metadata, hooks }
    }
}

impl Configuration {
    pub(crate) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Changes with every change of a webhook, and only then.
    pub(crate) fn version(&self) -> (Option<String>, Option<i64>) {
        (self.metadata.uid.clone(), self.metadata.generation)
    }

    /// Whether every webhook has exactly this bundle.
    pub(crate) fn carries(&self, bundle: &Bundle) -> bool {
        self.hooks.iter().all(|hook| hook.bundle == bundle.pem().as_bytes())
    }

    /// What each webhook has for a bundle.
    pub(crate) fn bundles(&self) -> impl Iterator<Item = &[u8]> {
        self.hooks.iter().map(|hook| hook.bundle.as_slice())
    }

    /// The server-side apply that puts the bundle into every webhook and owns nothing else. It holds for the very
    /// object that was read: `uid` and `resourceVersion` make it a conflict after any change, so it neither makes
    /// a deleted configuration anew nor brings back a removed webhook.
    pub(crate) fn patch(&self, kind: Kind, bundle: &Bundle) -> Value {
        let bundle = ByteString(bundle.pem().as_bytes().to_vec());
        let mut patch = json!({
            "apiVersion": kind.api_version(),
            "kind": kind.name(),
            "metadata": {
                "name": self.metadata.name,
                "uid": self.metadata.uid,
                "resourceVersion": self.metadata.resource_version,
            },
        });
        let client = json!({ "caBundle": bundle });
        match kind {
            Kind::Definition => {
                patch["spec"] = json!({ "conversion": { "webhook": { "clientConfig": client } } });
            }
            Kind::Mutating | Kind::Validating => {
                let hooks = self.hooks.iter();
                patch["webhooks"] =
                    hooks.map(|hook| json!({ "name": hook.name, "clientConfig": client })).collect();
            }
        }
        patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Configuration {
        let live: ValidatingWebhookConfiguration = serde_json::from_value(json!({
            "metadata": { "name": "redis", "uid": "u1", "resourceVersion": "7" },
            "webhooks": [
                { "name": "a.example.com", "clientConfig": { "caBundle": "b2xkCg==" } },
                { "name": "b.example.com", "clientConfig": { "service": { "name": "s", "namespace": "n" } } },
            ],
        }))
        .unwrap();
        live.into()
    }

    #[test]
    fn the_patch_names_every_webhook_and_owns_only_the_bundle() {
        let patch = live().patch(Kind::Validating, &Bundle::new(["new"]));
        let expected = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": "redis", "uid": "u1", "resourceVersion": "7" },
            "webhooks": [
                { "name": "a.example.com", "clientConfig": { "caBundle": "bmV3Cg==" } },
                { "name": "b.example.com", "clientConfig": { "caBundle": "bmV3Cg==" } },
            ],
        });
        assert_eq!(patch, expected);
    }

    #[test]
    fn one_webhook_without_the_bundle_is_enough_to_write() {
        let mut live = live();
        assert!(!live.carries(&Bundle::new(["old"])), "b has none");
        live.hooks.pop();
        assert!(live.carries(&Bundle::new(["old"])));
        assert!(!live.carries(&Bundle::new(["new"])));
    }
}
