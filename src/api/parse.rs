//! From raw JSON to the typed spec; a wrong type becomes a [`Problem`] with the field's path.

use serde_json::Value;

use super::{Problem, RedisFailoverSpec};

/// Types a raw spec.
pub fn spec(raw: &Value) -> Result<RedisFailoverSpec, Problem> {
    serde_path_to_error::deserialize(raw)
        .map_err(|error| Problem::new(format!("spec.{}", error.path()), "", error.inner().to_string(), "correct the type"))
}
