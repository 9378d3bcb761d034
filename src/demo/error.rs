//! What can go wrong while a cluster of real servers is started or steered.
//!
//! Knows the words for it. Must not know how anything is done.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::flavor::Missing;

/// A cluster could not be started, steered or asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The servers are not installed.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The file system or the start of a program failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A program that should have succeeded did not.
    #[error("`{program}` failed: {output}")]
    Program {
        /// Its name.
        program: String,
        /// The last lines it wrote.
        output: String,
    },
    /// A statement was refused.
    #[error("member {member} refused `{statement}`: {message}")]
    Statement {
        /// Which member was asked.
        member: usize,
        /// The statement, shortened.
        statement: String,
        /// What the client program said.
        message: String,
    },
    /// A server ended before it served.
    #[error("member {member} ended while starting; {}: {tail}", log.display())]
    Ended {
        /// Which member it was.
        member: usize,
        /// Its error log, which is gone when the cluster is.
        log: PathBuf,
        /// The last lines of that log.
        tail: String,
    },
    /// A server, or its replication, took too long.
    #[error("member {member}: {what} did not happen within {within:?}")]
    TooSlow {
        /// Which member it was.
        member: usize,
        /// What was waited for.
        what: &'static str,
        /// For how long.
        within: Duration,
    },
    /// No loopback address was free.
    #[error("no {wanted} free loopback addresses")]
    NoAddress {
        /// How many were wanted.
        wanted: usize,
    },
    /// The member is not running (or already is).
    #[error("member {member} is {state}")]
    State {
        /// Which member it is.
        member: usize,
        /// `running` or `not running`.
        state: &'static str,
    },
}

/// Names what was being done when an input/output error came.
pub(super) trait During<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, ClusterError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, ClusterError> {
        self.map_err(|source| ClusterError::Io { what: what(), source })
    }
}

/// The last lines of a log, for an error message.
pub(super) fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    last_lines(&String::from_utf8_lossy(&text), 8)
}

pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
