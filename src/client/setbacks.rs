//! What goes wrong on a command's way: a connection that cannot be made ready, a member that refuses or is lost; and what
//! becomes of the command then.
//!
//! Knows which losses may be repeated and what the client is told of the others. Must not know how a command is sent.

use super::{
    bring::BringError,
    connections::{Side, Used},
    handle::Scope,
    member_choice::Attempts,
    member_errors::{
        Interception, is_behind, is_ended_idle, is_read_only_refusal, is_refusal, is_shutdown, is_unprepared,
    },
    order::{Attempt, Finish, Order},
    refusal,
    run::{Client, Gone},
    takeover::has_done_nothing,
};
use crate::{
    backend::{MemberFault, Progress, QueryError},
    metrics::RetryVerdict,
    route::{Loss, Reason, Route, Target},
    session::Listener,
    sql::ServerKind,
    wire::{HEADER_LEN, err::SqlError},
};

/// The most members that are passed over because they cannot be made ready for a statement.
const MAX_TRIES: usize = 3;

impl Client {
    /// A connection that cannot be made ready is closed. A replica that lacks something (a database that was just
    /// made, say) is passed over; the primary's word counts.
    pub(super) async fn not_ready(
        &mut self,
        side: Side,
        mut used: Used,
        error: BringError,
        order: &mut Order<'_>,
        attempts: &mut Attempts,
    ) -> Result<Attempt, Gone> {
        let server = self.session.dialect.server;
        let error = match error {
            BringError::Prepare(error) if !is_shutdown(error.code, server) => {
                return self.not_prepared(side, used, error, order, attempts).await;
            }
            // It says so of itself, not of the text.
            BringError::Prepare(error) => BringError::Query(QueryError::Sql(error)),
            other => other,
        };
        if matches!(error, BringError::Unreachable) && !used.held {
            // It is given up for its database, and may know what the client asks for.
            self.keep_answers(&mut used).await;
        }
        if side == Side::Replica && self.may_go_on_on_primary(order) {
            used.lease.discard();
            self.proxy.topology.recheck();
            return self.go_on_on_primary(order).await;
        }
        let Used { lease, member, address, on_primary, held, .. } = used;
        match error {
            BringError::Unreachable if !held => {
                lease.discard();
                self.try_another_connection(format!("{address}: {error}"), order, attempts).await
            }
            BringError::Query(QueryError::Sql(error)) if is_ended_idle(error.code, server) && !held => {
                lease.discard();
                self.try_another_connection(format!("{address}: {error}"), order, attempts).await
            }
            BringError::Query(QueryError::Sql(error)) if (on_primary && !is_refusal(error.code, server)) || held => {
                lease.discard();
                if held {
                    self.lose_what_stood(side);
                }
                self.tell(order, &error).await.map(|()| Attempt::Done(Finish::Refused))
            }
            // Who takes the writes instead is for the monitor to find out, until the deadline.
            error if !held && (attempts.avoid.len() < MAX_TRIES || error.is_unprepared()) => {
                lease.discard();
                attempts.failed(member, format!("{address}: {error}"));
                self.proxy.topology.recheck();
                Ok(Attempt::Again)
            }
            error => {
                lease.discard();
                if held {
                    self.lose_what_stood(side);
                }
                let error = refusal::member_lost(&address.to_string(), &error.to_string());
                self.tell(order, &error).await.map(|()| Attempt::Done(Finish::Refused))
            }
        }
    }

    /// It is only this connection that does not serve.
    async fn try_another_connection(
        &mut self,
        problem: String,
        order: &mut Order<'_>,
        attempts: &mut Attempts,
    ) -> Result<Attempt, Gone> {
        match attempts.unreachable(problem) {
            Ok(()) => Ok(Attempt::Again),
            Err(error) => self.tell(order, &error).await.map(|()| Attempt::Done(Finish::Refused)),
        }
    }

    /// A member refuses to prepare the statement. Its connection is fine, and so is what stands on it.
    pub(super) async fn not_prepared(
        &mut self,
        side: Side,
        used: Used,
        error: SqlError,
        order: &mut Order<'_>,
        attempts: &mut Attempts,
    ) -> Result<Attempt, Gone> {
        if side == Side::Replica && !used.on_primary && self.may_go_on_on_primary(order) {
            self.settle(side, used).await;
            return self.go_on_on_primary(order).await;
        }
        let is_final = used.on_primary || attempts.avoid.len() >= MAX_TRIES;
        let counts = used.held || (is_final && !is_unprepared(error.code));
        if !counts {
            self.proxy.topology.recheck();
            attempts.failed(used.member, format!("{}: {error}", used.address));
        }
        self.settle(side, used).await;
        if counts {
            self.tell(order, &error).await?;
            return Ok(Attempt::Done(Finish::Refused));
        }
        Ok(Attempt::Again)
    }

