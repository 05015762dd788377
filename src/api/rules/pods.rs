//! What pods are made of. Kubernetes would refuse these faults too, but only when the pods are made.

use std::collections::BTreeSet;
use std::fmt::Arguments;

use k8s_openapi::api::core::v1::{Container, EnvVar, Volume, VolumeMount};

use super::catalogue::{Rule, rule};
use super::own::{self, Own};
use super::{Findings, keys, names, resources, scheduling};
use crate::api::spec::{PodSpec, RedisSpec};
use crate::api::{Problem, RedisFailoverSpec};

const CONTAINER_NAME: &Rule = rule("container-name");
const WITHOUT_IMAGE: &Rule = rule("container-without-image");
const VOLUME_NAME: &Rule = rule("volume-name");
const VOLUME_SOURCE: &Rule = rule("volume-source");
const UNKNOWN_VOLUME: &Rule = rule("mount-of-unknown-volume");
const MOUNT_PATH: &Rule = rule("mount-path");
const ENV_NAME: &Rule = rule("env-name");

pub(super) fn check(spec: &RedisFailoverSpec, found: &mut Findings) {
    let data = (data_volume(&spec.redis), own::DATA_DIR);
    part("spec.redis", &spec.redis.pod, &own::REDIS, Some(data), found);
    part("spec.sentinel", &spec.sentinel.pod, &own::SENTINEL, None, found);
}

fn data_volume(redis: &RedisSpec) -> &str {
    let claim = redis.storage.persistent_volume_claim.as_ref();
    let name = claim.and_then(|claim| claim.metadata.name.as_deref()).filter(|name| !name.is_empty());
    name.unwrap_or(own::DATA_VOLUME)
}

fn part(path: &str, pod: &PodSpec, own: &Own, data: Option<(&str, &str)>, found: &mut Findings) {
    resources::check(format_args!("{path}.resources"), pod.resources.as_ref(), found);
    scheduling::check(path, pod, found);
    keys::labels(format_args!("{path}.nodeSelector"), &pod.node_selector, found);
    keys::annotations(format_args!("{path}.podAnnotations"), &pod.pod_annotations, found);
    keys::annotations(format_args!("{path}.serviceAnnotations"), &pod.service_annotations, found);
    if pod.exporter.enabled {
        env(format_args!("{path}.exporter.env"), &pod.exporter.env, found);
        resources::check(format_args!("{path}.exporter.resources"), pod.exporter.resources.as_ref(), found);
    }
    additions(path, pod, own, data, found);
}

/// Checks what stands beside the operator's own containers and volumes.
fn additions(path: &str, pod: &PodSpec, own: &Own, data: Option<(&str, &str)>, found: &mut Findings) {
    if pod.extra_volumes.is_empty()
        && pod.extra_volume_mounts.is_empty()
        && pod.extra_containers.is_empty()
        && pod.init_containers.is_empty()
    {
        return;
    }
    let startup = pod.startup_config_map.as_ref().is_some_and(|name| !name.is_empty());
    let taken: Vec<_> =
        own.volumes.iter().copied().chain(startup.then_some(own.startup)).chain(data).collect();
    let names = volumes(path, &pod.extra_volumes, &taken, found);
    let paths: BTreeSet<_> = taken.iter().map(|(_, path)| *path).filter(|path| !path.is_empty()).collect();
    let mounts_at = format!("{path}.extraVolumeMounts");
    mounts(
        &mounts_at,
        &[&mounts_at, &format!("{path}.extraVolumes")],
        &pod.extra_volume_mounts,
        &names,
        paths,
        found,
    );
    containers(path, pod, own, &names, found);
}

/// Checks the user's volumes; returns the names of all that the pod has.
fn volumes<'a>(
    part: &str,
    volumes: &'a [Volume],
    taken: &[(&'a str, &str)],
    found: &mut Findings,
) -> BTreeSet<&'a str> {
    let mut names: BTreeSet<_> = taken.iter().map(|(name, _)| *name).collect();
    for (index, volume) in volumes.iter().enumerate() {
        let path = format!("{part}.extraVolumes[{index}]");
        name(VOLUME_NAME, &path, &volume.name, "a volume", &mut names, found);
        // A source is whatever stands beside the name.
        let fields =
            serde_json::to_value(volume).ok().and_then(|volume| volume.as_object().map(serde_json::Map::len));
        if fields.is_some_and(|fields| fields > 2) {
            let reason = "has more than one source";
            let mend = "keep one of them";
            found.report(VOLUME_SOURCE, Problem::new(path, &volume.name, reason, mend));
        }
    }
    names
}

