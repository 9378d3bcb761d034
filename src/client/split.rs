//! Transactions whose reads a replica serves until they write (`routing.split_transactions`).
//!
//! Knows how such a transaction comes to the primary. Must not know which statements need that: their routes say so.

use std::time::Instant;

use tokio::time::timeout;

use super::{
    bring::BringError,
    commands::plain_route,
    connections::{Side, Used},
    member_choice::Attempts,
    order::{Attempt, Finish, Order},
    previous::ASK_LIMIT,
    run::{Client, Gone},
};
use crate::{
    backend::QueryError,
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

    /// Begins the transaction on the primary, and only then ends it on the replica: where no primary serves it stands as it
    /// stood.
    ///
    /// # Errors
    /// What the client is told instead of the statement's reply.
    pub(super) async fn begin_on_primary(&mut self) -> Result<(), SqlError> {
        // What waits to be asked there must be asked before its connection goes back.
        self.ask_what_waits().await;
        let used = self.begun_on_primary().await?;
        self.commit_on_replica().await;
        self.session.transaction = Transaction::ReadWrite;
        self.settle(Side::Primary, used).await;
        Ok(())
    }

    async fn begun_on_primary(&mut self) -> Result<Used, SqlError> {
        let route = plain_route(Target::Primary, Reason::TransactionControl);
        let mut attempts = Attempts::new(Instant::now(), self.proxy.policy.acquire_timeout);
        loop {
            let mut used = self.connect(Side::Primary, &route, &mut attempts).await?;
            let problem = match timeout(ASK_LIMIT, self.begin_at(&mut used)).await {
                Ok(Ok(())) => return Ok(used),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {ASK_LIMIT:?}"),
            };
            let (member, problem) = (used.member, format!("{}: {problem}", used.address));
            self.give_up(Side::Primary, used);
            attempts.failed(member, problem);
            self.proxy.topology.recheck();
        }
    }

    async fn begin_at(&mut self, used: &mut Used) -> Result<(), BringError> {
        self.catch_up(used).await?;
        self.forget_what_others_took(used);
        self.keep_answers(used).await;
        let held = used.held.into();
        let (connection, memory) = used.lease.parts();
        self.bring_settings(connection, memory, held).await?;
        connection.query(BEGIN).await.map(drop).map_err(QueryError::into)
    }

    /// Whether the transaction whose replica is lost has only read, and so does the statement, or it ends it.
    pub(super) fn has_done_nothing_but_read(&self, order: &Order<'_>) -> bool {
        let is_last = order.route.target == Target::Replica && order.route.reason == Reason::SplitTransaction;
        self.is_split() && is_last && order.statement.is_some() && order.end.is_done()
    }

    /// A transaction that has only read is begun on the primary when its replica is lost, and the statement runs there: at
    /// `READ COMMITTED` nothing of it was to last.
    pub(super) async fn go_on_on_primary(&mut self, order: &mut Order<'_>) -> Result<Attempt, Gone> {
        if let Err(error) = self.begin_on_primary().await {
            self.lose_what_stood(Side::Replica);
            self.tell(order, &error).await?;
            return Ok(Attempt::Done(Finish::Lost));
        }
        let (target, reason, loss) = (Target::Primary, Reason::InTransaction, Loss::RolledBack);
        order.route = Route { target, reason, loss, ..order.route };
        Ok(Attempt::Again)
    }
}
