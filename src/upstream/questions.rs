//! What a member is asked for the session's sake, so that the session notices nothing.

use super::{state::BackendState, variables::SYNC_WAIT};
use crate::{
    backend::{Connection, MultiStatements, QueryError, Reply, set_option},
    session::Untold,
    wire::{Capabilities, Command, command::message, ok::Change, response::Shape},
};

/// With `wsrep_sync_wait` on: returns when everything that any node has confirmed by now can be seen here; fails with error
/// 1205 after the provider's `repl.causal_read_timeout`, and at once while the nodes agree on who is left.
const WAIT: &str = "SELECT 1";

/// The wait, and the variable as it is on the connection. (`SET STATEMENT` would be told of with the client's own reply.)
pub fn wait_for_the_cluster(memory: &BackendState) -> [(Vec<u8>, Shape); 3] {
    let known = memory.settings.variables.get(SYNC_WAIT).filter(|value| value.iter().all(u8::is_ascii_digit));
    let value = known.map_or(&b"DEFAULT"[..], Vec::as_slice);
    let set = |value: &[u8]| message(Command::Query, &[b"SET SESSION wsrep_sync_wait=", value].concat());
    [
        (set(b"1"), Shape::Acknowledgement),
        (message(Command::Query, WAIT.as_bytes()), Shape::Results),
        (set(value), Shape::Acknowledgement),
    ]
}

/// What `collation_connection` is now. The question is a `SET` of what is set already, to which the trackers answer: so
/// the client finds counts as they were.
pub async fn ask_collation(connection: &mut Connection) -> Result<Option<Vec<u8>>, QueryError> {
    let sql = b"SET SESSION collation_connection=@@collation_connection";
    let reply = connection.acknowledged(&[message(Command::Query, sql)]).await?;
    Ok(told(reply, b"collation_connection"))
}

/// What `LAST_INSERT_ID()` gives on this connection, asked in the same way; `then` where `ROW_COUNT()` is to be -1
/// afterwards.
pub async fn ask_insert_id(
    connection: &mut Connection,
    then: Option<MultiStatements>,
) -> Result<Option<u64>, QueryError> {
    if !connection.capabilities().contains(Capabilities::SESSION_TRACK) {
        return ask_insert_id_untracked(connection, then).await;
    }
    let question = message(Command::Query, b"SET SESSION last_insert_id=LAST_INSERT_ID()");
    let messages: Vec<Vec<u8>> = std::iter::once(question).chain(then.map(set_option)).collect();
    let value = told(connection.acknowledged(&messages).await?, b"last_insert_id");
    Ok(value.and_then(|digits| std::str::from_utf8(&digits).ok()?.parse().ok()))
}

/// Where there are no trackers to answer.
async fn ask_insert_id_untracked(
    connection: &mut Connection,
    then: Option<MultiStatements>,
) -> Result<Option<u64>, QueryError> {
    let result = connection.query("SELECT LAST_INSERT_ID()").await?;
    if then.is_none() {
        connection.count_no_rows().await?;
    }
    let value = result.rows.first().and_then(|row| row.first()?.as_deref());
    Ok(value.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()))
}

fn told(reply: Reply, wanted: &[u8]) -> Option<Vec<u8>> {
    reply.changes.into_iter().find_map(|change| match change {
        Change::Variable(name, value) if name == wanted => Some(value),
        _ => None,
    })
}

/// Whether `timestamp` follows the clock, rather than standing where the session has set it.
pub async fn clock_runs(connection: &mut Connection) -> Result<bool, QueryError> {
    let ask = || (message(Command::Query, b"SELECT @@timestamp"), Shape::Results);
    let results = connection.ask_all(&[ask(), ask()]).await?;
    Ok(matches!(results.as_slice(), [one, other] if one.rows != other.rows))
}

/// The values of variables whose change no reply tells; `None` if one of them cannot be said again.
pub async fn ask_untold(connection: &mut Connection, untold: &Untold) -> Result<Option<Vec<Change>>, QueryError> {
    let mut items: Vec<String> = untold.variables.iter().map(|name| format!("@@session.{name}")).collect();
    if untold.database {
        items.push("DATABASE()".to_owned());
    }
    if items.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let result = connection.query(&format!("SELECT {}", items.join(", "))).await?;
    let Some(row) = result.rows.into_iter().next() else { return Ok(None) };
    let mut changes = Vec::with_capacity(row.len());
    let mut values = row.into_iter();
    for (name, value) in untold.variables.iter().zip(values.by_ref()) {
        if value.is_none() && name != "character_set_results" {
            return Ok(None);
        }
        changes.push(Change::Variable(name.clone().into_bytes(), value.unwrap_or_default()));
    }
    if untold.database {
        changes.push(Change::Schema(values.next().flatten().unwrap_or_default()));
    }
    Ok(Some(changes))
}
