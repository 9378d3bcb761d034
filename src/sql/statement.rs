//! What a statement is, as far as routing and the session's state are concerned.

use super::dialect::Dialect;
use super::hint::Hint;
use super::lex::Doubt;
use super::span::{Few, Span};

/// The kind of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing, or comments alone.
    Empty,
    /// `SELECT`, `TABLE`, `VALUES`, `WITH … SELECT`; also `EXPLAIN` and `SET STATEMENT … FOR` of one.
    Read,
    /// About schemas, the session or the manual: `SHOW TABLES`, `DESCRIBE t`, `HELP`, `CHECKSUM TABLE`.
    Metadata,
    /// About the instance: `SHOW PROCESSLIST`, `SHOW BINARY LOGS`.
    Instance,
    /// `EXPLAIN` of what is not a read.
    ExplainWrite,
    /// `EXPLAIN FOR CONNECTION`.
    ExplainConnection,
    /// `SHOW WARNINGS`, `SHOW ERRORS`, `GET DIAGNOSTICS`.
    Diagnostics,
    /// `SHOW PROFILE(S)`.
    Profile,
    /// `SHOW PROXY ROUTE`.
    ShowProxyRoute,
    /// `SHOW PROXY TOKEN`.
    ShowProxyToken,
    /// `INSERT`, `UPDATE`, `DELETE`, `REPLACE`.
    Write,
    /// `LOAD DATA`, `LOAD XML`.
    Load,
    /// `CALL`.
    Call,
    /// `DO`.
    Do,
    /// Changes of schemas and accounts, which commit implicitly.
    Ddl,
    /// `CREATE TEMPORARY TABLE`.
    CreateTemporary,
    /// `DROP TABLE`.
    DropTable,
    /// `DROP TEMPORARY TABLE`.
    DropTemporary,
    /// `FLUSH`, `RESET`, `ANALYZE TABLE`, `CHANGE …`, `INSTALL …`.
    Administration,
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
    /// `SAVEPOINT`, `RELEASE SAVEPOINT`, `ROLLBACK TO`.
    Savepoint,
    /// `SET TRANSACTION` for the next transaction only.
    SetTransaction,
    /// `SET`.
    Set,
    /// `USE`.
    Use,
    /// `SET PASSWORD`, `SET DEFAULT ROLE`, `SET RESOURCE GROUP`.
    SetAccount,
    /// Text `PREPARE`.
    Prepare,
    /// Text `EXECUTE`, also `EXECUTE IMMEDIATE` (which [`Facts::CLOSES`]).
    Execute,
    /// `DEALLOCATE PREPARE`.
    Deallocate,
    /// `HANDLER`.
    Handler,
    /// `XA`.
    Xa,
    /// `LOCK TABLES`, `FLUSH TABLES … WITH READ LOCK`, `… FOR EXPORT`.
    LockTables,
    /// `UNLOCK TABLES`.
    UnlockTables,
    /// `LOCK INSTANCE FOR BACKUP`, `BACKUP STAGE`, `BACKUP LOCK`.
    BackupLock,
    /// The end of one.
    BackupUnlock,
    /// `KILL n`.
    Kill,
    /// Compound statements outside of stored programs (`MariaDB`).
    Compound,
    /// A first word that this program does not know.
    Unknown,
    /// Several statements, of which at least one is not a plain read.
    Several,
}

