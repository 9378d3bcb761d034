//! The right to use one connection, for a while.

use std::{net::SocketAddr, sync::Arc};

use tokio::sync::OwnedSemaphorePermit;

use super::{BackendId, MemberPool, member::Parked};
use crate::backend::Connection;

/// A connection on lease, with what its users remember of it.
///
/// Dropping a lease is always safe: a connection that is in flight is closed, any other goes back to the pool.
#[derive(Debug)]
pub struct Lease<T: Default + Send + 'static> {
    // `None` only inside `drop`.
    parked: Option<Parked<T>>,
    pool: Arc<MemberPool<T>>,
    id: BackendId,
    keep: bool,
    waited: bool,
    _permit: OwnedSemaphorePermit,
}

impl<T: Default + Send + 'static> Lease<T> {
    pub(super) fn new(pool: Arc<MemberPool<T>>, parked: Parked<T>, permit: OwnedSemaphorePermit, waited: bool) -> Self {
        Lease { id: parked.id, parked: Some(parked), pool, keep: true, waited, _permit: permit }
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
            // `parked` is taken in `drop` alone, after which nobody can call this.
            None => unreachable!("a lease that was given back is in use"),
        }
    }

    /// A statement is run on the connection.
    pub fn count_exchange(&self) {
        self.pool.count_exchange();
    }

    /// Closes the connection instead of giving it back.
    pub fn discard(mut self) {
        self.keep = false;
    }
}

impl<T: Default + Send + 'static> Drop for Lease<T> {
    fn drop(&mut self) {
        let parked = self.parked.take().filter(|_| self.keep);
        self.pool.take_back(parked);
    }
}
