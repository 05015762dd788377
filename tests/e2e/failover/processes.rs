//! Processes of the local cluster, found through the control groups of their pods and ended from outside.

use std::fs;

use crate::shell;

/// Names of the programs of redis and Valkey, as the kernel has them.
const SERVERS: [&str; 4] = ["redis-server", "redis-sentinel", "valkey-server", "valkey-sentinel"];

/// The processes of the server in a pod: usually one.
pub(crate) fn server_of(pod_uid: &str) -> Vec<u32> {
    of_pod(pod_uid)
        .into_iter()
        .filter(|(_, name)| SERVERS.contains(&name.as_str()))
        .map(|(id, _)| id)
        .collect()
}

/// The operator's process in a pod.
pub(crate) fn operator_of(pod_uid: &str) -> Vec<u32> {
    // The kernel keeps 15 characters of a name.
    of_pod(pod_uid)
        .into_iter()
        .filter(|(_, name)| "redis-operator".starts_with(name))
        .map(|(id, _)| id)
        .collect()
}

fn of_pod(uid: &str) -> Vec<(u32, String)> {
    let spellings = [uid.to_owned(), uid.replace('-', "_")];
    processes(|path| {
        let groups = fs::read_to_string(format!("{path}/cgroup")).unwrap_or_default();
        spellings.iter().any(|uid| groups.contains(uid.as_str()))
    })
}

/// The API server of the local cluster, as against those of other tests on this machine.
pub(crate) fn api_server() -> Vec<u32> {
    let state = std::env::var("KUBECONFIG").unwrap_or_default();
    let state = state.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let ours =
        processes(|path| fs::read_to_string(format!("{path}/cmdline")).unwrap_or_default().contains(&state));
    ours.into_iter().filter(|(_, name)| name == "kube-apiserver").map(|(id, _)| id).collect()
}

fn processes(wanted: impl Fn(&str) -> bool) -> Vec<(u32, String)> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| wanted(&format!("/proc/{id}")))
        .map(|id| (id, fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default().trim().to_owned()))
        .collect()
}

/// Sends a signal such as `KILL`, `STOP` or `CONT`, all processes in one command.
pub(crate) async fn signal(name: &str, processes: &[u32]) {
    assert!(!processes.is_empty(), "no process to send SIG{name} to");
    let flag = format!("-{name}");
    let ids: Vec<_> = processes.iter().map(u32::to_string).collect();
    let arguments: Vec<_> = std::iter::once(flag.as_str()).chain(ids.iter().map(String::as_str)).collect();
    shell::good("kill", &arguments, "").await;
}
