//! From raw JSON to the typed spec; a wrong type becomes a [`Problem`] with the field's path.

use std::mem;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, MapAccess};
use serde_json::Value;

use super::fields::{Fields, Into};
use super::rules::directive;
use super::spec::PodSpec;
use super::{Problem, RedisFailoverSpec, v1alpha2};

/// Keys whose values are maps of quantities.
const QUANTITY_MAPS: [&str; 4] = ["requests", "limits", "capacity", "allocatedResources"];
/// Keys whose values are quantities.
const QUANTITIES: [&str; 2] = ["sizeLimit", "divisor"];

/// A typed spec, and what of it is there to be filled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// The spec. It has several kilobytes: on the heap it need not be moved.
    pub spec: Box<RedisFailoverSpec>,
    /// There is one.
    pub has_spec: bool,
    /// It says something of the redis servers.
    pub has_redis: bool,
    /// It says something of the Sentinels.
    pub has_sentinel: bool,
}

impl Fields for Given {
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let is_again = match name {
            "redis" => mem::replace(&mut self.has_redis, true),
            "sentinel" => mem::replace(&mut self.has_sentinel, true),
            _ => false,
        };
        // Parts are read in place, and two of them would become one.
        if is_again { Err(A::Error::custom("a part is given twice")) } else { self.spec.read(name, map) }
    }
}

/// Types the text of a spec in one go, as most can be. None where it takes the care of [`spec`]: for a wrong type, a
/// quantity that is a number, a part that is given twice, and a `null` in some places.
#[must_use]
pub fn text(spec: Option<&str>) -> Option<Given> {
    let mut given = Given { has_spec: spec.is_some(), ..Given::default() };
    if let Some(text) = spec {
        let mut reader = serde_json::Deserializer::from_str(text);
        Into(&mut given).deserialize(&mut reader).and_then(|()| reader.end()).ok()?;
    }
    Some(given)
}

/// Types a raw spec. `null` counts as left out, and a quantity may be a number.
pub fn spec(raw: &Value) -> Result<RedisFailoverSpec, Problem> {
    // Most specs are right as they are, and to read them without a record of the path takes a fraction of the time.
    if let Ok(typed) = RedisFailoverSpec::deserialize(raw) {
        return Ok(typed);
    }
    let spec = plain(raw);
    // What both parts have is read first: of several faults, the one that is named stays the same.
    for part in ["redis", "sentinel"] {
        if let Some(pod) = spec.get(part).filter(|pod| pod.is_object()) {
            typed::<PodSpec>(pod, &format!("spec.{part}"), &spec)?;
        }
    }
    typed(&spec, "spec", &spec)
}

/// Names the first wrong type in a raw spec of the early version.
pub(super) fn early_spec(raw: &Value) -> Result<(), Problem> {
    let spec = plain(raw);
    typed::<v1alpha2::RedisFailoverSpec>(&spec, "spec", &spec).map(drop)
}

fn typed<T: DeserializeOwned>(raw: &Value, root: &str, spec: &Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(raw).map_err(|error| {
        let inner = error.path().to_string();
        let path = if inner == "." { root.to_owned() } else { format!("{root}.{inner}") };
        problem(path, &error.inner().to_string(), spec)
    })
}

