//! One command at a member: connect, make the connection ready and send (`ready`), relay the reply; `learn` does the rest.

use std::{io, sync::Arc, time::Instant};

use super::{
    connections::{Side, Used},
    handle::{Begun, IfLost, Place, Running},
    ids::Ids,
    incoming::Incoming,
    member_choice::Attempts,
    run::{Client, Gone},
    texts::StatementText,
    token_tracker::TOKEN_TRACKER,
};
use crate::{
    backend::{Exchange, ExchangeError, MadeUp, Progress, Reply, Translation},
    metrics::{Direction, Side as MetricSide},
    route::{Reason, Route, Target},
    session::{Listener, Transaction},
    sql::{Facts, Kind, Statement},
    wire::{
        Command, HEADER_LEN, StatusFlags,
        err::SqlError,
        ok::Change,
        packet::MessageEnd,
        prepared::{asks_for_cursor, statement_id},
        response::Shape,
    },
};

/// A command to be done at a member.
pub(super) struct Order<'a> {
    /// Where, and why.
    pub route: Route,
    /// Its bytes, as far as they are in memory.
    pub message: &'a [u8],
    /// Where it ends; the rest is streamed.
    pub end: MessageEnd,
    /// What kind of reply comes.
    pub shape: Shape,
    /// What it says, if it is SQL.
    pub statement: Option<(&'a Statement, &'a [u8])>,
    /// The prepared statement whose id stands in the message.
    pub prepared: Option<&'a Arc<StatementText>>,
    /// The statement that is being prepared, and the id that the client gets for it.
    pub preparing: Option<(&'a Arc<StatementText>, u32)>,
    /// That one is a `SET` of user variables.
    pub prepares_set: bool,
    /// A statement of the proxy's own that must run right before.
    pub preface: Option<&'a str>,
    /// It compares connections' ids with the member's own.
    pub ids: Option<&'a Ids>,
    /// It has no reply.
    pub is_silent: bool,
}

/// How a command ended.
#[derive(Debug)]
pub(super) enum Finish {
    /// A member answered, perhaps with an error.
    Replied(Reply),
    /// The command has no reply.
    Silent,
    /// The client was told that no member could serve, or that one refused the session's settings.
    Refused,
    /// The client was told that the member was lost.
    Lost,
}

impl Finish {
    /// The member's answer.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Finish::Replied(reply) => Some(reply),
            Finish::Silent | Finish::Refused | Finish::Lost => None,
        }
    }
}

/// How one attempt ended.
pub(super) enum Attempt {
    Done(Finish),
    /// The command is tried again, elsewhere.
    Again,
}

impl<'a> Order<'a> {
    /// A command that is complete in memory or begins there.
    pub fn new(route: Route, incoming: &'a Incoming, shape: Shape) -> Self {
        Order {
            route,
            message: incoming.message(),
            end: incoming.end,
            shape,
            statement: None,
            prepared: None,
            preparing: None,
            prepares_set: false,
            preface: None,
            ids: None,
            is_silent: false,
        }
    }

    /// The client's id of the statement that is prepared, or fetched from.
    fn statement_id(&self) -> Option<u32> {
        let named =
            || self.message.get(HEADER_LEN..).and_then(statement_id).filter(|_| matches!(self.shape, Shape::Rows));
        self.preparing.map(|(_, id)| id).or_else(named)
    }

    /// Whether its prepared statement gets a cursor, or parameters ahead of its execution.
    pub(super) fn leaves_standing(&self) -> bool {
        let payload = self.message.get(HEADER_LEN..).unwrap_or_default();
        let executes = payload.first() == Some(&(Command::StmtExecute as u8));
        self.is_silent || (executes && asks_for_cursor(payload))
    }

    /// Whether it executes a prepared statement.
    pub const fn executes(&self) -> bool {
        self.prepared.is_some() && matches!(self.shape, Shape::Results | Shape::Cursor)
    }

