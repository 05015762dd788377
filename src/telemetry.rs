//! Log lines.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::cli::{LogFormat, Settings};

/// Starts logging to standard error. `RUST_LOG` wins over the flag; a bad filter falls back to `info`.
pub fn start(settings: &Settings) {
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| settings.log_level.clone());
    let filter = EnvFilter::try_new(&wanted).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match settings.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
