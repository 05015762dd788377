//! A `CustomResourceDefinition`, as far as the keeper needs it.
//!
//! The whole one takes megabytes in memory, nearly all of them for schemas and for `managedFields`.

use std::borrow::Cow;

use k8s_openapi::ClusterResourceScope;
use k8s_openapi::api::admissionregistration::v1::WebhookClientConfig;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::{Deserialize, Deserializer};

use super::{Configuration, Hook};

/// The part of a `CustomResourceDefinition` that says who converts its objects.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Definition {
    #[serde(deserialize_with = "identity")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Spec {
    #[serde(default)]
    conversion: Option<Conversion>,
}

#[derive(Clone, Debug, Deserialize)]
struct Conversion {
    #[serde(default)]
    webhook: Option<Webhook>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    #[serde(default)]
    client_config: Option<WebhookClientConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
}

fn identity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let Identity { name, uid, resource_version, generation } = Identity::deserialize(deserializer)?;
    Ok(ObjectMeta { name, uid, resource_version, generation, ..ObjectMeta::default() })
}

impl Resource for Definition {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        CustomResourceDefinition::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        CustomResourceDefinition::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        CustomResourceDefinition::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        CustomResourceDefinition::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl From<Definition> for Configuration {
    /// A definition that no webhook converts has no place for a bundle.
    fn from(live: Definition) -> Self {
        let client = live.spec.conversion.and_then(|conversion| conversion.webhook?.client_config);
        let hooks = client.into_iter().map(|client| Hook::new(String::new(), client)).collect();
        Self { metadata: live.metadata, hooks }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Bundle;
    use crate::inject::Kind;

    fn live(conversion: &Value) -> Configuration {
        let live: Definition = serde_json::from_value(json!({
            "metadata": { "name": "redis", "uid": "u1", "resourceVersion": "7", "managedFields": [{ "manager": "m" }] },
            "spec": { "group": "example.com", "conversion": conversion },
        }))
        .unwrap();
        live.into()
    }

    #[test]
    fn a_conversion_webhook_gets_the_bundle_and_nothing_else() {
        let service = json!({ "name": "s", "namespace": "n" });
        let live =
            live(&json!({ "strategy": "Webhook", "webhook": { "clientConfig": { "service": service } } }));
        let bundle = Bundle::new(["new"]);
        assert!(!live.carries(&bundle));
        let expected = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": "redis", "uid": "u1", "resourceVersion": "7" },
            "spec": { "conversion": { "webhook": { "clientConfig": { "caBundle": "bmV3Cg==" } } } },
        });
        assert_eq!(live.patch(Kind::Definition, &bundle), expected);
    }

    #[test]
    fn a_definition_without_a_webhook_is_left_alone() {
        for conversion in [json!(null), json!({ "strategy": "None" })] {
            assert!(live(&conversion).carries(&Bundle::new(["any"])), "{conversion}");
        }
    }
}
