//! Rules about customCommandRenames.

use super::{Rule, create, refuse, warn};

const FROM: &str = "spec.redis.customCommandRenames[].from";
const TO: &str = "spec.redis.customCommandRenames[].to";

pub(super) const RULES: &[Rule] = &[
    refuse(
        "rename-of-nothing",
        FROM,
        "An entry names the command that it renames.",
        create(
            "redis: {customCommandRenames: [{to: slow-keys}]}",
            "redis: {customCommandRenames: [{from: KEYS, to: slow-keys}]}",
        ),
    ),
    refuse(
        "rename-odd-characters",
        "spec.redis.customCommandRenames[].from, spec.redis.customCommandRenames[].to",
        "Names of commands are made of letters, `_`, `.`, `|` and `-`. Anything else could end the line in redis.conf \
         and begin another.",
        create(
            "redis: {customCommandRenames: [{from: KEYS, to: 'keys\" requirepass \"'}]}",
            "redis: {customCommandRenames: [{from: KEYS, to: slow-keys}]}",
        ),
    ),
    refuse(
        "rename-subcommand",
        FROM,
        "A server renames whole commands. One whose configuration renames a subcommand does not start.",
        create(
            "redis: {customCommandRenames: [{from: OBJECT|FREQ, to: ''}]}",
            "redis: {customCommandRenames: [{from: OBJECT, to: ''}]}",
        ),
    ),
    refuse(
        "rename-needed-command",
        FROM,
        "The operator, the Sentinels, the replicas and the probes call some commands by their names.",
        create(
            "redis: {customCommandRenames: [{from: CONFIG, to: ''}]}",
            "redis: {customCommandRenames: [{from: KEYS, to: ''}]}",
        ),
    ),
    warn(
        "rename-unknown-command",
        FROM,
        "A server does not start whose configuration renames a command that it does not have.",
        create(
            "redis: {customCommandRenames: [{from: KEYZ, to: ''}]}",
            "redis: {customCommandRenames: [{from: KEYS, to: ''}]}",
        ),
    ),
    refuse(
        "rename-twice",
        FROM,
        "A command that is renamed is gone, so it cannot be renamed again, and the server does not start.",
        create(
            "redis: {customCommandRenames: [{from: KEYS, to: slow-keys}, {from: keys, to: list-keys}]}",
            "redis: {customCommandRenames: [{from: KEYS, to: slow-keys}]}",
        ),
    ),
    refuse(
        "rename-to-existing-command",
        TO,
        "A server with two commands of one name does not start. To replace a command is not possible.",
        create(
            "redis: {customCommandRenames: [{from: KEYS, to: scan}]}",
            "redis: {customCommandRenames: [{from: KEYS, to: slow-keys}]}",
        ),
    ),
];
