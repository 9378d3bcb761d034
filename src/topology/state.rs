//! What is known of one member: whether it answers, and why it may not serve reads.
//!
//! Knows the reasons and their words, each with its remedy where there is one. Must not know how they were found out.

use std::time::Duration;

use crate::wire::server::{ServerFamily, Version};
use crate::wire::{Capabilities, Extensions, StatusFlags};

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
    /// The status flags of its greeting.
    pub status: StatusFlags,
    /// Its global `autocommit`, with which sessions begin.
    pub autocommit: bool,
    /// Its global `transaction_isolation`, with which sessions begin; empty before the first answer.
    pub isolation: String,
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
    #[error("it is {lag:?} behind, more than {max:?} (monitor.max_lag, or four fifths of it before it serves again)")]
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
    /// It has announced that it is about to end.
    #[error("it is about to end (somebody has taken the lock mysql-proxy.leaving there)")]
    Leaving,
    /// It copies from a server that is not of this cluster.
    #[error("it is not of this cluster: {proof}")]
    Stranger {
        /// What shows that.
        proof: Proof,
    },
    /// It is a `MariaDB` among `MySQL` servers, or the other way round.
    #[error("it is {own}, and the primary is {primary}: their transactions cannot be compared")]
    OtherFamily {
        /// What it is.
        own: ServerFamily,
        /// What the primary is.
        primary: ServerFamily,
    },
    /// It has transactions that the primary has lost, and whose numbers the primary gives away again.
    #[error(
        "it has {transactions} of a history that its primary no longer has (a reset binary log, a rebuilt primary): make it anew from the primary"
    )]
    OtherHistory {
        /// Which.
        transactions: String,
    },
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

impl Unfit {
    /// The word that metrics use.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoReplication => "no_replication",
            Self::IoThread { .. } => "io_thread",
            Self::SqlThread { .. } => "sql_thread",
            Self::Lag { .. } => "lag",
            Self::LagUnknown => "lag_unknown",
            Self::Privilege { .. } => "privilege",
            Self::Unseen => "unseen",
            Self::Leaving => "leaving",
            Self::Stranger { .. } => "stranger",
            Self::OtherFamily { .. } => "other_family",
            Self::OtherHistory { .. } => "other_history",
            Self::NoGalera => "no_galera",
            Self::Disconnected => "disconnected",
            Self::NoQuorum { .. } => "no_quorum",
            Self::RejectsQueries => "rejects_queries",
            Self::NotSynced { .. } => "not_synced",
            Self::Donor => "donor",
            Self::NotReady => "not_ready",
        }
    }
}

/// What shows that a member is not of this cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Proof {
    /// It fetches from a server that is no member, and nothing of what it fetched is the primary's.
    #[error("it copies from {source_at}, which is no member and none of whose transactions the primary has")]
    Elsewhere {
        /// `host:port` as the member was told.
        source_at: String,
    },
    /// It has what the primary never had.
    #[error("it copies from {source_at} and has {transaction}, which the primary never had")]
    Unknown {
        /// `host:port` as the member was told.
        source_at: String,
        /// The transaction.
        transaction: String,
    },
    /// It says that it copies from a server that does not know it.
    #[error("it copies from {source_at}, while no replica but the others is connected to the primary")]
    NotConnected {
        /// `host:port` as the member was told.
        source_at: String,
    },
    /// It copies from a member that copies from nobody and is not the primary.
    #[error("it copies from {0}, which is not the primary and copies from nobody")]
    Headless(String),
    /// It copies from members that copy from each other.
    #[error("it copies from {0}, in a circle that the primary is not part of")]
    Circle(String),
    /// Its Galera cluster is another one.
    #[error("its Galera cluster is {own}, and that of the primary is {primary}")]
    Galera {
        /// The UUID of its state.
        own: String,
        /// That of the primary's.
        primary: String,
    },
}

/// Why it cannot be told whether a member is of this cluster; it serves all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Its source is none of the members, and nothing that it has speaks against it.
    #[error("it copies from {0}, which is no member; whether that copies from the primary cannot be told")]
    UnknownSource(String),
}

fn after_colon(error: &str) -> String {
    if error.is_empty() { String::new() } else { format!(": {error}") }
}
