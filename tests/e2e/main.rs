//! The whole on a real cluster, as its users meet it: installed by Helm, driven by kubectl, used through Sentinel.
//!
//! `make e2e` runs it. The cluster is the one that `KUBECONFIG` names, and `E2E=1` says that it may be used: the run
//! installs the operator, and its last story deletes the CRD. `cargo test --test e2e -- NAME...` plays only the stories
//! whose names contain one of these. The tests speak to pods by their addresses, which must be routable from here.
//!
//! | variable | meaning |
//! |---|---|
//! | `E2E` | `1`: use the cluster |
//! | `CLUSTER` | `local` where the cluster is that of `tests/cluster`: its images, its audit log, its processes |
//! | `IMAGE` | the operator's image, by default `redis-operator:dev` |
//! | `STEADY_SECONDS` | how long the steady state is watched, by default 60 |
//! | `FAILOVER_ROUNDS`, `FAULTS` | see `failover/mod.rs` |
//! | `ISOLATION_ROUNDS` | how often pods swap addresses in each way, by default 1 |
//! | `LEAF_ROTATIONS`, `CA_ROTATIONS` | how often certificates are rotated, by default 3 and 1 |

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test")]

mod audit;
mod failover;
mod isolation;
mod operator;
mod processes;
mod runner;
mod servers;
mod shell;
mod stage;
mod stories;
mod stream;
mod wait;

use std::process::ExitCode;

use runner::Story;
use runner::When::{Alone, Together};

/// All stories. Those that run alone do so in this order.
fn all() -> Vec<Story> {
    vec![
        Story::new("basic", Together, stories::basic::play),
        Story::new("persistence", Together, stories::persistence::play),
        Story::new("examples", Together, stories::examples::play),
        Story::new("custom-config", Together, stories::custom_config::play),
        Story::new("password", Together, stories::password::play),
        Story::new("sentinel-password", Together, stories::sentinel_password::play),
        Story::new("refusals", Together, stories::refusals::play),
        Story::new("first-start", Alone, stories::first_start::play),
        Story::new("settings-at-boot", Alone, stories::settings_at_boot::play),
        Story::new("no-webhook", Alone, stories::no_webhook::play),
        Story::new("leader", Alone, stories::leader::play),
        Story::new("failover", Alone, failover::play),
        Story::new("isolation", Alone, isolation::play),
        Story::new("rotations", Alone, stories::rotations::play),
        Story::new("steady-state", Alone, stories::steady_state::play),
        // Removes the release and the CRD, so nothing can come after it.
        Story::new("all-in-one", Alone, stories::all_in_one::play),
    ]
}

#[tokio::main]
async fn main() -> ExitCode {
    let allowed = std::env::var("E2E").is_ok_and(|value| value == "1");
    if !allowed || std::env::var_os("KUBECONFIG").is_none() {
        eprintln!(
            "The end-to-end tests need a cluster: run `make e2e`, or set KUBECONFIG and E2E=1.\n\
             They install the operator there and delete its CRD at the end."
        );
        return ExitCode::FAILURE;
    }
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let chosen = all()
        .into_iter()
        .filter(|story| wanted.is_empty() || wanted.iter().any(|part| story.name.contains(part.as_str())))
        .collect();
    if runner::run(chosen).await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
