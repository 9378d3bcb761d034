//! Questions about the previous statement (`ROW_COUNT()`, `SHOW WARNINGS`, `LAST_INSERT_ID()` …): a connection is made
//! to answer them as one that had served all of the session's statements.
//!
//! Knows what the last statement left for the client to ask for, and what a connection would say. Must not know where
//! statements go.

use std::time::Duration;

use super::{
    connections::{Side, Used},
    give_back::give_back,
    logged_in::Client,
    request::Order,
};
use crate::{
    backend::{Connection, QueryError, Reply},
    diagnostics::{
        Clearing, Clears, Conditions, ReplyFacts, Substitutions, clears_conditions, may_hold_numbers, reads_conditions,
        reads_diagnostics,
    },
    pool::BackendId,
    session::PinReason,
    sql::{Facts, Kind, ServerKind, Statement},
    upstream::{
        BackendState, ask_insert_id, clear, has_sentinel, multi_statements, put_sentinel, save_replaced, signal,
    },
};

/// How long a connection with warnings, an error or counts waits for the client to ask for them, at least, and how often
/// it is looked whether others may want it.
pub(super) const LINGER: Duration = Duration::from_millis(200);
/// How long a session in work may keep one with warnings or an error while others wait.
const LINGER_DIAGNOSTICS: Duration = Duration::from_secs(2);
/// How long where nobody else wants it.
const LINGER_UNWANTED: Duration = Duration::from_secs(10);
impl Client {
    /// Makes a connection answer what `order` asks for as if it had served the statement before. Gives the numbers that
    /// must stand in its text where the connection cannot be made to say them.
    pub(super) async fn bring_previous(
        &mut self,
        used: &mut Used,
        order: &Order<'_>,
    ) -> Result<Substitutions, QueryError> {
        let me = Some(self.registered.handle.id);
        let (held, id) = (used.held, used.lease.id());
        let (connection, memory) = used.lease.parts();
        let asks = order.statement.is_some_and(|(statement, _)| reads_diagnostics(statement));
        let mine = memory.last_user == me;
        if !mine {
            memory.know_insert_id(None);
            memory.row_count = None;
        }
        memory.last_user = me;
        let reads_conditions = order.statement.is_some_and(|(statement, _)| reads_conditions(statement));
        let stale = memory.has_diagnostics && !self.previous.has_conditions_on(id);
        // Between XA END and its end nothing may be run.
        let may_clear = !held || !self.session.ledger.pins.contains(PinReason::Xa);
        // While it lasts nothing more can be taken away.
        let begins_xa = order.statement.is_some_and(|(statement, _)| statement.kind == Kind::Xa);
        // What runs inside may ask, and its text does not tell.
        let perhaps_asks = order.statement.is_some_and(|(it, _)| it.runs_unseen());
        let meets_others = !mine && (asks || (perhaps_asks && stale));
        if may_clear && (meets_others || ((reads_conditions || begins_xa) && stale)) {
            // What stands here is another session's, or of a statement before the last one.
            Box::pin(clear(connection, memory)).await?;
        }
        self.bring_insert_id((id, connection, memory), order, (held, mine)).await?;
        let Some((statement, _)) = order.statement.filter(|_| asks) else {
            let clears = order.statement.map(|(it, _)| clears_conditions(it, self.session.dialect.server));
            if may_clear && clears == Some(Clears::Perhaps) && self.previous.has_conditions_elsewhere_than(id) {
                Box::pin(put_sentinel(connection, memory)).await?;
                self.previous.sentinel_on = Some(id);
            }
            return Ok(Substitutions::default());
        };
        if let Conditions::Local(error) = &self.previous.conditions {
            Box::pin(signal(connection, memory, error)).await?;
            self.previous.conditions = Conditions::OnBackend(id);
            self.previous.condition_count = 1;
        }
        let row_count = self.bring_row_count(connection, memory).await?;
        let numbers = Substitutions { row_count, ..self.previous.substitutions(statement, id) };
        let in_place = may_hold_numbers(statement) && order.prepared.is_none() && order.end.is_done();
        Ok(if in_place { numbers } else { Substitutions::default() })
    }

    async fn bring_insert_id(
        &mut self,
        (id, connection, memory): (BackendId, &mut Connection, &mut BackendState),
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
        let ahead = may_ask && !order.statement.is_some_and(|(statement, _)| reads_diagnostics(statement));
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
        memory: &mut BackendState,
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
        let server = self.session.dialect.server;
        let facts = ReplyFacts {
            error: reply.error,
            raised: reply.raised,
            warnings: reply.warnings,
            rows: reply.rows,
            affected_rows: reply.affected_rows,
        };
        let clearing = self.previous.clearing(id, order.statement.map(|(it, _)| it), server, facts.raised);
        let cleared = match clearing {
            Clearing::Done => true,
            Clearing::NotDone => false,
            Clearing::AskSentinel => !Box::pin(has_sentinel(connection)).await,
        };
        let saved = match &reply.replaced {
            Some(told) if facts.raised => Some(Box::pin(save_replaced(connection, told)).await),
            _ => None,
        };
        self.previous.learn_conditions(id, saved, cleared, facts);
        let surely = server == ServerKind::MySql
            || order.statement.is_some_and(|(it, _)| matches!(it.kind, Kind::Write | Kind::Load));
        memory.has_diagnostics = facts.raised || (memory.has_diagnostics && !(cleared && surely));
        if self.previous.learn_counts(id, (order.shape, order.statement), server, facts) {
            // `SHOW WARNINGS` counts like rows.
            let asked = clearing == Clearing::AskSentinel;
            memory.row_count = Some(if asked { -1 } else { self.previous.row_count });
        }
    }

    /// Whether the client may ask next for what the reply has left on its connection. Counts are worth keeping only for
    /// those who ask for them.
    pub(super) fn may_be_asked(&self, used: &Used) -> bool {
        self.previous.may_be_asked_for_found_rows()
            || !self.unasked.is_empty()
            || self.previous.has_conditions_on(used.lease.id())
    }

    /// Whether a connection has been kept long enough while others wait for one.
    pub(super) fn is_overdue(&self, used: &Used) -> bool {
        let limit = if self.previous.has_conditions_on(used.lease.id()) { LINGER_DIAGNOSTICS } else { LINGER };
        let long = self.previous.lingers_since.is_some_and(|since| since.elapsed() > limit);
        long && used.lease.is_wanted() && self.unasked.is_empty()
    }

    /// On which side a connection is kept that can answer what the statement asks of the one before.
    pub(super) fn side_that_knows(&self, statement: &Statement) -> Option<Side> {
        if reads_conditions(statement) {
            return self.diagnostics_side();
        }
        self.found_rows_side().filter(|_| statement.has(Facts::ASKS_FOUND_ROWS))
    }

    fn found_rows_side(&self) -> Option<Side> {
        self.connections.side_of(self.previous.found_rows_on()?)
    }

    pub(super) fn diagnostics_side(&self) -> Option<Side> {
        self.connections.side_of(self.previous.conditions_on()?)
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
        if !self.policy.multiplexing {
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
}
