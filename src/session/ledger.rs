//! What a session's statements have left behind on its connection, and when that ends.
//!
//! Knows statements and what the server said of them. Must not know where they went.

use super::names::Names;
use super::said::{each_says_what_it_changed, says_what_changes};
use super::{Isolation, NextTransaction, PinReason, Pins, UserValue, UserVariables};
use crate::sql::details::{self, Assigned, Assignment};
use crate::sql::{self, Facts, Kind, Span, Statement, set};
use crate::wire::ok::StateTold;

/// What the server said at the end of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reply<'a> {
    /// It ended with OK or EOF, not with an error.
    pub ok: bool,
    /// The status flags say that a transaction is open now.
    pub in_transaction: bool,
    /// The state-change tracker said `1`.
    pub state_changed: bool,
    /// A tracker of variables or of the schema in the same reply told what changed.
    pub explained: bool,
    /// Which of several results told that state changed; none where that is not known of each time it was told.
    pub told_apart: Option<&'a [StateTold]>,
    /// The connection has these trackers at all.
    pub trackers_available: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Why the session must keep its connection.
    pub pins: Pins,
    /// User variables.
    pub user_variables: UserVariables,
    /// What `SET TRANSACTION` asked for.
    pub next_transaction: NextTransaction,
    waited_in_vain: bool,
    /// A `SET ROLE` that has succeeded since the session last looked, to be carried.
    pub role_set: Option<Vec<u8>>,
    /// The session has prepared, by the protocol, a question about the previous statement: preparing it again elsewhere
    /// would change the answer.
    asks_prepared: bool,
    temporary_tables: Names,
    named_locks: Names,
    prepared: Names,
    handlers: Names,
    held: Held,
    uncarried: u16,
}

/// Locks that have no names of their own.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    tables: bool,
    flushed: bool,
    instance: bool,
    stage: bool,
    backup: bool,
}

/// Whether what a statement's text says has certainly happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certainty {
    /// It has.
    Done,
    /// It may have: what begins counts, what ends does not.
    Perhaps,
    /// It failed; but functions in it may have run.
    Failed,
}

impl Ledger {
    /// Takes note of a statement that has been answered. Near free for one that leaves nothing behind.
    #[inline]
    pub fn after(&mut self, statement: &Statement, sql: &[u8], reply: &Reply<'_>) {
        if statement.has_effects() || reply.state_changed || !self.next_transaction.is_empty() {
            self.learn(statement, sql, *reply);
        }
    }

    /// `COM_RESET_CONNECTION`, `COM_CHANGE_USER`: nothing is left.
    pub fn reset(&mut self) {
        *self = Ledger::default();
    }

    /// Whether a question about the previous statement is prepared by the protocol.
    pub fn prepared_question(&mut self, stands: bool) {
        self.asks_prepared = stands;
        self.hold(PinReason::PreparedStatement, stands || !self.prepared.is_empty());
    }

    /// The session's database has changed by `COM_INIT_DB` (`USE` is noticed here).
    pub fn database_changed(&mut self) {
        self.temporary_tables.database_changed();
        self.handlers.database_changed();
    }

    #[inline(never)]
    fn learn(&mut self, statement: &Statement, sql: &[u8], reply: Reply<'_>) {
        if statement.has(Facts::SEVERAL) {
            self.several(statement, sql, reply);
        } else {
            let certainty = match (reply.ok, statement.has(Facts::VERSIONED) || statement.doubt.is_some()) {
                (true, false) => Certainty::Done,
                (true, true) => Certainty::Perhaps,
                (false, _) => Certainty::Failed,
            };
            self.one(statement, sql, certainty, reply.in_transaction);
        }
        self.unexplained(statement, sql, reply);
    }

    fn several(&mut self, statement: &Statement, sql: &[u8], reply: Reply<'_>) {
        let readable = statement.has_readable_parts();
        let parts = if readable { details::parts(sql, statement.dialect) } else { None };
        let Some(parts) = parts else {
            self.pins.insert(PinReason::UnknownState);
            return;
        };
        let certainty = if reply.ok { Certainty::Done } else { Certainty::Perhaps };
        for part in parts {
            let text = part.of(sql);
            let part = sql::classify(text, &statement.dialect);
            if part.has_effects() || !self.next_transaction.is_empty() {
                self.one(&part, text, certainty, reply.in_transaction);
            }
            if !reply.trackers_available {
                self.unexplained(&part, text, reply);
            }
        }
    }

