//! Where and how pods run: tolerations, constraints, probes, name resolution.

use std::collections::BTreeSet;
use std::fmt::Arguments;

use k8s_openapi::api::core::v1::{Probe, Toleration, TopologySpreadConstraint};

use super::catalogue::{Rule, rule};
use super::{Findings, keys};
use crate::api::Problem;
use crate::api::spec::PodSpec;

const TOLERATION: &Rule = rule("toleration");
const SPREAD: &Rule = rule("spread-constraint");
const DNS_POLICY: &Rule = rule("dns-policy");
const PROBE: &Rule = rule("probe");

/// Ways to compare a taint; the last two are of Kubernetes 1.35.
const OPERATORS: [&str; 4] = ["Equal", "Exists", "Lt", "Gt"];
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
/// `None` is not among them: it needs what the spec has no field for.
const DNS_POLICIES: [&str; 3] = ["ClusterFirst", "ClusterFirstWithHostNet", "Default"];
const UNSATISFIABLE: [&str; 2] = ["DoNotSchedule", "ScheduleAnyway"];

pub(super) fn check(part: &str, pod: &PodSpec, found: &mut Findings) {
    for (index, toleration) in pod.tolerations.iter().enumerate() {
        self::toleration(&format!("{part}.tolerations[{index}]"), toleration, found);
    }
    spread(format_args!("{part}.topologySpreadConstraints"), &pod.topology_spread_constraints, found);
    if let Some(policy) = pod.dns_policy.as_deref().filter(|policy| !policy.is_empty()) {
        one_of(DNS_POLICY, &format!("{part}.dnsPolicy"), policy, &DNS_POLICIES, found);
    }
    let probes = [
        ("customLivenessProbe", &pod.custom_liveness_probe),
        ("customReadinessProbe", &pod.custom_readiness_probe),
        ("customStartupProbe", &pod.custom_startup_probe),
    ];
    for (field, probe) in probes {
        if let Some(probe) = probe {
            self::probe(&format!("{part}.{field}"), probe, field == "customReadinessProbe", found);
        }
    }
}

fn one_of(rule: &'static Rule, path: &str, value: &str, choices: &[&str], found: &mut Findings) {
    if !choices.contains(&value) {
        let mend = format!("choose one of {}", choices.join(", "));
        found.report(rule, Problem::new(path, value, "is not known here", mend));
    }
}

fn toleration(path: &str, toleration: &Toleration, found: &mut Findings) {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let (key, operator) = (text(&toleration.key), text(&toleration.operator));
    let (value, effect) = (text(&toleration.value), text(&toleration.effect));
    let mut refuse = |field: &str, value: &str, reason: &str, mend: &str| {
        found.report(TOLERATION, Problem::new(format!("{path}.{field}"), value, reason, mend));
    };
    if key.is_empty() && operator != "Exists" {
        refuse("operator", &operator, "does not go without a key", "write Exists, or add the key");
    } else if !key.is_empty() && !keys::is_key(&key) {
        refuse("key", &key, "cannot be the key of a taint", "write it as the node has it");
    }
    if operator == "Exists" && !value.is_empty() {
        refuse("value", &value, "does not go with the operator Exists", "remove it, or write Equal");
    } else if matches!(operator.as_str(), "" | "Equal") && !keys::is_value(&value) {
        refuse("value", &value, "cannot be the value of a taint", "write it as the node has it");
    }
    if toleration.toleration_seconds.is_some() && effect != "NoExecute" {
        refuse("effect", &effect, "does not go with tolerationSeconds", "write NoExecute");
    }
    for (field, value, choices) in [("operator", operator, &OPERATORS[..]), ("effect", effect, &EFFECTS)] {
        if !value.is_empty() {
            one_of(TOLERATION, &format!("{path}.{field}"), &value, choices, found);
        }
    }
}

fn spread(path: Arguments<'_>, constraints: &[TopologySpreadConstraint], found: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (index, constraint) in constraints.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let TopologySpreadConstraint { max_skew, topology_key, when_unsatisfiable, .. } = constraint;
        if *max_skew < 1 {
            let problem =
                Problem::new(format!("{path}.maxSkew"), max_skew.to_string(), "is below 1", "write 1");
            found.report(SPREAD, problem);
        }
        if topology_key.is_empty() {
            let mend = "name a label of nodes such as kubernetes.io/hostname";
            found.report(SPREAD, Problem::new(format!("{path}.topologyKey"), "", "is missing", mend));
        }
        one_of(SPREAD, &format!("{path}.whenUnsatisfiable"), when_unsatisfiable, &UNSATISFIABLE, found);
        if !seen.insert((topology_key, when_unsatisfiable)) {
            let reason = "stands twice with the same whenUnsatisfiable";
            found.report(SPREAD, Problem::new(path, topology_key, reason, "keep one of them"));
        }
    }
}

fn probe(path: &str, probe: &Probe, is_readiness: bool, found: &mut Findings) {
    let mut refuse = |field: &str, value: String, reason: &str, mend: &str| {
        let path = if field.is_empty() { path.to_owned() } else { format!("{path}.{field}") };
        found.report(PROBE, Problem::new(path, value, reason, mend));
    };
    let ways =
        [probe.exec.is_some(), probe.grpc.is_some(), probe.http_get.is_some(), probe.tcp_socket.is_some()];
    if ways.into_iter().filter(|&way| way).count() != 1 {
        let mend = "write one of exec, grpc, httpGet and tcpSocket";
        refuse("", String::new(), "does not ask in exactly one way", mend);
    }
    let numbers = [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ];
    for (field, number) in numbers {
        if let Some(number) = number.filter(|number| *number < 0) {
            refuse(field, number.to_string(), "is below 0", "leave it out for the default");
        }
    }
    if let Some(number) = probe.success_threshold.filter(|number| *number > 1 && !is_readiness) {
        refuse("successThreshold", number.to_string(), "is only for readiness probes", "remove it");
    }
    if let Some(seconds) = probe.termination_grace_period_seconds {
        let path = "terminationGracePeriodSeconds";
        if is_readiness {
            refuse(path, seconds.to_string(), "is not for readiness probes", "remove it");
        } else if seconds < 1 {
            refuse(path, seconds.to_string(), "is below 1", "remove it");
        }
    }
}
