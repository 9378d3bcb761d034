//! Warnings, errors and counts on a connection: asked for, taken away, or made.
//!
//! Knows the statements that do that and leave everything else. Must not know why it is done.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use super::state::BackendState;
use crate::{
    backend::{Connection, MultiStatements, QueryError},
    diagnostics::{Conditions, SavedConditions},
    pool::BackendId,
    wire::{Capabilities, Command, command::message, err::SqlError},
};

/// How long a question of the proxy's own may take where the client does not wait for its answer.
pub const ASK_LIMIT: Duration = Duration::from_secs(2);

/// The most bytes of conditions that are kept for a client.
const CONDITIONS_LIMIT: usize = 1024 * 1024;

/// Takes warnings and counts away; without a table `MariaDB` leaves them.
pub async fn clear(connection: &mut Connection, memory: &mut BackendState) -> Result<(), QueryError> {
    match connection.query("DO (SELECT 1 FROM (SELECT 1) AS nothing)").await {
        // What stands on the connection is worth more than an answer without others' warnings.
        Ok(_) | Err(QueryError::Sql(_)) => {}
        Err(broken) => return Err(broken),
    }
    memory.has_diagnostics = false;
    memory.row_count = Some(0);
    Ok(())
}

/// Leaves a warning of the proxy's own, to see whether a statement takes it away.
pub async fn put_sentinel(connection: &mut Connection, memory: &mut BackendState) -> Result<(), QueryError> {
    connection.query("DO CAST('mark' AS SIGNED)").await?;
    memory.has_diagnostics = true;
    memory.row_count = Some(0);
    Ok(())
}

/// Whether the sentinel is there. `SHOW WARNINGS` changes nothing else than `ROW_COUNT()`.
pub async fn has_sentinel(connection: &mut Connection) -> bool {
    match timeout(ASK_LIMIT, connection.query("SHOW WARNINGS LIMIT 1")).await {
        Ok(Ok(said)) => !said.rows.is_empty(),
        // The connection is broken, or hangs: nobody knows.
        _ => false,
    }
}

/// Has the member give the error that the proxy gave, so that it can be asked for it.
pub async fn signal(
    connection: &mut Connection,
    memory: &mut BackendState,
    error: &SqlError,
) -> Result<(), QueryError> {
    /// `MESSAGE_TEXT` takes no more characters.
    const LONGEST: usize = 128;
    let state = String::from_utf8_lossy(&error.state);
    let text: String = error.message.chars().filter(|c| *c != '\\').take(LONGEST).collect();
    let text = text.replace('\'', "''");
    let sql = format!("SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {}, MESSAGE_TEXT = '{text}'", error.code);
    match connection.query(&sql).await {
        Ok(_) | Err(QueryError::Sql(_)) => {}
        Err(broken) => return Err(broken),
    }
    memory.has_diagnostics = true;
    memory.row_count = Some(-1);
    Ok(())
}

/// Whether the connection takes several statements in one packet now.
#[must_use]
pub fn multi_statements(connection: &Connection, memory: &BackendState) -> MultiStatements {
    let at_login = connection.capabilities().contains(Capabilities::MULTI_STATEMENTS);
    if memory.settings.multi_statements.unwrap_or(at_login) { MultiStatements::On } else { MultiStatements::Off }
}

/// The answer, unless it does not come in time or not at all; a connection that hangs or broke is in flight, and so
/// serves nobody.
pub async fn within<T>(limit: Duration, answer: impl Future<Output = Option<T>>) -> Option<T> {
    timeout(limit, answer).await.ok().flatten()
}

/// `SHOW WARNINGS`, all of it; none if the connection does not say.
pub async fn ask_conditions(connection: &mut Connection) -> Option<SavedConditions> {
    let question = message(Command::Query, b"SHOW WARNINGS");
    let reply = connection.verbatim(&question, CONDITIONS_LIMIT).await.ok()??;
    SavedConditions::read(&reply, connection.capabilities())
}

/// `@@warning_count` and `@@error_count`.
pub async fn ask_counts(connection: &mut Connection) -> Option<(u64, u64)> {
    let warnings = ask_number(connection, "SHOW COUNT(*) WARNINGS").await?;
    Some((warnings, ask_number(connection, "SHOW COUNT(*) ERRORS").await?))
}

/// The conditions of a connection whose error the client got as another one.
pub async fn save_replaced(connection: &mut Connection, told: &SqlError) -> Conditions<BackendId> {
    let Some(mut kept) = within(ASK_LIMIT, ask_conditions(connection)).await else {
        return Conditions::Local(told.clone());
    };
    kept.replace_error(told);
    Conditions::Saved(Box::new(kept))
}

/// `FOUND_ROWS()`
pub async fn ask_found_rows(connection: &mut Connection) -> Option<u64> {
    ask_number(connection, "SELECT FOUND_ROWS()").await
}

pub async fn ask_number(connection: &mut Connection, question: &str) -> Option<u64> {
    let said = connection.query(question).await.ok()?;
    std::str::from_utf8(said.rows.first()?.first()?.as_deref()?).ok()?.parse().ok()
}
