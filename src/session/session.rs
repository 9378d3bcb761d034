//! The session itself, and how it learns from what servers say.

use std::{sync::Arc, time::Instant};

use super::said::may_write;
use super::{
    Causality, Consistency, Isolation, Ledger, Listener, PinReason, Reply as LedgerReply, ResultsCollation, Settings,
    Transaction,
};
use crate::{
    sql::{Dialect, Facts, Kind, Release, ServerKind, Statement, TextEncoding, is_system_schema},
    wire::{
        StatusFlags,
        gtid::{GtidKind, GtidSet},
        ok::{Change, StateTold},
    },
};

const COLLATION: &[u8] = b"collation_connection";
/// The most variables that are carried to other connections; no server has so many.
const MOST_VARIABLES: usize = 1_500;
/// The longest value that is carried, in bytes.
const MOST_CARRIED: usize = 64 * 1024;

/// Variables that are never carried to another connection: they belong to one connection, to one statement, or to
/// the proxy itself. Those that a client may set tie it to its connection (see the ledger).
const NOT_CARRIED: [&[u8]; 20] = [
    b"identity",
    b"insert_id",
    b"last_gtid",
    b"last_insert_id",
    b"profiling",
    b"pseudo_replica_mode",
    b"pseudo_slave_mode",
    b"pseudo_thread_id",
    b"rand_seed1",
    b"rand_seed2",
    b"server_id",
    b"session_track_gtids",
    b"session_track_schema",
    b"session_track_state_change",
    b"session_track_system_variables",
    b"session_track_transaction_info",
    b"skip_replication",
    b"sql_log_bin",
    b"statement_id",
    b"gtid_next",
];

/// What a client's session has set up.
#[derive(Debug)]
pub struct Session {
    /// What is carried to whichever connection is used.
    pub settings: Arc<Settings>,
    /// What its statements have left behind on the connection it holds.
    pub ledger: Ledger,
    /// As the server's status flags last said.
    pub transaction: Transaction,
    /// `autocommit`.
    pub autocommit: bool,
    /// `transaction_isolation`.
    pub isolation: Isolation,
    /// `transaction_read_only`.
    pub transaction_read_only: bool,
    /// How its text is read.
    pub dialect: Dialect,
    /// The database is one that tells about the instance.
    pub in_system_schema: bool,
    /// What its next read must be able to see.
    pub causality: Causality,
    /// The port it came in by.
    pub listener: Listener,
    /// How fresh its reads must be.
    pub consistency: Consistency,
    /// `LAST_INSERT_ID()`, as far as OK packets told it.
    pub last_insert_id: u64,
    /// What it was before the last OK, should the id in that have been given by the statement itself.
    pub insert_id_before: u64,
    /// How its statements are read under the SQL mode that a reset brings.
    dialect_after_reset: Dialect,
    /// What `collation_connection` is on a fresh connection of this login, once a member has said it.
    pub login_collation: Option<Vec<u8>>,
}

/// What a reply told of the session.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The last status flags; none in an error.
    pub status: Option<StatusFlags>,
    /// The error with which the reply ended.
    pub error: Option<u16>,
    /// What the trackers said.
    pub changes: &'a [Change],
    /// Which of several results told that the session's state has changed.
    pub states: &'a [StateTold],
    /// `LAST_INSERT_ID` of the OK; 0: none.
    pub last_insert_id: u64,
    /// Rows ended with a classic EOF, which has no room for trackers.
    pub untracked: bool,
    /// Whether the member has trackers at all.
    pub has_trackers: bool,
    /// Variables may be told of because an earlier `SET STATEMENT … FOR` has put them back, not because of the statement.
    pub told_late: bool,
    /// Whether the primary gives its transactions GTIDs.
    pub names_writes: bool,
    /// What the primary had executed when the monitor asked it last, if that is known.
    pub primary_had: Option<&'a GtidSet>,
    /// Whether the statement may write although its text does not say so.
    pub may_write: bool,
    /// How the member writes GTIDs; none where they mean nothing to other members.
    pub gtids: Option<GtidKind>,
    /// Whether the statement ran where writes run.
    pub on_primary: bool,
    /// When the reply was complete.
    pub now: Instant,
}

