//! What is kept for the client of the statement before when the connection that knew it goes back to the pool: its
//! conditions, and how many rows it found.
//!
//! Knows how to ask for them and how to answer from them. Must not know when a connection goes back.

use std::sync::Arc;

use super::{
    connections::Used,
    logged_in::{Client, Gone},
    request::Order,
    shown::LastRoute,
};
use crate::{
    backend::Connection,
    diagnostics::{
        Conditions, FoundRows, RowEncoding, SavedConditions, ShowConditions, may_hold_numbers, reads_conditions,
        reads_diagnostics, show_conditions,
    },
    metrics::Outcome,
    route::{Route, Target},
    session::PinReason,
    sql::{Kind, ServerKind, Statement},
    upstream::{ASK_LIMIT, StatementText, ask_conditions, ask_counts, ask_found_rows, within},
};

impl Client {
    /// Asks a connection that is about to go back for what the client may still want to know.
    pub(super) async fn keep_answers(&mut self, used: &mut Used) {
        let id = used.lease.id();
        let conditions = self.previous.has_conditions_on(id);
        let found_rows = self.previous.may_be_asked_for_found_rows() && self.previous.found_rows_on() == Some(id);
        let (connection, memory) = used.lease.parts();
        if !(conditions || found_rows) || !connection.is_usable() {
            return;
        }
        memory.row_count = Some(-1);
        // MySQL warns of the question itself.
        memory.has_diagnostics |= found_rows;
        // It leaves the found rows as they are; the other way round MySQL would clear the conditions.
        let mut kept = None;
        if conditions {
            kept = within(ASK_LIMIT, ask_conditions(connection)).await;
        }
        if found_rows
            && connection.is_usable()
            && let Some(said) = within(ASK_LIMIT, ask_found_rows(connection)).await
        {
            self.previous.found_rows = FoundRows::Saved(said);
        }
        if conditions {
            if let Some(kept) = kept.as_mut().filter(|kept| kept.warnings < self.previous.condition_count.into()) {
                self.count_unlisted(connection, kept).await;
            }
            self.previous.conditions = kept.map_or(Conditions::None, |kept| Conditions::Saved(Box::new(kept)));
        }
    }

    /// More conditions have been raised than `max_error_count` keeps; or, on `MariaDB`, what ran since has taken them away.
    /// The question finds a row, and takes what its connection found before.
    async fn count_unlisted(&self, connection: &mut Connection, kept: &mut SavedConditions) {
        if self.session.dialect.server == ServerKind::MySql {
            kept.warnings = self.previous.condition_count.into();
            return;
        }
        if connection.is_usable()
            && let Some((warnings, errors)) = within(ASK_LIMIT, ask_counts(connection)).await
        {
            (kept.warnings, kept.errors) = (warnings, errors);
        }
    }

    /// Conditions that are asked for on a connection which must be changed first (settings, the question prepared) are
    /// kept, as the change may take them away.
    pub(super) async fn keep_before_changes(
        &mut self,
        (question, sql): (&Statement, &[u8]),
        text: Option<&Arc<StatementText>>,
    ) {
        // `GET DIAGNOSTICS`, or several statements in one text, find them nowhere else.
        let shows = show_conditions(sql, question.dialect).is_some();
        let may_move = shows || (question.kind != Kind::Diagnostics && may_hold_numbers(question));
        let Some(side) = self.diagnostics_side().filter(|_| reads_conditions(question) && may_move) else { return };
        let last = self.connections.last;
        let Some(mut used) = self.connections.take(side) else { return };
        let (_, memory) = used.lease.parts();
        if !memory.has(&self.session.settings) || text.is_some_and(|text| memory.prepared(text).is_none()) {
            self.keep_answers(&mut used).await;
        }
        self.connections.keep(side, used);
        // That was no statement.
        self.connections.last = last;
    }

    /// Answers `SHOW WARNINGS` and `SHOW ERRORS` from what was kept; false when a connection must be asked.
    pub(super) async fn show_kept(
        &mut self,
        statement: &Statement,
        sql: &[u8],
        encoding: RowEncoding,
    ) -> Result<bool, Gone> {
        let Conditions::Saved(kept) = &self.previous.conditions else { return Ok(false) };
        if statement.kind != Kind::Diagnostics {
            return Ok(false);
        }
        let Some(ShowConditions::Rows { of, skip, most }) = show_conditions(sql, statement.dialect) else {
            return Ok(false);
        };
        let mut out = Vec::new();
        kept.put(&mut out, (of, skip, most), self.status(), encoding);
        self.stream.write_all(&out).await?;
        self.previous.row_count = -1;
        let route = Route { target: Target::Proxy, ..self.decide(statement, sql) };
        self.count_answer(&route, Outcome::Ok);
        self.last_route = LastRoute { decided: Some((route.target, route.reason)), ..LastRoute::default() };
        Ok(true)
    }

    /// Others have used the connection since: what it finds is theirs.
    pub(super) fn forget_what_others_took(&mut self, used: &mut Used) {
        if used.lease.parts().1.last_user != Some(self.registered.handle.id) {
            self.previous.others_used(used.lease.id());
        }
    }

    /// The text that must be executed in place of a prepared one that asks for numbers which the connection cannot say.
    pub(super) fn prepared_with_numbers(&self, used: &mut Used, order: &Order<'_>) -> Option<Arc<StatementText>> {
        let (statement, sql) = order.statement?;
        let prepared = order.prepared?;
        // The prepared one may have a cursor, or parameters that were sent ahead.
        let stands =
            [PinReason::OpenCursor, PinReason::LongData].iter().any(|pin| self.session.ledger.pins.contains(*pin));
        if stands || !reads_diagnostics(statement) || !may_hold_numbers(statement) {
            return None;
        }
        let id = used.lease.id();
        let (_, memory) = used.lease.parts();
        let is_mine = memory.last_user == Some(self.registered.handle.id);
        let mut numbers = self.previous.substitutions(statement, id);
        let says = memory.row_count.filter(|_| is_mine);
        let wanted = self.previous.row_count;
        if !numbers.is_empty() || (wanted > 0 && says != Some(wanted)) {
            numbers.row_count = Some(wanted);
        }
        let text = numbers.in_text(sql, statement.dialect);
        // It means what the prepared one meant: in its database, under its SQL mode.
        (text != sql).then(|| self.proxy.texts.intern(&text, &prepared.settings))
    }
}
