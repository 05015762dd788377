//! Passwords, which cannot be printed by accident.

use std::fmt;

/// A password of one `RedisFailover`: that of its redis servers, or that of its Sentinels.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes a password as it stands in the user's Secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the places that must have it: connections and the servers' own Secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// The passwords of one `RedisFailover`: those that its spec asks for and that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passwords {
    /// Of the redis servers.
    pub redis: Option<Password>,
    /// Of the Sentinels.
    pub sentinel: Option<Password>,
}
