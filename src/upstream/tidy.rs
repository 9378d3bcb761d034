//! What is closed at members although no session asks for it: prepared statements of clients that closed them, or left.
//!
//! Knows idle connections. Must not know sessions.

use tokio::time::timeout;

use super::{conditions::ASK_LIMIT, state::BackendState, sync::close_statements, texts::StatementTexts};
use crate::pool::{Lease, MemberPool, Pools};

/// The most connections of a member that are looked through at a time.
const MANY: usize = 64;

/// Closes on idle connections the statements that no session has any more.
pub fn close_unused_statements(pools: &Pools<BackendState>, texts: &StatementTexts) {
    let dropped = texts.dropped();
    for pool in pools.list() {
        for _ in 0..MANY {
            let may_have_dead = |memory: &BackendState| memory.may_have_dead(dropped);
            let Some(lease) = MemberPool::lease_idle(&pool, may_have_dead) else { break };
            sweep(lease, dropped);
        }
    }
}

/// Without waiting when there is nothing to close.
fn sweep(mut lease: Lease<BackendState>, dropped: u64) {
    let (_, memory) = lease.parts();
    memory.sweep(dropped);
    if !memory.may_have_dead(dropped) {
        return lease.put_back();
    }
    drop(tokio::spawn(async move {
        let (connection, memory) = lease.parts();
        match timeout(ASK_LIMIT, close_statements(connection, memory)).await {
            Ok(Ok(())) => lease.put_back(),
            _ => lease.discard(),
        }
    }));
}