    /// What trackers (or their absence) say beyond the text.
    fn unexplained(&mut self, statement: &Statement, sql: &[u8], reply: Reply<'_>) {
        // A versioned comment in front may hide the first word, or be it.
        let hidden = statement.has(Facts::VERSIONED) && statement.kind != Kind::Set && !begins_with_a_word(sql);
        let opaque = statement.runs_unseen() || statement.doubt.is_some() || hidden;
        let changed = if reply.trackers_available {
            // What runs inside may have set user variables besides, which have no trackers.
            let inside = statement.has(Facts::UNKNOWN_FUNCTION) && statement.kind != Kind::Set;
            let told = reply.explained && !inside && !matches!(statement.kind, Kind::Call | Kind::Several);
            let apart = || reply.told_apart.is_some_and(|states| each_says_what_it_changed(statement, sql, states));
            reply.state_changed && !told && !says_what_changes(statement, sql) && !apart()
        } else {
            opaque && reply.ok
        };
        if changed {
            let call = statement.kind == Kind::Call;
            self.pins.insert(if call { PinReason::StoredProcedure } else { PinReason::UnknownState });
        }
    }

    fn one(&mut self, statement: &Statement, sql: &[u8], certainty: Certainty, in_transaction: bool) {
        if statement.is_truncated() && !matches!(statement.kind, Kind::Write | Kind::Load | Kind::Read | Kind::Ddl) {
            self.pins.insert(PinReason::UnknownState);
        }
        self.begun(statement, certainty, in_transaction);
        if statement.has(Facts::ASSIGNS) {
            self.assigned(statement, sql);
        }
        if statement.has(Facts::TAKES_LOCK | Facts::ASKS_LOCK) {
            self.named_lock(statement, sql, certainty);
        }
        if certainty != Certainty::Failed {
            self.of_kind(statement, sql, certainty == Certainty::Done, in_transaction);
        } else if statement.has(Facts::SETS_USER) {
            self.set(statement, sql, false);
        }
    }

    /// A waiting `SET TRANSACTION` is used up, unless the statement is refused (a write where it asks for READ ONLY), by
    /// the next transaction, by a statement that is its own transaction, and by what commits, even if that fails. Where a
    /// member may have used it up (MySQL does for `SHOW TABLES`) the session stays with it.
    fn begun(&mut self, statement: &Statement, certainty: Certainty, in_transaction: bool) {
        if self.next_transaction.is_empty() {
            return;
        }
        let commits = statement.has(Facts::COMMITS | Facts::ENDS);
        let own = matches!(statement.kind, Kind::Begin | Kind::Write | Kind::Load) || commits;
        let sets = matches!(statement.kind, Kind::Set | Kind::SetTransaction | Kind::Use | Kind::Diagnostics);
        let opens_nothing = matches!(statement.kind, Kind::Read | Kind::Do)
            && !statement.has(Facts::READS_TABLES | Facts::UNKNOWN_FUNCTION);
        if in_transaction || (own && certainty == Certainty::Done) {
            self.next_transaction = NextTransaction::default();
            self.pins.remove(PinReason::NextTransaction);
            self.waited_in_vain |= !in_transaction;
        } else if !(sets || opens_nothing) {
            self.next_transaction.doubted = true;
        }
    }

    /// Whether nothing stands on the session's connection, or waits to be used there.
    #[must_use]
    pub const fn is_clear(&self) -> bool {
        self.pins.is_empty() && self.next_transaction.is_empty() && !self.waited_in_vain
    }

    /// Whether a waiting `SET TRANSACTION` is taken for used up although no transaction began: a write to a table without
    /// transactions leaves it on the connection. Asked once.
    pub fn take_waited_in_vain(&mut self) -> bool {
        std::mem::take(&mut self.waited_in_vain)
    }

    fn assigned(&mut self, statement: &Statement, sql: &[u8]) {
        if !statement.has(Facts::MANY_VARIABLES) {
            for span in statement.user_variables.as_slice() {
                self.set_user(span.of(sql), UserValue::Other);
            }
        } else if statement.has_readable_parts() {
            for span in details::user_variables(sql, statement.dialect) {
                self.set_user(span.of(sql), UserValue::Other);
            }
        } else {
            self.pins.insert(PinReason::UnknownState);
        }
    }