/// Checks the name of a container or volume, which must not be among those that were seen.
fn name<'a>(
    rule: &'static Rule,
    path: &str,
    name: &'a str,
    thing: &str,
    seen: &mut BTreeSet<&'a str>,
    found: &mut Findings,
) {
    let path = format!("{path}.name");
    if !names::is_label(name) {
        let reason = format!("cannot be the name of {thing}");
        let mend = "use at most 63 lower case letters, digits and '-'";
        found.report(rule, Problem::new(path, name, reason, mend));
    } else if !seen.insert(name) {
        let reason = format!("is the name of another of the pod's, or of {thing} of the operator's");
        found.report(rule, Problem::new(path, name, reason, "choose another"));
    }
}

/// Checks mounts of one container. `fields` are those that bring a fault about, `paths` those where it has mounts.
fn mounts<'a>(
    path: &str,
    fields: &[&str],
    mounts: &'a [VolumeMount],
    volumes: &BTreeSet<&str>,
    mut paths: BTreeSet<&'a str>,
    found: &mut Findings,
) {
    for (index, mount) in mounts.iter().enumerate() {
        if !volumes.contains(mount.name.as_str()) {
            let path = format!("{path}[{index}].name");
            let problem =
                Problem::new(path, &mount.name, "is not a volume of the pod", "add it to extraVolumes");
            found.report_for(UNKNOWN_VOLUME, fields, problem);
        }
        let at = mount.mount_path.trim_end_matches('/');
        if !paths.insert(at) {
            let path = format!("{path}[{index}].mountPath");
            let reason = "is where another volume is mounted, or one that the server needs";
            found.report(MOUNT_PATH, Problem::new(path, &mount.mount_path, reason, "choose another path"));
        }
    }
}

fn containers(part: &str, pod: &PodSpec, own: &Own, volumes: &BTreeSet<&str>, found: &mut Findings) {
    let exporter = pod.exporter.enabled.then_some(own.exporter);
    let mut names: BTreeSet<_> = own.containers.iter().copied().chain(exporter).collect();
    for (list, containers) in
        [("extraContainers", &pod.extra_containers), ("initContainers", &pod.init_containers)]
    {
        let list = format!("{part}.{list}");
        for (index, container) in containers.iter().enumerate() {
            let path = format!("{list}[{index}]");
            name(CONTAINER_NAME, &path, &container.name, "a container", &mut names, found);
            self::container(&path, &[&list, &format!("{part}.extraVolumes")], container, volumes, found);
        }
    }
}

fn container(
    path: &str,
    fields: &[&str],
    container: &Container,
    volumes: &BTreeSet<&str>,
    found: &mut Findings,
) {
    if container.image.as_deref().unwrap_or_default().is_empty() {
        let problem = Problem::new(format!("{path}.image"), "", "is missing", "name the image to run");
        found.report(WITHOUT_IMAGE, problem);
    }
    env(format_args!("{path}.env"), container.env.as_deref().unwrap_or_default(), found);
    resources::check(format_args!("{path}.resources"), container.resources.as_ref(), found);
    let own = container.volume_mounts.as_deref().unwrap_or_default();
    mounts(&format!("{path}.volumeMounts"), fields, own, volumes, BTreeSet::new(), found);
}

fn env(path: Arguments<'_>, variables: &[EnvVar], found: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (index, EnvVar { name, .. }) in variables.iter().enumerate() {
        let is_printable = name.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        if name.is_empty() || name.contains('=') || !is_printable {
            let mend = "write the name alone, such as DEBUG, and its value into value";
            let path = format!("{path}[{index}].name");
            found.report(ENV_NAME, Problem::new(path, name, "cannot be the name of a variable", mend));
        } else if !seen.insert(name) {
            let path = format!("{path}[{index}].name");
            found.report(ENV_NAME, Problem::new(path, name, "is set twice", "keep one of the entries"));
        }
    }
}
