//! Where a client stands when its last command has been answered: in the middle of a unit of its own, or behind one.
//!
//! PURE. Knows which statements belong to what comes after them. Must not know why a client is sent away.

use crate::sql::Kind;

/// What the last command was, for whoever must send the client away between two of its units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Behind {
    /// More belongs to it: a prepared statement is executed next, a connection is made ready for its next user, a transaction is
    /// begun by `SET autocommit = 0`; or it has no reply, so that the client may say the next thing just now.
    #[default]
    Something,
    /// A statement was executed: a unit where `autocommit` is on.
    Statement,
    /// A transaction was ended.
    Transaction,
}

impl Behind {
    /// Behind the execution of such a statement.
    pub const fn execution_of(kind: Kind) -> Self {
        match kind {
            Kind::Commit | Kind::Rollback => Behind::Transaction,
            Kind::Begin
            | Kind::Savepoint
            | Kind::SetTransaction
            | Kind::Set
            | Kind::SetAccount
            | Kind::Use
            | Kind::Prepare
            | Kind::Deallocate => Behind::Something,
            _ => Behind::Statement,
        }
    }

    /// Whether the client may be sent away without breaking what it is at.
    pub const fn is_end_of_unit(self, autocommit: bool) -> bool {
        match self {
            Behind::Something => false,
            Behind::Statement => autocommit,
            Behind::Transaction => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_ends_with_a_statement_or_with_its_transaction() {
        for (kind, with_autocommit, without) in [
            (Kind::Write, true, false),
            (Kind::Read, true, false),
            (Kind::Commit, true, true),
            (Kind::Rollback, true, true),
            (Kind::Begin, false, false),
            (Kind::Set, false, false),
            (Kind::Use, false, false),
        ] {
            let behind = Behind::execution_of(kind);
            let ends = [true, false].map(|autocommit| behind.is_end_of_unit(autocommit));
            assert_eq!(ends, [with_autocommit, without], "{kind:?}");
        }
        assert!(!Behind::default().is_end_of_unit(true), "a command without SQL");
    }
}