    /// Which errors at the beginning of a reply mean that the statement goes elsewhere.
    pub(super) fn intercept(&self, used: &Used, order: &Order<'_>) -> Interception {
        let complete = order.end.is_done() && order.message.len() > HEADER_LEN;
        if complete && !used.on_primary && self.may_go_on_on_primary(order) {
            return match order.route.target {
                Target::All => Interception::UnknownDatabase,
                _ => Interception::ReadOnlyOrRefusal,
            };
        }
        if !complete || used.held || self.session.is_tied() {
            return Interception::Nothing;
        }
        if self.session.listener == Listener::ReadOnly {
            // Here a replica's refusal of a write is the answer.
            return if order.route.is_repeatable() { Interception::Refusal } else { Interception::Nothing };
        }
        // A text that is prepared is not executed.
        let begins_anew = order.preparing.is_some() || order.statement.is_some_and(|(it, _)| has_done_nothing(it));
        match (order.route.target, used.on_primary, order.route.is_repeatable()) {
            (Target::Replica, false, true) if self.is_galera() => Interception::ReadOnlyOrNodeRefusal,
            (Target::Replica, false, true) => Interception::ReadOnlyOrRefusal,
            (Target::Replica, false, false) => Interception::ReadOnly,
            (Target::All, false, _) => Interception::UnknownDatabase,
            (_, _, true) if self.is_galera() => Interception::NodeRefusal,
            (_, _, true) => Interception::Refusal,
            (Target::Primary, true, false) if begins_anew => Interception::NeverBegun,
            _ => Interception::Nothing,
        }
    }

    fn is_galera(&self) -> bool {
        self.session.dialect.server == ServerKind::MariaDb && self.proxy.topology.view().is_galera()
    }

    /// In a read-only transaction a server refuses a write because of that, a replica because it is one: of a procedure
    /// nobody knows before. A cursor that the member has closed belongs to the statement that the client knows.
    pub(super) fn replace_error(&self, used: &Used) -> fn(&SqlError, Option<u32>) -> Option<SqlError> {
        let on_replica = self.connections.transaction_on_replica && !self.is_split() && !used.on_primary;
        match (self.session.dialect.server, on_replica) {
            (ServerKind::MySql, false) => |error, id| of_cursor(error, id, ServerKind::MySql),
            (ServerKind::MySql, true) => {
                |error, id| of_write(error, ServerKind::MySql).or_else(|| of_cursor(error, id, ServerKind::MySql))
            }
            (_, false) => |error, id| of_cursor(error, id, ServerKind::MariaDb),
            (_, true) => {
                |error, id| of_write(error, ServerKind::MariaDb).or_else(|| of_cursor(error, id, ServerKind::MariaDb))
            }
        }
    }

    /// The net: what a replica refuses as a write runs on the primary; what a dying member refuses, on another one.
    pub(super) async fn intercepted(
        &mut self,
        side: Side,
        mut used: Used,
        code: u16,
        order: &mut Order<'_>,
        attempts: &mut Attempts,
    ) -> Result<Attempt, Gone> {
        let server = self.session.dialect.server;
        if used.held && side == Side::Replica && self.may_go_on_on_primary(order) {
            if is_refusal(code, server) {
                used.lease.discard();
                self.proxy.topology.recheck();
            } else {
                self.settle(side, used).await;
            }
            return self.go_on_on_primary(order).await;
        }
        if is_ended_idle(code, server) {
            let problem = format!("{}: error {code}", used.address);
            used.lease.discard();
            return self.try_another_connection(problem, order, attempts).await;
        }
        if is_refusal(code, server) || is_behind(code) {
            attempts.lost(used.member, format!("{}: error {code}", used.address));
            used.lease.discard();
            self.proxy.topology.recheck();
            return Ok(Attempt::Again);
        }
        // With autocommit off the transaction that the statement has opened stands open.
        used.lease.parts().1.has_leftovers |= !self.session.autocommit;
        self.settle(side, used).await;
        // A replica says that it writes: it must not run twice, however much like a read it looks.
        let loss = if is_read_only_refusal(code) { Loss::OutcomeUnknown } else { order.route.loss };
        order.route = Route { target: Target::Primary, on_primary: true, loss, ..order.route };
        Ok(Attempt::Again)
    }

    /// A command was killed when its connection was ready and nothing of it had been sent.
    pub(super) async fn killed_before_it_began(
        &mut self,
        side: Side,
        mut used: Used,
        scope: Scope,
        order: &mut Order<'_>,
    ) -> Result<Attempt, Gone> {
        self.registered.handle.end().await;
        // What was said in front stands there, without its statement.
        used.lease.parts().1.has_leftovers |= order.preface.is_some();
        self.settle(side, used).await;
        self.killed(scope, Progress::Nothing, order).await
    }

    /// Closes a connection, with all that stood on it.
    pub(super) fn give_up(&mut self, side: Side, used: Used) {
        let held = used.held;
        used.lease.discard();
        if held {
            self.lose_what_stood(side);
        }
    }

