//! The questions that the admin server asks the running proxy.

use std::time::Duration;

use super::history::Sample;
use crate::metrics::{QueryTotals, Scrape};

/// A running proxy, as operators see it. Answers come at once, from what is known already.
pub trait Observed: Scrape + Send + Sync {
    /// Whether traffic should be sent here.
    fn readiness(&self) -> Readiness;

    /// A few figures.
    fn summary(&self) -> Summary;

    /// The effective configuration as TOML, with the secrets masked.
    fn config_text(&self) -> String;

    /// What the charts show of the last quarter of an hour: samples younger than this moment (milliseconds since 1970).
    fn history(&self, since: u64) -> Vec<Sample>;

    /// All metrics as Prometheus text.
    fn metrics_text(&self) -> String;
}

/// Whether traffic should be sent here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// A primary can serve.
    Ready,
    /// Reads only: no primary can serve, for this reason, but a replica can.
    ReadOnly(String),
    /// Neither a primary nor a replica can serve, for this reason.
    NoMember(String),
    /// The proxy is going down.
    Draining,
}

/// A few figures about the running proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Since the start.
    pub uptime: Duration,
    /// Client connections that are open.
    pub clients: usize,
    /// Statements since the start.
    pub queries: QueryTotals,
}

impl Readiness {
    /// Whether traffic should be sent here.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self, Readiness::Ready | Readiness::ReadOnly(_))
    }

    /// Whether the proxy works: a client is served, or told why it cannot be.
    #[must_use]
    pub fn takes_clients(&self) -> bool {
        !matches!(self, Readiness::Draining)
    }

    /// Its name in the JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Readiness::Ready => "ready",
            Readiness::ReadOnly(_) => "read_only",
            Readiness::NoMember(_) => "no_member",
            Readiness::Draining => "draining",
        }
    }

    /// Why it is no better.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Readiness::Ready | Readiness::Draining => None,
            Readiness::ReadOnly(reason) | Readiness::NoMember(reason) => Some(reason),
        }
    }
}

/// One line.
impl std::fmt::Display for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Readiness::Ready => "ready".to_owned(),
            Readiness::ReadOnly(reason) => format!("ready, reads only: {reason}"),
            Readiness::NoMember(reason) => format!("not ready: no member can serve: {reason}"),
            Readiness::Draining => "not ready: draining".to_owned(),
        };
        f.write_str(&text.replace(['\r', '\n'], " "))
    }
}