bitflags::bitflags! {
    /// Facts about a statement.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Facts: u64 {
        /// Locks rows: `FOR UPDATE`, `FOR SHARE`, `LOCK IN SHARE MODE`.
        const LOCKS_ROWS = 1;
        /// `INTO OUTFILE`, `INTO DUMPFILE`.
        const INTO_FILE = 1 << 1;
        /// Assigns a user variable: `:=`, `INTO @x`.
        const ASSIGNS = 1 << 2;
        /// `PROCEDURE ANALYSE`.
        const PROCEDURE = 1 << 3;
        /// Calls functions that are not known to be built in; their names are in [`Statement::functions`].
        const UNKNOWN_FUNCTION = 1 << 4;
        /// More unknown functions than are kept.
        const MANY_FUNCTIONS = 1 << 5;
        /// `GET_LOCK`.
        const TAKES_LOCK = 1 << 6;
        /// `RELEASE_LOCK` and its like.
        const ASKS_LOCK = 1 << 7;
        /// Sequences.
        const SEQUENCE = 1 << 8;
        /// Reads what belongs to the instance.
        const INSTANCE = 1 << 9;
        /// Asks about the previous statement.
        const PREVIOUS = 1 << 10;
        /// Asks about the diagnostics of the previous statement.
        const DIAGNOSTICS = 1 << 11;
        /// `LAST_INSERT_ID(expr)`.
        const SETS_INSERT_ID = 1 << 12;
        /// Asks for the connection's id.
        const CONNECTION_ID = 1 << 13;
        /// Asks for nothing else.
        const CONNECTION_ID_ALONE = 1 << 14;
        /// A read's first word, but it writes: `WITH … UPDATE`, `EXPLAIN ANALYZE UPDATE`.
        const WRITES = 1 << 15;
        /// More user variables than are kept, or a name that is hard to compare.
        const MANY_VARIABLES = 1 << 16;
        /// More connection ids than are kept.
        const MANY_IDS = 1 << 17;
        /// Has a `FROM`, or is `TABLE t`.
        const READS_TABLES = 1 << 18;
        /// Sets a global or persisted variable.
        const SETS_GLOBAL = 1 << 19;
        /// Sets with an expression that is not a literal.
        const SETS_EXPRESSION = 1 << 20;
        /// Sets a user variable to what is not a literal.
        const SETS_USER_EXPRESSION = 1 << 21;
        /// Sets a user variable.
        const SETS_USER = 1 << 22;
        /// Sets something that must not be carried to another connection.
        const SETS_UNCARRIED = 1 << 23;
        /// Sets a `session_track_…` variable: the proxy must put its own tracking back.
        const SETS_TRACKING = 1 << 24;
        /// `READ ONLY`.
        const READ_ONLY = 1 << 25;
        /// `READ WRITE`.
        const READ_WRITE = 1 << 26;
        /// `RELEASE`: the server closes the connection.
        const RELEASE = 1 << 28;
        /// Commits implicitly an open transaction.
        const COMMITS = 1 << 29;
        /// The ledger must look at it.
        const EFFECTS = 1 << 30;
        /// Several statements.
        const SEVERAL = 1 << 31;
        /// Has versioned comments whose readings differ.
        const VERSIONED = 1 << 32;
        /// Only the beginning of the text is known.
        const TRUNCATED = 1 << 33;
        /// Begins a transaction, somewhere in several statements.
        const BEGINS = 1 << 34;
        /// `KILL USER`, `KILL QUERY ID`: not by a connection's id.
        const KILL_OTHER = 1 << 35;
        /// `KILL QUERY`.
        const KILL_QUERY = 1 << 36;
        /// `FLUSH … WITH READ LOCK` or `… FOR EXPORT`.
        const FLUSHES = 1 << 37;
        /// Contains a statement that writes, locks or changes the server.
        const CHANGES = 1 << 38;
        /// Has a `COMMIT` (or what ends a transaction) somewhere in several statements.
        const ENDS = 1 << 39;
        /// Closes: `HANDLER … CLOSE`, `ROLLBACK TO`, `XA COMMIT`.
        const CLOSES = 1 << 40;
        /// `SET @@transaction_isolation = …` without a scope: for the next transaction only.
        const SETS_NEXT_TRANSACTION = 1 << 43;
        /// Asks for what belongs to the connection that wrote last: `LAST_INSERT_ID()`, `@@identity`, `@@last_gtid`.
        const ASKS_INSERT_ID = 1 << 44;
        /// Asks for `ROW_COUNT()` or `FOUND_ROWS()` of the previous statement.
        const ASKS_COUNTS = 1 << 45;
        /// Sets `@@name` without a scope, of which MariaDB's tracker says nothing; see [`scoped`](super::scoped).
        const SETS_UNTOLD = 1 << 46;
        /// `SET STATEMENT … FOR`: what it sets is as it was when it ends.
        const SETS_FOR_ITSELF = 1 << 47;
        /// Asks for `FOUND_ROWS()`.
        const ASKS_FOUND_ROWS = 1 << 48;
        /// Contains a `KILL`, perhaps beside other statements.
        const KILLS = 1 << 49;
        /// `KILL SOFT`
        const KILL_SOFT = 1 << 50;
        /// Reads connections' ids from the server's own tables, or asks who holds a named lock.
        const HOLDS_IDS = 1 << 51;
        /// `WITH` has been read.
        const WITH = 1 << 42;
    }
}