impl Session {
    /// A session that has just begun.
    #[must_use]
    pub fn new(listener: Listener, consistency: Consistency, server: ServerKind, encoding: TextEncoding) -> Self {
        Session {
            settings: Arc::default(),
            ledger: Ledger::default(),
            transaction: Transaction::None,
            autocommit: true,
            isolation: Isolation::RepeatableRead,
            transaction_read_only: false,
            dialect: Dialect { server, encoding, ..Dialect::default() },
            in_system_schema: false,
            causality: Causality::default(),
            listener,
            consistency,
            last_insert_id: 0,
            insert_id_before: 0,
            login_collation: None,
            dialect_after_reset: Dialect { server, encoding, ..Dialect::default() },
        }
    }

    /// The database at the login.
    pub fn start_in(&mut self, database: Option<Vec<u8>>) {
        self.in_system_schema = database.as_deref().is_some_and(is_system_schema);
        Arc::make_mut(&mut self.settings).database = database;
    }

    /// The SQL mode that the member gives its sessions, by which their statements are read until they set another.
    pub fn start_under(&mut self, sql_mode: &[u8]) {
        let at_login = self.dialect.ignore_space;
        self.dialect.apply_sql_mode(sql_mode);
        self.dialect_after_reset = self.dialect;
        self.dialect.ignore_space |= at_login;
    }

    /// The session has changed to this database.
    pub fn enter_database(&mut self, name: &[u8]) {
        self.ledger.database_changed();
        self.in_system_schema = is_system_schema(name);
        // A tracker tells an empty name when the session's database was dropped.
        Arc::make_mut(&mut self.settings).database = Some(name.to_vec()).filter(|name| !name.is_empty());
    }

    /// Whether members begin a session with `autocommit`. It is carried like anything that was set: another connection
    /// may have begun before that changed.
    pub fn begin_with(&mut self, autocommit: bool) {
        self.autocommit = autocommit;
        if !autocommit {
            self.carry(b"autocommit", b"OFF");
        }
    }

    /// The isolation level with which members begin a session. `everywhere`: a transaction reads on one member and goes on on
    /// another, so it is carried too.
    pub fn begin_at(&mut self, level: &str, everywhere: bool) {
        let Some(level) = Isolation::from_name(level.as_bytes()) else { return };
        self.isolation = level;
        if everywhere && level == Isolation::ReadCommitted {
            let is_new = self.dialect.server == ServerKind::MySql && self.dialect.release >= Release(8, 0);
            let name = if is_new { &b"transaction_isolation"[..] } else { b"tx_isolation" };
            self.carry(name, b"READ-COMMITTED");
        }
    }

    /// `COM_RESET_CONNECTION`: only the database, the role and the writes that its reads must see stay.
    pub fn reset(&mut self) {
        let Dialect { server, release, encoding, .. } = self.dialect;
        let dialect = Dialect { server, release, encoding, ..self.dialect_after_reset };
        let mut fresh = Session::new(self.listener, self.consistency, server, encoding);
        (fresh.dialect, fresh.dialect_after_reset) = (dialect, dialect);
        let Settings { database, role, multi_statements, .. } = Settings::clone(&self.settings);
        let causality = std::mem::take(&mut self.causality);
        let (in_system_schema, login_collation) = (self.in_system_schema, self.login_collation.take());
        *self = Session { in_system_schema, causality, login_collation, ..fresh };
        self.settings = Arc::new(Settings { database, role, multi_statements, ..Settings::default() });
    }

    /// Whether the session must keep its connection.
    #[must_use]
    pub const fn is_tied(&self) -> bool {
        !matches!(self.transaction, Transaction::None) || !self.ledger.pins.is_empty()
    }

