//! What is known of each setting of a server: who sets it, what its values are, which versions have it.

mod kind;
mod owned;
mod redis;
mod sentinel;
mod versions;

pub use kind::Kind;
pub use redis::REDIS;
pub use sentinel::SENTINEL;
pub use versions::Versions;

/// Settings that the same versions have.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The versions that are known to have them.
    pub versions: Versions,
    /// The settings.
    pub settings: &'static [Setting],
}

/// A setting of a server, or a family of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Name in lower case. One that ends in `*` stands for all settings that begin so.
    pub key: &'static str,
    /// Who may set it.
    pub class: Class,
}

/// Who may set a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The user, to a value of this kind.
    User(Kind),
    /// Nobody: servers of some supported version cannot change it while they run.
    Fixed,
    /// The operator.
    Owned {
        /// Why it is not the user's.
        why: &'static str,
        /// What the user can do instead.
        instead: &'static str,
    },
}

const fn user(key: &'static str, kind: Kind) -> Setting {
    Setting { key, class: Class::User(kind) }
}

const fn number(key: &'static str, least: i64, most: i64) -> Setting {
    user(key, Kind::Number { least, most })
}

const fn memory(key: &'static str, least: i64) -> Setting {
    user(key, Kind::Memory { least })
}

const fn yes_no(key: &'static str) -> Setting {
    user(key, Kind::YesNo)
}

const fn one_of(key: &'static str, words: &'static [&'static str]) -> Setting {
    user(key, Kind::OneOf(words))
}

const fn text(key: &'static str) -> Setting {
    user(key, Kind::Text)
}

const fn fixed(key: &'static str) -> Setting {
    Setting { key, class: Class::Fixed }
}

const fn owned(key: &'static str, why: &'static str, instead: &'static str) -> Setting {
    Setting { key, class: Class::Owned { why, instead } }
}

/// What a table says of a key in lower case: its own row, else that of its family, else nothing.
#[must_use]
pub fn find(table: &[Group], key: &str) -> Option<Class> {
    let settings = || table.iter().flat_map(|group| group.settings);
    let own = settings().find(|setting| setting.key == key);
    let family = || {
        settings().find(|setting| setting.key.strip_suffix('*').is_some_and(|start| key.starts_with(start)))
    };
    own.or_else(family).map(|setting| setting.class)
}

/// Whether a table has a row of its own for a key in lower case.
pub(super) fn has_row(table: &[Group], key: &str) -> bool {
    table.iter().flat_map(|group| group.settings).any(|setting| setting.key == key)
}

/// The known key that a misspelt one most likely means, if one is near.
pub(super) fn nearest_key(table: &[Group], key: &str) -> Option<&'static str> {
    let keys = table.iter().flat_map(|group| group.settings).map(|setting| setting.key);
    nearest(keys.filter(|known| !known.ends_with('*')), key)
}

/// The nearest of some words: at most 2 letters are wrong, and fewer than half of it. None where two are as near.
fn nearest(words: impl Iterator<Item = &'static str>, word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let near = words.map(|known| (distance(known, &word), known));
    let mut near: Vec<_> = near.filter(|(wrong, known)| *wrong <= 2 && wrong * 2 < known.len()).collect();
    near.sort_unstable();
    match near[..] {
        [(least, known), (next, _), ..] if least < next => Some(known),
        [(_, known)] => Some(known),
        _ => None,
    }
}

/// Letters to insert, remove or replace to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let replaced = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "", 0)]
    #[case("abc", "abc", 0)]
    #[case("abc", "abd", 1)]
    #[case("abc", "ab", 1)]
    #[case("abc", "xabc", 1)]
    #[case("kitten", "sitting", 3)]
    fn distances(#[case] one: &str, #[case] other: &str, #[case] expected: usize) {
        assert_eq!(distance(one, other), expected);
        assert_eq!(distance(other, one), expected);
    }

    #[rstest]
    #[case("maxmemori", Some("maxmemory"))]
    #[case("max-clients", Some("maxclients"))]
    #[case("banana", None)]
    #[case("lfu-log-time", None)]
    #[case("h", None)]
    fn misspelt_keys(#[case] key: &str, #[case] expected: Option<&str>) {
        assert_eq!(nearest_key(REDIS, key), expected);
    }

    #[test]
    fn no_setting_stands_twice_in_a_table() {
        for table in [REDIS, SENTINEL] {
            let keys: Vec<_> =
                table.iter().flat_map(|group| group.settings).map(|setting| setting.key).collect();
            for (index, key) in keys.iter().enumerate() {
                let family =
                    |known: &str| known.strip_suffix('*').is_some_and(|start| key.starts_with(start));
                let again = keys[..index].iter().find(|known| *known == key || family(known));
                assert_eq!(again, None, "{key} is covered already");
                assert_eq!(*key, key.to_lowercase());
            }
        }
    }
}
