//! Statements that nobody waits for any more: their client has left, does not read, or has stopped in the middle.
//!
//! Knows that a server goes on with a statement whose connection is closed, and how it is told not to. Must not know why the
//! client is gone.

use std::{borrow::Cow, time::Duration};

use tokio::time::timeout;
use tracing::info;

use super::{connections::Used, logged_in::Client};

/// After so long the connection is closed whatever the member says, and its place in the pool is free.
const LIMIT: Duration = Duration::from_secs(5);

impl Client {
    /// Ends what runs on a connection, and then the connection. It counts against the pool's limit until that is done.
    pub(super) fn abandon(&self, mut used: Used, why: &std::io::Error) {
        if !used.lease.parts().0.is_in_flight() {
            return;
        }
        if let Some(more) = self.proxy.abandoned.ending.note() {
            let (client, account) = self.who();
            info!(client, ?account, member = %used.address, %why, more, "ending the statement of a client that is gone");
        }
        let limit = self.policy.acquire_timeout.min(LIMIT);
        let turn = self.proxy.abandoned.turn(used.member);
        drop(tokio::spawn(async move {
            let end = async {
                let _turn = turn.lock().await;
                used.lease.parts().0.kill_from_outside(limit).await
            };
            // Where it cannot be said, closing the connection is all that can be done.
            let _ = timeout(limit, end).await;
            used.lease.discard();
        }));
    }

    fn who(&self) -> (u32, Cow<'_, str>) {
        (self.registered.handle.id.get(), String::from_utf8_lossy(&self.account.user))
    }

    /// Says in the log that a client was too slow for the limits of the configuration.
    pub(super) fn note_impatience(&self, error: &std::io::Error) {
        if error.kind() == std::io::ErrorKind::TimedOut
            && let Some(more) = self.proxy.abandoned.impatience.note()
        {
            let (client, account) = self.who();
            let peer = self.origin.peer;
            info!(client, ?account, %peer, why = %error, more, "a client was too slow (limits.client_read_timeout, limits.client_write_timeout)");
        }
    }
}