    /// The value of a user variable, found out by asking.
    pub fn know_user_variable(&mut self, name: &[u8], literal: Vec<u8>) {
        if self.user_variables.know(name, UserValue::Literal(literal.into())).is_err() {
            self.pins.insert(PinReason::UnknownState);
        }
        self.hold(PinReason::UserVariable, self.user_variables.has_other());
    }

    /// A user variable does not exist, as was found out by asking.
    pub fn miss_user_variable(&mut self, name: &[u8]) {
        self.user_variables.forget(name);
        self.hold(PinReason::UserVariable, self.user_variables.has_other());
    }

    /// A `SET` of user variables is prepared, which makes those that are not there yet.
    pub fn prepared_set(&mut self, sql: &[u8], dialect: sql::Dialect) {
        for assignment in details::assignments(sql, dialect) {
            if let Assigned::User(name) = assignment.assigned
                && self.user_variables.make(name.of(sql)).is_err()
            {
                self.pins.insert(PinReason::UnknownState);
            }
        }
        self.hold(PinReason::UserVariable, self.user_variables.has_other());
    }

    /// See [`UserVariables::doubt_strings`].
    pub fn doubt_strings(&mut self) {
        self.user_variables.doubt_strings();
        self.hold(PinReason::UserVariable, self.user_variables.has_other());
    }

    fn set_user(&mut self, name: &[u8], value: UserValue) {
        if self.user_variables.set(name, value).is_err() {
            self.pins.insert(PinReason::UnknownState);
        }
        self.hold(PinReason::UserVariable, self.user_variables.has_other());
    }

    /// A pin that stands as long as its cause.
    fn hold(&mut self, reason: PinReason, stands: bool) {
        if stands {
            self.pins.insert(reason);
        } else {
            self.pins.remove(reason);
        }
    }

    fn named_lock(&mut self, statement: &Statement, sql: &[u8], certainty: Certainty) {
        let call = details::lone_call(sql, statement.dialect);
        let is = |name: &str| call.is_some_and(|(called, _)| called.of(sql).eq_ignore_ascii_case(name.as_bytes()));
        let argument = call.and_then(|(_, argument)| argument).map(|argument| argument.of(sql));
        if statement.has(Facts::TAKES_LOCK) {
            match argument {
                Some(name) if is("get_lock") => self.named_locks.add(None, name, false),
                _ => self.named_locks.add_unknown(),
            }
        } else if certainty == Certainty::Done {
            match argument {
                Some(name) if is("release_lock") => self.named_locks.remove(None, name, false),
                _ if is("release_all_locks") => self.named_locks.clear(),
                _ => {}
            }
        }
        self.hold(PinReason::GetLock, !self.named_locks.is_empty());
    }

    /// `surely`: what the text says has happened; otherwise it may have.
    fn of_kind(&mut self, statement: &Statement, sql: &[u8], surely: bool, in_transaction: bool) {
        let words = || details::words::<4>(sql, statement.dialect);
        match statement.kind {
            Kind::CreateTemporary => self.temporary_table(statement, sql),
            Kind::DropTable | Kind::DropTemporary if surely => self.dropped(statement, sql),
            Kind::Ddl if !self.temporary_tables.is_empty() && renames(sql) => self.temporary_tables.add_unknown(),
            Kind::Use if surely => self.database_changed(),
            Kind::Set => self.set(statement, sql, surely),
            Kind::SetTransaction => self.set_transaction(sql, statement.dialect, surely),
            Kind::Begin if surely => {
                // It unlocks tables, but not those of FLUSH TABLES WITH READ LOCK.
                self.held.tables = false;
                self.hold(PinReason::LockTables, self.held.flushed);
            }
            Kind::LockTables => {
                if statement.has(Facts::FLUSHES) {
                    self.held.flushed = true;
                } else {
                    self.held.tables = true;
                }
                self.pins.insert(PinReason::LockTables);
            }
            Kind::UnlockTables if surely => {
                (self.held.tables, self.held.flushed) = (false, false);
                self.pins.remove(PinReason::LockTables);
            }
            Kind::BackupLock | Kind::BackupUnlock => self.backup(&words(), sql, statement.kind, surely),
            Kind::Xa => self.xa(words()[1].of(sql), surely, in_transaction),
            Kind::Prepare => self.prepare(&words(), sql, statement.dialect),
            Kind::Deallocate if surely => {
                let [_, _, name, _] = words();
                self.prepared.remove(None, name.of(sql), true);
                self.hold(PinReason::PreparedStatement, self.asks_prepared || !self.prepared.is_empty());
            }
            Kind::Handler => self.handler(statement, sql, surely),
            _ => {}
        }
    }

