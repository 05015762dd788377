//! Log lines.

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{LogFormat, Settings};

/// Starts logging to standard error. `RUST_LOG` wins over the flag; a bad filter falls back to `info`.
pub fn start(settings: &Settings) {
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| settings.log_level.clone());
    let filter = wanted.parse().unwrap_or_else(|_| Targets::new().with_default(Level::INFO));
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let registry = tracing_subscriber::registry().with(filter);
    match settings.log_format {
        LogFormat::Text => registry.with(lines).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
}
