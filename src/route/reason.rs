//! Why a statement goes where it goes. The same names in metrics, logs, `explain`, the dashboard and tests.

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Only reads what every member has.
    Read,
    /// About schemas or the session: `SHOW TABLES`, `DESCRIBE`, `HELP`.
    Metadata,
    /// In, or opening, a read-only transaction, which stays on one replica.
    ReadOnlyTransaction,
    /// The client came in by the read-only listener.
    ReadOnlyListener,
    /// The client asked for a replica.
    HintReplica,
    /// The client asked for the primary.
    HintPrimary,
    /// A read-write transaction is open.
    InTransaction,
    /// In, or opening, a transaction whose reads run on a replica until it writes.
    SplitTransaction,
    /// The first statement would open a transaction.
    AutocommitOff,
    /// Every read locks at this isolation level.
    Serializable,
    /// The session is tied to its connection.
    Pinned,
    /// `INSERT`, `UPDATE`, `DELETE`, `REPLACE`, also behind `WITH`.
    Write,
    /// `LOAD DATA`, `LOAD XML`.
    Load,
    /// Changes a schema or an account.
    Ddl,
    /// Makes or drops a temporary table.
    TemporaryTable,
    /// A stored procedure may do anything.
    Call,
    /// `DO` is for side effects.
    Do,
    /// Locks the rows that it reads.
    LockingRead,
    /// Writes a file on the server.
    IntoFile,
    /// `PROCEDURE ANALYSE`.
    Procedure,
    /// Gives a user variable a value that cannot be replayed.
    AssignsVariable,
    /// Reads a user variable whose value only one connection knows.
    UserVariable,
    /// Calls a function that is not known to be built in, which may write.
    UnknownFunction,
    /// `GET_LOCK` and its like.
    NamedLock,
    /// Reads or moves a sequence.
    Sequence,
    /// `LAST_INSERT_ID(expr)`.
    SetsInsertId,
    /// Tells about the server instance; a replica would give another answer.
    InstanceState,
    /// `EXPLAIN` of what is not a read.
    ExplainWrite,
    /// Asks about the previous statement.
    PreviousStatement,
    /// Asks about the warnings of the previous statement.
    Diagnostics,
    /// Changes the session's own settings.
    SessionState,
    /// Changes the session's settings to what the primary computes.
    SessionExpression,
    /// Changes a setting that must not be carried to another connection.
    UncarriedSetting,
    /// Changes the server's settings.
    GlobalSetting,
    /// `BEGIN`, `COMMIT`, `SAVEPOINT`, `SET TRANSACTION`.
    TransactionControl,
    /// `PREPARE`, `EXECUTE`, `DEALLOCATE` as text.
    TextPrepare,
    /// `HANDLER`.
    Handler,
    /// A distributed transaction.
    Xa,
    /// Locks tables, or unlocks them.
    LockTables,
    /// Locks the instance for a backup.
    BackupLock,
    /// `FLUSH`, `ANALYZE TABLE`, `CHANGE …`, `KILL USER`.
    Administration,
    /// A compound statement may do anything.
    Compound,
    /// Several statements, not all of them plain reads.
    Several,
    /// Nothing to run: the server's own error.
    Empty,
    /// A first word that this program does not know.
    UnknownStatement,
    /// A versioned comment that would make it something else than a read.
    VersionedComment,
    /// The text cannot be read with certainty.
    UnreadableText,
    /// Too long to be read whole.
    TooLong,
    /// The proxy knows the session's id.
    ConnectionId,
    /// The proxy knows whose connection it is.
    Kill,
    /// The proxy's own statement.
    ShowProxyRoute,
    /// The proxy's own statement.
    ShowProxyToken,
    /// A write on the read-only listener.
    RefusedReadOnly,
}