    /// A command was killed: no other member is to do it, and what becomes of it is what a server leaves behind a kill.
    pub(super) async fn killed(
        &mut self,
        scope: Scope,
        progress: Progress,
        order: &mut Order<'_>,
    ) -> Result<Attempt, Gone> {
        let killed = || refusal::killed_by(scope, self.session.dialect.server);
        let error = if self.is_over() { refusal::draining() } else { killed() };
        self.tell_loss(progress, order, &error).await
    }

    /// The proxy waits for the statement no longer. Its member is told, as it may go on for long.
    async fn ended_by_the_drain(
        &mut self,
        (side, used): (Side, Used),
        progress: Progress,
        order: &mut Order<'_>,
    ) -> Result<Attempt, Gone> {
        let (address, held) = (used.address, used.held);
        self.abandon(used, &std::io::Error::other("the drain's deadline has passed"));
        if held {
            self.lose_what_stood(side);
        }
        let error = if order.route.commits() {
            refusal::outcome_unknown(&address.to_string(), "the proxy is shutting down")
        } else {
            refusal::draining()
        };
        self.tell_loss(progress, order, &error).await
    }

    async fn tell_loss(
        &mut self,
        progress: Progress,
        order: &mut Order<'_>,
        error: &SqlError,
    ) -> Result<Attempt, Gone> {
        match progress {
            Progress::Nothing => self.tell(order, error).await?,
            Progress::Packets(seq) => self.refuse(seq, error).await?,
            Progress::MidPacket => return Err(Gone::MidPacket),
        }
        Ok(Attempt::Done(Finish::Lost))
    }

    pub(super) async fn member_lost(
        &mut self,
        (side, used): (Side, Used),
        cause: &MemberFault,
        progress: Progress,
        order: &mut Order<'_>,
        attempts: &mut Attempts,
    ) -> Result<Attempt, Gone> {
        if self.is_over() {
            return self.ended_by_the_drain((side, used), progress, order).await;
        }
        let Used { lease, member, address, held, .. } = used;
        lease.discard();
        self.proxy.topology.recheck();
        let repeatable = order.route.is_repeatable() && !held && order.end.is_done();
        if progress == Progress::Nothing && repeatable && attempts.may_repeat() {
            self.proxy.metrics.retry(RetryVerdict::Retried);
            attempts.lost(member, format!("{address}: {cause}"));
            return Ok(Attempt::Again);
        }
        if progress == Progress::Nothing && side == Side::Replica && self.may_go_on_on_primary(order) {
            self.proxy.metrics.retry(RetryVerdict::Retried);
            return self.go_on_on_primary(order).await;
        }
        self.proxy.metrics.retry(verdict(&order.route, progress, held, repeatable));
        if held {
            self.lose_what_stood(side);
        }
        self.wrote_at(member);
        let (member, cause) = (address.to_string(), cause.to_string());
        let error = if order.route.commits() {
            refusal::outcome_unknown(&member, &cause)
        } else {
            refusal::member_lost(&member, &cause)
        };
        self.tell_loss(progress, order, &error).await
    }
}

/// Why a statement whose member was lost is not repeated.
fn verdict(route: &Route, progress: Progress, held: bool, repeatable: bool) -> RetryVerdict {
    match progress {
        _ if route.commits() => RetryVerdict::OutcomeUnknown,
        Progress::Packets(_) | Progress::MidPacket => RetryVerdict::ReplyBegun,
        Progress::Nothing if repeatable => RetryVerdict::Exhausted,
        Progress::Nothing if held && is_in_transaction(route.reason) => RetryVerdict::InTransaction,
        Progress::Nothing if held => RetryVerdict::Pinned,
        Progress::Nothing => RetryVerdict::MayHaveWritten,
    }
}

const fn is_in_transaction(reason: Reason) -> bool {
    matches!(reason, Reason::InTransaction | Reason::ReadOnlyTransaction | Reason::SplitTransaction)
}

/// What one server says of a write in a read-only transaction, if that is what a replica means.
fn of_write(error: &SqlError, server: ServerKind) -> Option<SqlError> {
    says_read_only(error).then(|| refusal::in_read_only_transaction(server))
}

/// The error of a fetch without a cursor, with the client's id of the statement.
fn of_cursor(error: &SqlError, id: Option<u32>, server: ServerKind) -> Option<SqlError> {
    /// `ER_STMT_HAS_NO_OPEN_CURSOR`
    const NO_OPEN_CURSOR: u16 = 1421;
    id.filter(|_| error.code == NO_OPEN_CURSOR).map(|id| refusal::no_open_cursor(id, server))
}

/// 1290 names the option that forbids something, which may be another (`--secure-file-priv`).
fn says_read_only(error: &SqlError) -> bool {
    error.code == 1836 || (error.code == 1290 && error.message.contains("read-only"))
}
