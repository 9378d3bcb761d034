//! Statements that nobody waits for any more: their client has left, does not read, or has stopped in the middle.
//!
//! Knows that a server goes on with a statement whose connection is closed, and how it is told not to. Must not know why the
//! client is gone.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::timeout;
use tracing::info;

use super::{connections::Used, run::Client, seldom::Seldom};
use crate::topology::MemberId;

/// After so long the connection is closed whatever the member says, and its place in the pool is free.
const LIMIT: Duration = Duration::from_secs(5);

/// The right to end a statement at a member, which takes a connection beyond the pool's.
type Turn = tokio::sync::Mutex<()>;

/// What all clients share of it: whose turn it is, and what the log was told.
#[derive(Debug, Default)]
pub struct Abandoned {
    /// Of each member its own: one that does not answer must not keep the others' connections. One at a time: `MariaDB` 10.11
    /// ends a statement that sleeps in less than a millisecond, but two `KILL`s at once wait for each other up to 2 s
    /// (`THD::awake_no_mutex` tries 40 times, every 50 ms, for a mutex that all sleepers share).
    turns: Mutex<HashMap<MemberId, Arc<Turn>>>,
    ending: Seldom,
    impatience: Seldom,
}

impl Abandoned {
    /// Where to wait for one's turn at a member. Members at which nobody waits are forgotten.
    fn turn(&self, member: MemberId) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if !turns.contains_key(&member) {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(member).or_default())
    }
}

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
        let limit = self.proxy.policy.acquire_timeout.min(LIMIT);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_has_turns_of_its_own_and_is_forgotten() {
        let abandoned = Abandoned::default();
        let (one, other) = (abandoned.turn(MemberId(1)), abandoned.turn(MemberId(2)));
        assert!(!Arc::ptr_eq(&one, &other));
        assert!(Arc::ptr_eq(&one, &abandoned.turn(MemberId(1))));
        drop(one);
        let _third = abandoned.turn(MemberId(3));
        assert_eq!(abandoned.turns.lock().unwrap().len(), 2);
    }
}
