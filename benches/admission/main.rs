//! What an admission costs: `make bench`.
//!
//! Three servers, each a process pinned to the first processor: the operator's webhook, the same with a verdict that
//! is always yes, and a bare responder of axum and rustls that only gives the uid back. One load generator, pinned to
//! the second. Servers take turns, so that a machine that changes its speed changes it for all of them.

#![allow(clippy::expect_used, reason = "a benchmark")]

mod count;
mod load;
mod reviews;
mod serve;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};

/// Each server is measured this often; the table shows the medians.
const ROUNDS: usize = 5;

/// What one run has measured.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Figures {
    /// Answers a second under full load.
    throughput: f64,
    /// Processor time of the server for a request under full load, in µs.
    cpu: f64,
    /// Latencies at a fixed rate, in ms.
    p50: f64,
    p99: f64,
    p999: f64,
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("serve") => serve::main(&arguments[2]),
        Some("count") => count::main(&arguments[2], &arguments[3]),
        Some("load") => load::main(&arguments[2], &arguments[3], &arguments[4]),
        _ => compare(),
    }
}

fn compare() {
    let kinds = [serve::OPERATOR, serve::NO_RULES, serve::BARE];
    for (path, body) in reviews::all() {
        println!("{path}: a review of {} bytes", body.len());
    }
    let mut all = vec![Vec::new(); kinds.len()];
    for _ in 0..ROUNDS {
        for (kind, runs) in kinds.iter().zip(&mut all) {
            runs.push(measure(kind));
        }
    }
    println!("\n{:<22} {:>8} {:>8} {:>8} {:>8} {:>8}", "", "1/s", "CPU µs", "p50 ms", "p99 ms", "p99.9 ms");
    let row = |runs: &[Figures], of: fn(&Figures) -> f64| {
        let mut values: Vec<_> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    for (kind, runs) in kinds.iter().zip(&all) {
        let (throughput, cpu) = (row(runs, |f| f.throughput), row(runs, |f| f.cpu));
        let (p50, p99, p999) = (row(runs, |f| f.p50), row(runs, |f| f.p99), row(runs, |f| f.p999));
        println!("{kind:<22} {throughput:>8.0} {cpu:>8.1} {p50:>8.2} {p99:>8.2} {p999:>8.2}");
    }
    for (kind, runs) in kinds.iter().zip(&all).take(2) {
        let mut ratios: Vec<_> = runs.iter().zip(&all[2]).map(|(ours, bare)| ours.cpu / bare.cpu).collect();
        ratios.sort_by(f64::total_cmp);
        let (least, median, most) = (ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
        println!("CPU of {kind} / {}: {median:.2} ({least:.2} to {most:.2})", serve::BARE);
    }
}

/// Starts a server, loads it and stops it.
fn measure(kind: &str) -> Figures {
    let (mut server, line) = start("0", &["serve", kind]);
    let (address, certificate) = line.split_once(' ').expect("an address and a certificate");
    let pid = server.id().to_string();
    let (mut load, figures) = start("1", &["load", address, certificate, &pid]);
    let _ = load.wait();
    let _ = server.kill();
    let _ = server.wait();
    serde_json::from_str(&figures).expect("figures")
}

/// Starts this program on one processor and returns the first line that it prints.
fn start(processor: &str, arguments: &[&str]) -> (Child, String) {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new("taskset");
    command.args(["-c", processor]).arg(program).args(arguments);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("taskset");
    let mut line = String::new();
    let lines = child.stdout.take().expect("its output");
    BufReader::new(lines).read_line(&mut line).expect("a line");
    let _ = std::io::stdout().flush();
    (child, line.trim_end().to_owned())
}