    /// Learns from the reply to a statement. `statement` and its text are absent for commands without SQL.
    pub fn learn(&mut self, statement: Option<(&Statement, &[u8])>, told: &Told<'_>) {
        let was_free = self.transaction == Transaction::None && self.autocommit;
        self.learn_status(told);
        let mut state_changed = false;
        let mut explained = false;
        let mut wrote = false;
        let collation_before = self.settings.variables.get(COLLATION).or(self.login_collation.as_ref()).cloned();
        let for_itself = statement.is_some_and(|(statement, _)| statement.has(Facts::SETS_FOR_ITSELF));
        for change in told.changes {
            match change {
                Change::Variable(..) if for_itself => {}
                Change::Variable(name, value) => {
                    explained = true;
                    self.learn_variable(name, value);
                }
                Change::Schema(name) => {
                    explained = true;
                    self.enter_database(name);
                }
                Change::Gtids(gtids) => {
                    wrote = true;
                    match told.gtids {
                        Some(kind) => self.causality.wrote(kind, gtids, told.primary_had, told.now),
                        None => self.causality.wrote_unknown(told.now),
                    }
                }
                Change::State => state_changed = true,
            }
        }
        if !for_itself {
            self.learn_results_collation(told.changes, collation_before);
        }
        let harmless = was_free && statement.is_some_and(|(statement, _)| keeps_to_the_session(statement));
        // What commits implicitly has done so before it is refused.
        let error = told.error.filter(|_| was_free);
        let may_write = statement.filter(|_| !harmless).is_some_and(|(statement, _)| may_write(statement, error));
        self.learn_write(may_write || told.may_write, told, wrote);
        if told.last_insert_id != 0 {
            self.last_insert_id = told.last_insert_id;
        }
        if let Some((statement, sql)) = statement {
            let states = told.changes.iter().filter(|change| **change == Change::State).count();
            let reply = LedgerReply {
                told_apart: Some(told.states).filter(|told_apart| told_apart.len() == states),
                ok: told.error.is_none(),
                in_transaction: self.transaction != Transaction::None,
                state_changed,
                explained: explained && !told.told_late,
                trackers_available: told.has_trackers,
            };
            self.ledger.after(statement, sql, &reply);
            if statement.has(Facts::SETS_UNTOLD) && told.error.is_none() {
                self.ledger.pins.insert(PinReason::UnknownState);
            }
            let changes_meaning = told.changes.iter().any(changes_meaning_of_strings);
            if changes_meaning {
                self.ledger.doubt_strings();
            }
            if statement.has_effects() || changes_meaning {
                self.learn_user_variables();
            }
        }
    }

    /// An error carries no status. With autocommit off the failed statement may have opened a transaction.
    fn learn_status(&mut self, told: &Told<'_>) {
        if let Some(status) = told.status {
            self.autocommit = status.contains(StatusFlags::AUTOCOMMIT);
            self.dialect.no_backslash_escapes = status.contains(StatusFlags::NO_BACKSLASH_ESCAPES);
            self.transaction = match status {
                _ if status.contains(StatusFlags::IN_TRANS_READONLY) => Transaction::ReadOnly,
                _ if status.contains(StatusFlags::IN_TRANS) => Transaction::ReadWrite,
                _ => Transaction::None,
            };
        }
        if told.error.is_some() && told.status.is_none() && !self.autocommit && self.transaction == Transaction::None {
            self.transaction = Transaction::ReadWrite;
        }
    }

    /// A write whose GTID the reply could not tell must be assumed where no tracker speaks. Behind an error `MySQL` tells with
    /// its status what was written before.
    fn learn_write(&mut self, may_write: bool, told: &Told<'_>, named: bool) {
        let told_after_error = told.status.is_some() && told.gtids == Some(GtidKind::MySql);
        let silent =
            !told.has_trackers || told.untracked || (told.error.is_some() && !told_after_error) || !told.names_writes;
        if told.on_primary && !named && silent && may_write {
            self.causality.wrote_unknown(told.now);
        }
    }