/// How a connection's id stands in the text; each is replaced by the proxy's or the member's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdUse {
    /// `CONNECTION_ID()` or `@@pseudo_thread_id`: the session's own id stands there as a number.
    #[default]
    Own,
    /// `KILL [QUERY|CONNECTION] n`, also `?` for n.
    Kill,
    /// `EXPLAIN FOR CONNECTION n`.
    Explain,
}

/// One place where a connection's id stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdSpan {
    /// What is replaced.
    pub span: Span,
    /// What it is for.
    pub id_use: IdUse,
}

/// What the bytes of a statement say. Made once by [`classify`](super::classify); nobody looks at the text again,
/// except through the spans in here.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it is.
    pub kind: Kind,
    /// What is in it.
    pub facts: Facts,
    /// Why it cannot be read with certainty, if so.
    pub doubt: Option<Doubt>,
    /// The client's wish.
    pub hint: Option<Hint>,
    /// The token of `proxy:after=TOKEN`.
    pub after: Option<Span>,
    /// How it was read.
    pub dialect: Dialect,
    /// The user variables that it names, with their `@`.
    pub user_variables: Few<Span, 4>,
    /// The functions that it calls and that are not known to be built in, with their schema.
    pub functions: Few<Span, 3>,
    /// Connections' ids.
    pub ids: Few<IdSpan, 2>,
    /// The column's name, for [`Facts::CONNECTION_ID_ALONE`].
    pub column: Span,
}

impl Statement {
    pub(super) fn new(dialect: Dialect) -> Statement {
        Statement {
            kind: Kind::Empty,
            facts: Facts::empty(),
            doubt: None,
            hint: None,
            after: None,
            dialect,
            user_variables: Few::default(),
            functions: Few::default(),
            ids: Few::default(),
            column: Span::EMPTY,
        }
    }

    /// A statement of whose text nothing is known.
    #[must_use]
    pub fn unreadable(dialect: Dialect) -> Statement {
        Statement {
            kind: Kind::Unknown,
            facts: Facts::TRUNCATED | Facts::CHANGES | Facts::EFFECTS,
            doubt: Some(Doubt::NoText),
            ..Statement::new(dialect)
        }
    }

    /// Whether a fact is true of it.
    #[must_use]
    pub const fn has(&self, facts: Facts) -> bool {
        self.facts.intersects(facts)
    }

    /// Whether it may leave something behind on its connection.
    #[must_use]
    pub const fn has_effects(&self) -> bool {
        self.has(Facts::EFFECTS)
    }

    /// Whether only the beginning of its text is known.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.has(Facts::TRUNCATED)
    }

    /// Whether the text is certain: where each of its statements begins, if there are several, and what it is.
    #[must_use]
    pub const fn has_readable_parts(&self) -> bool {
        self.doubt.is_none() && !self.has(Facts::VERSIONED.union(Facts::TRUNCATED))
    }

    /// Whether it runs what does not stand in its text: a routine's body, a prepared statement.
    #[must_use]
    pub const fn runs_unseen(&self) -> bool {
        matches!(self.kind, Kind::Call | Kind::Execute | Kind::Compound)
    }

    /// Whether its reply may show what tables hold.
    #[must_use]
    pub fn may_show_rows(&self) -> bool {
        let calls = Facts::READS_TABLES | Facts::UNKNOWN_FUNCTION | Facts::MANY_FUNCTIONS;
        match self.kind {
            Kind::Read | Kind::Metadata => self.has(calls) || self.kind == Kind::Metadata,
            Kind::Several | Kind::Handler | Kind::Call | Kind::Execute | Kind::Compound => true,
            _ => false,
        }
    }

    /// Whether it only reads by its kind, whatever it reads.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        matches!(self.kind, Kind::Read | Kind::Metadata)
    }
}
