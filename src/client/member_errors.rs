//! What the number of a member's error says of the member.
//!
//! PURE. Knows numbers (pages `server-error-reference` and `mariadb-error-code-reference`). Must not know what becomes of the
//! statement.

use crate::sql::ServerKind;

/// Which errors at the beginning of a reply mean that the statement goes elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interception {
    /// Every error is the client's.
    Nothing,
    /// A member that lacks a database, or what the account may do there.
    UnknownDatabase,
    /// A replica that refuses a write.
    ReadOnly,
    /// A member that goes down or is not prepared.
    Refusal,
    /// Both.
    ReadOnlyOrRefusal,
    /// A node of a Galera cluster that goes down, is not prepared, or cannot wait for what the others have confirmed.
    NodeRefusal,
    /// That, or a node that refuses a write.
    ReadOnlyOrNodeRefusal,
    /// A member that has certainly executed nothing, also of a write.
    NeverBegun,
}

impl Interception {
    /// Whether this error is not passed on.
    pub const fn takes(self, code: u16, server: ServerKind) -> bool {
        match self {
            Self::Nothing => false,
            Self::UnknownDatabase => matches!(code, 1044 | 1049),
            Self::ReadOnly => is_read_only_refusal(code),
            Self::Refusal => is_refusal(code, server),
            Self::ReadOnlyOrRefusal => is_read_only_refusal(code) || is_refusal(code, server),
            Self::NodeRefusal => is_refusal(code, server) || is_behind(code),
            Self::ReadOnlyOrNodeRefusal => is_read_only_refusal(code) || is_refusal(code, server) || is_behind(code),
            Self::NeverBegun => is_unprepared(code) || is_ended_idle(code, server),
        }
    }
}

/// The server is read-only (1290, 1836), or its transaction is (1792).
pub(super) const fn is_read_only_refusal(code: u16) -> bool {
    matches!(code, 1290 | 1792 | 1836)
}

/// The node is not part of its cluster, or rejects queries. It says so before it executes anything.
pub(super) const fn is_unprepared(code: u16) -> bool {
    code == 1047
}

/// The lock wait timeout is also what a node says of a read that waits for the other nodes (`wsrep_sync_wait`): after the provider's
/// `repl.causal_read_timeout`, and at once while the nodes agree on who is left. The same number from a lock is rare for a read
/// alone, and to read again costs time only.
pub(super) const fn is_behind(code: u16) -> bool {
    code == 1205
}

/// `MySQL` has closed the connection after `wait_timeout` without a command: the one that was just sent was not read.
/// (`MariaDB` means a trigger that does not exist.)
pub(super) const fn is_ended_idle(code: u16, server: ServerKind) -> bool {
    code == 4031 && matches!(server, ServerKind::MySql)
}

/// The member goes down, or has closed this connection: 1053 shutdown in progress, 1927 and 3169 killed by an
/// administrator. Those may also come in the middle of a statement.
pub(super) const fn is_shutdown(code: u16, server: ServerKind) -> bool {
    matches!(code, 1053 | 1927 | 3169) || is_ended_idle(code, server)
}

/// The member refuses before it has executed anything of a read, and another may do it.
pub(super) const fn is_refusal(code: u16, server: ServerKind) -> bool {
    is_shutdown(code, server) || is_unprepared(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_means_what_its_server_means() {
        use ServerKind::{MariaDb, MySql};
        assert!(Interception::NeverBegun.takes(4031, MySql) && !Interception::NeverBegun.takes(4031, MariaDb));
        assert!(Interception::Refusal.takes(4031, MySql) && !Interception::ReadOnlyOrRefusal.takes(4031, MariaDb));
        for server in [MySql, MariaDb] {
            assert!(Interception::NeverBegun.takes(1047, server) && !Interception::NeverBegun.takes(1053, server));
            assert!(Interception::Refusal.takes(1053, server) && !Interception::Refusal.takes(1290, server));
            assert!(!Interception::Nothing.takes(1047, server));
            assert!(Interception::NodeRefusal.takes(1205, server) && !Interception::Refusal.takes(1205, server));
            assert!(Interception::ReadOnlyOrNodeRefusal.takes(1205, server));
            assert!(
                !Interception::ReadOnlyOrRefusal.takes(1205, server) && !Interception::NodeRefusal.takes(1290, server)
            );
        }
    }
}
