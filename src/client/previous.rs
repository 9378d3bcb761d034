//! Questions about the previous statement (`ROW_COUNT()`, `SHOW WARNINGS`, `LAST_INSERT_ID()` …): a connection is made
//! to answer them as one that had served all of the session's statements.
//!
//! Knows what the last statement left for the client to ask for, and what a connection would say. Must not know where
//! statements go.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{
    bring::ask_insert_id,
    connections::{Side, Used},
    memory::Memory,
    order::Order,
    run::{Client, Gone},
};
use crate::{
    backend::{Connection, MultiStatements, QueryError, Reply},
    pool::BackendId,
    session::PinReason,
    sql::{Dialect, Facts, Kind, ServerKind, Statement, details},
    wire::{
        Capabilities, Command, HEADER_LEN,
        attributes::{Layout, in_front},
        command::message,
        err::SqlError,
        response::Shape,
    },
};

/// How long a connection with warnings, an error or counts waits for the client to ask for them, at least, and how often
/// it is looked whether others may want it.
pub(super) const LINGER: Duration = Duration::from_millis(200);
/// How long a session in work may keep one with warnings or an error while others wait.
const LINGER_DIAGNOSTICS: Duration = Duration::from_secs(2);
/// How long where nobody else wants it.
const LINGER_UNWANTED: Duration = Duration::from_secs(10);
/// How long a question of the proxy's own may take where the client does not wait for its answer.
pub(super) const ASK_LIMIT: Duration = Duration::from_secs(2);
/// The most bytes of warnings that are kept for a client.
const WARNINGS_LIMIT: usize = 64 * 1024;

/// What the session's last statement has left for the client to ask for.
#[derive(Debug, Default)]
pub(super) struct Previous {
    /// `ROW_COUNT()`: -1 behind rows and errors.
    pub row_count: i64,
    /// Warnings and errors of the last statement, as `MySQL` says in the reply to `COM_PING`; `MariaDB` says 0.
    pub warnings: u16,
    /// The connection that knows `FOUND_ROWS()`.
    pub found_rows_on: Option<BackendId>,
    /// Where warnings and errors are.
    pub diagnostics: Diagnostics,
    /// Since when a connection is kept because the client may ask what only it knows.
    pub lingers_since: Option<Instant>,
    /// The client has asked for counts or warnings before.
    pub asked_before: bool,
    /// The client has asked for `LAST_INSERT_ID()` before.
    pub asked_insert_id: bool,
}

/// Where the warnings and errors are that the client may ask for. What runs elsewhere since need not take them away:
/// on `MariaDB` many statements leave them.
#[derive(Debug, Default)]
pub(super) enum Diagnostics {
    /// There are none.
    #[default]
    Nowhere,
    /// This connection knows them.
    On(BackendId),
    /// An error that the proxy gave itself.
    Own(SqlError),
    /// The reply to `SHOW WARNINGS`, after the connection that knew it was given back.
    Saved(Vec<u8>),
}

/// Whether a statement asks for counts or diagnostics of the one before.
pub(super) fn asks(statement: &Statement) -> bool {
    statement.has(Facts::ASKS_COUNTS | Facts::DIAGNOSTICS) || statement.kind == Kind::Diagnostics
}

/// Whether a number may stand in place of `ROW_COUNT()`: in one statement of a text that is whole, and not in what is
/// stored.
fn may_stand_as_a_number(order: &Order<'_>) -> bool {
    let is_one = |statement: &Statement| {
        matches!(statement.kind, Kind::Read | Kind::Write | Kind::Set | Kind::Do)
            && !statement.has(Facts::SEVERAL | Facts::TRUNCATED | Facts::VERSIONED)
            && statement.doubt.is_none()
    };
    order.prepared.is_none() && order.end.is_done() && order.statement.is_some_and(|(statement, _)| is_one(statement))
}

