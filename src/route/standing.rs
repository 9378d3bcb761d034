//! What a decision needs to know of a session.

use super::trusted::TrustedFunctions;
use crate::session::{Consistency, Isolation, Listener, NextTransaction, Pins, Transaction, UserVariables};
use crate::sql::Hint;

/// The connection that a pin or an open transaction holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Held {
    /// To the primary; also when nothing is held.
    #[default]
    Primary,
    /// To a replica: a read-only transaction, or a pin on the read-only listener.
    Replica,
}

/// A borrowed view of a session.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Which port the client came in by.
    pub listener: Listener,
    /// `routing.consistency`.
    pub consistency: Consistency,
    /// As the server's status flags last said.
    pub transaction: Transaction,
    /// `autocommit`.
    pub autocommit: bool,
    /// `transaction_isolation` of the session.
    pub isolation: Isolation,
    /// `transaction_read_only` of the session.
    pub transaction_read_only: bool,
    /// What `SET TRANSACTION` has asked for.
    pub next_transaction: NextTransaction,
    /// Why the session keeps its connection.
    pub pins: &'a Pins,
    /// Where that connection, or the one of the open transaction, leads to.
    pub held: Held,
    /// What the session has put into user variables.
    pub user_variables: &'a UserVariables,
    /// The session has written before.
    pub wrote: bool,
    /// The session's database is one that tells about the instance (see
    /// [`is_system_schema`](crate::sql::is_system_schema)).
    pub in_system_schema: bool,
    /// `routing.split_transactions`.
    pub splits: bool,
    /// `routing.trusted_functions`.
    pub trusted: &'a TrustedFunctions,
    /// The query attribute `proxy.route`; a comment's hint counts if there is none.
    pub hint: Option<Hint>,
    /// The statement comes with a token, whose owner's writes it must see.
    pub has_token: bool,
}

impl Standing<'_> {
    /// Whether the open transaction is one that has only read, on a replica.
    #[must_use]
    pub fn has_split(&self) -> bool {
        self.transaction == Transaction::ReadWrite && self.held == Held::Replica && self.listener == Listener::ReadWrite
    }
}