/// Puts the parser's words into ours: what was given, what is wanted, what to write.
fn problem(path: String, error: &str, spec: &Value) -> Problem {
    let value = match at(spec, &path) {
        // A variable may hold a password.
        _ if path.contains(".env[") => String::new(),
        Some(Value::String(text)) => directive::shown(text).into_owned(),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        _ => String::new(),
    };
    let field = path.split('[').next().unwrap_or_default();
    let explain = format!("see \"kubectl explain rf.{field}\"");
    let Some((given, wanted)) = error.split_once(", expected ") else {
        return Problem::new(path, value, error.replace('`', "\""), explain);
    };
    let given = given.split_once(": ").map_or(given, |(_, given)| given);
    let (wanted, mend) = match wanted {
        "i32" | "i64" => ("a whole number", "write it without quotes and fraction".to_owned()),
        "a string" if value.is_empty() => ("a text", explain),
        "a string" | "Quantity" => ("a text", format!("write it in quotes, as \"{value}\"")),
        "a boolean" => ("true or false", "write it without quotes".to_owned()),
        "a sequence" => ("a list", "write one item per line, each after \"- \"".to_owned()),
        "a map" => ("a map", "write \"name: value\" lines".to_owned()),
        "int or string" | "IntOrString" => ("a number or a text", explain),
        _ => ("an object", explain),
    };
    Problem::new(path, value, format!("is {}, but must be {wanted}", noun(given)), mend)
}

/// The parser's word for what it met, without the value.
fn noun(given: &str) -> &'static str {
    match given.split([' ', '`']).next().unwrap_or_default() {
        "string" => "a text",
        "integer" => "a number",
        "floating" => "a number with a fraction",
        "boolean" => "true or false",
        "sequence" => "a list",
        "map" => "an object",
        _ => "of another type",
    }
}

/// The value at a path such as `spec.redis.customConfig[2]`.
pub(crate) fn at<'a>(spec: &'a Value, path: &str) -> Option<&'a Value> {
    let mut steps = path.split(['.', '[']).map(|step| step.trim_end_matches(']'));
    steps.next().filter(|root| *root == "spec")?;
    steps.try_fold(spec, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => value.get(step),
    })
}

/// A copy without nulls, and with texts where Kubernetes has quantities: its types here take nothing else.
fn plain(raw: &Value) -> Value {
    match raw {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            fields.map(|(key, value)| (key.clone(), field(key, value))).collect()
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        _ => raw.clone(),
    }
}

fn field(key: &str, value: &Value) -> Value {
    match value {
        Value::Object(quantities) if QUANTITY_MAPS.contains(&key) => {
            quantities.iter().map(|(name, value)| (name.clone(), quantity(value))).collect()
        }
        _ if QUANTITIES.contains(&key) => quantity(value),
        _ => plain(value),
    }
}

