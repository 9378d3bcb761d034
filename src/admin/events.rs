//! What has happened: the JSON of `/api/v1/events`, made of the log's last lines.
//!
//! Knows which part of the program tells of what. Must not know how lines are kept.

use std::time::UNIX_EPOCH;

use serde::Serialize;

use crate::logging::Line;

/// One event. Fields are added and never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventReport {
    /// Milliseconds since 1970.
    pub at: u64,
    /// `info`, `warn` or `error`.
    pub level: String,
    /// What it is about: `member`, `reload`, `login`, `statement`, `certificate`, `client`, `drain` or `proxy`.
    pub kind: &'static str,
    /// What happened, as in the log.
    pub text: String,
}

/// The beginning of a module's name, and what its lines are about. The first that fits counts.
const KINDS: [(&str, &str); 10] = [
    ("topology", "member"),
    ("server::reload", "reload"),
    ("config", "reload"),
    ("client::refused", "login"),
    ("client::error_log", "statement"),
    ("net::tls", "certificate"),
    ("backend", "member"),
    ("pool", "member"),
    ("client", "client"),
    ("server", "proxy"),
];

impl From<Line> for EventReport {
    fn from(line: Line) -> Self {
        let kind = KINDS.iter().find(|(module, _)| line.module.starts_with(module)).map_or("proxy", |(_, kind)| *kind);
        let kind = if line.text.starts_with("draining") { "drain" } else { kind };
        let at = line.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self {
            at: u64::try_from(at).unwrap_or(u64::MAX),
            level: line.level.as_str().to_lowercase(),
            kind,
            text: line.text,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use tracing::Level;

    use super::*;

    #[test]
    fn a_line_is_about_what_its_module_is() {
        let event = |module: &'static str, text: &str| {
            let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1500);
            EventReport::from(Line { at, level: Level::WARN, module, text: text.to_owned() })
        };
        let down = event("topology::announce", "mysql-1 is down");
        assert_eq!((down.at, down.level.as_str(), down.kind), (1500, "warn", "member"));
        assert_eq!(event("client::refused", "a client was not let in").kind, "login");
        assert_eq!(event("server", "draining: idle clients are sent away").kind, "drain");
        assert_eq!(event("", "mysql-proxy starts").kind, "proxy");
    }
}
