//! What is said of an object besides the rules on its typed spec: by what is around it, by its raw types, by the version
//! that its client speaks.

use super::{Example, Rule, create, refuse, warn};

pub(super) const RULES: &[Rule] = &[
    refuse(
        "name-collision",
        "metadata.name",
        "Names of objects are made from the name, and two RedisFailovers of a namespace cannot have one object. \
         Here the other one is called `x`. Both pass where they are created at the same moment; then the object stays \
         with the first one, and the condition `ObjectsApplied` of the other says so.",
        Example { name: "s-x", before: "", bad: "{}", good: "{}" },
    ),
    warn(
        "reference-missing",
        "spec.auth.secretPath, sentinelSecretPath, shutdownConfigMap, startupConfigMap",
        "What the spec refers to is not there yet. Servers wait for it.",
        create("auth: {secretPath: redis-password}", "{}"),
    ),
    refuse(
        "wrong-type",
        "all",
        "A field has the type that the schema says. The first one of another type is named, and nothing else is judged \
         until it is mended.",
        create("redis: {replicas: three}", "redis: {replicas: 3}"),
    ),
    refuse(
        "too-long-for-v1alpha2",
        "all that only `v1` has",
        "What `v1alpha2` cannot say is kept in an annotation there, and Kubernetes lets an object have 256 KiB of \
         annotations, those of the user included. An object that has more, because it was stored earlier or got \
         further annotations, can be read in `v1alpha2` and not be written.",
        create(
            concat!(
                "redis: {exporter: {enabled: true, args: [&a ",
                x4!(x256!("long")),
                ", ",
                x16!(x4!("*a, ")),
                "*a]}}"
            ),
            "redis: {exporter: {enabled: true, args: [--debug]}}",
        ),
    ),
    warn(
        "below-three",
        "spec.redis.replicas, spec.sentinel.replicas",
        "Only of objects in `v1alpha2`: the operator of that version refused fewer than three.",
        create("redis: {replicas: 2}", "redis: {replicas: 3}"),
    ),
];
