//! Why a session keeps one backend connection, and until when.

/// Why a session is tied to the connection that it holds. The name ([`PinReason::name`]) is the same in metrics,
/// logs and `explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum PinReason {
    /// A temporary table exists.
    TemporaryTable,
    /// `GET_LOCK` holds a lock.
    GetLock,
    /// A text `PREPARE` stands.
    PreparedStatement,
    /// A `HANDLER … OPEN` stands.
    Handler,
    /// `LOCK TABLES`, also `FLUSH TABLES t FOR EXPORT` / `… WITH READ LOCK`.
    LockTables,
    /// `LOCK INSTANCE FOR BACKUP`, `BACKUP STAGE`, `BACKUP LOCK`.
    BackupLock,
    /// An XA transaction is open.
    Xa,
    /// A user variable holds a value that cannot be replayed.
    UserVariable,
    /// A setting that must not be carried to another connection (`sql_log_bin = 0`, `gtid_next`, `profiling` …).
    SessionSetting,
    /// `SET TRANSACTION` for the next transaction waits for it.
    NextTransaction,
    /// A cursor is open (`COM_STMT_FETCH`).
    OpenCursor,
    /// `COM_STMT_SEND_LONG_DATA` has sent a parameter ahead.
    LongData,
    /// A stored procedure left state behind.
    StoredProcedure,
    /// The server said that state changed and the statement does not tell what.
    UnknownState,
}

/// The set of reasons that hold now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    set: u32,
}

impl PinReason {
    /// Every reason, in the order of its discriminant.
    pub const ALL: [PinReason; 14] = [
        PinReason::TemporaryTable,
        PinReason::GetLock,
        PinReason::PreparedStatement,
        PinReason::Handler,
        PinReason::LockTables,
        PinReason::BackupLock,
        PinReason::Xa,
        PinReason::UserVariable,
        PinReason::SessionSetting,
        PinReason::NextTransaction,
        PinReason::OpenCursor,
        PinReason::LongData,
        PinReason::StoredProcedure,
        PinReason::UnknownState,
    ];

    /// The name in metrics, logs and `explain`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PinReason::TemporaryTable => "temporary_table",
            PinReason::GetLock => "get_lock",
            PinReason::PreparedStatement => "prepared_statement",
            PinReason::Handler => "handler",
            PinReason::LockTables => "lock_tables",
            PinReason::BackupLock => "backup_lock",
            PinReason::Xa => "xa",
            PinReason::UserVariable => "user_variable",
            PinReason::SessionSetting => "session_setting",
            PinReason::NextTransaction => "next_transaction",
            PinReason::OpenCursor => "open_cursor",
            PinReason::LongData => "long_data",
            PinReason::StoredProcedure => "stored_procedure",
            PinReason::UnknownState => "unknown_state",
        }
    }

    /// What the application can do so that the session need not keep its connection.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            PinReason::TemporaryTable => "DROP TEMPORARY TABLE when it is no longer needed",
            PinReason::GetLock => "RELEASE_LOCK when it is no longer needed",
            PinReason::PreparedStatement => {
                "DEALLOCATE PREPARE, or prepare by the protocol instead of the text PREPARE"
            }
            PinReason::Handler => "HANDLER ... CLOSE, or SELECT instead",
            PinReason::LockTables => "UNLOCK TABLES when they are no longer needed",
            PinReason::BackupLock => "end it: UNLOCK INSTANCE, BACKUP STAGE END, BACKUP UNLOCK",
            PinReason::Xa => "XA COMMIT or XA ROLLBACK",
            PinReason::UserVariable => "set user variables to literals; it ends by itself when the session is idle",
            PinReason::SessionSetting => "set it back to its usual value",
            PinReason::NextTransaction => "begin the transaction, or SET SESSION TRANSACTION",
            PinReason::OpenCursor => "fetch all of its rows or close the statement",
            PinReason::LongData => "execute the statement or reset it",
            PinReason::StoredProcedure => "COM_RESET_CONNECTION; leave no session state behind in procedures",
            PinReason::UnknownState => "COM_RESET_CONNECTION; SET what is to change in a statement of its own",
        }
    }
}

impl Pins {
    /// Nothing holds.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.set == 0
    }

    /// Whether this reason holds.
    #[must_use]
    pub const fn contains(&self, reason: PinReason) -> bool {
        self.set & (1 << reason as u32) != 0
    }

    /// Adds a reason; true when it is new.
    pub fn insert(&mut self, reason: PinReason) -> bool {
        let new = !self.contains(reason);
        self.set |= 1 << reason as u32;
        new
    }

    /// The cause has ended.
    pub fn remove(&mut self, reason: PinReason) {
        self.set &= !(1 << reason as u32);
    }

    /// The reasons that hold, in the order of [`PinReason::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = PinReason> + '_ {
        PinReason::ALL.into_iter().filter(|reason| self.contains(*reason))
    }
}