/// Whether a statement asks for warnings or errors of the one before.
pub(super) fn asks_diagnostics(statement: &Statement) -> bool {
    statement.has(Facts::DIAGNOSTICS) || statement.kind == Kind::Diagnostics
}

/// Whether a statement that has no rows changes what `FOUND_ROWS()` gives: one that copies rows, and on `MySQL` some
/// others.
fn finds_rows(statement: &Statement, sql: &[u8], server: ServerKind) -> bool {
    let [first] = details::words::<1>(sql, statement.dialect);
    let first = first.of(sql);
    match server {
        ServerKind::MySql if first.eq_ignore_ascii_case(b"update") || first.eq_ignore_ascii_case(b"do") => true,
        _ => {
            statement.kind == Kind::Write
                && statement.has(Facts::READS_TABLES)
                && !first.eq_ignore_ascii_case(b"delete")
        }
    }
}

/// Whether a statement that raises nothing takes away what the one before has raised. `MySQL`'s all do; `MariaDB`'s do
/// where they open tables.
pub(super) fn clears(statement: &Statement, server: ServerKind) -> bool {
    let opens_tables = matches!(
        statement.kind,
        Kind::Write
            | Kind::Load
            | Kind::Ddl
            | Kind::DropTable
            | Kind::CreateTemporary
            | Kind::DropTemporary
            | Kind::Metadata
            | Kind::Instance
            | Kind::Several
    );
    let opens_tables = opens_tables
        || (statement.kind != Kind::Prepare && statement.has(Facts::READS_TABLES | Facts::UNKNOWN_FUNCTION));
    server == ServerKind::MySql || opens_tables
}

impl Previous {
    /// The proxy has given this error.
    pub fn refused(&mut self, error: &SqlError) {
        self.row_count = -1;
        self.diagnostics = Diagnostics::Own(error.clone());
    }

    /// A statement that clears the warnings ran, or is prepared, where no connection that has them is.
    pub fn cleared(&mut self) {
        self.diagnostics = Diagnostics::Nowhere;
    }

    /// Whether this connection has warnings or errors that the client may ask for.
    pub fn has_diagnostics_on(&self, id: BackendId) -> bool {
        matches!(self.diagnostics, Diagnostics::On(on) if on == id)
    }
}

impl Client {
    /// Makes a connection answer what `order` asks for as if it had served the statement before. Gives the number that
    /// must stand in place of `ROW_COUNT()` where no connection can be made to say it.
    pub(super) async fn bring_previous(
        &mut self,
        used: &mut Used,
        order: &Order<'_>,
    ) -> Result<Option<i64>, QueryError> {
        let me = Some(self.registered.handle.id);
        let (held, id) = (used.held, used.lease.id());
        let (connection, memory) = used.lease.parts();
        let asks = order.statement.is_some_and(|(statement, _)| asks(statement));
        let mine = memory.last_user == me;
        if !mine {
            memory.insert_id = None;
            memory.insert_id_is_unsure = false;
            memory.row_count = None;
        }
        memory.last_user = me;
        let asks_diagnostics = order.statement.is_some_and(|(statement, _)| asks_diagnostics(statement));
        let stale = memory.has_diagnostics && !self.previous.has_diagnostics_on(id);
        // Between XA END and its end nothing may be run.
        let may_clear = !held || !self.session.ledger.pins.contains(PinReason::Xa);
        if may_clear && (asks && !mine || asks_diagnostics && stale) {
            // What stands here is another session's, or of a statement before the last one.
            clear(connection, memory).await?;
        }
        self.bring_insert_id((id, connection, memory), order, held).await?;
        if !asks {
            return Ok(None);
        }
        if let Diagnostics::Own(error) = &self.previous.diagnostics {
            signal(connection, memory, error).await?;
            self.previous.diagnostics = Diagnostics::On(id);
        }
        self.bring_row_count(connection, memory, order).await
    }

