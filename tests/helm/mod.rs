//! Runs helm, for the tests of the chart.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The chart, from the root of the project.
pub(crate) const CHART: &str = "charts/redisoperator";

/// The Kubernetes to render for, so that the result does not depend on which helm it is.
const KUBE_VERSION: &str = "1.33.0";

/// Runs a subcommand that renders the chart (`lint` or `template`) with its arguments, in the root of the project.
pub(crate) fn run(subcommand: &str, args: &[&str]) -> Output {
    Command::new(binary())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([subcommand, "--kube-version", KUBE_VERSION])
        .args(args)
        .output()
        .expect("helm starts")
}

/// The standard output of a `helm template` that has to succeed.
pub(crate) fn template(args: &[&str]) -> String {
    let output = run("template", args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "helm template {}: {errors}", args.join(" "));
    String::from_utf8(output.stdout).expect("helm prints UTF-8")
}

/// `$HELM`, or helm in the PATH, or the one that the local cluster built.
fn binary() -> PathBuf {
    if let Some(helm) = std::env::var_os("HELM") {
        return helm.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home_cache =
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/redis-operator");
    let cache = std::env::var_os("REDIS_OPERATOR_CACHE").map_or_else(home_cache, PathBuf::from);
    std::env::split_paths(&path)
        .chain([cache.join("cluster/bin")])
        .map(|folder| folder.join("helm"))
        .find(|helm| helm.is_file())
        .expect("no helm: set HELM, or run `tests/cluster/cluster build helm`")
}
