//! Numbers of servers, ports, images and what else concerns single fields of both kinds of servers.

use super::{Findings, quantity, texts};
use crate::api::spec::{PodSpec, RedisSpec};
use crate::api::{Problem, RedisFailoverSpec, defaults};

/// Tells whether a field is set.
type IsSet = fn(&RedisFailoverSpec) -> bool;

/// Fields of the schema whose behaviour does not exist yet, which are refused.
const NOT_YET: [(&str, IsSet); 1] = [("spec.bootstrapNode", |spec| spec.bootstrap_node.is_some())];

/// Values of `imagePullPolicy`.
pub(crate) const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];

pub(super) fn check(spec: &RedisFailoverSpec, found: &mut Findings) {
    let (redis, sentinel) = (&spec.redis, &spec.sentinel);
    replicas("spec.redis.replicas", redis.replicas, found);
    replicas("spec.sentinel.replicas", sentinel.replicas, found);
    let sentinels = sentinel.replicas.unwrap_or(defaults::REPLICAS);
    if sentinels > 0 && sentinels % 2 == 0 {
        found.warn(Problem::new(
            "spec.sentinel.replicas",
            sentinels.to_string(),
            format!("survives no more failures than {} would", sentinels - 1),
            format!("choose an odd number, for example {}", sentinels + 1),
        ));
    }
    if let Some(problem) = redis.port.and_then(|port| super::port(port).err()) {
        found.refuse(problem);
    }
    if let Some(seconds) = redis.termination_grace_period.filter(|seconds| *seconds < 1) {
        let path = "spec.redis.terminationGracePeriod";
        found.refuse(Problem::new(
            path,
            seconds.to_string(),
            "is below 1",
            "give the server seconds to stop, such as 30",
        ));
    }
    pod("spec.redis", &redis.pod, found);
    pod("spec.sentinel", &sentinel.pod, found);
    memory(redis, found);
    for (path, _) in NOT_YET.iter().filter(|(_, is_set)| is_set(spec)) {
        found.refuse(Problem::new(*path, "", texts::NOT_YET.reason, texts::NOT_YET.mend));
    }
}

fn replicas(path: &str, replicas: Option<i32>, found: &mut Findings) {
    if let Some(number) = replicas.filter(|number| *number < 1) {
        found.refuse(Problem::new(path, number.to_string(), texts::REPLICAS.reason, texts::REPLICAS.mend));
    }
}

fn pod(part: &str, pod: &PodSpec, found: &mut Findings) {
    image(part, pod.image.as_deref(), found);
    pull_policy(part, pod.image_pull_policy.as_deref(), found);
    if pod.exporter.enabled {
        let exporter = format!("{part}.exporter");
        image(&exporter, pod.exporter.image.as_deref(), found);
        pull_policy(&exporter, pod.exporter.image_pull_policy.as_deref(), found);
    }
    if pod.host_network {
        let reason = "two pods on one node would want the same port";
        let mend = "keep at least as many nodes as pods, and one such RedisFailover to a port";
        found.warn(Problem::new(format!("{part}.hostNetwork"), "true", reason, mend));
    }
}

fn image(part: &str, image: Option<&str>, found: &mut Findings) {
    if let Some(image) = image.filter(|image| image.is_empty() || image.contains(char::is_whitespace)) {
        let mend = "write a whole reference such as redis:7.2-alpine, or leave the field out";
        found.refuse(Problem::new(format!("{part}.image"), image, "is not a reference of an image", mend));
    }
}

fn pull_policy(part: &str, policy: Option<&str>, found: &mut Findings) {
    if let Some(policy) = policy.filter(|policy| !PULL_POLICIES.contains(policy)) {
        let path = format!("{part}.imagePullPolicy");
        let mend = format!("choose one of {}", PULL_POLICIES.join(", "));
        found.refuse(Problem::new(path, policy, "is not a pull policy", mend));
    }
}

/// Replication, copies for saving and fragmentation need memory above `maxmemory`.
fn memory(redis: &RedisSpec, found: &mut Findings) {
    let limits = redis.pod.resources.as_ref().and_then(|resources| resources.limits.as_ref());
    let Some(limit) = limits.and_then(|limits| limits.get("memory")) else {
        return;
    };
    let Some(limit_bytes) = quantity::kubernetes(&limit.0) else {
        return;
    };
    for (index, entry) in redis.custom_config.iter().enumerate() {
        let path = format!("spec.redis.customConfig[{index}]");
        let Ok(directive) = super::directive::parse(entry, &path) else {
            continue;
        };
        let bytes = quantity::redis_memory(&directive.value).unwrap_or_default();
        if directive.key == "maxmemory" && bytes >= limit_bytes {
            let reason = format!("leaves no room below the memory limit of {}", limit.0);
            let mend = "choose about three quarters of spec.redis.resources.limits.memory";
            found.warn(Problem::new(path, entry, reason, mend));
        }
    }
}
