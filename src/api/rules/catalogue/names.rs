//! Rules about names.

use super::{Rule, create, named, refuse};

pub(super) const RULES: &[Rule] = &[
    refuse(
        "name-too-long",
        "metadata.name",
        "A name has at most 48 characters. Pods of a StatefulSet carry a label that is made of `rfr-`, the name, a \
         hyphen and a hash of up to 10 characters, and a label has at most 63.",
        named("a-name-of-forty-nine-characters-which-is-too-long"),
    ),
    refuse(
        "name-with-dot",
        "metadata.name",
        "A name is made of lower case letters, digits and hyphens. It becomes part of Services' names, which \
         Kubernetes allows no dots in.",
        named("name.with.dot"),
    ),
    refuse(
        "reference-not-a-name",
        "spec.auth.secretPath, sentinelSecretPath, shutdownConfigMap, startupConfigMap, serviceAccountName, priorityClassName",
        "What names another object is a name that such an object can have.",
        create("auth: {secretPath: Redis_Password}", "auth: {secretPath: redis-password}"),
    ),
    refuse(
        "label-whitelist-not-a-regex",
        "spec.labelWhitelist",
        "Each entry is a regular expression, which keys of labels are compared with.",
        create("labelWhitelist: ['team-(']", "labelWhitelist: ['^team-']"),
    ),
];
