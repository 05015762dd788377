//! Objects to admit: what is read of them, the spec as text.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::object::{MAX_VALUES, count};

/// An object, as far as verdicts are about it. The rest is skipped: `managedFields` alone are often half of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Object<'a> {
    /// What the object is called, and whether it is on its way out.
    #[serde(borrow)]
    pub metadata: Metadata<'a>,
    /// The text of the spec, which may be of any shape; none where there is none, and for `null`. It has at most 16,384
    /// values.
    #[serde(borrow, deserialize_with = "bounded")]
    pub spec: Option<&'a RawValue>,
}

/// The metadata of an [`Object`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata<'a> {
    /// The name; empty where Kubernetes is still to make one of `generate_name`.
    #[serde(borrow, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// The beginning of the name that Kubernetes makes; empty where there is a name.
    #[serde(borrow, deserialize_with = "text")]
    pub generate_name: Cow<'a, str>,
    /// The namespace; empty if the object is cluster-scoped.
    #[serde(borrow, deserialize_with = "text")]
    pub namespace: Cow<'a, str>,
    /// The annotations as they stand in the text; empty where there are none.
    #[serde(borrow, deserialize_with = "as_it_stands")]
    pub annotations: Cow<'a, str>,
    /// The object is being deleted.
    #[serde(rename = "deletionTimestamp", deserialize_with = "is_there")]
    pub is_deleted: bool,
}

/// Reads a text without a copy where it stands as it is; `null` is empty.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Ok(Option::<Text<'_>>::deserialize(deserializer)?.map(|text| text.0).unwrap_or_default())
}

fn as_it_stands<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    let value = Option::<&RawValue>::deserialize(deserializer)?;
    Ok(value.map(|value| value.get().into()).unwrap_or_default())
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(deserializer)?.is_some())
}

/// Takes the text of a value that is within the bounds.
fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    let Some(value) = Option::<&RawValue>::deserialize(deserializer)? else { return Ok(None) };
    // A shorter text cannot have as many.
    if value.get().len() > 2 * MAX_VALUES {
        let left = Cell::new(MAX_VALUES);
        let count = Count(&left).deserialize(&mut serde_json::Deserializer::from_str(value.get()));
        count.map_err(D::Error::custom)?;
    }
    Ok(Some(value))
}

/// Counts one value and those in it, and goes no deeper than a reader would.
#[derive(Clone, Copy)]
struct Count<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Count<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        count(self.0)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Count<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_key::<IgnoredAny>()?.is_some() {
            fields.next_value_seed(self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::from_str;

    #[test]
    fn more_values_than_a_spec_may_have_are_refused() {
        let list = |values: usize| format!("[{}]", vec!["0"; values].join(","));
        let spec = |values: usize| format!(r#"{{"spec": {}}}"#, list(values));
        assert!(from_str::<Object<'_>>(&spec(MAX_VALUES - 1)).is_ok());
        let refusal = from_str::<Object<'_>>(&spec(MAX_VALUES)).unwrap_err().to_string();
        assert!(refusal.starts_with("an object has more than 16384 values"), "{refusal}");
        let managed = format!(r#"{{"metadata": {{"managedFields": {}}}}}"#, list(MAX_VALUES));
        assert!(from_str::<Object<'_>>(&managed).is_ok(), "nobody reads them");
    }

    #[test]
    fn a_long_spec_is_not_nested_deeper_than_it_can_be_read() {
        let text = format!(r#"{{"spec": {}{}}}"#, "[".repeat(MAX_VALUES + 1), "]".repeat(MAX_VALUES + 1));
        let refusal = from_str::<Object<'_>>(&text).unwrap_err().to_string();
        assert!(refusal.starts_with("recursion limit exceeded"), "{refusal}");
    }

    #[test]
    fn nulls_are_left_out() {
        let text =
            r#"{"metadata": {"name": "x", "namespace": null, "deletionTimestamp": null}, "spec": null}"#;
        let object: Object<'_> = from_str(text).unwrap();
        assert_eq!(object.metadata, Metadata { name: "x".into(), ..Metadata::default() });
        assert!(object.spec.is_none());
        let deleted = r#"{"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}"#;
        assert!(from_str::<Object<'_>>(deleted).unwrap().metadata.is_deleted);
    }
}
