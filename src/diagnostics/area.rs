//! The diagnostics area of one session, wherever its parts are: on a connection, saved, or the proxy's own.
//!
//! Knows what a reply changes. Must not know how a connection is asked.

use std::time::Instant;

use super::{
    changes::{Clears, CommandChanges, Text, clears_conditions, counts_all_rows, finds_rows, leaves_row_count},
    questions::{ShowConditions, reads_diagnostics, show_conditions},
    saved::SavedConditions,
    substitutions::Substitutions,
};
use crate::{
    sql::{Facts, Kind, ServerKind, Statement},
    wire::{err::SqlError, response::Shape},
};

/// What the session's last statement has left for the client to ask for. `C` names a connection.
#[derive(Debug)]
pub struct DiagnosticsArea<C> {
    /// `ROW_COUNT()`: -1 behind rows and errors.
    pub row_count: i64,
    /// Warnings and errors of the last statement, as `MySQL` says in the reply to `COM_PING`; `MariaDB` says 0.
    pub warnings: u16,
    /// `FOUND_ROWS()`
    pub found_rows: FoundRows<C>,
    /// How many conditions the last statement that raised any has raised, as far as its reply tells.
    pub condition_count: u16,
    /// Where warnings and errors are.
    pub conditions: Conditions<C>,
    /// Since when a connection is kept because the client may ask what only it knows.
    pub lingers_since: Option<Instant>,
    /// The last statement that had rows counts more of them than it gave.
    pub counts_all_rows: bool,
    /// The connection that has a sentinel, a warning of the proxy's own: where it has gone, the statement took away what the
    /// one before left.
    pub sentinel_on: Option<C>,
    /// The client has asked for counts or warnings before.
    pub asked_before: bool,
    /// The client has asked for `LAST_INSERT_ID()` before.
    pub asked_insert_id: bool,
}

/// Where the warnings and errors are that the client may ask for. What runs elsewhere since need not take them away:
/// on `MariaDB` many statements leave them.
#[derive(Debug)]
pub enum Conditions<C> {
    /// There are none.
    None,
    /// This connection knows them.
    OnBackend(C),
    /// An error that the proxy gave itself.
    Local(SqlError),
    /// After the connection that knew them was given back.
    Saved(Box<SavedConditions>),
}

/// How many rows the statement before found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundRows<C> {
    /// As many as the connection at hand says.
    Anywhere,
    /// This connection knows. It sent so many rows, which is the number but for `SQL_CALC_FOUND_ROWS`.
    OnBackend(C, u64),
    /// So many.
    Saved(u64),
}

/// What a reply says that changes the area.
#[derive(Clone, Copy, Debug)]
pub struct ReplyFacts {
    /// The code of the error that ended it.
    pub error: Option<u16>,
    /// Whether any of its results had warnings, or an error ended them.
    pub raised: bool,
    /// Warnings of the last result.
    pub warnings: u16,
    /// Rows of the last result that has columns; `None` when there was none.
    pub rows: Option<u64>,
    /// Rows that were changed; `None` when it ended with rows or an error.
    pub affected_rows: Option<u64>,
}

/// Whether a statement took the conditions of the one before away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clearing {
    /// It did.
    Done,
    /// It did not, or nobody knows.
    NotDone,
    /// It did if the sentinel is gone from its connection.
    AskSentinel,
}

impl<C> Default for DiagnosticsArea<C> {
    fn default() -> Self {
        DiagnosticsArea {
            row_count: 0,
            warnings: 0,
            found_rows: FoundRows::Anywhere,
            condition_count: 0,
            conditions: Conditions::None,
            lingers_since: None,
            counts_all_rows: false,
            sentinel_on: None,
            asked_before: false,
            asked_insert_id: false,
        }
    }
}

impl<C> DiagnosticsArea<C> {
    /// The proxy has given this error.
    pub fn refused(&mut self, error: &SqlError) {
        self.row_count = -1;
        self.conditions = Conditions::Local(error.clone());
    }

    /// The proxy has answered a read without a table, with so many rows.
    pub fn answered(&mut self, rows: u64, server: ServerKind) {
        self.found_rows = FoundRows::Saved(rows);
        if server == ServerKind::MySql {
            self.clear();
        }
    }

