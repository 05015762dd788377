//! Where the data lives, and how that may change.

use super::catalogue::{Rule, rule};
use super::{Findings, keys, names, own, quantity, resources, texts};
use crate::api::spec::{EmbeddedClaim, RedisSpec, StorageSpec};
use crate::api::{Problem, defaults};

const STORAGE: &str = "spec.redis.storage";
const EMPTY_DIR: &str = "spec.redis.storage.emptyDir";
const CLAIM: &str = "spec.redis.storage.persistentVolumeClaim";
const NAME: &str = "spec.redis.storage.persistentVolumeClaim.metadata.name";
const CLASS: &str = "spec.redis.storage.persistentVolumeClaim.spec.storageClassName";
const ACCESS: &str = "spec.redis.storage.persistentVolumeClaim.spec.accessModes";
const MODE: &str = "spec.redis.storage.persistentVolumeClaim.spec.volumeMode";
const SIZE: &str = "spec.redis.storage.persistentVolumeClaim.spec.resources.requests.storage";

const TWO_PLACES: &Rule = rule("storage-claim-and-empty-dir");
const NO_SIZE: &Rule = rule("storage-claim-without-size");
const BAD_SIZE: &Rule = rule("storage-claim-size-not-a-quantity");
const ACCESS_MODES: &Rule = rule("storage-claim-access-modes");
const VOLUME_MODE: &Rule = rule("storage-claim-volume-mode");
const BAD_NAME: &Rule = rule("storage-claim-name");
const ALONE: &Rule = rule("one-server-in-memory");
const KEEPS_NOTHING: &Rule = rule("keep-without-claim");
const REMOVED: &Rule = rule("storage-claim-removed");
const ADDED: &Rule = rule("storage-claim-added");
const CLASS_CHANGED: &Rule = rule("storage-claim-class");
const RENAMED: &Rule = rule("storage-claim-renamed");
const SHRUNK: &Rule = rule("storage-claim-shrunk");
const GROWN: &Rule = rule("storage-claim-grown");
const CHANGED: &Rule = rule("storage-claim-changed");

/// How a volume may be used.
const MODES: [&str; 4] = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];

/// The one kind of volume that is mounted. A bare device (`Block`) is not.
const FILESYSTEM: &str = "Filesystem";

pub(super) fn check(redis: &RedisSpec, old: Option<&StorageSpec>, found: &mut Findings) {
    let storage = &redis.storage;
    match &storage.persistent_volume_claim {
        Some(claim) => {
            if storage.empty_dir.is_some() {
                found.report_for(TWO_PLACES, &[STORAGE], texts::STORAGE_TWICE.at(EMPTY_DIR, ""));
            }
            shape(claim, found);
            taken_name(redis, claim, found);
        }
        None => in_memory(redis, found),
    }
    let Some(old) = old else { return };
    match (&storage.persistent_volume_claim, &old.persistent_volume_claim) {
        (Some(new), Some(old)) => transition(new, old, found),
        (None, Some(_)) => found.report(REMOVED, texts::CLAIM_DROPPED.at(CLAIM, "")),
        (Some(_), None) if storage.empty_dir.is_none() => {
            found.report(ADDED, texts::CLAIM_ADDED.at(CLAIM, ""));
        }
        (Some(_) | None, None) => {} // Both at once are refused above.
    }
}

fn in_memory(redis: &RedisSpec, found: &mut Findings) {
    if redis.replicas.unwrap_or(defaults::REPLICAS) == 1 {
        let reason = "keeps its data in an emptyDir, so every update loses all of it";
        let mend = "use at least 2 replicas, or a persistentVolumeClaim";
        found.report(ALONE, Problem::new("spec.redis.replicas", "1", reason, mend));
    }
    if redis.storage.keep_after_deletion {
        let path = "spec.redis.storage.keepAfterDeletion";
        let reason = "has no effect, because there is no persistentVolumeClaim to keep";
        found.report(KEEPS_NOTHING, Problem::new(path, "true", reason, "add one, or remove it"));
    }
    let limit = redis.storage.empty_dir.as_ref().and_then(|source| source.size_limit.as_ref());
    if let Some(limit) = limit {
        resources::quantity(format_args!("{EMPTY_DIR}.sizeLimit"), "", limit, found);
    }
}