    /// Whether its reply changes what `ROW_COUNT()` gives.
    pub const fn counts_rows(&self) -> bool {
        !matches!(self.shape, Shape::Prepare | Shape::Text)
    }
}

impl Client {
    /// Does the command.
    pub(super) async fn run(&mut self, order: Order<'_>) -> Result<Finish, Gone> {
        let attempts = Attempts::new(Instant::now(), self.proxy.policy.acquire_timeout);
        self.forget_what_is_cleared(&order);
        self.attempt_until_done(order, attempts).await
    }

    /// Goes on with a command that has been sent, and of whose reply this has arrived.
    pub(super) async fn run_on(
        &mut self,
        mut order: Order<'_>,
        mut attempts: Attempts,
        (side, used): (Side, Used),
        arrived: Option<io::Result<usize>>,
    ) -> Result<Finish, Gone> {
        match self.relay_reply((side, used), &mut order, &mut attempts, None, arrived).await? {
            Attempt::Done(finish) => Ok(finish),
            Attempt::Again => self.attempt_until_done(order, attempts).await,
        }
    }

    async fn attempt_until_done(&mut self, mut order: Order<'_>, mut attempts: Attempts) -> Result<Finish, Gone> {
        loop {
            self.begin_where_it_can_stay(&mut order, &mut attempts).await;
            let side = self.side_of(&order);
            if side != self.connections.last {
                // The connection that can answer what waits is about to be the other one.
                self.ask_what_waits().await;
            }
            self.release_other(side);
            let used = match self.connect(side, &order.route, &mut attempts).await {
                Ok(used) => used,
                Err(error) => return Box::pin(self.tell(&mut order, &error)).await.map(|()| Finish::Refused),
            };
            match self.attempt(side, used, &mut order, &mut attempts).await? {
                Attempt::Done(finish) => return Ok(finish),
                Attempt::Again => {}
            }
        }
    }

    /// A transaction of reads that no replica can serve is the primary's like any other: what it does there needs no
    /// second connection.
    async fn begin_where_it_can_stay(&mut self, order: &mut Order<'_>, attempts: &mut Attempts) {
        let opens = matches!(order.route.reason, Reason::ReadOnlyTransaction | Reason::SplitTransaction);
        let begins = order.statement.is_some() && opens;
        let on_replica = order.route.target == Target::Replica && !self.connections.transaction_on_replica;
        if order.route.reason == Reason::SplitTransaction
            && order.statement.is_some_and(|(statement, _)| statement.kind == Kind::Begin)
        {
            // What it is to see is not known yet: perhaps nothing, as it writes at once.
            attempts.waits = false;
        }
        if begins
            && on_replica
            && self.session.listener == Listener::ReadWrite
            && Box::pin(self.falls_back(&order.route, attempts)).await
        {
            order.route.target = Target::Primary;
        }
    }

    /// On which side a command runs. What `LAST_INSERT_ID()` asks for stands where the session wrote last, also when
    /// reads went elsewhere since.
    fn side_of(&self, order: &Order<'_>) -> Side {
        let asks_insert_id = order.statement.is_some_and(|(statement, _)| {
            statement.has(Facts::ASKS_INSERT_ID) && !statement.has(Facts::ASKS_COUNTS | Facts::DIAGNOSTICS)
        });
        if let Some((statement, _)) = order.statement
            && order.route.target == Target::Same
            && statement.has(Facts::READS_TABLES)
            && (self.session.is_tied() || !self.session.autocommit)
        {
            // What it reads belongs to the transaction, or begins one.
            return self.transaction_side().unwrap_or(self.pinned_side());
        }
        if let Some((statement, _)) = order.statement
            && order.route.target == Target::Same
            && let Some(side) = self.side_that_knows(statement)
        {
            return side;
        }
        let wrote = self.connections.last_used(Side::Primary).is_some() || self.connections.holds(Side::Primary);
        match order.route.target {
            Target::Same if asks_insert_id && wrote && !self.connections.transaction_on_replica => Side::Primary,
            _ => self.side(&order.route),
        }
    }

