//! `COM_STMT_…`: the client's ids are the proxy's own and never change; a statement is prepared where it is executed.

use std::sync::Arc;

use tracing::info;

use super::{
    behind::Behind,
    commands::plain_route,
    connections::Side,
    ids::{Ids, names_ids},
    incoming::Incoming,
    kill::{Means, Verdict},
    order::Order,
    previous::asks,
    query::{ROUTE_ATTRIBUTE, prepares_on_replica, write_scopes},
    refusal,
    run::{Client, Gone},
    statements::{MAX_OF_SESSION, Prepared, Stands, What},
    texts::StatementText,
    token::{AFTER_ATTRIBUTE, token_in},
};
use crate::{
    metrics::Outcome,
    route::{Answer, KillId, Reason, Route, Target},
    session::PinReason,
    sql::{
        Facts, Hint, Kind, ServerKind, Statement,
        previous::{Clears, clears_conditions},
    },
    wire::{
        Command, HEADER_LEN, StatusFlags,
        attributes::{Layout, of_execution},
        command::message,
        kept_result::RowEncoding,
        packet::{MAX_PAYLOAD, MessageEnd, put_message},
        parameters::parameters,
        prepared::{ParameterTypes, asks_for_cursor, parameter_types, statement_id, with_types},
        response::Shape,
    },
};

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Executed {
    /// The rows are to be fetched.
    WithCursor,
    /// Its reply is complete.
    Whole,
    /// With an error.
    Failed,
}

impl Client {
    /// `COM_STMT_PREPARE`.
    pub(super) async fn prepare(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        // It may have to be prepared again elsewhere, so all of its text is needed.
        if !incoming.complete(&mut self.stream).await? {
            return self.answer_error(incoming, &refusal::packet_too_large(MAX_PAYLOAD - 1)).await;
        }
        if self.prepared.is_full() || self.proxy.texts.are_full() {
            return self.answer_error(incoming, &refusal::too_many_prepared(MAX_OF_SESSION)).await;
        }
        let statement = self.classify(incoming.argument(), false);
        let mut statement = write_scopes(statement, incoming);
        let is_question = asks(&statement);
        if !is_question {
            self.ask_what_waits().await;
            // A stored function is looked up in a table; a procedure only when it is called.
            let looks_up = statement.has(Facts::UNKNOWN_FUNCTION) && statement.kind != Kind::Call;
            if looks_up || clears_conditions(&statement, self.session.dialect.server) == Clears::Surely {
                self.previous.cleared();
            }
        }
        let mut rewritten = None;
        if names_ids(&statement) {
            let sql = self.with_ids(&statement, incoming.argument());
            statement = self.classify(&sql, false);
            rewritten = Some(message(Command::StmtPrepare, &sql));
        }
        let sql = rewritten.as_deref().map_or(incoming.argument(), |message| &message[5..]);
        let mut text = self.proxy.texts.intern(sql, &self.session.settings);
        if self.prepared.has_text(&text) {
            // Each of the two may have a cursor of its own.
            text = self.proxy.texts.alone(sql, &self.session.settings);
        }
        let id = self.prepared.new_id();
        let decided = self.decide(&statement, sql);
        let target = if prepares_on_replica(&decided) { Target::Replica } else { Target::Primary };
        let route = Route { target, opens_read_only: false, leaves: None, ..decided };
        let mut order = Order::new(route, incoming, Shape::Prepare);
        if let Some(message) = &rewritten {
            order.message = message;
            order.end = MessageEnd::default();
            order.end.advance(message);
        }
        order.preparing = Some((&text, id));
        order.prepares_set = statement.kind == Kind::Set && statement.has(Facts::SETS_USER);
        if is_question {
            self.session.ledger.prepared_question(true);
        }
        if let Some(prepared) = self.run(order).await?.reply().and_then(|reply| reply.prepared) {
            let counted = self.proxy.texts.count();
            self.prepared.insert(id, What::new(text, statement, prepared.params, counted));
        }
        if is_question {
            self.review_standing().await;
        }
        Ok(())
    }

