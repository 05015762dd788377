//! What a Keeper has to know about its surroundings.

use std::collections::BTreeMap;

/// Who makes the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The keeper, with a CA of its own.
    Own,
    /// Somebody else, who writes the leaf Secret; the keeper only reads it.
    Provided {
        /// Whether the keeper writes the Secret's `ca.crt`, where there is one, into the webhooks. Otherwise
        /// somebody else does that too.
        inject: bool,
    },
}

/// The objects that a [`Keeper`](crate::Keeper) takes care of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who makes the certificate.
    pub mode: Mode,
    /// The namespace of the Service and of both Secrets.
    pub namespace: String,
    /// The name of the Service in front of the webhook; the leaf is made for its DNS names.
    pub service: String,
    /// The name of the Secret with the CA; of no meaning where others make the certificate.
    pub ca_secret: String,
    /// The name of the Secret with the serving certificate.
    pub leaf_secret: String,
    /// The `MutatingWebhookConfiguration` that gets the bundle, if there is one.
    pub mutating_configuration: Option<String>,
    /// The `ValidatingWebhookConfiguration` that gets the bundle, if there is one.
    pub validating_configuration: Option<String>,
    /// The `CustomResourceDefinition` whose conversion webhook gets the bundle, if there is one.
    pub definition: Option<String>,
    /// The field manager of every write.
    pub field_manager: String,
    /// Labels for both Secrets.
    pub labels: BTreeMap<String, String>,
    /// The annotation of either Secret whose every new value asks for one rotation.
    pub rotate_annotation: String,
}

impl Options {
    /// The names under which a Service is reached inside a cluster. API servers verify `SERVICE.NS.svc`.
    #[must_use]
    pub fn dns_names(&self) -> Vec<String> {
        let Self { service, namespace, .. } = self;
        vec![
            service.clone(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.cluster.local"),
        ]
    }

    /// The name that API servers verify.
    #[must_use]
    pub fn server_name(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }

    /// The annotation that remembers the last value of the other one.
    #[must_use]
    pub fn rotated_annotation(&self) -> String {
        format!("{}d", self.rotate_annotation)
    }
}
