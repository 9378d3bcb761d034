//! The right to use one connection, for a while.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{BackendId, MemberPool, member::Parked, turns::Turn};
use crate::backend::Connection;

/// A connection on lease, with what its users remember of it.
///
/// Dropping a lease closes its connection, as after a panic in the client's task: only [`Lease::release`] gives it back.
#[derive(Debug)]
pub struct Lease<T: Default + Send + 'static> {
    // `None` only inside `drop`.
    parked: Option<Box<Parked<T>>>,
    pool: Arc<MemberPool<T>>,
    id: BackendId,
    waited: bool,
    _turn: Turn,
}

impl<T: Default + Send + 'static> Lease<T> {
    pub(super) fn new(pool: Arc<MemberPool<T>>, parked: Box<Parked<T>>, turn: Turn, waited: bool) -> Self {
        pool.begin_use();
        Lease { id: parked.id, parked: Some(parked), pool, waited, _turn: turn }
    }

    /// The proxy's id of the connection.
    #[must_use]
    pub const fn id(&self) -> BackendId {
        self.id
    }

    /// Whether the session waited for it: for its turn, or for a new connection.
    #[must_use]
    pub const fn waited(&self) -> bool {
        self.waited
    }

    /// Whether others wait for a connection to this member.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.pool.is_awaited()
    }

    /// The member's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.pool.address()
    }

    /// The connection and what its users remember of it.
    pub fn parts(&mut self) -> (&mut Connection, &mut T) {
        match &mut self.parked {
            Some(parked) => (&mut parked.connection, &mut parked.memory),
            // `parked` is taken when the lease ends, after which nobody can call this.
            None => unreachable!("a lease that has ended is in use"),
        }
    }

    /// The connection, and its pool, which knows while it is used whether others wait for one.
    pub fn connection_and_pool(&mut self) -> (&mut Connection, &MemberPool<T>) {
        match &mut self.parked {
            Some(parked) => (&mut parked.connection, &self.pool),
            // As in `parts`.
            None => unreachable!("a lease that has ended is in use"),
        }
    }

    /// A statement is run on the connection.
    pub fn count_exchange(&self) {
        self.pool.count_exchange();
    }

    /// Gives the connection back to be used by others: nothing of its user's stands on it, or its memory says what must
    /// be done first. One that is in flight is closed nevertheless. The member ends it when nobody has used it for
    /// `wait_timeout`.
    pub fn release(self, wait_timeout: Duration) {
        self.release_at(wait_timeout, Instant::now());
    }

    /// The same for whom it is known what time it is.
    pub fn release_at(mut self, wait_timeout: Duration, now: Instant) {
        if let Some(parked) = self.parked.take() {
            self.pool.take_back(parked, wait_timeout, now);
        }
    }

    /// Gives back what was taken by [`MemberPool::lease_idle`], as idle as it was.
    pub fn put_back(mut self) {
        if let Some(parked) = self.parked.take() {
            self.pool.put_back(parked);
        }
    }

    /// Closes the connection, like dropping the lease, and says that it is meant.
    pub fn discard(self) {}
}

impl<T: Default + Send + 'static> Drop for Lease<T> {
    fn drop(&mut self) {
        if let Some(parked) = self.parked.take() {
            parked.close_soon();
        }
        self.pool.end_use();
    }
}