    /// On which side a route runs.
    pub(super) fn side(&self, route: &Route) -> Side {
        match route.target {
            Target::Primary | Target::Proxy => Side::Primary,
            Target::Replica => Side::Replica,
            Target::Same => self.connections.last,
            Target::All if self.connections.holds(Side::Primary) || route.on_primary => Side::Primary,
            Target::All if self.connections.holds(Side::Replica) => Side::Replica,
            Target::All if self.proxy.topology.view().has_primary() => self.connections.last,
            Target::All => Side::Replica,
        }
    }

    async fn attempt(
        &mut self,
        side: Side,
        mut used: Used,
        order: &mut Order<'_>,
        attempts: &mut Attempts,
    ) -> Result<Attempt, Gone> {
        let waited = used.lease.waited() || !used.lease.parts().1.has(&self.session.settings);
        if waited || self.asks_before(&mut used, order) {
            // Nothing of the statement has been sent: a member that hangs now may be left for another.
            let if_lost = if used.held { IfLost::Ended } else { IfLost::Repeated };
            if let Begun::Killed(scope) = self.registered.handle.begin(running(&mut used, attempts, if_lost)) {
                return Box::pin(self.killed_before_it_began(side, used, scope, order)).await;
            }
        }
        let ready = match self.make_ready(&mut used, order).await {
            Ok(ready) => ready,
            Err(error) => {
                if let Some(scope) = self.registered.handle.end().await {
                    self.give_up(side, used);
                    return Box::pin(self.killed(scope, Progress::Nothing, order)).await;
                }
                return Box::pin(self.not_ready(side, used, error, order, attempts)).await;
            }
        };
        if !waited {
            self.proxy.metrics.proxy_overhead(attempts.began.elapsed());
        }
        let repeatable = order.route.is_repeatable() && !used.held && order.end.is_done();
        let if_lost = if repeatable { IfLost::Repeated } else { IfLost::Ended };
        if let Begun::Killed(scope) = self.registered.handle.begin(running(&mut used, attempts, if_lost)) {
            return Box::pin(self.killed_before_it_began(side, used, scope, order)).await;
        }
        let translation = order.ids.map(|ids| self.translation(&mut used, ids));
        self.send(&mut used, order, ready, translation.as_ref()).await?;
        if order.is_silent {
            used.lease.parts().0.expect_nothing();
            self.registered.handle.end().await;
            self.settle(side, used).await;
            return Ok(Attempt::Done(Finish::Silent));
        }
        self.relay_reply((side, used), order, attempts, translation, None).await
    }

