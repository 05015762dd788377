//! How long lists and texts may be: far above what anybody writes. Without such limits the API server would refuse the
//! rules of the CRD, because they could cost it too much time; so they stand in its schema too.

use std::fmt::Arguments;

use super::catalogue::{Rule, rule};
use super::{Findings, directive};
use crate::api::defaults::SENTINEL_CONFIG;
use crate::api::spec::CommandRename;
use crate::api::{Problem, RedisFailoverSpec};

const TOO_MANY: &Rule = rule("too-many-entries");
const TOO_LONG: &Rule = rule("entry-too-long");

/// Entries of a list at most. Servers have fewer options and commands.
pub(crate) const ENTRIES: usize = 256;
/// Entries of the Sentinels' customConfig at most: as many, and those that the defaults add.
pub(crate) const SENTINEL_ENTRIES: usize = ENTRIES + SENTINEL_CONFIG.len();
/// Characters of an entry of customConfig at most.
pub(crate) const ENTRY_CHARS: usize = 1024;
/// Characters of a command's name at most.
pub(crate) const COMMAND_CHARS: usize = 128;
/// Characters of a claim's name at most. The rule on this name wants it shorter still.
pub(crate) const CLAIM_NAME_CHARS: usize = 253;

pub(super) fn check(spec: &RedisFailoverSpec, found: &mut Findings) {
    for (path, list, most) in [
        ("spec.redis.customConfig", &spec.redis.custom_config, ENTRIES),
        ("spec.sentinel.customConfig", &spec.sentinel.custom_config, SENTINEL_ENTRIES),
    ] {
        number(path, list.len(), most, found);
        for (index, entry) in list.iter().enumerate() {
            length(format_args!("{path}[{index}]"), entry, ENTRY_CHARS, found);
        }
    }
    let path = "spec.redis.customCommandRenames";
    number(path, spec.redis.custom_command_renames.len(), ENTRIES, found);
    for (index, CommandRename { from, to }) in spec.redis.custom_command_renames.iter().enumerate() {
        length(format_args!("{path}[{index}].from"), from, COMMAND_CHARS, found);
        length(format_args!("{path}[{index}].to"), to, COMMAND_CHARS, found);
    }
}

fn number(path: &str, entries: usize, most: usize, found: &mut Findings) {
    if entries > most {
        let reason = format!("entries are more than {most}");
        found.report(TOO_MANY, Problem::new(path, entries.to_string(), reason, "remove some"));
    }
}

fn length(path: Arguments<'_>, text: &str, most: usize, found: &mut Findings) {
    // A character has a byte at least.
    if text.len() > most && text.chars().nth(most).is_some() {
        let reason = format!("is longer than {most} characters");
        found.report(TOO_LONG, Problem::new(path.to_string(), directive::shown(text), reason, "shorten it"));
    }
}
