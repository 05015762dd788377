//! API calls of the operator, counted in the audit log of the local cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

use crate::operator::{NAMESPACE, RELEASE, is_local_cluster};

/// A place in the log.
pub(crate) struct Position(u64);

/// Calls since then.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) all: u32,
    /// Counts by verb and resource.
    pub(crate) by_kind: BTreeMap<String, u32>,
    /// Whatever wrote, except to the Lease.
    pub(crate) writes: Vec<String>,
}

impl Position {
    /// The end of the log.
    pub(crate) fn now() -> Self {
        let length = || std::fs::metadata(path()).expect("the audit log").len();
        Self(if is_local_cluster() { length() } else { 0 })
    }

    /// The operator's calls since this position.
    pub(crate) fn calls_since(&self) -> Calls {
        let mut calls = Calls::default();
        if !is_local_cluster() {
            return calls;
        }
        let mut file = File::open(path()).expect("the audit log");
        file.seek(SeekFrom::Start(self.0)).expect("a place in the audit log");
        let user = format!("system:serviceaccount:{NAMESPACE}:{RELEASE}");
        let mut seen = BTreeSet::new();
        for line in BufReader::new(file).lines() {
            // The last line may not be whole yet.
            let Ok(event) = serde_json::from_str::<Value>(&line.expect("the audit log")) else {
                continue;
            };
            // A watch stands there twice: when it begins and when it ends.
            let id = event["auditID"].as_str().unwrap_or_default().to_owned();
            if event["user"]["username"] == user.as_str() && seen.insert(id) {
                calls.add(&event);
            }
        }
        calls
    }
}

impl Calls {
    fn add(&mut self, event: &Value) {
        let verb = event["verb"].as_str().unwrap_or("?");
        let resource = event["objectRef"]["resource"].as_str().unwrap_or("?");
        self.all += 1;
        *self.by_kind.entry(format!("{verb} {resource}")).or_default() += 1;
        let reads = ["get", "list", "watch"].contains(&verb);
        if !reads && resource != "leases" {
            self.writes.push(format!("{verb} {}", event["requestURI"]));
        }
    }
}

fn path() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/redis-operator");
    let cache = std::env::var_os("REDIS_OPERATOR_CACHE").map_or_else(home, PathBuf::from);
    cache.join("cluster/state/log/audit.jsonl")
}
