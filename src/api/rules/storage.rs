//! Where the data lives, and how that may change.

use super::{Findings, names, quantity, texts};
use crate::api::spec::{EmbeddedClaim, RedisSpec, StorageSpec};
use crate::api::{Problem, defaults};

const EMPTY_DIR: &str = "spec.redis.storage.emptyDir";
const CLAIM: &str = "spec.redis.storage.persistentVolumeClaim";
const NAME: &str = "spec.redis.storage.persistentVolumeClaim.metadata.name";
const CLASS: &str = "spec.redis.storage.persistentVolumeClaim.spec.storageClassName";
const SIZE: &str = "spec.redis.storage.persistentVolumeClaim.spec.resources.requests.storage";

pub(super) fn check(redis: &RedisSpec, old: Option<&StorageSpec>, found: &mut Findings) {
    let storage = &redis.storage;
    match &storage.persistent_volume_claim {
        Some(claim) => {
            if storage.empty_dir.is_some() {
                let text = texts::STORAGE_TWICE;
                found.refuse_for(&[EMPTY_DIR, CLAIM], Problem::new(EMPTY_DIR, "", text.reason, text.mend));
            }
            shape(claim, found);
        }
        None if redis.replicas.unwrap_or(defaults::REPLICAS) == 1 => found.warn(Problem::new(
            "spec.redis.replicas",
            "1",
            "keeps its data in an emptyDir, so every update loses all of it",
            "use at least 2 replicas, or a persistentVolumeClaim",
        )),
        None => {}
    }
    let Some(old) = old else { return };
    match (&storage.persistent_volume_claim, &old.persistent_volume_claim) {
        (Some(new), Some(old)) => transition(new, old, found),
        (None, Some(_)) => {
            let text = texts::CLAIM_DROPPED;
            found.refuse(Problem::new(CLAIM, "", text.reason, text.mend));
        }
        (Some(_), None) if storage.empty_dir.is_none() => {
            let reason = "cannot be added to servers that run with an emptyDir: that is not supported yet";
            found.refuse(Problem::new(CLAIM, "", reason, "create another RedisFailover and move the data"));
        }
        (Some(_) | None, None) => {} // Both at once are refused above.
    }
}

fn shape(claim: &EmbeddedClaim, found: &mut Findings) {
    match size(claim) {
        None => {
            found.refuse_for(
                &[CLAIM],
                Problem::new(SIZE, "", texts::CLAIM_SIZE.reason, texts::CLAIM_SIZE.mend),
            );
        }
        Some(size) if quantity::kubernetes(size).is_none_or(|bytes| bytes <= 0.0) => {
            found.refuse(Problem::new(SIZE, size, "is not a size", "write a quantity such as 1Gi"));
        }
        Some(_) => {}
    }
    if let Some(name) =
        claim.metadata.name.as_deref().filter(|name| !name.is_empty() && !names::is_label(name))
    {
        let mend = "use at most 63 lower case letters, digits and '-'";
        found.refuse(Problem::new(NAME, name, "cannot be the name of a volume", mend));
    }
}

/// What Kubernetes cannot change in claims that exist.
fn transition(new: &EmbeddedClaim, old: &EmbeddedClaim, found: &mut Findings) {
    let (class, old_class) = (&new.spec.storage_class_name, &old.spec.storage_class_name);
    if class != old_class {
        let value = class.as_deref().unwrap_or_default();
        found.refuse(Problem::new(CLASS, value, texts::CLASS_CHANGED.reason, texts::CLASS_CHANGED.mend));
    }
    let name = |claim: &EmbeddedClaim| claim.metadata.name.clone().unwrap_or_default();
    if name(new) != name(old) {
        let reason = format!("cannot change, because the data lives in claims named {:?}", name(old));
        let mend = "set it back, or create another RedisFailover and move the data";
        found.refuse(Problem::new(NAME, name(new), reason, mend));
    }
    let bytes = |claim| size(claim).and_then(quantity::kubernetes);
    if let (Some(size), Some(old_size)) = (size(new), size(old))
        && bytes(new) < bytes(old)
    {
        let reason = format!("is smaller than the {old_size} of before, and claims cannot shrink");
        found.refuse(Problem::new(SIZE, size, reason, format!("set it to {old_size}")));
    } else if let (Some(size), Some(old_size)) = (size(new), size(old))
        && bytes(new) > bytes(old)
    {
        let reason =
            format!("is more than the {old_size} of before, and growing a claim is not supported yet");
        found.refuse(Problem::new(SIZE, size, reason, format!("set it to {old_size}")));
    } else if size(new).is_some()
        && (class, name(new)) == (old_class, name(old))
        && template(new) != template(old)
    {
        let reason = "cannot change once its claims exist: that is not supported yet";
        found.refuse(Problem::new(CLAIM, "", reason, "set it back"));
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
