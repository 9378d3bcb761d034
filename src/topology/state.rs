//! What is known of one member: whether it answers, and why it may not serve reads.
//!
//! Knows the reasons and their words, each with its remedy where there is one. Must not know how they were found out.

use std::time::Duration;

use crate::wire::server::{ServerFamily, Version};
use crate::wire::{Capabilities, Extensions};

/// What a member's greeting told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// The version text as the server wrote it.
    pub version_text: String,
    /// The same, for comparing.
    pub version: Version,
    /// `MySQL` or `MariaDB`.
    pub family: ServerFamily,
    /// The capability flags it offered.
    pub capabilities: Capabilities,
    /// Those of MariaDB besides.
    pub extensions: Extensions,
    /// The default collation's id.
    pub collation: u8,
    /// The authentication method that it greets with.
    pub plugin: String,
    /// `@@server_id`; 0 before the first answer.
    pub server_id: u64,
}

/// Whether a member answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not asked yet.
    Unknown,
    /// It answers its checks.
    Up,
    /// It lives, but does not let the monitor look. A primary stays in use; a replica's lag is not known.
    Blind(BlindReason),
    /// It does not answer.
    Down(DownReason),
}

/// Why a living server does not tell the monitor its state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlindReason {
    /// The monitor's account is refused.
    #[error(
        "the monitor's account is refused ({0}); set monitor.user and monitor.password to an account that exists on every member"
    )]
    AccessDenied(String),
    /// All of its connections are taken.
    #[error(
        "it has no connection left for the monitor ({0}); raise its max_connections or lower pool.max_backend_connections"
    )]
    TooManyConnections(String),
}

/// Why a member is down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// No connection could be made.
    #[error("no connection: {0}")]
    Connect(String),
    /// It took longer than `monitor.timeout`.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection broke while it was asked.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// It answered with an error to a question that every server answers.
    #[error("it answers with an error: {0}")]
    Error(String),
}

/// Why a member that answers may not serve reads as a replica. The last seven concern nodes of a Galera cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It copies from nobody.
    #[error("it does not replicate from any server")]
    NoReplication,
    /// The thread that fetches changes does not run.
    #[error("its replication IO thread is not running ({state}){}", after_colon(error))]
    IoThread {
        /// `No`, `Connecting`, …
        state: String,
        /// The server's own words.
        error: String,
    },
    /// The thread that applies changes does not run.
    #[error("its replication SQL thread is not running{}", after_colon(error))]
    SqlThread {
        /// The server's own words.
        error: String,
    },
    /// It is too far behind.
    #[error("it is {lag:?} behind, more than monitor.max_lag ({max:?})")]
    Lag {
        /// How far.
        lag: Duration,
        /// What is allowed.
        max: Duration,
    },
    /// It does not say how far behind it is.
    #[error("it does not tell how far behind it is")]
    LagUnknown,
    /// The monitor's account may not see the replication's state.
    #[error("the monitor may not see its replication; run on the primary: {grant}")]
    Privilege {
        /// The statement that helps.
        grant: String,
    },
    /// Its last check failed or it has not been asked yet.
    #[error("its state is not known")]
    Unseen,
    /// In a Galera cluster: it takes no part in one.
    #[error("it is no MariaDB server with wsrep_on=ON and a wsrep_provider")]
    NoGalera,
    /// It has lost its Galera cluster.
    #[error("it is not connected to its Galera cluster (wsrep_connected is OFF)")]
    Disconnected,
    /// Its part of the Galera cluster is not the one that goes on.
    #[error("its part of the Galera cluster has no quorum (wsrep_cluster_status is {component:?})")]
    NoQuorum {
        /// `non-Primary` or `Disconnected`.
        component: String,
    },
    /// Its operator keeps everybody away.
    #[error("it rejects queries (wsrep_reject_queries is not NONE)")]
    RejectsQueries,
    /// It joins its Galera cluster, or catches up with it.
    #[error("it is not synced with its Galera cluster (its state is {state:?})")]
    NotSynced {
        /// `Joining`, `Joined`, `Initialized`, …
        state: String,
    },
    /// It gives its state to another node, or was desynced on purpose (a backup, a global read lock).
    #[error("it is a donor or desynced, and may fall behind its Galera cluster")]
    Donor,
    /// It does not take statements.
    #[error("it does not take statements yet (wsrep_ready is OFF)")]
    NotReady,
}

fn after_colon(error: &str) -> String {
    if error.is_empty() { String::new() } else { format!(": {error}") }
}