    async fn bring_insert_id(
        &mut self,
        (id, connection, memory): (BackendId, &mut Connection, &mut Memory),
        order: &Order<'_>,
        held: bool,
    ) -> Result<(), QueryError> {
        let wanted = order.statement.is_some_and(|(statement, _)| {
            // What runs inside may ask, and its text does not tell.
            statement.has(Facts::ASKS_INSERT_ID | Facts::UNKNOWN_FUNCTION)
                || matches!(statement.kind, Kind::Call | Kind::Execute | Kind::Compound)
        });
        // This connection knows better than the session, which has yet to ask.
        let knows = self.unasked.awaits_insert_id()
            && self.connections.last_used(self.connections.last).is_some_and(|(_, last)| last == id);
        if wanted
            && memory.insert_id_is_unsure
            && let Some(id) = ask_insert_id(connection, None).await?
        {
            memory.row_count = Some(0);
            self.learn_insert_id(memory, id);
        }
        let own = knows || memory.insert_id == Some(self.session.last_insert_id);
        // Between XA END and its end nothing may be set.
        let may_set = !held || !self.session.ledger.pins.contains(PinReason::Xa);
        // In front of the question itself it would be in the way of counts.
        let writes = order.statement.is_some_and(|(statement, _)| statement.has(Facts::CHANGES));
        let may_ask = self.previous.asked_before || (self.previous.asked_insert_id && writes);
        let ahead = may_ask && !order.statement.is_some_and(|(statement, _)| asks(statement));
        if (wanted || ahead) && !own && may_set {
            // The session inserted elsewhere, or another one has used the connection before or since.
            connection.query(&format!("SET last_insert_id={}", self.session.last_insert_id)).await?;
            memory.insert_id = Some(self.session.last_insert_id);
            memory.row_count = Some(0);
        }
        Ok(())
    }

    async fn bring_row_count(
        &self,
        connection: &mut Connection,
        memory: &mut Memory,
        order: &Order<'_>,
    ) -> Result<Option<i64>, QueryError> {
        let wanted = self.previous.row_count;
        if memory.row_count == Some(wanted) {
            return Ok(None);
        }
        match wanted {
            0 => connection.count_no_rows().await?,
            ..0 => connection.count_as_rows(multi_statements(connection, memory)).await?,
            _ if may_stand_as_a_number(order) => return Ok(Some(wanted)),
            // The number of rows that another connection changed cannot be told by this one.
            _ => return Ok(None),
        }
        memory.row_count = Some(wanted);
        Ok(None)
    }

    /// Notes what a reply leaves for the client to ask for.
    pub(super) fn learn_previous(&mut self, used: &mut Used, order: &Order<'_>, reply: &Reply) {
        let id = used.lease.id();
        let (_, memory) = used.lease.parts();
        let raised = reply.error.is_some() || reply.warnings > 0;
        let server = self.session.dialect.server;
        let cleared = order.statement.is_some_and(|(it, _)| !asks(it) && clears(it, server));
        if raised {
            self.previous.diagnostics = Diagnostics::On(id);
        } else if cleared && !self.previous.has_diagnostics_on(id) {
            // The connection that has them knows itself what becomes of them.
            self.previous.cleared();
        }
        if server == ServerKind::MySql && order.shape != Shape::Text {
            self.previous.warnings = if reply.error.is_some() { 1 } else { reply.warnings };
        }
        let surely = server == ServerKind::MySql
            || order.statement.is_some_and(|(it, _)| matches!(it.kind, Kind::Write | Kind::Load));
        memory.has_diagnostics = raised || (memory.has_diagnostics && !(cleared && surely));
        let shows = order.statement.is_some_and(|(statement, _)| statement.kind == Kind::Diagnostics);
        let has_rows = reply.affected_rows.is_none() && reply.error.is_none() && !shows;
        if order.counts_rows() && has_rows {
            self.previous.found_rows_on = Some(id);
        } else if self.previous.asked_before
            && let Some((statement, sql)) = order.statement
            && finds_rows(statement, sql, server)
        {
            self.previous.found_rows_on = Some(id);
        }
        if order.counts_rows() {
            self.previous.row_count = reply.affected_rows.map_or(-1, u64::cast_signed);
            memory.row_count = Some(self.previous.row_count);
        }
        if let Some((statement, _)) = order.statement {
            self.previous.asked_before |= asks(statement);
            self.previous.asked_insert_id |= statement.has(Facts::ASKS_INSERT_ID);
        }
    }