    /// A statement that clears the warnings ran, or is prepared, where no connection that has them is.
    pub fn clear(&mut self) {
        self.conditions = Conditions::None;
    }

    /// A statement is about to run that surely takes the conditions away: no connection is kept for them.
    pub fn clear_before(&mut self, statement: &Statement, server: ServerKind) {
        if !reads_diagnostics(statement) && clears_conditions(statement, server) == Clears::Surely {
            self.clear();
        }
    }

    /// Whether nothing was left that the client may ask for, as far as its habits tell, but what each reply leaves.
    #[must_use]
    pub const fn leaves_nothing(&self) -> bool {
        matches!(self.conditions, Conditions::None)
            && !self.may_be_asked_for_found_rows()
            && self.lingers_since.is_none()
            && self.sentinel_on.is_none()
    }

    /// Whether the client is likely to ask for `FOUND_ROWS()`.
    #[must_use]
    pub const fn may_be_asked_for_found_rows(&self) -> bool {
        self.asked_before || self.counts_all_rows
    }
}

impl<C: Copy + PartialEq> DiagnosticsArea<C> {
    /// Whether there are warnings or errors that the client may ask for, and this connection does not have them.
    #[must_use]
    pub fn has_conditions_elsewhere_than(&self, on: C) -> bool {
        !matches!(self.conditions, Conditions::None) && !self.has_conditions_on(on)
    }

    /// Whether this connection has warnings or errors that the client may ask for.
    #[must_use]
    pub fn has_conditions_on(&self, on: C) -> bool {
        matches!(self.conditions, Conditions::OnBackend(known) if known == on)
    }

    /// The connection that has found the rows of the last statement.
    #[must_use]
    pub const fn found_rows_on(&self) -> Option<C> {
        match self.found_rows {
            FoundRows::OnBackend(on, _) => Some(on),
            FoundRows::Anywhere | FoundRows::Saved(_) => None,
        }
    }

    /// The connection that knows the conditions.
    #[must_use]
    pub const fn conditions_on(&self) -> Option<C> {
        match self.conditions {
            Conditions::OnBackend(on) => Some(on),
            Conditions::None | Conditions::Local(_) | Conditions::Saved(_) => None,
        }
    }

    /// Others have used this connection since: what it finds now is theirs.
    pub fn others_used(&mut self, on: C) {
        if let FoundRows::OnBackend(known, sent) = self.found_rows
            && known == on
        {
            self.found_rows = FoundRows::Saved(sent);
        }
    }

    /// The numbers that this connection cannot say, for a statement that asks it for the one before.
    #[must_use]
    pub fn substitutions(&self, statement: &Statement, on: C) -> Substitutions {
        let found_rows = match self.found_rows {
            FoundRows::Saved(found) => Some(found),
            FoundRows::OnBackend(known, sent) if known != on => Some(sent),
            FoundRows::OnBackend(..) | FoundRows::Anywhere => None,
        };
        let found_rows = found_rows.filter(|_| statement.has(Facts::ASKS_FOUND_ROWS));
        let conditions = match &self.conditions {
            Conditions::Saved(saved) => Some((saved.warnings, saved.errors)),
            Conditions::None | Conditions::OnBackend(_) | Conditions::Local(_) => None,
        };
        Substitutions { row_count: None, found_rows, conditions }
    }

    /// A statement has run on this connection. Gives whether it took away the conditions of the one before.
    pub fn clearing(&mut self, on: C, statement: Option<&Statement>, server: ServerKind, raised: bool) -> Clearing {
        let has_sentinel = self.sentinel_on.take() == Some(on);
        match statement.map(|it| clears_conditions(it, server)) {
            Some(Clears::Surely) => Clearing::Done,
            Some(Clears::Perhaps) if has_sentinel && !raised => Clearing::AskSentinel,
            Some(Clears::Perhaps | Clears::Never) | None => Clearing::NotDone,
        }
    }

    /// What a reply leaves of conditions. `saved` are those of an error that the client got as another one.
    pub fn learn_conditions(&mut self, on: C, saved: Option<Conditions<C>>, cleared: bool, reply: ReplyFacts) {
        if reply.raised {
            // An error is told without a number.
            self.condition_count = reply.warnings.max(reply.error.is_some().into());
            self.conditions = saved.unwrap_or(Conditions::OnBackend(on));
        } else if cleared && !self.has_conditions_on(on) {
            // The connection that has them knows itself what becomes of them.
            self.clear();
        }
    }