    fn temporary_table(&mut self, statement: &Statement, sql: &[u8]) {
        match details::created_table(sql, statement.dialect) {
            Some(((schema, name), once)) => {
                self.temporary_tables.add(schema.map(|schema| schema.of(sql)), name.of(sql), once);
            }
            None => self.temporary_tables.add_unknown(),
        }
        self.pins.insert(PinReason::TemporaryTable);
    }

    fn dropped(&mut self, statement: &Statement, sql: &[u8]) {
        let (names, careful) = details::dropped_tables(sql, statement.dialect);
        let surely = statement.kind == Kind::DropTemporary && !careful;
        for (schema, name) in names {
            self.temporary_tables.remove(schema.map(|schema| schema.of(sql)), name.of(sql), surely);
        }
        self.hold(PinReason::TemporaryTable, !self.temporary_tables.is_empty());
    }

    fn backup(&mut self, words: &[Span; 4], sql: &[u8], kind: Kind, surely: bool) {
        let [_, second, ..] = words;
        let begins = kind == Kind::BackupLock;
        if !begins && !surely {
            return;
        }
        match second.of(sql).to_ascii_lowercase().as_slice() {
            b"instance" => self.held.instance = begins,
            b"stage" => self.held.stage = begins,
            _ => self.held.backup = begins,
        }
        self.hold(PinReason::BackupLock, self.held.instance || self.held.stage || self.held.backup);
    }

    /// After `PREPARE` the status flags say whether the transaction is still the connection's (`MariaDB`) or anybody's.
    fn xa(&mut self, verb: &[u8], surely: bool, in_transaction: bool) {
        if verb.eq_ignore_ascii_case(b"start") || verb.eq_ignore_ascii_case(b"begin") {
            self.pins.insert(PinReason::Xa);
        } else if surely
            && (verb.eq_ignore_ascii_case(b"commit")
                || verb.eq_ignore_ascii_case(b"rollback")
                || (verb.eq_ignore_ascii_case(b"prepare") && !in_transaction))
        {
            self.pins.remove(PinReason::Xa);
        }
    }

    fn prepare(&mut self, words: &[Span; 4], sql: &[u8], dialect: sql::Dialect) {
        let [_, name, _, text] = words;
        self.prepared.add(None, name.of(sql), true);
        self.pins.insert(PinReason::PreparedStatement);
        let text = text.of(sql);
        let text = text.strip_prefix(b"'").and_then(|text| text.strip_suffix(b"'")).unwrap_or(text);
        if sql::classify(text, &dialect).kind == Kind::Set {
            self.prepared_set(text, dialect);
        }
    }

    fn handler(&mut self, statement: &Statement, sql: &[u8], surely: bool) {
        let (names, opens) = handler_names(statement, sql);
        if statement.has(Facts::CLOSES) {
            if surely {
                self.handlers.remove(None, names, true);
            }
        } else if opens {
            self.handlers.add(None, names, true);
        }
        self.hold(PinReason::Handler, !self.handlers.is_empty());
    }

    fn set(&mut self, statement: &Statement, sql: &[u8], surely: bool) {
        let [_, second, ..] = details::words::<4>(sql, statement.dialect);
        if second.of(sql).eq_ignore_ascii_case(b"role") {
            let text = sql.trim_ascii().strip_suffix(b";").unwrap_or(sql);
            if surely {
                self.role_set = Some(text.to_vec());
            } else {
                self.pins.insert(PinReason::UnknownState);
            }
            return;
        }
        for assignment in details::assignments(sql, statement.dialect) {
            let value = assignment.value.of(sql);
            match assignment.assigned {
                Assigned::User(name) => {
                    let literal = assignment.literal && surely;
                    self.set_user(
                        name.of(sql),
                        if literal { UserValue::Literal(value.into()) } else { UserValue::Other },
                    );
                }
                Assigned::Bare(name) if set::is_isolation(name.of(sql)) || set::is_access_mode(name.of(sql)) => {
                    self.set_next(name.of(sql), value, surely);
                }
                Assigned::Session(name) | Assigned::Bare(name) => {
                    // Both servers overwrite what waits.
                    let waits = !self.next_transaction.is_empty();
                    self.next_transaction.doubted |=
                        waits && (set::is_isolation(name.of(sql)) || set::is_access_mode(name.of(sql)));
                    self.set_session(name.of(sql), value, &assignment, surely);
                }
                Assigned::Transaction => self.next_transaction.doubted |= !self.next_transaction.is_empty(),
                Assigned::CharacterSets | Assigned::Global | Assigned::Other => {}
            }
        }
    }

