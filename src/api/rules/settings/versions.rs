//! Versions of the servers.

use std::fmt;

/// Major and minor version of a server.
type Version = (u8, u8);

/// The first version that has something, and the last one where later versions lost it.
type Span = Option<(Version, Option<Version>)>;

/// Versions of Redis and of Valkey that are known to have a setting, from Redis 6.2 and Valkey 7.2 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    redis: Span,
    valkey: Span,
}

impl Versions {
    /// All of them.
    pub(super) const ALL: Self = Self { redis: Some(((6, 2), None)), valkey: Some(((7, 2), None)) };
    pub(super) const REDIS_6_2: Self = Self { redis: Some(((6, 2), Some((6, 2)))), valkey: None };
    pub(super) const FROM_REDIS_7_0: Self =
        Self { redis: Some(((7, 0), None)), valkey: Some(((7, 2), None)) };
    pub(super) const FROM_REDIS_7_2: Self =
        Self { redis: Some(((7, 2), None)), valkey: Some(((7, 2), None)) };
    pub(super) const FROM_REDIS_7_4: Self =
        Self { redis: Some(((7, 4), None)), valkey: Some(((8, 0), None)) };
    pub(super) const FROM_REDIS_8_0: Self = Self { redis: Some(((8, 0), None)), valkey: None };
    /// Valkey has dropped them since.
    pub(super) const UNTIL_VALKEY_8_0: Self =
        Self { redis: Some(((6, 2), None)), valkey: Some(((7, 2), Some((8, 0)))) };
    pub(super) const VALKEY_8_0: Self = Self { redis: None, valkey: Some(((8, 0), Some((8, 0)))) };
    pub(super) const VALKEY_8_1: Self = Self { redis: None, valkey: Some(((8, 1), Some((8, 1)))) };
    pub(super) const FROM_VALKEY_8_0: Self = Self { redis: None, valkey: Some(((8, 0), None)) };
    pub(super) const FROM_VALKEY_8_1: Self = Self { redis: None, valkey: Some(((8, 1), None)) };
    pub(super) const FROM_VALKEY_9_0: Self = Self { redis: None, valkey: Some(((9, 0), None)) };

    /// Whether this version of Redis is one of them.
    #[must_use]
    pub fn has_redis(self, version: Version) -> bool {
        contains(self.redis, version)
    }

    /// Whether this version of Valkey is one of them.
    #[must_use]
    pub fn has_valkey(self, version: Version) -> bool {
        contains(self.valkey, version)
    }
}

fn contains(span: Span, version: Version) -> bool {
    span.is_some_and(|(first, last)| first <= version && last.is_none_or(|last| version <= last))
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("all");
        }
        let server = |name: &str, span: Span| {
            let ((major, minor), last) = span?;
            Some(match last {
                None => format!("{name} {major}.{minor} and later"),
                Some(last) if last == (major, minor) => format!("{name} {major}.{minor}"),
                Some(last) => format!("{name} {major}.{minor} to {}.{}", last.0, last.1),
            })
        };
        let servers = [server("Redis", self.redis), server("Valkey", self.valkey)];
        f.write_str(&servers.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_both_ends() {
        let versions = Versions::UNTIL_VALKEY_8_0;
        assert!(versions.has_redis((6, 2)) && versions.has_redis((8, 4)));
        assert!(versions.has_valkey((7, 2)) && versions.has_valkey((8, 0)));
        assert!(!versions.has_valkey((8, 1)));
        assert!(!Versions::FROM_VALKEY_8_1.has_redis((8, 4)));
        assert_eq!(versions.to_string(), "Redis 6.2 and later, Valkey 7.2 to 8.0");
        assert_eq!(Versions::REDIS_6_2.to_string(), "Redis 6.2");
    }
}
