//! Whose turn it is to end a statement at a member that nobody waits for any more.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::seldom::Seldom;
use crate::topology::MemberId;

/// The right to end a statement at a member, which takes a connection beyond the pool's.
pub(super) type Turn = tokio::sync::Mutex<()>;

/// What all clients share of it: whose turn it is, and what the log was told.
#[derive(Debug, Default)]
pub struct Abandoned {
    /// Of each member its own: one that does not answer must not keep the others' connections. One at a time: `MariaDB` 10.11
    /// ends a statement that sleeps in less than a millisecond, but two `KILL`s at once wait for each other up to 2 s
    /// (`THD::awake_no_mutex` tries 40 times, every 50 ms, for a mutex that all sleepers share).
    turns: Mutex<HashMap<MemberId, Arc<Turn>>>,
    pub(super) ending: Seldom,
    pub(super) impatience: Seldom,
}

impl Abandoned {
    /// Where to wait for one's turn at a member. Members at which nobody waits are forgotten.
    pub(super) fn turn(&self, member: MemberId) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if !turns.contains_key(&member) {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(member).or_default())
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