    fn set_session(&mut self, name: &[u8], value: &[u8], assignment: &Assignment, surely: bool) {
        let Some(at) = set::UNCARRIED.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes())) else {
            return;
        };
        let usual = assignment.literal && is_usual(name, value);
        if usual && surely {
            self.uncarried &= !(1 << at);
        } else if !usual {
            self.uncarried |= 1 << at;
        }
        self.hold(PinReason::SessionSetting, self.uncarried != 0);
    }

    fn set_next(&mut self, name: &[u8], value: &[u8], surely: bool) {
        let value = value.trim_ascii();
        let text = value.strip_prefix(b"'").and_then(|value| value.strip_suffix(b"'")).unwrap_or(value);
        if set::is_access_mode(name) {
            self.next_transaction.read_only = Some(!is_off(text));
        } else if let Some(isolation) = Isolation::from_name(text) {
            self.next_transaction.isolation = Some(isolation);
        } else {
            self.pins.insert(PinReason::UnknownState);
        }
        self.waits(surely);
    }

    fn set_transaction(&mut self, sql: &[u8], dialect: sql::Dialect, surely: bool) {
        let said = details::all_words(sql, dialect);
        let has =
            |words: &[&str]| said.windows(words.len()).any(|part| part.iter().eq(words.iter().map(|it| it.as_bytes())));
        if has(&["read", "only"]) {
            self.next_transaction.read_only = Some(true);
        } else if has(&["read", "write"]) {
            self.next_transaction.read_only = Some(false);
        }
        let levels = [
            (&["read", "uncommitted"][..], Isolation::ReadUncommitted),
            (&["read", "committed"], Isolation::ReadCommitted),
            (&["repeatable", "read"], Isolation::RepeatableRead),
            (&["serializable"], Isolation::Serializable),
        ];
        if let Some((_, isolation)) = levels.into_iter().find(|(words, _)| has(words)) {
            self.next_transaction.isolation = Some(isolation);
        }
        self.waits(surely && !self.next_transaction.is_empty());
    }

    fn waits(&mut self, surely: bool) {
        self.next_transaction.doubted |= !surely;
        self.pins.insert(PinReason::NextTransaction);
    }
}

fn begins_with_a_word(sql: &[u8]) -> bool {
    sql.trim_ascii_start().first().is_some_and(u8::is_ascii_alphabetic)
}

fn renames(sql: &[u8]) -> bool {
    sql.windows(6).any(|window| window.eq_ignore_ascii_case(b"rename"))
}

fn is_off(value: &[u8]) -> bool {
    [&b"0"[..], b"off", b"false"].iter().any(|off| value.eq_ignore_ascii_case(off))
}

/// Whether a setting that must not be carried has its usual value again.
pub(crate) fn is_usual(name: &[u8], value: &[u8]) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    let value = value.strip_prefix(b"'").and_then(|value| value.strip_suffix(b"'")).unwrap_or(value);
    if value.eq_ignore_ascii_case(b"default") {
        return !is("pseudo_thread_id");
    }
    if is("sql_log_bin") {
        return [&b"1"[..], b"on", b"true"].iter().any(|on| value.eq_ignore_ascii_case(on));
    }
    if is("gtid_next") {
        return value.eq_ignore_ascii_case(b"automatic");
    }
    if is("profiling") || is("pseudo_slave_mode") || is("pseudo_replica_mode") {
        return is_off(value);
    }
    is("gtid_seq_no") && value == b"0"
}

/// The name by which a `HANDLER` statement knows its handler, and whether it opens it.
fn handler_names<'a>(statement: &Statement, sql: &'a [u8]) -> (&'a [u8], bool) {
    let names = details::handler(sql, statement.dialect);
    (names.0.of(sql), names.1)
}
