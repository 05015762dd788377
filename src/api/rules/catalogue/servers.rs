//! Rules about the servers: how many, where they listen, what they run.

use super::{Rule, create, refuse, update, warn};

pub(super) const RULES: &[Rule] = &[
    refuse(
        "zero-replicas",
        "spec.redis.replicas, spec.sentinel.replicas",
        "There is at least one server of each kind. To stop paying for servers, delete the object and keep its claims \
         (`keepAfterDeletion`).",
        create("redis: {replicas: 0}", "redis: {replicas: 3}"),
    ),
    warn(
        "even-sentinels",
        "spec.sentinel.replicas",
        "A failover needs more than half of the Sentinels. Four survive the loss of one, as three do.",
        create("sentinel: {replicas: 4}", "sentinel: {replicas: 5}"),
    ),
    warn(
        "one-sentinel",
        "spec.sentinel.replicas",
        "A Sentinel that is alone may be away when the master is, on the same node for example. Then nobody starts a \
         failover, and clients find no master.",
        create("sentinel: {replicas: 1}", "sentinel: {replicas: 3}"),
    ),
    refuse(
        "port-out-of-range",
        "spec.redis.port",
        "A port is a number from 1 to 65535.",
        create("redis: {port: 70000}", "redis: {port: 7000}"),
    ),
    refuse(
        "port-of-sentinel",
        "spec.redis.port",
        "Every Sentinel listens on 26379, and clients tell the servers from the Sentinels by the port.",
        create("redis: {port: 26379}", "redis: {port: 6379}"),
    ),
    refuse(
        "port-of-exporter",
        "spec.redis.port, spec.redis.exporter",
        "The exporter of redis listens on 9121 in the same pod, and only one of the two could start.",
        create(
            "redis: {port: 9121, exporter: {enabled: true}}",
            "redis: {port: 6379, exporter: {enabled: true}}",
        ),
    ),
    warn(
        "host-network",
        "spec.redis.hostNetwork, spec.sentinel.hostNetwork",
        "In the node's network a port can be used once on each node, by whichever pod is there first.",
        create("redis: {hostNetwork: true}", "redis: {hostNetwork: false}"),
    ),
    refuse(
        "termination-grace-period-zero",
        "spec.redis.terminationGracePeriod",
        "A server needs time to hand over and to save its data. With 0 seconds it would be killed at once.",
        create("redis: {terminationGracePeriod: 0}", "redis: {terminationGracePeriod: 30}"),
    ),
    refuse(
        "pull-policy",
        "imagePullPolicy and exporter.imagePullPolicy of spec.redis and spec.sentinel",
        "Kubernetes knows three policies, in this spelling.",
        create("redis: {imagePullPolicy: Sometimes}", "redis: {imagePullPolicy: Always}"),
    ),
    refuse(
        "not-an-image",
        "image and exporter.image of spec.redis and spec.sentinel",
        "An image is named by one word: registry, name and tag or digest.",
        create("redis: {image: 'redis: 7.2-alpine'}", "redis: {image: 'redis:7.2-alpine'}"),
    ),
    refuse(
        "bootstrap-node",
        "spec.bootstrapNode",
        "Following a master outside of the cluster is not supported yet.",
        create("bootstrapNode: {host: redis.example.com, port: '6379'}", "{}"),
    ),
    refuse(
        "sentinel-master-name",
        "spec.sentinel.masterName",
        "The name under which Sentinels know the master is one word of letters, digits, dots, hyphens and underscores, \
         at most 63 of them.",
        create("sentinel: {masterName: my master}", "sentinel: {masterName: my-master}"),
    ),
    refuse(
        "sentinel-master-name-changed",
        "spec.sentinel.masterName",
        "Running clients ask the Sentinels for the name that they were given.",
        update(
            "sentinel: {masterName: cache}",
            "sentinel: {masterName: other}",
            "sentinel: {masterName: cache}",
        ),
    ),
    warn(
        "maxmemory-above-limit",
        "spec.redis.customConfig, spec.redis.resources",
        "Replication, saving and fragmentation need memory above `maxmemory`. A server that reaches the limit of its \
         container is killed; one above its request is the first to be evicted when its node runs short.",
        create(
            "redis: {customConfig: [maxmemory 1gb], resources: {limits: {memory: 1Gi}}}",
            "redis: {customConfig: [maxmemory 750mb], resources: {limits: {memory: 1Gi}}}",
        ),
    ),
    warn(
        "exporter-off",
        "spec.redis.exporter, spec.sentinel.exporter",
        "Settings of an exporter do nothing while it is not enabled.",
        create("redis: {exporter: {args: [--debug]}}", "redis: {exporter: {enabled: true, args: [--debug]}}"),
    ),
];
