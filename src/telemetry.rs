//! Logs: where they go and what form they have.
//!
//! Standard error, as text for people or one JSON object a line, times in UTC. A message is readable alone; its fields
//! are dotted by entity (`cart.id`, `delivery.id`). Personal data and secrets never get here: contact details are types
//! whose `Debug` hides them, ids of carts and deliveries hold none, and nothing logs a request body, a header, an
//! address of a shopper or a URL with its query. Never here: metrics (`metrics.rs`).

use std::io::IsTerminal;

use thiserror::Error;
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// `[telemetry]`.
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    pub log_json: bool,
    /// A `tracing` filter directive such as `info` or `cartwake=debug`.
    pub log_level: String,
}

/// Why logging cannot start.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("must be off, error, warn, info, debug or trace, or a list such as \"info,cartwake::engine=debug\"")]
pub struct FilterError;

/// Starts logging for the whole process. The first call decides; later ones change nothing.
///
/// # Errors
/// When `log_level` is no filter.
pub fn init(config: &TelemetryConfig) -> Result<(), FilterError> {
    let filter = filter(&config.log_level)?;
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if config.log_json {
        fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(std::io::stderr).boxed()
    } else if std::io::stderr().is_terminal() {
        fmt::layer().with_writer(std::io::stderr).boxed()
    } else {
        fmt::layer().with_writer(std::io::stderr).with_ansi(false).boxed()
    };
    // A second start in one process (tests) finds the first in place, which is what it wants.
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init().or(Ok(()))
}

/// Reads `LEVEL` or `LEVEL,module=LEVEL,…`; without a bare level, modules that are not named log nothing.
///
/// # Errors
/// When a part is neither. A misspelled level is refused rather than taken for a module.
pub fn filter(text: &str) -> Result<Targets, FilterError> {
    text.split(',').map(str::trim).try_fold(Targets::new(), |targets, part| match part.split_once('=') {
        None => Ok(targets.with_default(level(part)?)),
        Some((module, name)) if is_module(module) => Ok(targets.with_target(module, level(name)?)),
        Some(_) => Err(FilterError),
    })
}

fn is_module(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
}

fn level(name: &str) -> Result<LevelFilter, FilterError> {
    Ok(match name {
        "off" => LevelFilter::OFF,
        "error" => Level::ERROR.into(),
        "warn" => Level::WARN.into(),
        "info" => Level::INFO.into(),
        "debug" => Level::DEBUG.into(),
        "trace" => Level::TRACE.into(),
        _ => return Err(FilterError),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_may_be_finer_by_module() {
        let filter = filter("warn, cartwake::engine=debug").expect("valid");
        assert!(filter.would_enable("cartwake::engine::inbox", &Level::DEBUG));
        assert!(!filter.would_enable("cartwake::api", &Level::INFO));
    }

    #[test]
    fn a_misspelled_level_is_refused() {
        for bad in ["", "infoo", "INFO ,", "info,cartwake", "cartwake=loud", "=info", "a b=info"] {
            assert_eq!(filter(bad).err(), Some(FilterError), "{bad}");
        }
    }

    #[test]
    fn starting_twice_is_no_error() {
        let config = |log_json| TelemetryConfig { log_json, log_level: "off".to_owned() };
        assert_eq!(init(&config(true)), Ok(()));
        assert_eq!(init(&config(false)), Ok(()));
        assert_eq!(init(&TelemetryConfig { log_json: true, log_level: "loud".to_owned() }), Err(FilterError));
    }
}
