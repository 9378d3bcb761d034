//! Logs: to standard error, as text or JSON, filtered by `RUST_LOG`.
//!
//! Knows the subscriber. Must not know what is logged.

use std::io::IsTerminal;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging did not start.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// `RUST_LOG` makes no sense.
    #[error("RUST_LOG: environment: {0}; give a level such as info, or targets such as mysql_proxy=debug")]
    BadFilter(String),
    /// Somebody else has set up logging in this process.
    #[error("logging was started twice")]
    Twice,
}

/// Starts logging; the level is info unless `RUST_LOG` says otherwise.
pub fn start(format: LogFormat) -> Result<(), LoggingError> {
    let filter = filter(std::env::var("RUST_LOG").ok().as_deref())?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => subscriber.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    started.map_err(|_| LoggingError::Twice)
}

fn filter(directives: Option<&str>) -> Result<EnvFilter, LoggingError> {
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    builder.parse(directives.unwrap_or_default()).map_err(|why| LoggingError::BadFilter(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn the_level_is_info_unless_said_otherwise() {
        for (directives, shown) in [(None, "info"), (Some(""), "info"), (Some("debug"), "debug")] {
            assert_eq!(filter(directives).map(|filter| filter.to_string()).ok().as_deref(), Some(shown));
        }
    }

    #[test]
    fn a_bad_filter_is_named() {
        let complaint = filter(Some("mysql_proxy=loud")).map(|_| ()).map_err(|why| why.to_string());
        assert!(complaint.is_err_and(|text| text.starts_with("RUST_LOG: ") && text.lines().count() == 1));
    }
}
