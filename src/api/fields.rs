//! Reads structs field by field into their defaults.
//!
//! The spec's structs share fields (`PodSpec` is flattened into two of them), and `#[serde(flatten)]` reads such a struct
//! by way of a copy of all that it was given. Here each field goes to its place at once.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// A struct whose fields are read one by one.
pub(super) trait Fields: Default {
    /// Reads the value that follows the name of a field; false where no field is called so, and nothing was read.
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;
}

/// Reads into a struct that is there.
pub(super) struct Into<'a, T>(pub(super) &'a mut T);

impl<'de, T: Fields> DeserializeSeed<'de> for Into<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Fields> Visitor<'de> for Into<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            if !self.0.read(&name, &mut map)? {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Implements [`Fields`] and `Deserialize`. Fields in `parts` are structs that are read in place, those of a struct in
/// `flat` stand beside the own ones.
macro_rules! fields {
    ($type:ident {
        $($name:literal => $field:ident),* $(,)?
    } $(parts { $($part_name:literal => $part:ident),* $(,)? })? $(flat $flat:ident)?) => {
        impl $crate::api::fields::Fields for $type {
            fn read<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                name: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                match name {
                    $($name => self.$field = map.next_value()?,)*
                    $($($part_name => map.next_value_seed($crate::api::fields::Into(&mut self.$part))?,)*)?
                    _ => return fields!(@rest self, name, map $(, $flat)?),
                }
                Ok(true)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut read = Self::default();
                serde::de::DeserializeSeed::deserialize($crate::api::fields::Into(&mut read), deserializer)?;
                Ok(read)
            }
        }
    };
    (@rest $self:ident, $name:ident, $map:ident) => { Ok(false) };
    (@rest $self:ident, $name:ident, $map:ident, $flat:ident) => { $crate::api::fields::Fields::read(&mut $self.$flat, $name, $map) };
}

pub(super) use fields;