    /// What a reply leaves of counts. Gives whether `ROW_COUNT()` has changed on its connection.
    pub fn learn_counts(
        &mut self,
        on: C,
        (shape, asked): (Shape, Option<Text<'_>>),
        server: ServerKind,
        reply: ReplyFacts,
    ) -> bool {
        let changes = CommandChanges::of(shape);
        if server == ServerKind::MySql && changes.warnings {
            self.warnings = if reply.error.is_some() { 1 } else { reply.warnings };
        }
        let found = reply.rows.filter(|_| changes.counts && !asked.is_some_and(finds_none));
        if let Some(rows) = found {
            self.found_rows = FoundRows::OnBackend(on, rows);
            self.counts_all_rows = asked.is_some_and(|(_, sql)| counts_all_rows(sql));
        } else if self.asked_before
            && let Some((statement, sql)) = asked
            && finds_rows(statement, sql, server)
        {
            self.found_rows = FoundRows::OnBackend(on, reply.affected_rows.unwrap_or(0));
        }
        let leaves = asked.is_some_and(|text| leaves_row_count(text, server, reply.error));
        let counts = (changes.counts || reply.error.is_some()) && !leaves;
        if counts {
            self.row_count = reply.affected_rows.map_or(-1, u64::cast_signed);
        }
        if let Some((statement, _)) = asked {
            self.asked_before |= reads_diagnostics(statement);
            self.asked_insert_id |= statement.has(Facts::ASKS_INSERT_ID);
        }
        counts
    }
}

/// Whether `FOUND_ROWS()` stays although there are rows: `SHOW WARNINGS` finds none (`SHOW COUNT(*) WARNINGS` does), nor
/// does `RETURNING`.
fn finds_none((statement, sql): Text<'_>) -> bool {
    match statement.kind {
        Kind::Write => true,
        Kind::Diagnostics => !matches!(show_conditions(sql, statement.dialect), Some(ShowConditions::Count(_))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Dialect, classify};

    const OK: ReplyFacts = ReplyFacts { error: None, raised: false, warnings: 0, rows: None, affected_rows: Some(0) };

    fn said(sql: &str, server: ServerKind) -> Statement {
        classify(sql.as_bytes(), &Dialect { server, ..Dialect::default() })
    }

    fn learn(area: &mut DiagnosticsArea<u8>, on: u8, sql: &str, server: ServerKind, reply: ReplyFacts) -> Clearing {
        let statement = said(sql, server);
        let clearing = area.clearing(on, Some(&statement), server, reply.raised);
        area.learn_conditions(on, None, clearing == Clearing::Done, reply);
        area.learn_counts(on, (Shape::Results, Some((&statement, sql.as_bytes()))), server, reply);
        clearing
    }

    #[test]
    fn conditions_stay_until_a_statement_elsewhere_takes_them_away() {
        let mut area = DiagnosticsArea::default();
        learn(
            &mut area,
            1,
            "INSERT INTO t VALUES (1)",
            ServerKind::MariaDb,
            ReplyFacts { raised: true, warnings: 2, ..OK },
        );
        assert!(area.has_conditions_on(1) && area.has_conditions_elsewhere_than(2) && area.condition_count == 2);
        assert_eq!(learn(&mut area, 2, "SELECT 1", ServerKind::MariaDb, OK), Clearing::NotDone);
        assert_eq!(area.conditions_on(), Some(1));
        assert_eq!(learn(&mut area, 1, "SELECT 1 FROM t", ServerKind::MariaDb, OK), Clearing::Done);
        assert_eq!(area.conditions_on(), Some(1), "the connection itself knows that there are none");
        learn(&mut area, 2, "SELECT 1 FROM t", ServerKind::MariaDb, OK);
        assert!(area.leaves_nothing());
    }

    #[test]
    fn a_sentinel_is_asked_for_once_and_only_where_it_is() {
        let mut area = DiagnosticsArea { sentinel_on: Some(1), ..DiagnosticsArea::default() };
        assert_eq!(learn(&mut area, 2, "CALL p()", ServerKind::MariaDb, OK), Clearing::NotDone);
        area.sentinel_on = Some(1);
        assert_eq!(learn(&mut area, 1, "CALL p()", ServerKind::MariaDb, OK), Clearing::AskSentinel);
        assert_eq!(learn(&mut area, 1, "CALL p()", ServerKind::MariaDb, OK), Clearing::NotDone);
        area.sentinel_on = Some(1);
        let raised = ReplyFacts { raised: true, warnings: 1, ..OK };
        assert_eq!(learn(&mut area, 1, "CALL p()", ServerKind::MariaDb, raised), Clearing::NotDone);
    }

    #[test]
    fn counts_follow_rows_changes_and_errors() {
        let mut area = DiagnosticsArea::default();
        let rows = ReplyFacts { rows: Some(3), affected_rows: None, ..OK };
        learn(&mut area, 1, "SELECT 1 FROM t", ServerKind::MySql, rows);
        assert_eq!((area.row_count, area.found_rows), (-1, FoundRows::OnBackend(1, 3)));
        learn(&mut area, 1, "DELETE FROM t", ServerKind::MySql, ReplyFacts { affected_rows: Some(5), ..OK });
        assert_eq!((area.row_count, area.found_rows), (5, FoundRows::OnBackend(1, 3)));
        learn(&mut area, 1, "DELETE FROM t RETURNING a", ServerKind::MariaDb, ReplyFacts { rows: Some(9), ..rows });
        assert_eq!(area.found_rows, FoundRows::OnBackend(1, 3));
        let failed = ReplyFacts { error: Some(1146), raised: true, affected_rows: None, ..OK };
        area.row_count = 7;
        learn(&mut area, 1, "SHOW TABLES FROM nothing", ServerKind::MariaDb, failed);
        assert_eq!(area.row_count, 7);
        learn(&mut area, 1, "SHOW CREATE TABLE nothing", ServerKind::MariaDb, failed);
        assert_eq!((area.row_count, area.condition_count), (-1, 1));
    }

    #[test]
    fn a_prepare_counts_nothing_and_statistics_are_no_statement() {
        let mut area = DiagnosticsArea::<u8> { row_count: 4, ..DiagnosticsArea::default() };
        let warned = ReplyFacts { warnings: 2, rows: Some(1), ..OK };
        assert!(!area.learn_counts(1, (Shape::Text, None), ServerKind::MySql, warned));
        assert_eq!((area.row_count, area.warnings), (4, 0));
        assert!(!area.learn_counts(1, (Shape::Prepare, None), ServerKind::MySql, warned));
        assert_eq!((area.row_count, area.warnings, area.found_rows), (4, 2, FoundRows::Anywhere));
        assert!(area.learn_counts(1, (Shape::Acknowledgement, None), ServerKind::MySql, OK));
        assert_eq!(area.row_count, 0);
    }

    #[test]
    fn what_another_connection_says_is_written_into_the_question() {
        let mut area = DiagnosticsArea::default();
        learn(
            &mut area,
            1,
            "SELECT 1 FROM t",
            ServerKind::MySql,
            ReplyFacts { rows: Some(3), affected_rows: None, ..OK },
        );
        let question = said("SELECT FOUND_ROWS()", ServerKind::MySql);
        assert!(area.substitutions(&question, 1).is_empty());
        assert_eq!(area.substitutions(&question, 2).found_rows, Some(3));
        assert!(area.substitutions(&said("SELECT ROW_COUNT()", ServerKind::MySql), 2).is_empty());
        area.others_used(1);
        assert_eq!(area.substitutions(&question, 1).found_rows, Some(3));
    }

    #[test]
    fn the_proxys_own_error_is_a_condition_like_any() {
        let mut area = DiagnosticsArea::<u8>::default();
        area.refused(&SqlError { code: 1045, state: *b"28000", message: "no".to_owned() });
        assert!(matches!(area.conditions, Conditions::Local(_)) && !area.leaves_nothing() && area.row_count == -1);
        area.clear_before(&said("SHOW WARNINGS", ServerKind::MySql), ServerKind::MySql);
        assert!(!area.leaves_nothing());
        area.clear_before(&said("SELECT 1", ServerKind::MySql), ServerKind::MySql);
        assert!(area.leaves_nothing());
    }
}
