//! Options of the operator's own, as CEL can refuse them: sorted by what is said of them.

use std::collections::BTreeMap;

use super::settings::{Class, REDIS, SENTINEL};

/// Options that are refused with the same words.
pub(crate) struct Owned {
    /// The list that they cannot stand in.
    pub(crate) list: &'static str,
    /// Names in lower case; one that ends in `*` stands for all that begin so.
    pub(crate) keys: Vec<&'static str>,
    /// Why.
    pub(crate) reason: String,
    /// What to do instead.
    pub(crate) mend: &'static str,
}

/// All of them but the word `sentinel`, after which it depends on the rest of the entry what is said.
pub(crate) fn all() -> Vec<Owned> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (list, table) in [("spec.redis.customConfig", REDIS), ("spec.sentinel.customConfig", SENTINEL)] {
        let settings = table.iter().flat_map(|group| group.settings);
        for setting in settings.filter(|setting| setting.key != "sentinel") {
            if let Class::Owned { why, instead } = setting.class {
                groups.entry((list, why, instead)).or_default().push(setting.key);
            }
        }
    }
    let group = |((list, why, mend), keys)| Owned { list, keys, reason: reason(why), mend };
    groups.into_iter().map(group).collect()
}

/// Why an option is refused.
pub(super) fn reason(why: &str) -> String {
    format!("belongs to the operator: {why}")
}
