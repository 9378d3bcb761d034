//! Whether a statement's text says what it changes in the session, so that a change which the server tells without a name
//! has an explanation; and whether it may have written at all.
//!
//! Knows texts. Must not know what the session remembers of them.

use crate::sql::{self, Facts, Kind, Span, Statement, details};
use crate::wire::ok::StateTold;

/// Whether a text says all that it changes; several statements say so if each does.
pub(super) fn says_what_changes(statement: &Statement, sql: &[u8]) -> bool {
    if statement.kind == Kind::Several {
        return each_says_what_changes(statement, sql);
    }
    statement.doubt.is_none()
        && (statement.has(Facts::ASSIGNS | Facts::TAKES_LOCK | Facts::ASKS_LOCK)
            || sets_only_for_itself(statement)
            || matches!(
                statement.kind,
                Kind::Set
                    | Kind::SetTransaction
                    | Kind::Use
                    | Kind::CreateTemporary
                    | Kind::DropTemporary
                    | Kind::DropTable
                    | Kind::Prepare
                    | Kind::Deallocate
                    | Kind::Begin
                    | Kind::Commit
                    | Kind::Rollback
                    | Kind::LockTables
                    | Kind::UnlockTables
            ))
}

/// Of several replies none tells which statement has changed something, so each must be sure. What reads tables may read a
/// view, and with it call a function.
fn each_says_what_changes(statement: &Statement, sql: &[u8]) -> bool {
    if !statement.has_readable_parts() {
        return false;
    }
    let says = |part: &Statement| {
        let sets = matches!(
            part.kind,
            Kind::Set
                | Kind::SetTransaction
                | Kind::Use
                | Kind::Begin
                | Kind::Commit
                | Kind::Rollback
                | Kind::Diagnostics
        );
        let reads = part.is_read() && !part.has(Facts::READS_TABLES);
        (sets || reads) && !part.has(Facts::UNKNOWN_FUNCTION)
    };
    let parts = details::parts(sql, statement.dialect);
    parts.is_some_and(|parts| parts.iter().all(|part| says(&sql::classify(part.of(sql), &statement.dialect))))
}

/// Whether of several statements each says what it has changed of whose result a change of state was told. Results are
/// those of the statements in order, unless one runs what does not stand in the text.
pub(super) fn each_says_what_it_changed(statement: &Statement, sql: &[u8], states: &[StateTold]) -> bool {
    if !statement.has(Facts::SEVERAL) || !statement.has_readable_parts() {
        return false;
    }
    let Some(parts) = details::parts(sql, statement.dialect) else { return false };
    let classified = |part: &Span| sql::classify(part.of(sql), &statement.dialect);
    let says = |part: &Span, named: bool| {
        let it = classified(part);
        (named && !it.has(Facts::UNKNOWN_FUNCTION | Facts::MANY_FUNCTIONS) && !it.has(Facts::SETS_FOR_ITSELF))
            || says_what_changes(&it, part.of(sql))
    };
    let in_order = parts.iter().all(|part| !classified(part).runs_unseen());
    in_order
        && states.iter().all(|told| {
            let range = usize::from(told.first)..=usize::from(told.last);
            let alone = told.first == told.last;
            parts.get(range).is_some_and(|parts| parts.iter().all(|part| says(part, told.named && alone)))
        })
}

/// A read behind `SET STATEMENT … FOR` has changed the session for as long as it lasted; behind a write a trigger may
/// have changed more, and a stored function as well.
fn sets_only_for_itself(statement: &Statement) -> bool {
    statement.has(Facts::SETS_FOR_ITSELF)
        && statement.is_read()
        && !statement.has(Facts::UNKNOWN_FUNCTION | Facts::MANY_FUNCTIONS)
}

/// Whether a statement that ended so may have written.
pub(super) fn may_write(statement: &Statement, error: Option<u16>) -> bool {
    let calls = statement.has(Facts::UNKNOWN_FUNCTION | Facts::MANY_FUNCTIONS);
    let only_shows = statement.is_read()
        || matches!(
            statement.kind,
            Kind::Instance | Kind::ExplainConnection | Kind::Diagnostics | Kind::Profile | Kind::Kill
        );
    let sure = statement.doubt.is_none() && !statement.has(Facts::VERSIONED);
    (calls || !only_shows) && !(sure && !calls && error.is_some_and(|code| is_refused_before_it_runs(statement, code)))
}

/// Whether this error is given before the statement has done anything. In what runs stored code, or is several statements,
/// another one may have come before.
fn is_refused_before_it_runs(statement: &Statement, code: u16) -> bool {
    const PARSE_ERROR: u16 = 1064;
    const EMPTY_QUERY: u16 = 1065;
    /// Access denied: to the database, no database, unknown database, to the table, to a column, a privilege.
    const ACCESS: [u16; 6] = [1044, 1046, 1049, 1142, 1143, 1227];
    const NO_SUCH_TABLE: u16 = 1146;
    /// In a read-only transaction, on a read-only server.
    const READ_ONLY: [u16; 3] = [1290, 1792, 1836];
    let alone = !statement.runs_unseen() && !matches!(statement.kind, Kind::Several | Kind::Do);
    alone
        && (matches!(code, PARSE_ERROR | EMPTY_QUERY | NO_SUCH_TABLE)
            || ACCESS.contains(&code)
            || READ_ONLY.contains(&code))
}
