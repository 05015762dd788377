//! The CustomResourceDefinition, generated from the types and put on a diet.

mod cel;

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceConversion, CustomResourceDefinition,
    CustomResourceDefinitionVersion, CustomResourceSubresourceScale, JSON, JSONSchemaProps,
    JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ServiceReference, WebhookClientConfig, WebhookConversion,
};
use kube::CustomResourceExt;
use serde_json::Value;

use super::rules::PULL_POLICIES;
use super::{GROUP, RedisFailover, VERSION, WEBHOOK_SERVICE, v1alpha2};

#[cfg(test)]
mod tests;

/// Fields whose types come from Kubernetes: their inner descriptions would make the definition five times as long.
const EMBEDDED: [&str; 28] = [
    "affinity",
    "conditions",
    "containerSecurityContext",
    "customLivenessProbe",
    "customReadinessProbe",
    "customStartupProbe",
    "emptyDir",
    "env",
    "extraContainers",
    "extraVolumeMounts",
    "extraVolumes",
    "imagePullSecrets",
    "initContainers",
    "nodeAffinity",
    "resources",
    "securityContext",
    "tolerations",
    "topologySpreadConstraints",
    // Not embedded themselves, but without fields of ours below them.
    "args",
    "command",
    "customConfig",
    "labelWhitelist",
    "nodeSelector",
    "podAnnotations",
    "serviceAnnotations",
    "labels",
    "annotations",
    "selector",
];

/// The Service that converts objects of the early version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converter {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
}

impl Default for Converter {
    fn default() -> Self {
        Self { namespace: "default".to_owned(), service: WEBHOOK_SERVICE.to_owned() }
    }
}

/// The definition that the chart installs, for the [default](Converter::default) converter.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    crd_with(Some(Converter::default()))
}

/// The definition. Without a converter, the early version is not served.
#[must_use]
pub fn crd_with(converter: Option<Converter>) -> CustomResourceDefinition {
    let mut crd = RedisFailover::crd();
    let early = v1alpha2::RedisFailover::crd().spec.versions;
    crd.spec.versions.extend(early.into_iter().map(|version| CustomResourceDefinitionVersion {
        served: converter.is_some(),
        storage: false,
        ..version
    }));
    for version in &mut crd.spec.versions {
        complete(version);
    }
    crd.spec.conversion = Some(converter.map_or_else(unconverted, conversion));
    crd
}

/// The definition as YAML; the same text each time.
#[must_use]
pub fn yaml(converter: Option<Converter>) -> String {
    // Types without maps of odd keys can always be written; a test reads the text back.
    serde_saphyr::to_string(&crd_with(converter)).unwrap_or_default()
}

/// What both versions have, and what each has alone. The early one is judged by the webhook, as what it becomes: it is
/// not served without one.
fn complete(version: &mut CustomResourceDefinitionVersion) {
    version.additional_printer_columns = Some(columns());
    if let Some(subresources) = &mut version.subresources {
        subresources.scale = Some(CustomResourceSubresourceScale {
            spec_replicas_path: ".spec.redis.replicas".to_owned(),
            status_replicas_path: ".status.redis.replicas".to_owned(),
            label_selector_path: Some(".status.selector".to_owned()),
        });
    }
    let early = version.name == v1alpha2::VERSION;
    let schema = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
    if let Some(root) = schema {
        slim(root, false);
        for part in ["spec.redis", "spec.sentinel"] {
            // The early operator read 0 as "not set".
            range(root, &format!("{part}.replicas"), if early { 0.0 } else { 1.0 }, None);
            pull_policies(root, part);
        }
        range(root, "spec.redis.port", 1.0, Some(65535.0));
        if !early {
            name_metadata(root);
            cel::add(root);
        }
    }
}

/// The caBundle is not here: the running operator injects it.
fn conversion(converter: Converter) -> CustomResourceConversion {
    let service = ServiceReference {
        namespace: converter.namespace,
        name: converter.service,
        path: Some("/convert".to_owned()),
        port: Some(443),
    };
    let client_config = WebhookClientConfig { service: Some(service), ..WebhookClientConfig::default() };
    CustomResourceConversion {
        strategy: "Webhook".to_owned(),
        webhook: Some(WebhookConversion {
            client_config: Some(client_config),
            conversion_review_versions: vec!["v1".to_owned()],
        }),
    }
}

fn unconverted() -> CustomResourceConversion {
    CustomResourceConversion { strategy: "None".to_owned(), webhook: None }
}