    fn learn_variable(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"transaction_isolation" | b"tx_isolation" => self.isolation = isolation(value),
            b"transaction_read_only" | b"tx_read_only" => {
                self.transaction_read_only = value == b"ON" || value == b"1";
            }
            b"sql_mode" => self.dialect.apply_sql_mode(value),
            b"character_set_client" => self.dialect.encoding = TextEncoding::from_character_set(value),
            _ => {}
        }
        if NOT_CARRIED.contains(&name) {
            return;
        }
        if name == b"collation_connection"
            && let Some(character_set) = value.split(|&byte| byte == b'_').next().filter(|name| !name.is_empty())
        {
            // Setting it sets the character set, too, which no tracker tells.
            self.carry(b"character_set_connection", character_set);
        }
        self.carry(name, value);
    }

    /// `SET NAMES` gives results its collation, `character_set_results` alone that character set's default one, and what
    /// changes the connection's collation leaves that of results as it was. No tracker tells.
    fn learn_results_collation(&mut self, changes: &[Change], before: Option<Vec<u8>>) {
        let has = |wanted: &[u8]| changes.iter().any(|it| matches!(it, Change::Variable(name, _) if name == wanted));
        let results = match (has(b"character_set_results"), has(b"character_set_connection"), has(COLLATION)) {
            (true, true, _) => ResultsCollation::AsConnection,
            (true, false, _) => ResultsCollation::Default,
            (false, false, false) => return,
            (false, ..) if self.settings.results == ResultsCollation::AsConnection => {
                before.map_or(ResultsCollation::AsConnection, ResultsCollation::Named)
            }
            (false, ..) => return,
        };
        if self.settings.results != results {
            Arc::make_mut(&mut self.settings).results = results;
        }
    }

    fn carry(&mut self, name: &[u8], value: &[u8]) {
        let variables = &self.settings.variables;
        if value.len() > MOST_CARRIED || (variables.len() >= MOST_VARIABLES && !variables.contains_key(name)) {
            // No server has so many, nor one so long: only the connection knows them.
            self.ledger.pins.insert(PinReason::UnknownState);
            return;
        }
        if self.settings.variables.get(name).map(Vec::as_slice) != Some(value) {
            Arc::make_mut(&mut self.settings).variables.insert(name.to_vec(), value.to_vec());
        }
        // The other name of the same variable would be said too, and perhaps last.
        if let Some(other) = other_name(name)
            && self.settings.variables.contains_key(other)
        {
            Arc::make_mut(&mut self.settings).variables.remove(other);
        }
    }

    /// A user variable whose value was found out by asking: it is carried like one that was set to a literal.
    pub fn know_user_variable(&mut self, name: &[u8], literal: Vec<u8>) {
        self.ledger.know_user_variable(name, literal);
        self.learn_user_variables();
    }

    /// A user variable that nobody has made, as was found out by asking.
    pub fn miss_user_variable(&mut self, name: &[u8]) {
        self.ledger.miss_user_variable(name);
        self.learn_user_variables();
    }

    /// A variable whose value was found out by asking.
    pub fn set_variable(&mut self, name: &[u8], value: &[u8]) {
        self.learn_variable(name, value);
    }

    /// The variable has its default again, which is not a value that can be replayed.
    pub fn forget_variable(&mut self, name: &[u8]) {
        Arc::make_mut(&mut self.settings).variables.remove(name);
    }

    fn learn_user_variables(&mut self) {
        let literals = || self.ledger.user_variables.literals();
        let same = literals().count() == self.settings.user_variables.len()
            && literals().all(|(name, text)| self.settings.user_variables.get(name).map(Vec::as_slice) == Some(text));
        if !same {
            let all = literals().map(|(name, text)| (name.to_vec(), text.to_vec())).collect();
            Arc::make_mut(&mut self.settings).user_variables = all;
        }
        if let Some(role) = self.ledger.role_set.take() {
            Arc::make_mut(&mut self.settings).role = Some(role);
        }
    }
}

/// Whether it does nothing but set or ask what belongs to the session; in a transaction it may still end that.
fn keeps_to_the_session(statement: &Statement) -> bool {
    const MORE: Facts = Facts::SETS_GLOBAL
        .union(Facts::UNKNOWN_FUNCTION)
        .union(Facts::MANY_FUNCTIONS)
        .union(Facts::READS_TABLES)
        .union(Facts::SEVERAL)
        .union(Facts::VERSIONED);
    let kind = statement.kind;
    matches!(kind, Kind::Set | Kind::Use | Kind::Begin | Kind::SetTransaction | Kind::Diagnostics | Kind::Profile)
        && statement.doubt.is_none()
        && !statement.has(MORE)
}

