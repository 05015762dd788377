//! Numbers of servers, ports, images and what else concerns single fields of both kinds of servers.

use std::collections::BTreeMap;
use std::fmt::Arguments;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::catalogue::{Rule, rule};
use super::{Findings, own, quantity, texts};
use crate::api::spec::{ExporterSpec, PodSpec, RedisSpec};
use crate::api::{Problem, RedisFailoverSpec, SENTINEL_PORT, defaults};

const ZERO_REPLICAS: &Rule = rule("zero-replicas");
const EVEN_SENTINELS: &Rule = rule("even-sentinels");
const ONE_SENTINEL: &Rule = rule("one-sentinel");
const PORT_OUT_OF_RANGE: &Rule = rule("port-out-of-range");
const PORT_OF_SENTINEL: &Rule = rule("port-of-sentinel");
const PORT_OF_EXPORTER: &Rule = rule("port-of-exporter");
const HOST_NETWORK: &Rule = rule("host-network");
const GRACE_PERIOD: &Rule = rule("termination-grace-period-zero");
const PULL_POLICY: &Rule = rule("pull-policy");
const NOT_AN_IMAGE: &Rule = rule("not-an-image");
const BOOTSTRAP_NODE: &Rule = rule("bootstrap-node");
const MAXMEMORY: &Rule = rule("maxmemory-above-limit");
const EXPORTER_OFF: &Rule = rule("exporter-off");

/// Values of `imagePullPolicy`.
pub(crate) const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];

pub(super) fn check(spec: &RedisFailoverSpec, found: &mut Findings) {
    let (redis, sentinel) = (&spec.redis, &spec.sentinel);
    replicas("spec.redis.replicas", redis.replicas, found);
    replicas("spec.sentinel.replicas", sentinel.replicas, found);
    votes(sentinel.replicas.unwrap_or(defaults::REPLICAS), found);
    ports(redis, found);
    if let Some(seconds) = redis.termination_grace_period.filter(|seconds| *seconds < 1) {
        let path = "spec.redis.terminationGracePeriod";
        found.report(GRACE_PERIOD, texts::GRACE.at(path, seconds.to_string()));
    }
    pod("spec.redis", &redis.pod, found);
    pod("spec.sentinel", &sentinel.pod, found);
    memory(redis, found);
    if let Some(node) = &spec.bootstrap_node {
        let has_host = node.host.as_ref().is_some_and(|host| !host.is_empty());
        let text = if has_host { texts::NOT_YET } else { texts::NOT_YET_NO_HOST };
        found.report(BOOTSTRAP_NODE, text.at("spec.bootstrapNode", ""));
    }
}

fn replicas(path: &str, replicas: Option<i32>, found: &mut Findings) {
    if let Some(number) = replicas.filter(|number| *number < 1) {
        found.report(ZERO_REPLICAS, texts::REPLICAS.at(path, number.to_string()));
    }
}

fn votes(sentinels: i32, found: &mut Findings) {
    let path = "spec.sentinel.replicas";
    if sentinels == 1 {
        let reason = "starts no failover when it is lost together with the master";
        found.report(ONE_SENTINEL, Problem::new(path, "1", reason, "choose at least 3"));
    } else if sentinels > 0 && sentinels % 2 == 0 {
        let reason = format!("survives no more failures than {} would", sentinels - 1);
        let mend = format!("choose an odd number, for example {}", sentinels + 1);
        found.report(EVEN_SENTINELS, Problem::new(path, sentinels.to_string(), reason, mend));
    }
}

/// A port as the servers can listen on it.
pub(super) fn port(value: i32) -> Result<u16, (&'static Rule, Problem)> {
    let problem = |text: texts::Text| text.at("spec.redis.port", value.to_string());
    match u16::try_from(value) {
        Ok(0) | Err(_) => Err((PORT_OUT_OF_RANGE, problem(texts::PORT))),
        Ok(SENTINEL_PORT) => Err((PORT_OF_SENTINEL, problem(texts::PORT_OF_SENTINEL))),
        Ok(port) => Ok(port),
    }
}

