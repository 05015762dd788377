//! Objects to convert as plain JSON, without what nobody reads and not beyond a bound.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// Most values in a spec that is admitted, and in an object that is converted, its `managedFields` aside. Two bytes of
/// text can become a value, and a value with all that the rules say of it a kilobyte. Real objects have some hundred.
pub(crate) const MAX_VALUES: usize = 16 * 1024;

/// Reads an object and its `managedFields`, which stay text: nobody reads them, but they must not get lost.
pub(crate) fn with_managed(text: &str) -> serde_json::Result<(Value, Option<&RawValue>)> {
    let (left, managed) = (Cell::new(MAX_VALUES), Cell::new(None));
    let node = Node { left: &left, managed: &managed, place: Place::Object };
    let object = node.deserialize(&mut serde_json::Deserializer::from_str(text))?;
    Ok((object, managed.get()))
}

/// An object and its `managedFields`, which are written into its metadata.
pub(crate) struct Whole<'a>(pub(crate) &'a Value, pub(crate) Option<&'a RawValue>);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(fields) = self.0 else { return self.0.serialize(serializer) };
        let managed = |key| self.1.filter(|_| key == "metadata");
        serializer.collect_map(fields.iter().map(|(key, value)| (key, Metadata(value, managed(key)))))
    }
}

struct Metadata<'a>(&'a Value, Option<&'a RawValue>);

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (Value::Object(fields), Some(managed)) = (self.0, self.1) else {
            return self.0.serialize(serializer);
        };
        let mut metadata = serializer.serialize_map(Some(fields.len() + 1))?;
        for (key, value) in fields {
            metadata.serialize_entry(key, value)?;
        }
        metadata.serialize_entry("managedFields", managed)?;
        metadata.end()
    }
}

/// Where a value stands, as far as it matters for what is left out.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Object,
    Metadata,
    Elsewhere,
}

impl Place {
    fn of(self, key: &str) -> Self {
        if self == Self::Object && key == "metadata" { Self::Metadata } else { Self::Elsewhere }
    }

    /// `managedFields` are often half of an object.
    fn leaves_out(self, key: &str) -> bool {
        self == Self::Metadata && key == "managedFields"
    }
}

/// Counts one more value.
pub(crate) fn count<E: Error>(left: &Cell<usize>) -> Result<(), E> {
    let less = left.get().checked_sub(1);
    left.set(less.ok_or_else(|| E::custom(format_args!("an object has more than {MAX_VALUES} values")))?);
    Ok(())
}

/// Reads one value and counts it.
#[derive(Clone, Copy)]
struct Node<'a, 'de> {
    left: &'a Cell<usize>,
    /// Where `managedFields` go.
    managed: &'a Cell<Option<&'de RawValue>>,
    place: Place,
}

impl<'de> DeserializeSeed<'de> for Node<'_, 'de> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        count(self.left)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, 'de> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Self { place: Place::Elsewhere, ..self })? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if self.place.leaves_out(&key) {
                self.managed.set(Some(fields.next_value()?));
            } else {
                let value = fields.next_value_seed(Self { place: self.place.of(&key), ..self })?;
                object.insert(key, value);
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_str, json};

    #[test]
    fn everything_but_managed_fields_comes_through() {
        let text = r#"{"metadata": {"name": "x", "managedFields": [{"a": 1}]}, "managedFields": [2],
            "spec": {"metadata": {"managedFields": 3}, "n": [null, true, -1, 18446744073709551615, 1.5, "ü\n"]}}"#;
        let mut whole: Value = from_str(text).unwrap();
        let managed = whole["metadata"].as_object_mut().unwrap().remove("managedFields").unwrap();
        let (object, text) = with_managed(text).unwrap();
        assert_eq!((object, text.unwrap().get()), (whole, managed.to_string().replace(':', ": ").as_str()));
    }

    #[test]
    fn of_two_fields_of_a_name_the_last_counts_as_for_the_api_server() {
        assert_eq!(with_managed(r#"{"a": 1, "a": 2}"#).unwrap().0, json!({"a": 2}));
    }

    #[test]
    fn more_values_than_an_object_may_have_are_refused() {
        let list = |values: usize| format!("[{}]", vec!["0"; values].join(","));
        assert!(with_managed(&list(MAX_VALUES - 1)).is_ok());
        let refusal = with_managed(&list(MAX_VALUES)).unwrap_err().to_string();
        assert!(refusal.starts_with("an object has more than 16384 values"), "{refusal}");
        let managed = format!(r#"{{"metadata": {{"managedFields": {}}}}}"#, list(MAX_VALUES));
        assert_eq!(with_managed(&managed).unwrap().0, json!({"metadata": {}}));
    }
}
