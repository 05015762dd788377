//! What is known of each setting of a server.

/// A setting of a server, or a family of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// Name in lower case. One that ends in `*` stands for all settings that begin so.
    pub(super) key: &'static str,
    /// Who may set it.
    pub(super) class: Class,
}

/// Who may set a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The user, to any value that the server takes.
    Free,
    /// The user, to a whole number of at least this.
    Number(i64),
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

pub(super) const fn free(key: &'static str) -> Setting {
    Setting { key, class: Class::Free }
}

pub(super) const fn number(key: &'static str, least: i64) -> Setting {
    Setting { key, class: Class::Number(least) }
}

pub(super) const fn fixed(key: &'static str) -> Setting {
    Setting { key, class: Class::Fixed }
}

pub(super) const fn owned(key: &'static str, why: &'static str, instead: &'static str) -> Setting {
    Setting { key, class: Class::Owned { why, instead } }
}

/// What a table says of a key in lower case: its own row, else that of its family, else nothing.
pub(super) fn find(table: &[Setting], key: &str) -> Option<Class> {
    let own = table.iter().find(|setting| setting.key == key);
    let family = || {
        table.iter().find(|setting| setting.key.strip_suffix('*').is_some_and(|start| key.starts_with(start)))
    };
    own.or_else(family).map(|setting| setting.class)
}