    /// Whether the client may ask next for what the reply has left on its connection. Counts are worth keeping only for
    /// those who ask for them.
    pub(super) fn may_be_asked(&self, used: &Used) -> bool {
        self.previous.asked_before || !self.unasked.is_empty() || self.previous.has_diagnostics_on(used.lease.id())
    }

    /// Whether a connection has been kept long enough while others wait for one.
    pub(super) fn is_overdue(&self, used: &Used) -> bool {
        let limit = if self.previous.has_diagnostics_on(used.lease.id()) { LINGER_DIAGNOSTICS } else { LINGER };
        let long = self.previous.lingers_since.is_some_and(|since| since.elapsed() > limit);
        long && used.lease.is_wanted() && self.unasked.is_empty()
    }

    /// On which side a connection is kept that can answer what the statement asks of the one before.
    pub(super) fn side_that_knows(&self, statement: &Statement) -> Option<Side> {
        if asks_diagnostics(statement) {
            return self.diagnostics_side();
        }
        let found_rows_on = self.previous.found_rows_on.filter(|_| statement.has(Facts::ASKS_FOUND_ROWS));
        found_rows_on.and_then(|id| self.connections.side_of(id))
    }

    fn diagnostics_side(&self) -> Option<Side> {
        let Diagnostics::On(id) = self.previous.diagnostics else { return None };
        self.connections.side_of(id)
    }

    /// Whether the connection that is kept for this side knows what the client may ask although other connections have
    /// been used since.
    pub(super) fn is_still_asked(&self, side: Side) -> bool {
        let found_rows_on = self.previous.found_rows_on.filter(|_| self.previous.asked_before);
        self.diagnostics_side() == Some(side)
            || found_rows_on.is_some_and(|id| self.connections.side_of(id) == Some(side))
    }

    /// Whether a connection may wait longer for the client to ask: no member's limit is reached.
    pub(super) fn may_linger_on(&self) -> bool {
        let young = self.previous.lingers_since.is_some_and(|since| since.elapsed() < LINGER_UNWANTED);
        young && self.connections.lingering().all(|used| !used.lease.is_wanted())
    }

    /// The client has not asked in time: the connections go back, and what warnings they have is kept.
    pub(super) async fn end_lingering(&mut self) {
        self.ask_what_waits().await;
        self.save_warnings().await;
        self.previous.lingers_since = None;
        self.previous.found_rows_on = None;
        self.release_other(Side::Primary);
        self.release_other(Side::Replica);
    }

    async fn save_warnings(&mut self) {
        let Some(side) = self.diagnostics_side().filter(|side| !self.connections.holds(*side)) else { return };
        let last = self.connections.last;
        let Some(mut used) = self.connections.take(side) else { return };
        let (connection, memory) = used.lease.parts();
        let question = message(Command::Query, b"SHOW WARNINGS");
        let said = timeout(ASK_LIMIT, connection.verbatim(&question, WARNINGS_LIMIT)).await;
        memory.row_count = Some(-1);
        self.previous.diagnostics = match said {
            Ok(Ok(Some(reply))) => Diagnostics::Saved(reply),
            _ => Diagnostics::Nowhere,
        };
        // A connection that broke, or hangs, is in flight: it serves nobody.
        self.connections.keep(side, used);
        self.connections.last = last;
    }

