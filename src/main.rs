//! The binary: parses the command line and calls the library.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use redis_operator::api::defaults::Images;
use redis_operator::cli::{Cli, Command, Settings, two_dashes};
use redis_operator::{api, app, offline, telemetry};

fn main() -> ExitCode {
    let cli = Cli::parse_from(two_dashes(std::env::args_os()));
    match cli.command {
        Some(Command::Crd) => {
            print(&api::schema::yaml());
            ExitCode::SUCCESS
        }
        Some(Command::Validate { files }) => validate(&files, &cli.run.images()),
        Some(Command::Run(settings)) => run(*settings),
        None => run(cli.run),
    }
}

fn validate(files: &[PathBuf], images: &Images) -> ExitCode {
    let mut refused = false;
    for file in files {
        let text = if file.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(file)
        };
        let report = match text {
            Ok(text) => offline::validate(&file.display().to_string(), &text, images),
            Err(error) => return fail(&format!("{}: {error}", file.display())),
        };
        refused |= report.refused;
        print(&format!("{}\n", report.lines.join("\n")));
    }
    if refused {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// A closed pipe (`redis-operator crd | head`) is no error.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn fail(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::from(2)
}

fn run(settings: Settings) -> ExitCode {
    telemetry::start(&settings);
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a TLS provider was installed before");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
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
