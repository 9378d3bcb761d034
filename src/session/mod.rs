//! PURE. What a client's session has set up: transaction, variables, database, pins, its last write.
//!
//! Knows what the server said (status flags, trackers) and what the statements were. Must not know sockets, members'
//! addresses or configuration files.

mod causality;
mod ledger;
#[cfg(test)]
mod ledger_tests;
mod names;
mod pins;
mod said;
#[expect(clippy::module_inception, reason = "the session is what the room is about")]
mod session;
mod settings;
mod untold;
mod user_variables;

pub use causality::Causality;
pub(crate) use ledger::is_usual;
pub use ledger::{Ledger, Reply};
pub use pins::{PinReason, Pins};
pub use session::{Session, Told};
pub use settings::{Difference, ResultsCollation, Settings, Unreachable};
pub use untold::Untold;
pub use user_variables::{Full, UserValue, UserVariables};

/// The state of the session's transaction, as the server's status flags last told it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transaction {
    /// None is open.
    #[default]
    None,
    /// `SERVER_STATUS_IN_TRANS`.
    ReadWrite,
    /// `SERVER_STATUS_IN_TRANS_READONLY`.
    ReadOnly,
}

/// `SET TRANSACTION …` without SESSION or GLOBAL: counts for the next transaction only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextTransaction {
    /// `READ ONLY` (true) or `READ WRITE` (false), if given.
    pub read_only: Option<bool>,
    /// The isolation level, if given.
    pub isolation: Option<Isolation>,
    /// Whether it is known only where it stands, on the primary's connection: a statement that may have asked for it has
    /// failed or has been one of several, or another one may have used it up or overwritten it.
    pub doubted: bool,
}

impl NextTransaction {
    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.read_only.is_none() && self.isolation.is_none() && !self.doubted
    }
}

/// Transaction isolation levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl Isolation {
    /// The level that a server names so: `READ-COMMITTED`, `READ COMMITTED`.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Isolation> {
        let is = |words: &str| {
            name.len() == words.len()
                && name
                    .iter()
                    .zip(words.bytes())
                    .all(|(a, b)| a.eq_ignore_ascii_case(&b) || (b == b' ' && matches!(a, b'-' | b'_')))
        };
        Some(match () {
            () if is("READ UNCOMMITTED") => Isolation::ReadUncommitted,
            () if is("READ COMMITTED") => Isolation::ReadCommitted,
            () if is("REPEATABLE READ") => Isolation::RepeatableRead,
            () if is("SERIALIZABLE") => Isolation::Serializable,
            () => return None,
        })
    }
}

/// Which of the proxy's data ports the client came in by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listener {
    /// Splits reads and writes.
    #[default]
    ReadWrite,
    /// Serves from replicas only; refuses what writes.
    ReadOnly,
}

/// `routing.consistency`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// A session sees its own writes.
    #[default]
    Session,
    /// A session sees everybody's writes.
    Global,
    /// Any replica within `monitor.max_lag`.
    Eventual,
}
