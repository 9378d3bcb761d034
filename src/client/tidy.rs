//! What is closed at members although no session asks for it: prepared statements of clients that closed them, or left.
//!
//! Knows idle connections. Must not know sessions.

use tokio::time::timeout;

use super::{bring::close_statements, memory::Memory, previous::ASK_LIMIT, proxy::Proxy};
use crate::pool::{Lease, MemberPool};

/// The most connections of a member that are looked through at a time.
const MANY: usize = 64;

/// Closes on idle connections the statements that no session has any more.
pub fn close_unused_statements(proxy: &Proxy) {
    let dropped = proxy.texts.dropped();
    for pool in proxy.pools.list() {
        for _ in 0..MANY {
            let may_have_dead = |memory: &Memory| memory.may_have_dead(dropped);
            let Some(lease) = MemberPool::lease_idle(&pool, may_have_dead) else { break };
            sweep(lease, dropped);
        }
    }
}

/// Without waiting when there is nothing to close.
fn sweep(mut lease: Lease<Memory>, dropped: u64) {
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