    /// Answers `SHOW WARNINGS` from what was kept; false when a connection must be asked.
    pub(super) async fn show_saved_warnings(&mut self, statement: &Statement, sql: &[u8]) -> Result<bool, Gone> {
        if statement.kind != Kind::Diagnostics || !is_show_warnings(sql, statement.dialect) {
            return Ok(false);
        }
        // Its status flags are those of a session that stands free.
        let Diagnostics::Saved(reply) = &self.previous.diagnostics else { return Ok(false) };
        if self.session.is_tied() || !self.session.autocommit {
            return Ok(false);
        }
        self.stream.write_all(reply).await?;
        self.previous.row_count = -1;
        Ok(true)
    }
}

/// Takes warnings and counts away; without a table `MariaDB` leaves them.
async fn clear(connection: &mut Connection, memory: &mut Memory) -> Result<(), QueryError> {
    match connection.query("DO (SELECT 1 FROM (SELECT 1) AS nothing)").await {
        // What stands on the connection is worth more than an answer without others' warnings.
        Ok(_) | Err(QueryError::Sql(_)) => {}
        Err(broken) => return Err(broken),
    }
    memory.has_diagnostics = false;
    memory.row_count = Some(0);
    Ok(())
}

/// Has the member give the error that the proxy gave, so that it can be asked for it.
async fn signal(connection: &mut Connection, memory: &mut Memory, error: &SqlError) -> Result<(), QueryError> {
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
pub(super) fn multi_statements(connection: &Connection, memory: &Memory) -> MultiStatements {
    let at_login = connection.capabilities().contains(Capabilities::MULTI_STATEMENTS);
    if memory.settings.multi_statements.unwrap_or(at_login) { MultiStatements::On } else { MultiStatements::Off }
}

fn is_show_warnings(sql: &[u8], dialect: Dialect) -> bool {
    let [show, warnings, more, _] = details::words::<4>(sql, dialect).map(|word| word.of(sql));
    show.eq_ignore_ascii_case(b"show") && warnings.eq_ignore_ascii_case(b"warnings") && matches!(more, b"" | b";")
}

/// The message with numbers in place of `ROW_COUNT()`; attributes in front of the text stay.
pub(super) fn with_row_count(written: &[u8], row_count: i64, dialect: Dialect, layout: Layout) -> Vec<u8> {
    let argument = written.get(HEADER_LEN + 1..).unwrap_or_default();
    let text_at = match layout {
        Layout::Plain => 0,
        Layout::Named => in_front(argument, b"").map_or(0, |front| front.text_at),
    };
    let (attributes, sql) = argument.split_at(text_at);
    let mut out = Vec::with_capacity(argument.len() + 32);
    out.extend_from_slice(attributes);
    let mut at = 0;
    for call in details::calls(sql, dialect, "row_count") {
        let (start, end) = (call.span.start as usize, call.span.end as usize);
        out.extend_from_slice(sql.get(at..start).unwrap_or_default());
        out.extend_from_slice(format!("CAST({row_count} AS SIGNED)").as_bytes());
        if call.is_column {
            out.extend_from_slice(b" AS `");
            out.extend_from_slice(call.span.of(sql));
            out.push(b'`');
        }
        at = end;
    }
    out.extend_from_slice(sql.get(at..).unwrap_or_default());
    message(Command::Query, &out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_in_place_of_the_count_behind_any_attributes() {
        let replaced = |argument: &[u8], layout: Layout| {
            let message = with_row_count(&message(Command::Query, argument), 3, Dialect::default(), layout);
            message[HEADER_LEN + 1..].to_vec()
        };
        let expected = b"SELECT CAST(3 AS SIGNED) AS `ROW_COUNT()`";
        assert_eq!(replaced(b"SELECT ROW_COUNT()", Layout::Plain), expected);
        let front = b"\x01\x01\x00\x01\xfe\x00\x01n\x0bROW_COUNT()";
        let with_attributes = [&front[..], b"SELECT ROW_COUNT()"].concat();
        assert_eq!(replaced(&with_attributes, Layout::Named), [&front[..], expected].concat());
    }
}
