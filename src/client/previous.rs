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
    kept::{FoundRows, KeptConditions, Numbers, counts_all_rows, finds_rows, keep_replaced, may_stand_as_numbers},
    memory::Memory,
    order::Order,
    run::Client,
    settle::give_back,
};
use crate::{
    backend::{Connection, MultiStatements, QueryError, Reply},
    pool::BackendId,
    session::PinReason,
    sql::{
        Facts, Kind, ServerKind, Statement, details,
        previous::{Clears, ShowConditions, clears_conditions, show_conditions},
    },
    wire::{Capabilities, err::SqlError, response::Shape},
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

/// What the session's last statement has left for the client to ask for.
#[derive(Debug, Default)]
pub(super) struct Previous {
    /// `ROW_COUNT()`: -1 behind rows and errors.
    pub row_count: i64,
    /// Warnings and errors of the last statement, as `MySQL` says in the reply to `COM_PING`; `MariaDB` says 0.
    pub warnings: u16,
    /// `FOUND_ROWS()`
    pub found_rows: FoundRows,
    /// How many conditions the last statement that raised any has raised, as far as its reply tells.
    pub raised: u16,
    /// Where warnings and errors are.
    pub diagnostics: Diagnostics,
    /// Since when a connection is kept because the client may ask what only it knows.
    pub lingers_since: Option<Instant>,
    /// The last statement that had rows counts more of them than it gave.
    pub counts_all_rows: bool,
    /// The connection that has a mark: where it has gone, the statement took away what the one before left.
    pub marked: Option<BackendId>,
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
    /// After the connection that knew them was given back.
    Kept(Box<KeptConditions>),
}

/// Whether a statement asks for counts or diagnostics of the one before.
pub(super) fn asks(statement: &Statement) -> bool {
    statement.has(Facts::ASKS_COUNTS | Facts::DIAGNOSTICS)
}

/// Whether a statement asks for warnings or errors of the one before.
pub(super) fn asks_diagnostics(statement: &Statement) -> bool {
    statement.has(Facts::DIAGNOSTICS)
}

impl Previous {
    /// The proxy has given this error.
    pub fn refused(&mut self, error: &SqlError) {
        self.row_count = -1;
        self.diagnostics = Diagnostics::Own(error.clone());
    }

    /// The proxy has answered a read without a table, with so many rows.
    pub fn answered(&mut self, rows: u64, server: ServerKind) {
        self.found_rows = FoundRows::Kept(rows);
        if server == ServerKind::MySql {
            self.cleared();
        }
    }

    /// A statement that clears the warnings ran, or is prepared, where no connection that has them is.
    pub fn cleared(&mut self) {
        self.diagnostics = Diagnostics::Nowhere;
    }

    /// Whether nothing was left that the client may ask for, as far as its habits tell, but what each reply leaves.
    pub const fn leaves_nothing(&self) -> bool {
        matches!(self.diagnostics, Diagnostics::Nowhere)
            && !self.may_be_asked_for_found_rows()
            && self.lingers_since.is_none()
            && self.marked.is_none()
    }

    /// Whether the client is likely to ask for `FOUND_ROWS()`.
    pub const fn may_be_asked_for_found_rows(&self) -> bool {
        self.asked_before || self.counts_all_rows
    }

    /// Whether there are warnings or errors that the client may ask for, and this connection does not have them.
    fn has_diagnostics_elsewhere_than(&self, id: BackendId) -> bool {
        !matches!(self.diagnostics, Diagnostics::Nowhere) && !self.has_diagnostics_on(id)
    }

    /// Whether this connection has warnings or errors that the client may ask for.
    pub fn has_diagnostics_on(&self, id: BackendId) -> bool {
        matches!(self.diagnostics, Diagnostics::On(on) if on == id)
    }
}

impl Client {
    /// Makes a connection answer what `order` asks for as if it had served the statement before. Gives the numbers that
    /// must stand in its text where the connection cannot be made to say them.
    pub(super) async fn bring_previous(&mut self, used: &mut Used, order: &Order<'_>) -> Result<Numbers, QueryError> {
        let me = Some(self.registered.handle.id);
        let (held, id) = (used.held, used.lease.id());
        let (connection, memory) = used.lease.parts();
        let asks = order.statement.is_some_and(|(statement, _)| asks(statement));
        let mine = memory.last_user == me;
        if !mine {
            memory.know_insert_id(None);
            memory.row_count = None;
        }
        memory.last_user = me;
        let asks_diagnostics = order.statement.is_some_and(|(statement, _)| asks_diagnostics(statement));
        let stale = memory.has_diagnostics && !self.previous.has_diagnostics_on(id);
        // Between XA END and its end nothing may be run.
        let may_clear = !held || !self.session.ledger.pins.contains(PinReason::Xa);
        // While it lasts nothing more can be taken away.
        let begins_xa = order.statement.is_some_and(|(statement, _)| statement.kind == Kind::Xa);
        // What runs inside may ask, and its text does not tell.
        let perhaps_asks = order.statement.is_some_and(|(it, _)| it.runs_unseen());
        let meets_others = !mine && (asks || (perhaps_asks && stale));
        if may_clear && (meets_others || ((asks_diagnostics || begins_xa) && stale)) {
            // What stands here is another session's, or of a statement before the last one.
            Box::pin(clear(connection, memory)).await?;
        }
        self.bring_insert_id((id, connection, memory), order, (held, mine)).await?;
        let Some((statement, _)) = order.statement.filter(|_| asks) else {
            let clears = order.statement.map(|(it, _)| clears_conditions(it, self.session.dialect.server));
            if may_clear && clears == Some(Clears::Perhaps) && self.previous.has_diagnostics_elsewhere_than(id) {
                Box::pin(mark(connection, memory)).await?;
                self.previous.marked = Some(id);
            }
            return Ok(Numbers::default());
        };
        if let Diagnostics::Own(error) = &self.previous.diagnostics {
            Box::pin(signal(connection, memory, error)).await?;
            self.previous.diagnostics = Diagnostics::On(id);
            self.previous.raised = 1;
        }
        let row_count = self.bring_row_count(connection, memory).await?;
        let numbers = Numbers { row_count, ..self.kept_numbers(statement, id) };
        Ok(if may_stand_as_numbers(order) { numbers } else { Numbers::default() })
    }

    async fn bring_insert_id(
        &mut self,
        (id, connection, memory): (BackendId, &mut Connection, &mut Memory),
        order: &Order<'_>,
        (held, mine): (bool, bool),
    ) -> Result<(), QueryError> {
        let wanted = order.statement.is_some_and(|(statement, _)| {
            statement.has(Facts::ASKS_INSERT_ID | Facts::UNKNOWN_FUNCTION) || statement.runs_unseen()
        });
        // This connection knows better than the session, which has yet to ask.
        let knows = mine
            && self.unasked.awaits_insert_id()
            && self.connections.last_used(self.connections.last).is_some_and(|(_, last)| last == id);
        if wanted
            && memory.insert_id_is_unsure
            && let Some(id) = Box::pin(ask_insert_id(connection, None)).await?
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
            let set = format!("SET last_insert_id={}", self.session.last_insert_id);
            Box::pin(connection.query(&set)).await?;
            memory.know_insert_id(Some(self.session.last_insert_id));
            memory.row_count = Some(0);
        }
        Ok(())
    }

    async fn bring_row_count(
        &self,
        connection: &mut Connection,
        memory: &mut Memory,
    ) -> Result<Option<i64>, QueryError> {
        let wanted = self.previous.row_count;
        if memory.row_count == Some(wanted) {
            return Ok(None);
        }
        match wanted {
            0 => Box::pin(connection.count_no_rows()).await?,
            ..0 => Box::pin(connection.count_as_rows(multi_statements(connection, memory))).await?,
            // The number of rows that another connection changed cannot be told by this one.
            _ => return Ok(Some(wanted)),
        }
        memory.row_count = Some(wanted);
        Ok(None)
    }

    /// Notes what a reply leaves for the client to ask for.
    pub(super) async fn learn_previous(&mut self, used: &mut Used, order: &Order<'_>, reply: &Reply) {
        let id = used.lease.id();
        let (connection, memory) = used.lease.parts();
        let marked = self.previous.marked.take() == Some(id);
        let raised = reply.raised;
        let server = self.session.dialect.server;
        let mut said = None;
        let cleared = match order.statement.map(|(it, _)| clears_conditions(it, server)) {
            Some(Clears::Surely) => true,
            Some(Clears::Perhaps) if marked && !raised => {
                // `SHOW WARNINGS` counts like rows.
                said = Some(-1);
                !Box::pin(still_marked(connection)).await
            }
            Some(Clears::Perhaps | Clears::Never) | None => false,
        };
        if raised {
            // An error is told without a number.
            self.previous.raised = reply.warnings.max(reply.error.is_some().into());
            self.previous.diagnostics = match &reply.replaced {
                None => Diagnostics::On(id),
                Some(told) => Box::pin(keep_replaced(connection, told)).await,
            };
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
        // `SHOW WARNINGS` finds none, `SHOW COUNT(*) WARNINGS` does.
        let shows = order.statement.is_some_and(|(statement, sql)| {
            statement.kind == Kind::Diagnostics
                && !matches!(show_conditions(sql, statement.dialect), Some(ShowConditions::Count(_)))
        });
        // `RETURNING` finds none.
        let returns = order.statement.is_some_and(|(statement, _)| statement.kind == Kind::Write);
        if let Some(rows) = reply.rows.filter(|_| order.counts_rows() && !shows && !returns) {
            self.previous.found_rows = FoundRows::On(id, rows);
            self.previous.counts_all_rows = order.statement.is_some_and(|(_, sql)| counts_all_rows(sql));
        } else if self.previous.asked_before
            && let Some((statement, sql)) = order.statement
            && finds_rows(statement, sql, server)
        {
            self.previous.found_rows = FoundRows::On(id, reply.affected_rows.unwrap_or(0));
        }
        let leaves_count = order.statement.is_some_and(|(it, sql)| leaves_count(it, sql, server, reply));
        if (order.counts_rows() || reply.error.is_some()) && !leaves_count {
            self.previous.row_count = reply.affected_rows.map_or(-1, u64::cast_signed);
            memory.row_count = said.or(Some(self.previous.row_count));
        }
        if let Some((statement, _)) = order.statement {
            self.previous.asked_before |= asks(statement);
            self.previous.asked_insert_id |= statement.has(Facts::ASKS_INSERT_ID);
        }
    }

    /// Whether the client may ask next for what the reply has left on its connection. Counts are worth keeping only for
    /// those who ask for them.
    pub(super) fn may_be_asked(&self, used: &Used) -> bool {
        self.previous.may_be_asked_for_found_rows()
            || !self.unasked.is_empty()
            || self.previous.has_diagnostics_on(used.lease.id())
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
        self.found_rows_side().filter(|_| statement.has(Facts::ASKS_FOUND_ROWS))
    }

    fn found_rows_side(&self) -> Option<Side> {
        let FoundRows::On(id, _) = self.previous.found_rows else { return None };
        self.connections.side_of(id)
    }

    pub(super) fn diagnostics_side(&self) -> Option<Side> {
        let Diagnostics::On(id) = self.previous.diagnostics else { return None };
        self.connections.side_of(id)
    }

    /// Whether the connection that is kept for this side knows what the client may ask although other connections have
    /// been used since.
    pub(super) fn is_still_asked(&self, side: Side) -> bool {
        self.diagnostics_side() == Some(side)
            || (self.previous.may_be_asked_for_found_rows() && self.found_rows_side() == Some(side))
    }

    /// Whether a connection may wait longer for the client to ask: no member's limit is reached.
    pub(super) fn may_linger_on(&self) -> bool {
        let young = self.previous.lingers_since.is_some_and(|since| since.elapsed() < LINGER_UNWANTED);
        young && self.connections.lingering().all(|used| !used.lease.is_wanted())
    }

    /// The client has not asked in time: the connections go back, and what it may still ask for is kept.
    pub(super) async fn end_lingering(&mut self) {
        self.ask_what_waits().await;
        self.previous.lingers_since = None;
        if !self.proxy.policy.multiplexing {
            return;
        }
        for side in [Side::Primary, Side::Replica] {
            if !self.connections.holds(side)
                && let Some(mut used) = self.connections.take(side)
            {
                self.keep_answers(&mut used).await;
                give_back(used);
            }
        }
    }

    /// Forgets at once what a statement will take away, so that no connection is kept for it.
    pub(super) fn forget_what_is_cleared(&mut self, order: &Order<'_>) {
        if let Some((statement, _)) = order.statement
            && !asks(statement)
            && clears_conditions(statement, self.session.dialect.server) == Clears::Surely
        {
            self.previous.cleared();
        }
    }
}

/// Whether an error leaves `ROW_COUNT()` as it was. On MariaDB that of a `SHOW` does that would read the information schema
/// (seen on 10.11), not that of `SHOW CREATE`.
fn leaves_count(statement: &Statement, sql: &[u8], server: ServerKind, reply: &Reply) -> bool {
    /// `ER_PARSE_ERROR`
    const PARSE_ERROR: u16 = 1064;
    let failed = reply.error.is_some_and(|code| code != PARSE_ERROR);
    failed && server != ServerKind::MySql && statement.kind == Kind::Metadata && {
        let [_, what] = details::words::<2>(sql, statement.dialect);
        !what.of(sql).eq_ignore_ascii_case(b"create")
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

/// Leaves a warning of the proxy's own, to see whether a statement takes it away.
async fn mark(connection: &mut Connection, memory: &mut Memory) -> Result<(), QueryError> {
    connection.query("DO CAST('mark' AS SIGNED)").await?;
    memory.has_diagnostics = true;
    memory.row_count = Some(0);
    Ok(())
}

/// Whether the mark is there. `SHOW WARNINGS` changes nothing else than `ROW_COUNT()`.
async fn still_marked(connection: &mut Connection) -> bool {
    match timeout(ASK_LIMIT, connection.query("SHOW WARNINGS LIMIT 1")).await {
        Ok(Ok(said)) => !said.rows.is_empty(),
        // The connection is broken, or hangs: nobody knows.
        _ => false,
    }
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
