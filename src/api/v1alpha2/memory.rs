//! What one version says and the other cannot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Steps of a pointer that are followed: no field of a spec lies deeper, and a forged memory must not build a tower.
const MAX_DEPTH: usize = 32;

/// How a value differs from another, field by field, by JSON pointers. Lists are compared as a whole.
///
/// Each difference knows what was there before, and is put back only where that is there still.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// Fields that were not there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    added: BTreeMap<String, Value>,
    /// Fields that were there with another value: that, and theirs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    changed: BTreeMap<String, (Value, Value)>,
    /// Fields that were there, with their value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    removed: BTreeMap<String, Value>,
}

impl Memory {
    /// What makes `whole` of `plain`.
    pub(super) fn between(plain: &Value, whole: &Value) -> Self {
        let mut memory = Self::default();
        memory.compare("", plain, whole);
        memory
    }

    fn compare(&mut self, at: &str, plain: &Value, whole: &Value) {
        let (Value::Object(before), Value::Object(after)) = (plain, whole) else {
            if plain != whole {
                self.changed.insert(at.to_owned(), (plain.clone(), whole.clone()));
            }
            return;
        };
        for (key, value) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
            self.removed.insert(below(at, key), value.clone());
        }
        for (key, value) in after {
            match before.get(key) {
                Some(plain) => self.compare(&below(at, key), plain, value),
                None => drop(self.added.insert(below(at, key), value.clone())),
            }
        }
    }

    /// The field that takes most, by its pointer, and its value.
    pub(super) fn longest(&self) -> Option<(&str, &Value)> {
        let changed = self.changed.iter().map(|(at, (_, is))| (at, is));
        let all = self.added.iter().chain(&self.removed).chain(changed);
        all.max_by_key(|(_, value)| value.to_string().len()).map(|(at, value)| (at.as_str(), value))
    }

    /// Makes the whole of `plain` again. Where somebody wrote something else meanwhile, that stays.
    pub(super) fn restore(self, plain: &mut Value) {
        for (at, was) in self.removed {
            if let Some((fields, key)) = holder(plain, &at, false)
                && fields.get(&key) == Some(&was)
            {
                fields.remove(&key);
            }
        }
        for (at, (was, is)) in self.changed {
            if let Some(value) = plain.pointer_mut(&at)
                && *value == was
            {
                *value = is;
            }
        }
        for (at, is) in self.added {
            if let Some((fields, key)) = holder(plain, &at, true) {
                fields.entry(key).or_insert(is);
            }
        }
    }
}

fn below(at: &str, key: &str) -> String {
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The object that holds the field at a pointer, and the field's name; objects on the way are made where asked for.
fn holder<'a>(value: &'a mut Value, at: &str, make: bool) -> Option<(&'a mut Map<String, Value>, String)> {
    let unescape = |step: &str| step.replace("~1", "/").replace("~0", "~");
    let mut steps: Vec<_> = at.split('/').skip(1).map(unescape).collect();
    let key = steps.pop().filter(|_| steps.len() < MAX_DEPTH)?;
    let mut fields = value.as_object_mut()?;
    for step in steps {
        let next = if make {
            fields.entry(step).or_insert_with(|| Map::new().into())
        } else {
            fields.get_mut(&step)?
        };
        fields = next.as_object_mut()?;
    }
    Some((fields, key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::api::v1alpha2::tests::values;

    fn restored(memory: &Memory, mut plain: Value) -> Value {
        memory.clone().restore(&mut plain);
        plain
    }

    #[test]
    fn it_is_short_and_says_where() {
        let plain = json!({"a": {"b": 1, "c": 2}, "d/e": 3});
        let whole = json!({"a": {"b": 9, "f": null}, "d/e": 3, "g~h": [1]});
        let memory = Memory::between(&plain, &whole);
        let expected = json!({
            "added": {"/a/f": null, "/g~0h": [1]},
            "changed": {"/a/b": [1, 9]},
            "removed": {"/a/c": 2},
        });
        assert_eq!(json!(memory), expected);
        assert_eq!(restored(&memory, plain), whole);
        assert_eq!(json!(Memory::between(&whole, &whole)), json!({}));
    }

    #[test]
    fn an_edit_wins() {
        let memory = Memory::between(&json!({"a": 1, "b": 2}), &json!({"a": 7, "c": {"d": 3}}));
        let edited = json!({"a": 5, "b": 6, "c": 4});
        assert_eq!(restored(&memory, edited.clone()), edited);
        assert_eq!(
            restored(&memory, json!({"a": 5, "b": 2, "e": 8})),
            json!({"a": 5, "c": {"d": 3}, "e": 8})
        );
    }

    #[test]
    fn what_lay_in_a_part_that_is_gone_comes_back() {
        let memory = Memory::between(&json!({"a": {"b": 1}}), &json!({"a": {"b": 1, "c": 2}}));
        assert_eq!(restored(&memory, json!({})), json!({"a": {"c": 2}}));
    }

    #[test]
    fn a_forged_one_does_no_harm() {
        let tower = "/a".repeat(100_000);
        let memory: Memory = serde_json::from_value(json!({
            "added": {tower: 1, "": 2, "no-pointer": 3, "/list/0/x": 4},
            "changed": {"": [{}, 5]},
            "removed": {"": {}},
        }))
        .unwrap();
        let plain = json!({"list": [{}]});
        assert_eq!(restored(&memory, plain.clone()), plain);
    }

    proptest! {
        #[test]
        fn a_fraction_comes_back_to_the_last_digit(fraction in any::<f64>().prop_filter("JSON", |it| it.is_finite())) {
            let memory = Memory::between(&json!({}), &json!({"a": fraction}));
            let read: Memory = serde_json::from_str(&json!(memory).to_string()).unwrap();
            prop_assert_eq!(read, memory);
        }

        #[test]
        fn what_is_remembered_is_restored(plain in values(), whole in values()) {
            let memory = Memory::between(&plain, &whole);
            prop_assert_eq!(&restored(&memory, plain), &whole);
            let read: Memory = serde_json::from_str(&json!(memory).to_string()).unwrap();
            prop_assert_eq!(read, memory);
        }
    }
}
