//! customCommandRenames: what may be renamed.

use std::collections::BTreeSet;

use super::catalogue::{Rule, rule};
use super::{Findings, commands, texts};
use crate::api::Problem;
use crate::api::spec::CommandRename;

const OF_NOTHING: &Rule = rule("rename-of-nothing");
const ODD_CHARACTERS: &Rule = rule("rename-odd-characters");
const SUBCOMMAND: &Rule = rule("rename-subcommand");
const NEEDED_COMMAND: &Rule = rule("rename-needed-command");
const UNKNOWN_COMMAND: &Rule = rule("rename-unknown-command");
const TWICE: &Rule = rule("rename-twice");
const TO_EXISTING: &Rule = rule("rename-to-existing-command");

/// Commands that the operator, the Sentinels, the replicas or the probes call, with the reason.
const NEEDED: [(&str, &str); 22] = [
    ("AUTH", "replicas, Sentinels and the operator log in with it"),
    ("BGSAVE", "a replica is filled with it"),
    ("CLIENT", "Sentinels and the operator disconnect clients of a former master with it"),
    ("CONFIG", "customConfig is applied with it"),
    ("EXEC", "Sentinels reconfigure servers in one transaction"),
    ("HELLO", "clients and the operator begin a connection with it"),
    ("INFO", "Sentinels, probes and the operator read the state with it"),
    ("MULTI", "Sentinels reconfigure servers in one transaction"),
    ("PING", "Sentinels and probes ask with it whether a server lives"),
    ("PSYNC", "replicas copy the data with it"),
    ("PUBLISH", "Sentinels find each other with it"),
    ("REPLCONF", "replicas report to the master with it"),
    ("REPLICAOF", "replicas are pointed at the master with it"),
    ("ROLE", "the operator asks for the role with it"),
    ("SAVE", "the shutdown script keeps the data with it"),
    ("SCRIPT", "Sentinels stop scripts that hang with it"),
    ("SELECT", "replicas choose the database of a write with it"),
    ("SENTINEL", "Sentinels are asked with it"),
    ("SHUTDOWN", "servers are stopped with it"),
    ("SLAVEOF", "Sentinels make masters and replicas with it"),
    ("SUBSCRIBE", "Sentinels find each other with it"),
    ("SYNC", "replicas copy the data with it"),
];

pub(super) fn check(renames: &[CommandRename], found: &mut Findings) {
    let (mut froms, mut tos) = (BTreeSet::new(), BTreeSet::new());
    for (index, rename) in renames.iter().enumerate() {
        let path = format!("spec.redis.customCommandRenames[{index}]");
        from(&format!("{path}.from"), &rename.from, &mut froms, found);
        to(&format!("{path}.to"), &rename.to, &mut tos, found);
    }
}

/// Checks the command to rename.
fn from(path: &str, name: &str, seen: &mut BTreeSet<String>, found: &mut Findings) {
    let problem = |reason: String, mend: &str| Problem::new(path, name, reason, mend);
    if name.is_empty() {
        found.report(OF_NOTHING, texts::RENAME_OF_NOTHING.at(path, name));
        return;
    }
    if !spelling(path, name, found) {
        return;
    }
    if let Some((command, _)) = name.split_once('|') {
        let reason = "is a subcommand, and servers that rename one do not start".into();
        let mend = format!("rename {command} as a whole, or leave it");
        found.report(SUBCOMMAND, problem(reason, &mend));
    } else if let Some((command, why)) = needed(name) {
        let reason = format!("cannot be renamed, because {why}");
        found.report(NEEDED_COMMAND, problem(reason, &format!("leave {command} as it is")));
    } else if !commands::is_known(name) {
        let reason = "is no known command, and a server that does not have it does not start".into();
        found.report(UNKNOWN_COMMAND, problem(reason, "compare it with COMMAND of your server"));
    }
    if !seen.insert(name.to_ascii_uppercase()) {
        found.report(TWICE, problem("is renamed twice".into(), "keep one of the entries"));
    }
}

/// Checks the new name; the empty one switches the command off.
fn to(path: &str, name: &str, seen: &mut BTreeSet<String>, found: &mut Findings) {
    if name.is_empty() || !spelling(path, name, found) {
        return;
    }
    if commands::is_taken(name) || !seen.insert(name.to_ascii_uppercase()) {
        let reason = "is the name of another command, and servers with two of a name do not start";
        found.report(TO_EXISTING, Problem::new(path, name, reason, "choose a new name"));
    }
}

fn needed(command: &str) -> Option<&'static (&'static str, &'static str)> {
    NEEDED.iter().find(|(name, _)| name.eq_ignore_ascii_case(command))
}

/// Refuses characters that names of commands cannot have; whether there were none.
fn spelling(path: &str, name: &str, found: &mut Findings) -> bool {
    let is_spelled = name.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '.' | '|' | '-'));
    if !is_spelled {
        found.report(ODD_CHARACTERS, texts::RENAME_CHARACTERS.at(path, name));
    }
    is_spelled
}