    /// Passes the reply on, and learns from it.
    async fn relay_reply(
        &mut self,
        (side, mut used): (Side, Used),
        order: &mut Order<'_>,
        attempts: &mut Attempts,
        mut translation: Option<Translation>,
        arrived: Option<io::Result<usize>>,
    ) -> Result<Attempt, Gone> {
        let tracker = self.token_tracker();
        let value = |told: &[Change]| tracker.as_ref()?.token(told);
        let made_up = tracker.is_some().then_some(MadeUp { name: TOKEN_TRACKER, value: &value });
        let (server, interception) = (self.session.dialect.server, self.intercept(&used, order));
        let intercept = |code: u16| interception.takes(code, server);
        let replace_error = self.replace_error(&used);
        let (connection, pool) = used.lease.connection_and_pool();
        let exchange = Exchange {
            made_up,
            is_wanted: &|| pool.is_awaited(),
            shape: order.shape,
            client: self.login.capabilities,
            statement_id: order.statement_id(),
            status: self.status_elsewhere(side),
            intercept: &intercept,
            replace_error,
        };
        let result = connection.relay(&mut self.stream, exchange, translation.as_mut(), arrived).await;
        let killed = self.registered.handle.end().await;
        match result {
            Ok(mut reply) => {
                self.count_bytes(order.message.len(), &reply);
                let asked_after_error = self.ask_after_error(&mut used, order, &mut reply).await;
                let asked_after_rows = self.ask_after_rows(&mut used, order, &mut reply).await;
                let asked =
                    self.ask_untold(&mut used, order, &mut reply).await || asked_after_error || asked_after_rows;
                self.retried = attempts.was_repeated();
                self.last_status = reply.status.unwrap_or_default();
                self.learn(side, &mut used, order, &reply).await;
                if asked {
                    used.lease.parts().1.row_count = Some(-1);
                }
                self.released |= self.is_released(order, &reply);
                if self.released || (killed.is_some() && !self.must_hold(side)) {
                    used.lease.discard();
                } else {
                    self.settle(side, used).await;
                }
                Ok(Attempt::Done(Finish::Replied(reply)))
            }
            Err(ExchangeError::Client(error)) => {
                self.abandon(used, &error);
                Err(error.into())
            }
            Err(ExchangeError::Intercepted(code)) => match killed {
                // Whoever is killed is not to be served by another member.
                Some(scope) => {
                    self.give_up(side, used);
                    Box::pin(self.killed(scope, Progress::Nothing, order)).await
                }
                None => Box::pin(self.intercepted(side, used, code, order, attempts)).await,
            },
            Err(ExchangeError::Member { cause, progress }) => match killed {
                Some(scope) => {
                    self.give_up(side, used);
                    Box::pin(self.killed(scope, progress, order)).await
                }
                None => Box::pin(self.member_lost((side, used), &cause, progress, order, attempts)).await,
            },
        }
    }

    /// Whether the member is asked something before the command, though the connection has the session's settings.
    fn asks_before(&self, used: &mut Used, order: &Order<'_>) -> bool {
        order.preface.is_some()
            || order.prepared.is_some_and(|text| used.lease.parts().1.prepared(text).is_none())
            || self.connections.wrote_at.is_some_and(|wrote_at| used.on_primary && wrote_at != used.member)
    }

    /// On which side a transaction is open; the other one does not know of it.
    fn transaction_side(&self) -> Option<Side> {
        let open = self.session.transaction != Transaction::None;
        open.then_some(if self.connections.transaction_on_replica { Side::Replica } else { Side::Primary })
    }

    pub(super) fn is_elsewhere(&self, side: Side) -> bool {
        self.transaction_side().is_some_and(|transaction| transaction != side)
    }

    fn status_elsewhere(&self, side: Side) -> StatusFlags {
        match self.session.transaction {
            Transaction::ReadOnly if self.is_elsewhere(side) => StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY,
            Transaction::ReadWrite if self.is_elsewhere(side) => StatusFlags::IN_TRANS,
            _ => StatusFlags::empty(),
        }
    }

    fn count_bytes(&self, command: usize, reply: &Reply) {
        let metrics = &self.proxy.metrics;
        metrics.bytes(MetricSide::Client, Direction::In, command);
        metrics.bytes(MetricSide::Backend, Direction::Out, command);
        metrics.bytes(MetricSide::Backend, Direction::In, reply.received);
        metrics.bytes(MetricSide::Client, Direction::Out, reply.sent);
    }

    /// Tells an error in answer to the whole command.
    pub(super) async fn tell(&mut self, order: &mut Order<'_>, error: &SqlError) -> Result<(), Gone> {
        while !order.end.is_done() {
            if self.stream.inbox().is_empty() {
                self.stream.fill_or_eof().await?;
            }
            let count = order.end.advance(self.stream.inbox());
            self.stream.consume(count);
        }
        if order.is_silent {
            return Ok(());
        }
        self.refuse(order.end.next_seq(), error).await
    }
}

/// What others may know of a connection in use.
fn running(used: &mut Used, attempts: &Attempts, if_lost: IfLost) -> Running {
    let address = used.address;
    let (connection, _) = used.lease.parts();
    let scissors = Some(Arc::clone(connection.scissors()));
    let place = Place { address, thread_id: connection.thread_id() };
    Running { place, began: attempts.began, scissors, if_lost }
}
