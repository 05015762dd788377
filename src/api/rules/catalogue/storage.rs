//! Rules about where the data lives.

use super::{Rule, create, refuse, update, warn};

pub(super) const RULES: &[Rule] = &[
    refuse(
        "storage-claim-and-empty-dir",
        "spec.redis.storage",
        "Data lives in one place: with the pod, or in a volume of its own.",
        create(
            "redis: {storage: {emptyDir: {}, persistentVolumeClaim: {metadata: {name: data}, spec: \
         {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
        ),
    ),
    refuse(
        "storage-claim-without-size",
        "spec.redis.storage.persistentVolumeClaim.spec.resources.requests.storage",
        "A claim asks for a size; Kubernetes makes no volume without one.",
        create(
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce]}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
        ),
    ),
    refuse(
        "storage-claim-size-not-a-quantity",
        "spec.redis.storage.persistentVolumeClaim.spec.resources.requests.storage",
        "A size is a quantity of Kubernetes above zero.",
        create(
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1gb}}}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
        ),
    ),
    refuse(
        "storage-claim-access-modes",
        "spec.redis.storage.persistentVolumeClaim.spec.accessModes",
        "A claim says how its volume is used. Without that, or with a mode that Kubernetes does not know, \
         claims cannot be made and no server starts.",
        create(
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {resources: {requests: \
         {storage: 1Gi}}}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
        ),
    ),
    refuse(
        "storage-claim-volume-mode",
        "spec.redis.storage.persistentVolumeClaim.spec.volumeMode",
        "Servers keep their data in files. A volume of the mode `Block` is a bare device, which is not mounted.",
        create(
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, volumeMode: Block}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, volumeMode: Filesystem}}}}",
        ),
    ),
    refuse(
        "storage-claim-name",
        "spec.redis.storage.persistentVolumeClaim.metadata.name",
        "The name becomes that of a volume in the pods and the beginning of the claims' names. Volumes of the operator's \
         have other names: `redis-config` and so on.",
        create(
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: My_Data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: my-data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
        ),
    ),
    warn(
        "one-server-in-memory",
        "spec.redis.replicas, spec.redis.storage",
        "The data of an emptyDir goes with its pod. With one server there is no other that has it: every \
         update, every drained node loses all.",
        create("redis: {replicas: 1}", "redis: {replicas: 2}"),
    ),
    warn(
        "keep-without-claim",
        "spec.redis.storage.keepAfterDeletion",
        "It says what becomes of claims, and there are none without a persistentVolumeClaim.",
        create(
            "redis: {storage: {keepAfterDeletion: true}}",
            "redis: {storage: {keepAfterDeletion: true, persistentVolumeClaim: {metadata: {name: data}, spec: \
         {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
        ),
    ),
    refuse(
        "storage-claim-removed",
        "spec.redis.storage.persistentVolumeClaim",
        "Data is not left behind by an edit. Servers without their claims would start empty.",
        update(
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
            "redis: {storage: {emptyDir: {}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
        ),
    ),
    refuse(
        "storage-claim-added",
        "spec.redis.storage.persistentVolumeClaim",
        "Servers that run with an emptyDir cannot get claims: that is not supported yet.",
        update(
            "{}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
            "{}",
        ),
    ),
    refuse(
        "storage-claim-class",
        "spec.redis.storage.persistentVolumeClaim.spec.storageClassName",
        "Claims that exist keep their class.",
        update(
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, storageClassName: fast}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, storageClassName: slow}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, storageClassName: fast}}}}",
        ),
    ),
    refuse(
        "storage-claim-renamed",
        "spec.redis.storage.persistentVolumeClaim.metadata.name",
        "Claims are found by this name. Under another one servers would start empty.",
        update(
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: other}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
        ),
    ),
    refuse(
        "storage-claim-shrunk",
        "spec.redis.storage.persistentVolumeClaim.spec.resources.requests.storage",
        "Kubernetes makes no volume smaller.",
        update(
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}}}}",
        ),
    ),
    refuse(
        "storage-claim-grown",
        "spec.redis.storage.persistentVolumeClaim.spec.resources.requests.storage",
        "Growing the volumes of running servers is not supported yet.",
        update(
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
        ),
    ),
    refuse(
        "storage-claim-changed",
        "spec.redis.storage.persistentVolumeClaim",
        "The rest of a claim cannot change once claims exist: that is not supported yet.",
        update(
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data, labels: {team: a}}, spec: \
         {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
            "redis: {storage: {persistentVolumeClaim: {metadata: {name: data}, spec: {accessModes: \
         [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
        ),
    ),
];