    /// `COM_STMT_EXECUTE`.
    pub(super) async fn execute(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        let Some((id, what)) = self.statement_of(incoming) else {
            return self.unknown_statement(incoming, "mysqld_stmt_execute").await;
        };
        let left_out = parameter_types(incoming.payload(), what.params, Layout::of(self.login.capabilities));
        if matches!(left_out, Some(ParameterTypes::LeftOut { .. })) && !incoming.complete(&mut self.stream).await? {
            return self.answer_error(incoming, &refusal::packet_too_large(MAX_PAYLOAD - 1)).await;
        }
        let Ok(with_types) = self.complete_types(id, incoming) else {
            let error = refusal::malformed_execution(self.session.dialect.server);
            return self.answer_error(incoming, &error).await;
        };
        if self.has_lost_parameters(id) {
            return self.answer_error(incoming, &refusal::parameters_lost()).await;
        }
        if !asks(&what.statement) {
            self.ask_what_waits().await;
        }
        let sql = &what.text.sql;
        self.keep_before_changes((&what.statement, sql), Some(&what.text)).await;
        if !incoming.is_partial() && self.show_kept(&what.statement, sql, RowEncoding::Binary).await? {
            return Ok(());
        }
        let cursor = asks_for_cursor(incoming.payload()) && can_have_cursor(what.statement.kind);
        if cursor
            && self.is_split()
            && let Err(error) = self.begin_on_primary().await
        {
            return self.answer_error(incoming, &error).await;
        }
        if cursor {
            // The connection must be kept from the start: the reply says only then that a cursor is open.
            self.session.ledger.pins.insert(PinReason::OpenCursor);
        }
        self.idle_clock.behind = Behind::execution_of(what.statement.kind);
        let [hint, token] = self.attributes_of_execution(id, &what, incoming);
        let token = token.map(<[u8]>::to_vec).or_else(|| token_in(&what.statement, sql));
        let hint = hint.and_then(Hint::from_name);
        let Some(brings) = self.take_token(token, incoming).await? else {
            self.review_standing().await;
            return Ok(());
        };
        let mut route = self.decide_asked(&what.statement, sql, hint, brings);
        if let Some(answer) = route.answer
            && self.refuse_by_answer(incoming, answer).await?
        {
            self.review_standing().await;
            return Ok(());
        }
        if let Some(Answer::Kill { means, id }) = route.answer {
            let means = Means::from(means);
            let verdict = match self.killed_by_execution(&what, incoming, with_types.as_deref(), id) {
                Some(id) => self.kill(means, id).await,
                None if id == KillId::Own => self.kill_oneself(means.scope),
                None => Verdict::Member,
            };
            if self.tell_verdict(incoming, verdict, means.scope).await? {
                self.count_answer(&route, Outcome::Ok);
                return Ok(());
            }
        }
        if route.target == Target::Proxy {
            route.target = Target::Primary;
        }
        let shape = if cursor { Shape::Cursor } else { Shape::Results };
        let mut order = Order::new(route, incoming, shape);
        if let Some(message) = &with_types {
            order.message = message;
        }
        order.prepared = Some(&what.text);
        let ids = self.holds_ids(&what.statement).then(|| Ids::of(&what.statement, sql, Some(what.params)));
        order.ids = ids.as_ref();
        self.last_status = StatusFlags::empty();
        let executed = self.run_prepared(&route, order, &what.statement, sql).await?;
        self.after_execute(id, executed).await;
        Ok(())
    }

    /// Which id a prepared `KILL` names.
    fn killed_by_execution(
        &self,
        what: &What,
        incoming: &Incoming,
        with_types: Option<&[u8]>,
        id: KillId,
    ) -> Option<u32> {
        let payload = with_types.and_then(|message| message.get(HEADER_LEN..)).unwrap_or(incoming.payload());
        match id {
            KillId::Own => None,
            KillId::Number(span) => std::str::from_utf8(span.of(&what.text.sql)).ok()?.parse().ok(),
            KillId::Parameter => {
                let found = parameters(payload, what.params, Layout::of(self.login.capabilities))?;
                let number = found.first().copied().flatten()?.number(payload)?;
                u32::try_from(number).ok()
            }
        }
    }

