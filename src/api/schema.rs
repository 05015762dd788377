//! The CustomResourceDefinition, generated from the types and put on a diet.

mod cel;

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceSubresourceScale, JSON,
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::Value;

use super::RedisFailover;
use super::rules::PULL_POLICIES;

#[cfg(test)]
mod tests;

/// Fields whose types come from Kubernetes: their inner descriptions would make the definition five times as long.
const EMBEDDED: [&str; 27] = [
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

/// The definition that `redis-operator crd` prints and the chart installs.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    let mut crd = RedisFailover::crd();
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns());
        if let Some(subresources) = &mut version.subresources {
            subresources.scale = Some(CustomResourceSubresourceScale {
                spec_replicas_path: ".spec.redis.replicas".to_owned(),
                status_replicas_path: ".status.redis.replicas".to_owned(),
                label_selector_path: Some(".status.selector".to_owned()),
            });
        }
        let schema = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        if let Some(root) = schema {
            slim(root, false);
            for part in ["spec.redis", "spec.sentinel"] {
                limit(root, part);
            }
            range(root, "spec.redis.port", 1.0, Some(65535.0));
            name_metadata(root);
            cel::add(root);
        }
    }
    crd
}

/// The definition as YAML; the same text each time.
#[must_use]
pub fn yaml() -> String {
    // Types without maps of odd keys can always be written; a test reads the text back.
    serde_saphyr::to_string(&crd()).unwrap_or_default()
}

/// Paths of the fields of an object's spec that the schema does not know; Kubernetes drops them.
#[must_use]
pub fn unknown_fields(object: &Value) -> Vec<String> {
    static CRD: LazyLock<CustomResourceDefinition> = LazyLock::new(crd); // Made once, for files with many objects.
    let mut crd = CRD.clone();
    let version = crd.spec.versions.first_mut().and_then(|version| version.schema.as_mut());
    let spec =
        version.and_then(|schema| schema.open_api_v3_schema.as_mut()).and_then(|root| at(root, "spec"));
    let mut unknown = Vec::new();
    if let (Some(schema), Some(spec)) = (spec, object.get("spec")) {
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

fn limit(root: &mut JSONSchemaProps, part: &str) {
    range(root, &format!("{part}.replicas"), 1.0, None);
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
