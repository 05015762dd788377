//! The binary: parses the command line and calls the library.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use redis_operator::cli::{Cli, Command, Settings, two_dashes};
use redis_operator::{api, app, offline, telemetry};

fn main() -> ExitCode {
    let cli = Cli::parse_from(two_dashes(std::env::args_os()));
    match cli.command {
        Some(Command::Crd(settings)) => {
            print(&api::schema::yaml(settings.converter()));
            ExitCode::SUCCESS
        }
        Some(Command::Validate(settings)) => offline::main(&settings),
        Some(Command::Run(settings)) => run(*settings),
        None => run(cli.run),
    }
}

/// A closed pipe (`redis-operator crd | head`) is no error.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn run(settings: Settings) -> ExitCode {
    telemetry::start(&settings);
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the runtime");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(app::run(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the operator ended");
            ExitCode::FAILURE
        }
    }
}
