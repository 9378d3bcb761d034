//! A connection goes back to the pool, cleaned first if anything may stand on it.
//!
//! Knows one connection. Must not know why its session no longer needs it.

use std::time::Instant;

use super::connections::Used;
use crate::{
    pool::Lease,
    upstream::{BackendState, Sync, clean},
};

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
pub(super) fn release(lease: Lease<BackendState>) {
    release_at(lease, Instant::now());
}

/// The same for whom it is known what time it is.
pub(super) fn release_at(mut lease: Lease<BackendState>, now: Instant) {
    let limit = lease.parts().1.idle_limit();
    lease.release_at(limit, now);
}

/// Takes everything away that stands on a connection.
pub(super) async fn clean_up(used: Used) {
    let mut lease: Lease<BackendState> = used.lease;
    let (connection, memory) = lease.parts();
    memory.sync = Sync::Dirty;
    match clean(connection, memory).await {
        Ok(()) => release(lease),
        Err(_) => lease.discard(),
    }
}