fn shape(claim: &EmbeddedClaim, found: &mut Findings) {
    match size(claim) {
        None => found.report_for(NO_SIZE, &[CLAIM], texts::CLAIM_SIZE.at(SIZE, "")),
        Some(size) if quantity::kubernetes(size).is_none_or(|bytes| bytes <= 0.0) => {
            found.report(BAD_SIZE, Problem::new(SIZE, size, "is not a size", "write a quantity such as 1Gi"));
        }
        Some(_) => {}
    }
    let modes = claim.spec.access_modes.as_deref().unwrap_or_default();
    if modes.is_empty() {
        found.report_for(ACCESS_MODES, &[CLAIM], texts::CLAIM_MODES.at(ACCESS, ""));
    }
    for mode in modes.iter().filter(|mode| !MODES.contains(&mode.as_str())) {
        let mend = format!("choose of {}", MODES.join(", "));
        found.report(ACCESS_MODES, Problem::new(ACCESS, mode, "is not an access mode", mend));
    }
    if let Some(mode) = claim.spec.volume_mode.as_deref().filter(|mode| *mode != FILESYSTEM) {
        let reason = "is not a volume that servers can have their files in";
        found.report(
            VOLUME_MODE,
            Problem::new(MODE, mode, reason, format!("write {FILESYSTEM}, or remove it")),
        );
    }
    if let Some(name) = claim.metadata.name.as_deref().filter(|name| !is_volume_name(name)) {
        let mend = "use at most 63 lower case letters, digits and '-'";
        found.report(BAD_NAME, Problem::new(NAME, name, "cannot be the name of a volume", mend));
    }
    keys::labels(format_args!("{CLAIM}.metadata.labels"), &claim.metadata.labels, found);
    keys::annotations(format_args!("{CLAIM}.metadata.annotations"), &claim.metadata.annotations, found);
}

/// A claim with the name of another volume would take its place in the pods.
fn taken_name(redis: &RedisSpec, claim: &EmbeddedClaim, found: &mut Findings) {
    let Some(name) = claim.metadata.name.as_deref() else { return };
    let mut problem = |fields: &[&str]| {
        let reason = "is the name of a volume of the operator's";
        found.report_for(BAD_NAME, fields, Problem::new(NAME, name, reason, "choose another"));
    };
    let has_startup = redis.pod.startup_config_map.as_ref().is_some_and(|map| !map.is_empty());
    if own::REDIS.volumes.iter().any(|(volume, _)| *volume == name) {
        problem(&[NAME]);
    } else if has_startup && name == own::REDIS.startup.0 {
        problem(&[NAME, "spec.redis.startupConfigMap"]);
    }
}

/// An empty name stands for the operator's own.
fn is_volume_name(name: &str) -> bool {
    name.is_empty() || names::is_label(name)
}

/// What Kubernetes cannot change in claims that exist.
fn transition(new: &EmbeddedClaim, old: &EmbeddedClaim, found: &mut Findings) {
    let (class, old_class) = (&new.spec.storage_class_name, &old.spec.storage_class_name);
    if class != old_class {
        found.report(CLASS_CHANGED, texts::CLASS_CHANGED.at(CLASS, class.as_deref().unwrap_or_default()));
    }
    let name = |claim: &EmbeddedClaim| claim.metadata.name.clone().unwrap_or_default();
    if name(new) != name(old) && is_volume_name(&name(old)) {
        found.report(RENAMED, texts::CLAIM_RENAMED.at(NAME, name(new)));
    }
    let mut faults = Findings::default();
    shape(old, &mut faults);
    if !faults.0.is_empty() {
        return; // There are no claims yet: none could be made.
    }
    let bytes = |claim| size(claim).and_then(quantity::kubernetes);
    if let (Some(size), Some(old_size)) = (size(new), size(old))
        && bytes(new) != bytes(old)
    {
        let (rule, reason) = if bytes(new) < bytes(old) {
            (SHRUNK, format!("is smaller than the {old_size} of before, and claims cannot shrink"))
        } else {
            (
                GROWN,
                format!("is more than the {old_size} of before, and growing a claim is not supported yet"),
            )
        };
        found.report(rule, Problem::new(SIZE, size, reason, format!("set it to {old_size}")));
    } else if size(new).is_some()
        && (class, name(new)) == (old_class, name(old))
        && template(new) != template(old)
    {
        let reason = "cannot change once its claims exist: that is not supported yet";
        found.report(CHANGED, Problem::new(CLAIM, "", reason, "set it back"));
    }
}

/// What becomes part of the StatefulSet, in which it can never change.
fn template(claim: &EmbeddedClaim) -> EmbeddedClaim {
    let mut template = EmbeddedClaim { api_version: None, kind: None, status: None, ..claim.clone() };
    if let Some(requests) = template.spec.resources.as_mut().and_then(|resources| resources.requests.as_mut())
    {
        requests.remove("storage"); // Compared by its value: 1Gi and 1024Mi are the same size.
    }
    template
}

fn size(claim: &EmbeddedClaim) -> Option<&str> {
    let requests = claim.spec.resources.as_ref()?.requests.as_ref()?;
    requests.get("storage").map(|size| size.0.as_str())
}
