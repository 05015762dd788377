//! Rules about what pods are made of: what Kubernetes would refuse only when it makes the pods. Fields without a path are
//! those of both `spec.redis` and `spec.sentinel`.

use super::{Rule, create, refuse};

pub(super) const RULES: &[Rule] = &[
    refuse(
        "not-a-quantity",
        "resources, storage.emptyDir.sizeLimit",
        "Amounts are quantities of Kubernetes: a number, with a suffix such as `m`, `M` or `Mi`.",
        create("redis: {resources: {limits: {memory: 1gb}}}", "redis: {resources: {limits: {memory: 1Gi}}}"),
    ),
    refuse(
        "request-above-limit",
        "resources",
        "A container cannot be promised more than it may use.",
        create(
            "redis: {resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}",
            "redis: {resources: {requests: {memory: 1Gi}, limits: {memory: 1Gi}}}",
        ),
    ),
    refuse(
        "unknown-resource",
        "resources",
        "Kubernetes knows `cpu`, `memory`, `ephemeral-storage` and `hugepages-*`. Other resources have a \
         prefix, such as `example.com/gpu`.",
        create("redis: {resources: {limits: {mem: 1Gi}}}", "redis: {resources: {limits: {memory: 1Gi}}}"),
    ),
    refuse(
        "toleration",
        "tolerations",
        "Kubernetes makes no pod with a toleration that means nothing.",
        create(
            "redis: {tolerations: [{key: dedicated, operator: Equals, value: redis}]}",
            "redis: {tolerations: [{key: dedicated, operator: Equal, value: redis}]}",
        ),
    ),
    refuse(
        "spread-constraint",
        "topologySpreadConstraints",
        "Kubernetes makes no pod with a constraint that it cannot evaluate.",
        create(
            "redis: {topologySpreadConstraints: [{maxSkew: 0, topologyKey: kubernetes.io/hostname, \
         whenUnsatisfiable: DoNotSchedule}]}",
            "redis: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, \
         whenUnsatisfiable: DoNotSchedule}]}",
        ),
    ),
    refuse(
        "label-or-annotation",
        "nodeSelector, podAnnotations, serviceAnnotations, metadata of the claim",
        "Keys have an optional prefix of a DNS name and a slash, then up to 63 letters, digits, `-`, `_` \
         and `.`. Values of labels have the same characters.",
        create("redis: {podAnnotations: {'my key': a}}", "redis: {podAnnotations: {my-key: a}}"),
    ),
    refuse(
        "dns-policy",
        "dnsPolicy",
        "Kubernetes knows these policies. `None` needs a resolver's configuration, which this spec has no \
         field for.",
        create("redis: {dnsPolicy: None}", "redis: {dnsPolicy: ClusterFirst}"),
    ),
    refuse(
        "probe",
        "customLivenessProbe, customReadinessProbe, customStartupProbe",
        "A probe asks in one way, and its numbers are such that Kubernetes takes them.",
        create(
            "redis: {customLivenessProbe: {periodSeconds: 5}}",
            "redis: {customLivenessProbe: {tcpSocket: {port: redis}, periodSeconds: 5}}",
        ),
    ),
    refuse(
        "container-name",
        "extraContainers, initContainers",
        "Each container of a pod has a name of its own. The operator's containers have theirs.",
        create(
            "redis: {extraContainers: [{name: redis, image: 'busybox:1.36'}]}",
            "redis: {extraContainers: [{name: log-shipper, image: 'busybox:1.36'}]}",
        ),
    ),
    refuse(
        "container-without-image",
        "extraContainers, initContainers",
        "A container runs an image.",
        create(
            "redis: {extraContainers: [{name: log-shipper}]}",
            "redis: {extraContainers: [{name: log-shipper, image: 'busybox:1.36'}]}",
        ),
    ),
    refuse(
        "volume-name",
        "extraVolumes",
        "Each volume of a pod has a name of its own. The operator's volumes have theirs.",
        create(
            "redis: {extraVolumes: [{name: redis-config, emptyDir: {}}]}",
            "redis: {extraVolumes: [{name: scratch, emptyDir: {}}]}",
        ),
    ),
    refuse(
        "volume-source",
        "extraVolumes",
        "A volume comes from one source. Without any it is an emptyDir.",
        create(
            "redis: {extraVolumes: [{name: scratch, emptyDir: {}, configMap: {name: a}}]}",
            "redis: {extraVolumes: [{name: scratch, emptyDir: {}}]}",
        ),
    ),
    refuse(
        "mount-of-unknown-volume",
        "extraVolumeMounts, volumeMounts of extraContainers and initContainers",
        "A mount names a volume that the pod has.",
        create(
            "redis: {extraVolumeMounts: [{name: scratch, mountPath: /scratch}]}",
            "redis: {extraVolumes: [{name: scratch, emptyDir: {}}], extraVolumeMounts: [{name: scratch, \
         mountPath: /scratch}]}",
        ),
    ),
    refuse(
        "mount-path",
        "extraVolumeMounts, volumeMounts of extraContainers and initContainers",
        "Two volumes cannot be mounted at one path. Those of the operator hold what its servers need.",
        create(
            "redis: {extraVolumes: [{name: scratch, emptyDir: {}}], extraVolumeMounts: [{name: scratch, \
         mountPath: /data}]}",
            "redis: {extraVolumes: [{name: scratch, emptyDir: {}}], extraVolumeMounts: [{name: scratch, \
         mountPath: /scratch}]}",
        ),
    ),
    refuse(
        "env-name",
        "exporter.env, env of extraContainers and initContainers",
        "A variable has a name without `=` and is set once.",
        create(
            "redis: {exporter: {enabled: true, env: [{name: DEBUG=1}]}}",
            "redis: {exporter: {enabled: true, env: [{name: DEBUG, value: '1'}]}}",
        ),
    ),
];
