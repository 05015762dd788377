//! customCommandRenames: what may be renamed.

use std::collections::BTreeSet;

use super::Findings;
use crate::api::Problem;
use crate::api::spec::CommandRename;

/// Commands that the operator, the Sentinels, the replicas or the probes call, with the reason.
const NEEDED: [(&str, &str); 22] = [
    ("AUTH", "replicas, Sentinels and the operator log in with it"),
    ("BGSAVE", "a replica is filled with it"),
    (
        "CLIENT",
        "Sentinels and the operator disconnect clients of a former master with it",
    ),
    ("CONFIG", "customConfig is applied with it"),
    ("EXEC", "Sentinels reconfigure servers in one transaction"),
    ("HELLO", "clients and the operator begin a connection with it"),
    (
        "INFO",
        "Sentinels, probes and the operator read the state with it",
    ),
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
    let mut seen = BTreeSet::new();
    for (index, rename) in renames.iter().enumerate() {
        let from = format!("spec.redis.customCommandRenames[{index}].from");
        let to = format!("spec.redis.customCommandRenames[{index}].to");
        if rename.from.is_empty() {
            found.refuse(Problem::new(
                &from,
                "",
                "is missing",
                "name the command to rename",
            ));
        }
        spelling(&from, &rename.from, found);
        spelling(&to, &rename.to, found);
        if let Some((command, why)) = needed(&rename.from) {
            let reason = format!("cannot be renamed, because {why}");
            found.refuse(Problem::new(
                &from,
                &rename.from,
                reason,
                format!("leave {command} as it is"),
            ));
        }
        if needed(&rename.to).is_some() {
            found.refuse(Problem::new(
                &to,
                &rename.to,
                "is the name of another command",
                "choose a new name",
            ));
        }
        if !rename.from.is_empty() && !seen.insert(rename.from.to_ascii_uppercase()) {
            found.refuse(Problem::new(
                &from,
                &rename.from,
                "is renamed twice",
                "keep one of the entries",
            ));
        }
    }
}

fn needed(command: &str) -> Option<&'static (&'static str, &'static str)> {
    let base = command.split('|').next().unwrap_or_default();
    NEEDED.iter().find(|(name, _)| name.eq_ignore_ascii_case(base))
}

fn spelling(path: &str, name: &str, found: &mut Findings) {
    if !name
        .chars()
        .all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '.' | '|' | '-'))
    {
        let reason = "has a character that names of commands cannot have";
        found.refuse(Problem::new(
            path,
            name,
            reason,
            "use letters, '_', '.', '|' and '-'",
        ));
    }
}