impl Reason {
    /// Every reason, in the order of its discriminant.
    pub const ALL: [Reason; 53] = [
        Reason::Read,
        Reason::Metadata,
        Reason::ReadOnlyTransaction,
        Reason::ReadOnlyListener,
        Reason::HintReplica,
        Reason::HintPrimary,
        Reason::InTransaction,
        Reason::SplitTransaction,
        Reason::AutocommitOff,
        Reason::Serializable,
        Reason::Pinned,
        Reason::Write,
        Reason::Load,
        Reason::Ddl,
        Reason::TemporaryTable,
        Reason::Call,
        Reason::Do,
        Reason::LockingRead,
        Reason::IntoFile,
        Reason::Procedure,
        Reason::AssignsVariable,
        Reason::UserVariable,
        Reason::UnknownFunction,
        Reason::NamedLock,
        Reason::Sequence,
        Reason::SetsInsertId,
        Reason::InstanceState,
        Reason::ExplainWrite,
        Reason::PreviousStatement,
        Reason::Diagnostics,
        Reason::SessionState,
        Reason::SessionExpression,
        Reason::UncarriedSetting,
        Reason::GlobalSetting,
        Reason::TransactionControl,
        Reason::TextPrepare,
        Reason::Handler,
        Reason::Xa,
        Reason::LockTables,
        Reason::BackupLock,
        Reason::Administration,
        Reason::Compound,
        Reason::Several,
        Reason::Empty,
        Reason::UnknownStatement,
        Reason::VersionedComment,
        Reason::UnreadableText,
        Reason::TooLong,
        Reason::ConnectionId,
        Reason::Kill,
        Reason::ShowProxyRoute,
        Reason::ShowProxyToken,
        Reason::RefusedReadOnly,
    ];

    /// The name everywhere outside of the program.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Read => "read",
            Reason::Metadata => "metadata",
            Reason::ReadOnlyTransaction => "read_only_transaction",
            Reason::ReadOnlyListener => "read_only_listener",
            Reason::HintReplica => "hint_replica",
            Reason::HintPrimary => "hint_primary",
            Reason::InTransaction => "in_transaction",
            Reason::SplitTransaction => "split_transaction",
            Reason::AutocommitOff => "autocommit_off",
            Reason::Serializable => "serializable",
            Reason::Pinned => "pinned",
            Reason::Write => "write",
            Reason::Load => "load",
            Reason::Ddl => "ddl",
            Reason::TemporaryTable => "temporary_table",
            Reason::Call => "call",
            Reason::Do => "do",
            Reason::LockingRead => "locking_read",
            Reason::IntoFile => "into_file",
            Reason::Procedure => "procedure",
            Reason::AssignsVariable => "assigns_variable",
            Reason::UserVariable => "user_variable",
            Reason::UnknownFunction => "unknown_function",
            Reason::NamedLock => "named_lock",
            Reason::Sequence => "sequence",
            Reason::SetsInsertId => "sets_insert_id",
            Reason::InstanceState => "instance_state",
            Reason::ExplainWrite => "explain_write",
            Reason::PreviousStatement => "previous_statement",
            Reason::Diagnostics => "diagnostics",
            Reason::SessionState => "session_state",
            Reason::SessionExpression => "session_expression",
            Reason::UncarriedSetting => "uncarried_setting",
            Reason::GlobalSetting => "global_setting",
            Reason::TransactionControl => "transaction_control",
            Reason::TextPrepare => "text_prepare",
            Reason::Handler => "handler",
            Reason::Xa => "xa",
            Reason::LockTables => "lock_tables",
            Reason::BackupLock => "backup_lock",
            Reason::Administration => "administration",
            Reason::Compound => "compound",
            Reason::Several => "several",
            Reason::Empty => "empty",
            Reason::UnknownStatement => "unknown_statement",
            Reason::VersionedComment => "versioned_comment",
            Reason::UnreadableText => "unreadable_text",
            Reason::TooLong => "too_long",
            Reason::ConnectionId => "connection_id",
            Reason::Kill => "kill",
            Reason::ShowProxyRoute => "show_proxy_route",
            Reason::ShowProxyToken => "show_proxy_token",
            Reason::RefusedReadOnly => "refused_read_only",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_in_the_order_of_the_discriminants() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }
}