/// Paths of the fields of an object's spec that the schema of its version does not know; Kubernetes drops them.
#[must_use]
pub fn unknown_fields(object: &Value) -> Vec<String> {
    static VERSIONS: LazyLock<Vec<CustomResourceDefinitionVersion>> = LazyLock::new(|| crd().spec.versions);
    let early =
        object.get("apiVersion").is_some_and(|found| *found == format!("{GROUP}/{}", v1alpha2::VERSION));
    let name = if early { v1alpha2::VERSION } else { VERSION };
    let version = VERSIONS.iter().find(|version| version.name == name);
    let root = version.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
    let mut unknown = Vec::new();
    if let (Some(schema), Some(spec)) =
        (root.and_then(|root| root.properties.as_ref()?.get("spec")), object.get("spec"))
    {
        compare(schema, spec, "spec", &mut unknown);
    }
    unknown
}

fn compare(schema: &JSONSchemaProps, value: &Value, path: &str, unknown: &mut Vec<String>) {
    match (value, &schema.properties, &schema.items) {
        (Value::Object(fields), Some(known), _) => {
            for (key, value) in fields {
                let path = format!("{path}.{key}");
                match known.get(key) {
                    Some(schema) => compare(schema, value, &path, unknown),
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(items), _, Some(JSONSchemaPropsOrArray::Schema(schema))) => {
            for (index, item) in items.iter().enumerate() {
                compare(schema, item, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

fn columns() -> Vec<CustomResourceColumnDefinition> {
    let column = |name: &str, type_: &str, path: &str| CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path: path.to_owned(),
        ..Default::default()
    };
    vec![
        column("Redis", "integer", ".spec.redis.replicas"),
        column("Sentinels", "integer", ".spec.sentinel.replicas"),
        column("Master", "string", ".status.master.pod"),
        column("Ready", "string", ".status.ready"),
        column("Phase", "string", ".status.phase"),
        column("Age", "date", ".metadata.creationTimestamp"),
    ]
}

/// Mentions `metadata.name`, so that rules can point at it; Kubernetes wants every path in the schema.
fn name_metadata(root: &mut JSONSchemaProps) {
    let typed = |type_: &str| JSONSchemaProps { type_: Some(type_.to_owned()), ..Default::default() };
    let name = [("name".to_owned(), typed("string"))];
    let metadata = JSONSchemaProps { properties: Some(name.into()), ..typed("object") };
    root.properties.get_or_insert_default().insert("metadata".to_owned(), metadata);
}

/// Takes away descriptions inside embedded types, formats that Kubernetes does not know, and defaults: those are
/// the webhook's. A field with a default is not required, so it may be null as the others may.
fn slim(schema: &mut JSONSchemaProps, embedded: bool) {
    if schema.default.take().is_some() {
        schema.nullable = Some(true);
    }
    if embedded {
        schema.description = None;
    }
    if schema.format.as_ref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
    for (name, property) in schema.properties.iter_mut().flatten() {
        let description = property.description.take();
        let inner = embedded || EMBEDDED.contains(&name.as_str()) || is_claim_part(name, property);
        slim(property, inner);
        property.description = description.filter(|_| !embedded);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        slim(items, embedded);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        slim(values, embedded);
    }
    let unions = [&mut schema.any_of, &mut schema.all_of, &mut schema.one_of];
    for part in unions.into_iter().flatten().flatten() {
        slim(part, embedded);
    }
}

/// `spec` and `status` of the embedded claim, as against those of the object itself.
fn is_claim_part(name: &str, property: &JSONSchemaProps) -> bool {
    let has = |key| property.properties.as_ref().is_some_and(|properties| properties.contains_key(key));
    matches!(name, "spec" | "status") && has("accessModes")
}

fn pull_policies(root: &mut JSONSchemaProps, part: &str) {
    for field in ["imagePullPolicy", "exporter.imagePullPolicy"] {
        if let Some(policy) = at(root, &format!("{part}.{field}")) {
            policy.enum_ = Some(PULL_POLICIES.map(|policy| JSON(policy.into())).to_vec());
            policy.nullable = None;
        }
    }
}

fn range(root: &mut JSONSchemaProps, path: &str, minimum: f64, maximum: Option<f64>) {
    if let Some(field) = at(root, path) {
        field.minimum = Some(minimum);
        field.maximum = maximum;
    }
}

/// The schema of the field at a path such as `spec.redis.port`; the empty path is the root.
fn at<'a>(root: &'a mut JSONSchemaProps, path: &str) -> Option<&'a mut JSONSchemaProps> {
    let mut steps = path.split('.').filter(|step| !step.is_empty());
    steps.try_fold(root, |schema, step| schema.properties.as_mut()?.get_mut(step))
}