fn ports(redis: &RedisSpec, found: &mut Findings) {
    let Some(number) = redis.port else { return };
    if let Err((rule, problem)) = port(number) {
        found.report(rule, problem);
    }
    let exporter = &redis.pod.exporter;
    if number == own::REDIS_METRICS_PORT && exporter.enabled && !listens_elsewhere(exporter) {
        let path = "spec.redis.port";
        let reason = "is the port of the exporter in the same pod";
        let problem = Problem::new(path, number.to_string(), reason, "choose another, for example 6379");
        found.report_for(PORT_OF_EXPORTER, &[path, "spec.redis.exporter"], problem);
    }
}

/// Whether the user gave the exporter another address.
fn listens_elsewhere(exporter: &ExporterSpec) -> bool {
    exporter.args.iter().any(|word| word.contains("web.listen-address"))
        || exporter.env.iter().any(|variable| variable.name == "REDIS_EXPORTER_WEB_LISTEN_ADDRESS")
}

fn pod(part: &str, pod: &PodSpec, found: &mut Findings) {
    image(format_args!("{part}.image"), pod.image.as_deref(), found);
    pull_policy(format_args!("{part}.imagePullPolicy"), pod.image_pull_policy.as_deref(), found);
    exporter(format_args!("{part}.exporter"), &pod.exporter, found);
    if pod.host_network {
        let reason = "two pods on one node would want the same port";
        let mend = "keep at least as many nodes as pods, and one such RedisFailover to a port";
        found.report(HOST_NETWORK, Problem::new(format!("{part}.hostNetwork"), "true", reason, mend));
    }
}

fn exporter(path: Arguments<'_>, exporter: &ExporterSpec, found: &mut Findings) {
    if exporter.enabled {
        image(format_args!("{path}.image"), exporter.image.as_deref(), found);
        pull_policy(format_args!("{path}.imagePullPolicy"), exporter.image_pull_policy.as_deref(), found);
    } else if *exporter != ExporterSpec::default() {
        let reason = "has no effect while the exporter is not enabled";
        found.report(
            EXPORTER_OFF,
            Problem::new(path.to_string(), "", reason, "add enabled: true, or remove it"),
        );
    }
}

fn image(path: Arguments<'_>, image: Option<&str>, found: &mut Findings) {
    if let Some(image) = image.filter(|image| image.is_empty() || image.contains(char::is_whitespace)) {
        let mend = "write a whole reference such as redis:7.2-alpine, or leave the field out";
        let problem = Problem::new(path.to_string(), image, "is not a reference of an image", mend);
        found.report(NOT_AN_IMAGE, problem);
    }
}

fn pull_policy(path: Arguments<'_>, policy: Option<&str>, found: &mut Findings) {
    if let Some(policy) = policy.filter(|policy| !PULL_POLICIES.contains(policy)) {
        let mend = format!("choose one of {}", PULL_POLICIES.join(", "));
        found.report(PULL_POLICY, Problem::new(path.to_string(), policy, "is not a pull policy", mend));
    }
}

/// Replication, copies for saving and fragmentation need memory above `maxmemory`. Where there is no limit, the
/// request is what the node keeps for the server.
fn memory(redis: &RedisSpec, found: &mut Findings) {
    let Some(resources) = &redis.pod.resources else { return };
    if redis.custom_config.is_empty() {
        return;
    }
    let of = |amounts: &Option<BTreeMap<String, Quantity>>| {
        let amount = amounts.as_ref()?.get("memory")?.0.clone();
        Some((quantity::kubernetes(&amount)?, amount))
    };
    let (kind, (bytes, amount)) = match (of(&resources.limits), of(&resources.requests)) {
        (Some(limit), _) => ("limit", limit),
        (None, Some(request)) => ("request", request),
        (None, None) => return,
    };
    for (index, entry) in redis.custom_config.iter().enumerate() {
        let path = format_args!("spec.redis.customConfig[{index}]");
        let Ok(directive) = super::directive::parse(entry, path) else {
            continue;
        };
        let maxmemory = quantity::redis_memory(&directive.value).unwrap_or_default();
        if directive.key == "maxmemory" && maxmemory >= bytes {
            let reason = format!("leaves no room below the memory {kind} of {amount}");
            let mend = format!("choose about three quarters of spec.redis.resources.{kind}s.memory");
            found.report(MAXMEMORY, Problem::new(path.to_string(), entry, reason, mend));
        }
    }
}