    /// The query attributes of an execution that ask for something. Parameters that were sent ahead are not in it, so its values
    /// cannot be told apart; but then the session is pinned, and no hint counts.
    fn attributes_of_execution<'a>(&self, id: u32, what: &What, incoming: &'a Incoming) -> [Option<&'a [u8]>; 2] {
        let ahead = self.prepared.get(id).is_some_and(|it| it.stands().long_data);
        if ahead || Layout::of(self.login.capabilities) == Layout::Plain {
            return [None, None];
        }
        [ROUTE_ATTRIBUTE, AFTER_ATTRIBUTE].map(|wanted| of_execution(incoming.payload(), what.params, wanted))
    }

    async fn run_prepared(
        &mut self,
        route: &Route,
        order: Order<'_>,
        statement: &Statement,
        sql: &[u8],
    ) -> Result<Executed, Gone> {
        let asked = order.shape == Shape::Cursor;
        let outcome = self.run_statement(route, order, statement, sql).await?;
        let has_cursor = asked && self.last_status.contains(StatusFlags::CURSOR_EXISTS);
        Ok(match outcome {
            Outcome::Ok if has_cursor => Executed::WithCursor,
            Outcome::Ok => Executed::Whole,
            _ => Executed::Failed,
        })
    }

    async fn after_execute(&mut self, id: u32, executed: Executed) {
        // After an error a cursor of the execution before may still be open, and data refused: the member knows.
        if executed != Executed::Failed {
            self.stand(id, Stands { cursor: executed == Executed::WithCursor, ..Stands::default() });
        }
        self.review_standing().await;
    }

    /// The same for an execution that went the short way at first.
    pub(super) async fn after_plain_execute(&mut self, id: u32, done: bool) {
        self.after_execute(id, if done { Executed::Whole } else { Executed::Failed }).await;
    }

    /// What of a statement stands on its connection now.
    fn stand(&mut self, id: u32, stands: Stands) {
        self.prepared.stand(id, |_| stands);
        let Some(text) = self.prepared.get(id).filter(|_| stands.nothing()).map(|it| it.what.text.id()) else { return };
        for side in [Side::Primary, Side::Replica] {
            if let Some(used) = self.connections.at(side) {
                used.lease.parts().1.stands_no_more(text);
            }
        }
    }

    /// Ends the pins whose statements stand no more, and lets the connection go when nothing else holds it.
    async fn review_standing(&mut self) {
        for reason in [PinReason::OpenCursor, PinReason::LongData] {
            if !self.prepared.any_stands(reason) {
                self.session.ledger.pins.remove(reason);
            }
        }
        self.session.ledger.prepared_question(self.prepared.any_asks());
        self.settle_kept().await;
    }

    /// The message with parameter types, if the client left them out as it may after the first execution; the
    /// connection may be another one now.
    fn complete_types(&mut self, id: u32, incoming: &Incoming) -> Result<Option<Vec<u8>>, ()> {
        let layout = Layout::of(self.login.capabilities);
        let Some((what, known)) = self.prepared.types_mut(id) else { return Err(()) };
        match parameter_types(incoming.payload(), what.params, layout) {
            Some(ParameterTypes::None) => Ok(None),
            Some(ParameterTypes::Sent(types)) => {
                if *known != *types {
                    types.as_ref().clone_into(known);
                }
                Ok(None)
            }
            Some(ParameterTypes::LeftOut { .. }) if known.is_empty() => Ok(None),
            Some(ParameterTypes::LeftOut { at }) => {
                let payload = with_types(incoming.payload(), at, known, layout);
                let mut message = Vec::with_capacity(payload.len() + 4);
                put_message(&mut message, 0, &payload);
                Ok(Some(message))
            }
            None => Err(()),
        }
    }

    /// `COM_STMT_SEND_LONG_DATA`, which has no reply. The statement will be executed where the data went.
    pub(super) async fn send_long_data(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        let Some((id, what)) = self.statement_of(incoming) else {
            return Ok(incoming.discard_rest(&mut self.stream).await?);
        };
        if self.is_split()
            && let Err(error) = self.begin_on_primary().await
        {
            // There is no reply to say it in, and without these data the statement must not be executed.
            info!(%error, "a client is let go: no primary takes its transaction over");
            self.released = true;
            return Ok(incoming.discard_rest(&mut self.stream).await?);
        }
        let decided = self.decide(&what.statement, &what.text.sql);
        if decided.answer == Some(Answer::RefuseInReadOnlyTransaction) {
            // Its execution will be refused, and where the transaction is it cannot even be prepared.
            return Ok(incoming.discard_rest(&mut self.stream).await?);
        }
        let target = self.held_route().target;
        let route = Route { target, answer: None, opens_read_only: false, leaves: None, ..decided };
        self.session.ledger.pins.insert(PinReason::LongData);
        let on_replica = self.connections.transaction_on_replica;
        self.prepared.stand(id, |stands| Stands { long_data: true, on_replica, ..stands });
        let mut order = Order::new(route, incoming, Shape::Acknowledgement);
        order.prepared = Some(&what.text);
        order.is_silent = true;
        self.run(order).await?;
        if self.connections.transaction_on_replica
            && let Some(used) = self.connections.at(Side::Replica)
        {
            // No pin holds it there, and who has the same text would execute it with these data.
            used.lease.parts().1.has_leftovers = true;
        }
        Ok(())
    }

    /// `COM_STMT_FETCH`: from a cursor on the held connection.
    pub(super) async fn fetch(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        let Some((id, what)) = self.statement_of(incoming) else {
            return self.unknown_statement(incoming, "mysqld_stmt_fetch").await;
        };
        if self.prepared.get(id).is_none_or(|prepared| !prepared.stands().cursor) {
            let error = refusal::no_open_cursor(id, self.session.dialect.server);
            return self.answer_error(incoming, &error).await;
        }
        let mut order = Order::new(self.held_route(), incoming, Shape::Rows);
        order.prepared = Some(&what.text);
        self.last_status = StatusFlags::empty();
        self.run(order).await?;
        if self.last_status.contains(StatusFlags::LAST_ROW_SENT) {
            if let Some(prepared) = self.prepared.get(id) {
                self.stand(id, Stands { cursor: false, ..prepared.stands() });
            }
            self.review_standing().await;
        }
        Ok(())
    }

    /// `COM_STMT_RESET`: takes back what was sent ahead and closes the cursor.
    pub(super) async fn reset_statement(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        let Some((id, what)) = self.statement_of(incoming) else {
            return self.unknown_statement(incoming, "mysqld_stmt_reset").await;
        };
        if self.prepared.get(id).is_none_or(|prepared| prepared.stands().nothing()) {
            return self.acknowledge(incoming.reply_seq()).await;
        }
        if self.is_prepared_where_it_stands(&what.text) {
            let mut order = Order::new(self.held_route(), incoming, Shape::Acknowledgement);
            order.prepared = Some(&what.text);
            self.run(order).await?;
        } else {
            // The member has refused to prepare it when data was sent ahead, and would again.
            self.acknowledge(incoming.reply_seq()).await?;
        }
        self.after_execute(id, Executed::Whole).await;
        Ok(())
    }

    /// `COM_STMT_CLOSE`, which has no reply. Members close the statement when no session has its text any more.
    pub(super) async fn close_statement(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        incoming.discard_rest(&mut self.stream).await?;
        let closed = statement_id(incoming.payload()).and_then(|id| self.prepared.remove(id));
        let stood = |prepared: &Prepared| !prepared.stands().nothing() || asks(&prepared.what.statement);
        if let Some(prepared) = closed.filter(stood) {
            let last = self.connections.last;
            for side in [Side::Primary, Side::Replica] {
                if let Some(mut used) = self.connections.take(side) {
                    used.lease.parts().1.forget(prepared.what.text.id());
                    self.connections.keep(side, used);
                }
            }
            // Closing is no statement.
            self.connections.last = last;
            self.review_standing().await;
        }
        Ok(())
    }

    /// To the connection that a cursor or data sent ahead holds.
    fn held_route(&self) -> Route {
        let target = match self.standing_side() {
            Side::Primary => Target::Primary,
            Side::Replica => Target::Replica,
        };
        plain_route(target, Reason::Pinned)
    }

    /// On which side cursors, and data sent ahead, are.
    const fn standing_side(&self) -> Side {
        if self.connections.transaction_on_replica { Side::Replica } else { self.pinned_side() }
    }

    fn is_prepared_where_it_stands(&mut self, text: &StatementText) -> bool {
        let kept = self.connections.at(self.standing_side());
        kept.is_some_and(|used| used.lease.parts().1.prepared(text).is_some())
    }

    /// Whether parameters were sent ahead on a connection that is lost; they must be sent again.
    fn has_lost_parameters(&mut self, id: u32) -> bool {
        let held = self.connections.holds(self.standing_side());
        let on_replica = self.connections.transaction_on_replica;
        let stands = self.prepared.get(id).map(Prepared::stands).unwrap_or_default();
        if held && (!stands.on_replica || on_replica) {
            return false;
        }
        self.prepared.stand(id, |_| Stands::default());
        stands.long_data
    }

    fn statement_of(&self, incoming: &Incoming) -> Option<(u32, Arc<What>)> {
        let id = statement_id(incoming.payload())?;
        Some((id, Arc::clone(&self.prepared.get(id)?.what)))
    }

    async fn unknown_statement(&mut self, incoming: &mut Incoming, given_to: &str) -> Result<(), Gone> {
        let id = statement_id(incoming.payload()).unwrap_or(0);
        let is_mysql = self.session.dialect.server == ServerKind::MySql;
        let given_to = if is_mysql { "mysql_stmt_precheck" } else { given_to };
        self.answer_error(incoming, &refusal::unknown_statement(id, given_to)).await
    }
}

/// Whether a server opens a cursor for such a statement when it is asked to. What a procedure or a block says comes at once,
/// and the flag that a cursor is open then speaks of one of the procedure's own.
const fn can_have_cursor(kind: Kind) -> bool {
    !matches!(kind, Kind::Call | Kind::Compound)
}
