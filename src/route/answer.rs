//! What the proxy answers itself.

use crate::sql::{Facts, IdUse, Kind, Span, Statement};

/// Whom `KILL` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillId {
    /// The number as it stands in the text; if no client of the proxy has it, the statement goes to the primary.
    Number(Span),
    /// The session itself: `KILL CONNECTION_ID()`.
    Own,
    /// The only parameter of a prepared statement: `KILL ?`.
    Parameter,
}

/// What `KILL` ends, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillMeans {
    /// `KILL [CONNECTION]`
    Connection,
    /// `KILL SOFT [CONNECTION]`
    ConnectionSoftly,
    /// `KILL QUERY`
    Query,
    /// `KILL SOFT QUERY`
    QuerySoftly,
}

/// An answer of the proxy's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One row, one column with the proxy's id of the session; the span is the column's name, with its quotes if any.
    ConnectionId {
        /// The name of the column.
        column: Span,
    },
    /// `KILL`
    Kill {
        /// What it ends, and how.
        means: KillMeans,
        /// Whose.
        id: KillId,
    },
    /// `SHOW PROXY ROUTE`
    ShowProxyRoute,
    /// `SHOW PROXY TOKEN`
    ShowProxyToken,
    /// Error 1290: the read-only listener.
    RefuseReadOnly,
    /// Error 1792: a write in a read-only transaction. A replica alone would say 1290.
    RefuseInReadOnlyTransaction,
}

/// The answer to a statement that no member need see.
pub(super) fn of(statement: &Statement, sql: &[u8]) -> Option<Answer> {
    match statement.kind {
        Kind::ShowProxyRoute => Some(Answer::ShowProxyRoute),
        Kind::ShowProxyToken => Some(Answer::ShowProxyToken),
        Kind::Read if statement.has(Facts::CONNECTION_ID_ALONE) => {
            Some(Answer::ConnectionId { column: statement.column })
        }
        Kind::Kill if !statement.has(Facts::KILL_OTHER) => kill(statement, sql),
        _ => None,
    }
}

fn kill(statement: &Statement, sql: &[u8]) -> Option<Answer> {
    let id = statement.ids.as_slice().first()?;
    let means = match (statement.has(Facts::KILL_QUERY), statement.has(Facts::KILL_SOFT)) {
        (false, false) => KillMeans::Connection,
        (false, true) => KillMeans::ConnectionSoftly,
        (true, false) => KillMeans::Query,
        (true, true) => KillMeans::QuerySoftly,
    };
    let id = match id.id_use {
        IdUse::Own => KillId::Own,
        IdUse::Kill => match id.span.of(sql) {
            b"?" => KillId::Parameter,
            digits if digits.iter().all(u8::is_ascii_digit) => KillId::Number(id.span),
            _ => return None,
        },
        IdUse::Explain => return None,
    };
    Some(Answer::Kill { means, id })
}