/// Servers have some variables under two names.
const fn other_name(name: &[u8]) -> Option<&'static [u8]> {
    match name {
        b"transaction_isolation" => Some(b"tx_isolation"),
        b"tx_isolation" => Some(b"transaction_isolation"),
        b"transaction_read_only" => Some(b"tx_read_only"),
        b"tx_read_only" => Some(b"transaction_read_only"),
        _ => None,
    }
}

fn isolation(value: &[u8]) -> Isolation {
    match value {
        b"READ-UNCOMMITTED" => Isolation::ReadUncommitted,
        b"READ-COMMITTED" => Isolation::ReadCommitted,
        b"SERIALIZABLE" => Isolation::Serializable,
        _ => Isolation::RepeatableRead,
    }
}

/// Whether strings that were written before would mean something else if they were written again.
fn changes_meaning_of_strings(change: &Change) -> bool {
    const OF_STRINGS: [&[u8]; 4] =
        [b"character_set_client", b"character_set_connection", b"collation_connection", b"sql_mode"];
    matches!(change, Change::Variable(name, _) if OF_STRINGS.contains(&&**name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::classify;

    #[test]
    fn a_variable_with_two_names_is_carried_under_the_one_that_was_told_last() {
        let mut session =
            Session::new(Listener::ReadWrite, Consistency::Session, ServerKind::MySql, TextEncoding::Unknown);
        session.begin_at("READ-COMMITTED", true);
        assert!(session.settings.variables.contains_key(&b"tx_isolation"[..]));
        session.learn_variable(b"transaction_isolation", b"SERIALIZABLE");
        let names: Vec<_> = session.settings.variables.keys().map(Vec::as_slice).collect();
        assert_eq!(names, [&b"transaction_isolation"[..]]);
        assert_eq!(session.isolation, Isolation::Serializable);
    }

    /// Whether a session that stands free knows that it may have written without being told a GTID.
    fn wrote_unnamed(sql: &str, told: impl FnOnce(&mut Told<'_>)) -> bool {
        wrote_unnamed_in(Transaction::None, sql, told)
    }

    fn wrote_unnamed_in(transaction: Transaction, sql: &str, told: impl FnOnce(&mut Told<'_>)) -> bool {
        learned_in(transaction, sql, told).causality.unknown().is_some()
    }

    fn learned(sql: &str, told: impl FnOnce(&mut Told<'_>)) -> Session {
        learned_in(Transaction::None, sql, told)
    }

    fn learned_in(transaction: Transaction, sql: &str, told: impl FnOnce(&mut Told<'_>)) -> Session {
        let mut session =
            Session::new(Listener::ReadWrite, Consistency::Session, ServerKind::MySql, TextEncoding::AsciiSafe);
        session.transaction = transaction;
        let mut said = Told {
            status: Some(StatusFlags::AUTOCOMMIT),
            error: None,
            changes: &[],
            states: &[],
            last_insert_id: 0,
            untracked: false,
            has_trackers: true,
            told_late: false,
            names_writes: true,
            primary_had: None,
            may_write: false,
            gtids: Some(GtidKind::MySql),
            on_primary: true,
            now: Instant::now(),
        };
        told(&mut said);
        let statement = classify(sql.as_bytes(), &session.dialect);
        session.learn(Some((&statement, sql.as_bytes())), &said);
        session
    }

    #[test]
    fn what_only_sets_is_no_write_unless_it_may_commit_or_compute() {
        let without_gtids = |told: &mut Told<'_>| told.names_writes = false;
        for (sql, free, in_transaction) in [
            ("SET NAMES utf8mb4", false, true),
            ("SET autocommit = 1", false, true),
            ("USE app", false, true),
            ("BEGIN", false, true),
            ("START TRANSACTION", false, true),
            ("SET @x = 1", false, true),
            ("SET @x = f()", true, true),
            ("SET sql_mode = CONCAT(@@sql_mode, ',', f())", true, true),
            ("SET GLOBAL read_only = 0", true, true),
            ("SET PASSWORD = 'x'", true, true),
            ("SET STATEMENT max_statement_time = 1 FOR INSERT INTO t VALUES (1)", true, true),
            ("SET NAMES utf8mb4; INSERT INTO t VALUES (1)", true, true),
            ("COMMIT", true, true),
        ] {
            let wrote = |transaction| wrote_unnamed_in(transaction, sql, without_gtids);
            assert_eq!((wrote(Transaction::None), wrote(Transaction::ReadWrite)), (free, in_transaction), "{sql}");
        }
    }

    #[test]
    fn what_is_told_late_explains_nothing() {
        for (told_late, pinned) in [(false, false), (true, true)] {
            let changes = [Change::Variable(b"max_statement_time".to_vec(), b"0".to_vec()), Change::State];
            let session = learned("INSERT INTO t VALUES (1)", |told| {
                told.changes = Box::leak(Box::new(changes));
                told.told_late = told_late;
            });
            assert_eq!(session.ledger.pins.contains(PinReason::UnknownState), pinned);
        }
    }

    #[test]
    fn what_never_ran_and_what_only_shows_is_no_write() {
        let refused = |code| move |told: &mut Told<'_>| (told.status, told.error) = (None, Some(code));
        for (sql, code, wrote) in [
            ("select $$", 1064, false),
            ("SELEC 1", 1064, false),
            ("INSERT INTO nowhere VALUES (1)", 1146, false),
            ("INSERT INTO t VALUES (1), (1)", 1062, true),
            ("DROP TABLE a, b", 1051, true),
            ("CALL p()", 1064, true),
            ("CALL p()", 1146, true),
            ("EXECUTE s", 1064, true),
            ("BEGIN NOT ATOMIC INSERT INTO t VALUES (1); SIGNAL SQLSTATE '42000'; END", 1064, true),
            ("INSERT INTO t VALUES (1); SELEC 1", 1064, true),
            ("DO f()", 1146, true),
            ("CREATE TABLE a AS SELECT f()", 1142, true),
        ] {
            assert_eq!(wrote_unnamed(sql, refused(code)), wrote, "{sql}: {code}");
        }
        let ends_with_eof = |told: &mut Told<'_>| told.untracked = true;
        for (sql, wrote) in [
            ("SHOW PROCESSLIST", false),
            ("SHOW WARNINGS", false),
            ("EXPLAIN FOR CONNECTION 5", false),
            ("SELECT f() FROM performance_schema.threads", true),
            ("CALL p()", true),
        ] {
            assert_eq!(wrote_unnamed(sql, ends_with_eof), wrote, "{sql}");
        }
    }

    #[test]
    fn a_write_that_no_gtid_names_is_remembered_by_its_time() {
        let insert = "INSERT INTO t VALUES (1), (2)";
        assert!(!wrote_unnamed(insert, |_| {}), "it changed nothing, else it had been named");
        assert!(wrote_unnamed(insert, |told| told.names_writes = false), "without GTIDs nothing is named");
        let failed = |told: &mut Told<'_>| (told.status, told.error) = (None, Some(1062));
        assert!(wrote_unnamed(insert, failed), "an error names nothing");
        assert!(wrote_unnamed("CALL p()", failed));
        assert!(!wrote_unnamed("SELECT 1", failed));
        let asked = |told: &mut Told<'_>| told.error = Some(1062);
        assert!(!wrote_unnamed("CALL p()", asked), "MySQL names behind an error what came before it");
        assert!(wrote_unnamed("CALL p()", |told| (told.error, told.gtids) = (Some(1062), Some(GtidKind::MariaDb))));
        let galera = |told: &mut Told<'_>| {
            (told.gtids, told.names_writes, told.on_primary) = (None, false, false);
            told.changes = Box::leak(Box::new([Change::Gtids(b"0-1-5".to_vec())]));
        };
        assert!(wrote_unnamed("SELECT * FROM v", galera), "a GTID that means nothing elsewhere still tells of a write");
        let view_that_writes = |told: &mut Told<'_>| (told.untracked, told.may_write) = (true, true);
        assert!(wrote_unnamed("SELECT * FROM v", view_that_writes));
        let old = |told: &mut Told<'_>| told.has_trackers = false;
        assert!(wrote_unnamed(insert, old));
        assert!(!wrote_unnamed("SET time_zone = CONCAT('+0', 1, ':00')", old));
        assert!(wrote_unnamed("SET time_zone = f()", old));
        assert!(wrote_unnamed("SET @x = (SELECT a FROM v)", old));
    }
}
