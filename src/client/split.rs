//! Transactions whose reads a replica serves until they write (`routing.split_transactions`).
//!
//! Knows how such a transaction comes to the primary. Must not know which statements need that: their routes say so.

use std::{io, time::Instant};

use tokio::time::timeout;

use super::{
    bring::BringError,
    commands::plain_route,
    connections::{Side, Used},
    member_choice::Attempts,
    member_errors::is_unprepared,
    order::{Attempt, Finish, Order},
    previous::ASK_LIMIT,
    run::{Client, Gone},
};
use crate::{
    backend::QueryError,
    net::PacketError,
    route::{Loss, Reason, Route, Target},
    session::{Listener, Transaction},
    wire::err::SqlError,
};

/// The transaction has the isolation level of the session, like the one on the replica.
const BEGIN: &str = "START TRANSACTION";

impl Client {
    /// Whether the open transaction is one that has only read, on a replica.
    pub(super) fn is_split(&self) -> bool {
        self.connections.transaction_on_replica
            && self.session.transaction == Transaction::ReadWrite
            && self.session.listener == Listener::ReadWrite
    }

    /// Whether the replica that the transaction reads from should serve no longer: it falls behind, say, or is to go.
    pub(super) fn has_outlived_its_replica(&self) -> bool {
        let view = self.proxy.topology.view();
        let held = self.connections.held_on(Side::Replica).and_then(|member| view.member(member));
        self.is_split() && held.is_none_or(|held| !held.serves_reads())
    }

    /// Begins the transaction on the primary, and only then ends it on the replica: where no primary serves it stands as it
    /// stood.
    ///
    /// # Errors
    /// What the client is told instead of the statement's reply.
    pub(super) async fn begin_on_primary(&mut self) -> Result<(), SqlError> {
        // What waits to be asked there must be asked before its connection goes back.
        self.ask_what_waits().await;
        let used = if let Some(own) = self.taken_over() {
            own
        } else {
            let used = self.begun_on_primary().await?;
            self.commit_on_replica().await;
            used
        };
        self.connections.transaction_on_replica = false;
        self.session.transaction = Transaction::ReadWrite;
        self.settle(Side::Primary, used).await;
        Ok(())
    }

    /// The transaction's own connection, if its member is the primary: for want of a replica, or since a change.
    fn taken_over(&mut self) -> Option<Used> {
        let primary = self.proxy.topology.view().usable_primary()?.member.id;
        if self.connections.held_on(Side::Replica) != Some(primary) || self.connections.holds(Side::Primary) {
            return None;
        }
        self.connections.take(Side::Replica).map(|used| Used { on_primary: true, ..used })
    }

    async fn begun_on_primary(&mut self) -> Result<Used, SqlError> {
        let route = plain_route(Target::Primary, Reason::TransactionControl);
        let mut attempts = Attempts::new(Instant::now(), self.proxy.policy.acquire_timeout);
        loop {
            let mut used = self.connect(Side::Primary, &route, &mut attempts).await?;
            let error = match self.begin_at(&mut used).await {
                Ok(()) => return Ok(used),
                Err(error) => error,
            };
            let (member, problem) = (used.member, format!("{}: {error}", used.address));
            self.give_up(Side::Primary, used);
            match error {
                // The primary's word counts: a database that is gone, a role that was revoked.
                BringError::Query(QueryError::Sql(error)) if !is_unprepared(error.code) => return Err(error),
                BringError::Unreachable => attempts.unreachable(problem)?,
                _ => {
                    attempts.failed(member, problem);
                    self.proxy.topology.recheck();
                }
            }
        }
    }

    async fn begin_at(&mut self, used: &mut Used) -> Result<(), BringError> {
        self.catch_up(used).await?;
        self.forget_what_others_took(used);
        self.keep_answers(used).await;
        let held = used.held.into();
        let (connection, memory) = used.lease.parts();
        let begun = async {
            self.bring_settings(connection, memory, held).await?;
            connection.query(BEGIN).await.map(drop).map_err(BringError::from)
        };
        let late = || PacketError::Io(io::Error::new(io::ErrorKind::TimedOut, "no answer to START TRANSACTION"));
        timeout(ASK_LIMIT, begun).await.unwrap_or_else(|_| Err(QueryError::from(late()).into()))?;
        memory.row_count = Some(0);
        Ok(())
    }

    /// Whether the transaction has only read, and the command can as well be done on the primary. What stands on the replica
    /// alone (the previous statement's conditions) it cannot give.
    pub(super) fn may_go_on_on_primary(&self, order: &Order<'_>) -> bool {
        let is_plain = match order.route.target {
            Target::Replica => order.route.reason != Reason::Pinned,
            Target::All => true,
            Target::Primary | Target::Same | Target::Proxy => false,
        };
        self.is_split() && is_plain && !order.is_silent && order.end.is_done()
    }

    /// A transaction that has only read is begun on the primary when its replica is lost, and the statement runs there: at
    /// `READ COMMITTED` nothing of it was to last.
    pub(super) async fn go_on_on_primary(&mut self, order: &mut Order<'_>) -> Result<Attempt, Gone> {
        if let Err(error) = self.begin_on_primary().await {
            if self.connections.at(Side::Replica).is_none() {
                self.lose_what_stood(Side::Replica);
            }
            self.tell(order, &error).await?;
            return Ok(Attempt::Done(Finish::Lost));
        }
        let (target, reason, loss) = (Target::Primary, Reason::InTransaction, Loss::RolledBack);
        order.route = Route { target, reason, loss, ..order.route };
        Ok(Attempt::Again)
    }
}