fn quantity(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        _ => plain(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!("x"), "spec: \"x\": is a text, but must be an object; see \"kubectl explain rf.spec\"")]
    #[case(
        json!({"redis": []}),
        "spec.redis: is a list, but must be an object; see \"kubectl explain rf.spec.redis\""
    )]
    #[case(
        json!({"redis": {"replicas": "3"}}),
        "spec.redis.replicas: \"3\": is a text, but must be a whole number; write it without quotes and fraction"
    )]
    #[case(
        json!({"redis": {"port": 6379.5}}),
        "spec.redis.port: \"6379.5\": is a number with a fraction, but must be a whole number; \
         write it without quotes and fraction"
    )]
    #[case(
        json!({"redis": {"image": 7}}),
        "spec.redis.image: \"7\": is a number, but must be a text; write it in quotes, as \"7\""
    )]
    #[case(
        json!({"sentinel": {"hostNetwork": "yes"}}),
        "spec.sentinel.hostNetwork: \"yes\": is a text, but must be true or false; write it without quotes"
    )]
    #[case(
        json!({"redis": {"customConfig": "maxmemory 1gb"}}),
        "spec.redis.customConfig: \"maxmemory 1gb\": is a text, but must be a list; \
         write one item per line, each after \"- \""
    )]
    #[case(
        json!({"redis": {"customConfig": ["a 1", {"save": "900 1"}]}}),
        "spec.redis.customConfig[1]: is an object, but must be a text; \
         see \"kubectl explain rf.spec.redis.customConfig\""
    )]
    #[case(
        json!({"redis": {"resources": {"limits": ["cpu"]}}}),
        "spec.redis.resources.limits: is a list, but must be a map; write \"name: value\" lines"
    )]
    #[case(
        json!({"redis": {"tolerations": [{}, {"key": 1}]}}),
        "spec.redis.tolerations[1].key: \"1\": is a number, but must be a text; write it in quotes, as \"1\""
    )]
    #[case(
        json!({"redis": {"storage": {"persistentVolumeClaim": {"spec": {"accessModes": "ReadWriteOnce"}}}}}),
        "spec.redis.storage.persistentVolumeClaim.spec.accessModes: \"ReadWriteOnce\": is a text, but must be a list; \
         write one item per line, each after \"- \""
    )]
    fn names_field_given_and_wanted(#[case] raw: Value, #[case] text: &str) {
        assert_eq!(spec(&raw).unwrap_err().to_string(), text);
    }

    #[rstest]
    #[case(json!({"redis": {"customConfig": "requirepass hunter2"}}))]
    #[case(json!({"redis": {"exporter": {"env": [{"name": "A", "value": 42_424_242}]}}}))]
    fn shows_no_password(#[case] raw: Value) {
        let text = spec(&raw).unwrap_err().to_string();
        assert!(!text.contains("hunter2") && !text.contains("42424242"), "{text}");
    }

    /// Fields that are read by name must be all of those in the schema: of each, a wrong type is noticed.
    #[test]
    fn every_field_of_the_schema_is_read() {
        let schema = serde_json::to_value(schemars::schema_for!(RedisFailoverSpec)).unwrap();
        let fields =
            |schema: &Value| schema["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let parts = [("redis", "RedisSpec"), ("sentinel", "SentinelSpec")];
        let inner = parts.iter().flat_map(|(part, name)| {
            fields(&schema["$defs"][name]).into_iter().map(move |field| json!({*part: {field: 1.5}}))
        });
        let outer = fields(&schema).into_iter().map(|field| json!({field: 1.5}));
        let all: Vec<_> = inner.chain(outer).collect();
        assert!(all.len() > 60, "{}", all.len());
        for raw in all {
            assert!(spec(&raw).is_err(), "{raw} is not read");
            assert_eq!(text(Some(&raw.to_string())), None, "{raw} is not read");
        }
    }

    /// As for the API server.
    #[test]
    fn of_two_fields_of_a_name_the_last_counts() {
        let twice = r#"{"redis": {"port": 1, "port": 2, "hostNetwork": true}, "redis": {"replicas": 5}}"#;
        assert_eq!(text(Some(twice)), None);
        let last = json!({"redis": {"replicas": 5}});
        assert_eq!(serde_json::from_str::<Value>(twice).unwrap(), last);
        let ports = text(Some(r#"{"redis": {"port": 1, "port": 2}}"#)).unwrap();
        assert_eq!(ports.spec.redis.port, Some(2));
    }

    #[test]
    fn nulls_count_as_left_out() {
        let nulls =
            json!({"redis": {"customConfig": null, "affinity": null, "hostNetwork": null}, "auth": null});
        assert_eq!(spec(&nulls), Ok(RedisFailoverSpec::default()));
    }

    #[test]
    fn quantities_may_be_numbers() {
        let raw = json!({"redis": {
            "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": 0.5}},
            "storage": {"emptyDir": {"sizeLimit": 1024}},
            "exporter": {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "r", "divisor": 1}}}]},
        }});
        let redis = spec(&raw).unwrap().redis;
        let resources = redis.pod.resources.unwrap();
        assert_eq!(resources.requests.unwrap()["cpu"].0, "1");
        assert_eq!(resources.limits.unwrap()["cpu"].0, "0.5");
        assert_eq!(redis.storage.empty_dir.unwrap().size_limit.unwrap().0, "1024");
        let source = redis.pod.exporter.env[0].value_from.as_ref().unwrap();
        assert_eq!(source.resource_field_ref.as_ref().unwrap().divisor.as_ref().unwrap().0, "1");
    }
}
