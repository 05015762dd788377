//! What the operator's processes cost, as the kernel of the local cluster counts it.

use std::fs;

use crate::operator::is_local_cluster;

/// Ticks of `/proc/PID/stat` in a second, the same on every Linux that user programs see.
const TICKS: f64 = 100.0;

/// Memory and time of the operator's processes.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    /// Resident bytes of each.
    pub(crate) resident: Vec<u64>,
    /// Those of them that are its own: the rest is pages of the binary, which the kernel can drop at any time.
    pub(crate) own: Vec<u64>,
    /// CPU seconds of all of them since their start.
    pub(crate) cpu: f64,
}

/// The cost up to now; nothing where processes of the cluster cannot be seen.
pub(crate) fn cost() -> Cost {
    let mut cost = Cost::default();
    if !is_local_cluster() {
        return cost;
    }
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let path = entry.path();
        let read = |file: &str| fs::read_to_string(path.join(file)).unwrap_or_default();
        if !runs_the_operator(&read("cmdline")) {
            continue;
        }
        let status = read("status");
        cost.resident.push(bytes(&status, "VmRSS:"));
        cost.own.push(bytes(&status, "RssAnon:"));
        cost.cpu += seconds(&read("stat"));
    }
    cost
}

/// In a pod, that is: with a webhook.
fn runs_the_operator(command_line: &str) -> bool {
    let mut words = command_line.split('\0');
    words.next().is_some_and(|program| program.ends_with("redis-operator"))
        && words.any(|word| word.starts_with("--webhook-service"))
}

fn bytes(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// User and system time: fields 14 and 15, counted behind the name, which may have spaces.
fn seconds(stat: &str) -> f64 {
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|text| text.parse::<f64>().ok()).sum::<f64>() / TICKS
}
