//! What becomes of a connection when a statement has been answered: the session must keep it, it lingers, or it goes back
//! to the pool.
//!
//! Knows what stands on a connection. Must not know how replies are relayed.

use std::time::Instant;

use super::{
    commands::clean_up,
    connections::{Side, Used},
    memory::Memory,
    run::Client,
};
use crate::{pool::Lease, session::Transaction};

impl Client {
    /// Whether the session must keep the connection of this side.
    pub(super) fn must_hold(&self, side: Side) -> bool {
        let transaction = self.session.transaction != Transaction::None;
        let on_replica = self.connections.transaction_on_replica;
        let pinned = !self.session.ledger.pins.is_empty() && side == self.pinned_side();
        match side {
            Side::Primary => (transaction && !on_replica) || pinned,
            Side::Replica => (transaction && on_replica) || pinned,
        }
    }

    /// A connection that only lingers on the other side is no longer worth keeping.
    pub(super) fn release_other(&mut self, side: Side) {
        let other = if side == Side::Primary { Side::Replica } else { Side::Primary };
        if self.proxy.policy.multiplexing && !self.connections.holds(other) && !self.is_still_asked(other) {
            self.connections.take(other).into_iter().for_each(give_back);
        }
    }

    /// Keeps the connection of a statement that has run if the session must, or lingers, or if sessions do not share; else
    /// it goes back to the pool. So does that of the other side when it only lingered.
    pub(super) async fn settle(&mut self, side: Side, mut used: Used) {
        used.in_flight = None;
        self.keep_or_give_back(side, used).await;
        self.end_settling(side);
    }

    /// Does so for all that is kept, after a pin may have ended. That was no statement: what waits to be asked where the
    /// last one ran still does.
    pub(super) async fn settle_kept(&mut self) {
        let last = self.connections.last;
        for side in [Side::Primary, Side::Replica] {
            if let Some(used) = self.connections.take(side) {
                self.keep_or_give_back(side, used).await;
            }
        }
        self.connections.last = last;
        self.end_settling(last);
    }

    async fn keep_or_give_back(&mut self, side: Side, mut used: Used) {
        used.held = self.must_hold(side);
        if used.held || !self.proxy.policy.multiplexing || (self.may_be_asked(&used) && !self.is_overdue(&used)) {
            self.connections.keep(side, used);
        } else {
            Box::pin(self.keep_answers(&mut used)).await;
            self.connections.remember(side, &used);
            give_back(used);
        }
    }

    /// Whatever is kept only to be asked has its end.
    fn end_settling(&mut self, last: Side) {
        self.release_other(last);
        let lingers = self.proxy.policy.multiplexing && self.connections.lingering().next().is_some();
        self.previous.lingers_since = self.previous.lingers_since.filter(|_| lingers).or(lingers.then(Instant::now));
    }
}

/// Gives a connection back that the session need not hold. What may stand on it (a lock, a transaction) ends at once, not
/// when somebody needs the connection.
pub(super) fn give_back(mut used: Used) {
    let (connection, memory) = used.lease.parts();
    if !connection.is_usable() {
        // Nothing may be asked on it any more, not even to be clean.
        return used.lease.discard();
    }
    memory.let_go();
    if memory.has_leftovers {
        drop(tokio::spawn(clean_up(used)));
    } else {
        release(used.lease);
    }
}

/// Gives back what needs no cleaning first, to be used until its member is about to end it.
pub(super) fn release(lease: Lease<Memory>) {
    release_at(lease, Instant::now());
}

/// The same for whom it is known what time it is.
pub(super) fn release_at(mut lease: Lease<Memory>, now: Instant) {
    let limit = lease.parts().1.idle_limit();
    lease.release_at(limit, now);
}
