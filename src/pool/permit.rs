//! The right to have a connection to a member that is not the pool's: to check a password there, say.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{MemberPool, places::Place, turns::Turn};

/// Counts like a connection in use, from before it is dialled until it is closed; dropping it gives it back.
#[derive(Debug)]
pub struct Permit<T: Default + Send + 'static> {
    pool: Arc<MemberPool<T>>,
    _place: Place,
    _turn: Turn,
    _guest: OwnedSemaphorePermit,
}

impl<T: Default + Send + 'static> Permit<T> {
    pub(super) fn new(pool: Arc<MemberPool<T>>, place: Place, turn: Turn, guest: OwnedSemaphorePermit) -> Self {
        pool.begin_use();
        Permit { pool, _place: place, _turn: turn, _guest: guest }
    }
}

impl<T: Default + Send + 'static> Drop for Permit<T> {
    fn drop(&mut self) {
        self.pool.end_use();
    }
}
