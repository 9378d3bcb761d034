//! Reads that the primary serves in a replica's place, and how many of them at a time (`routing.fallback_limit`).
//!
//! Knows whose turn it is. Must not know why no replica serves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};

use super::{
    connections::Side,
    member_choice::{Attempts, Choice},
    refusal,
    run::Client,
};
use crate::{topology::PickReason, wire::err::SqlError};

/// How long a read waits for its turn before it looks for a replica again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The turns of all clients.
#[derive(Clone, Debug)]
pub struct Fallbacks {
    turns: Option<Arc<Semaphore>>,
    limit: usize,
}

/// The right to have the primary serve one read in a replica's place, for as long as it takes.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Fallbacks {
    /// So many at a time; 0: any number.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { turns: (limit > 0).then(|| Arc::new(Semaphore::new(limit))), limit }
    }

    /// Whether reads may have to wait for their turn.
    pub(super) const fn are_limited(&self) -> bool {
        self.turns.is_some()
    }
}

impl Client {
    /// Whether the read must wait for its turn before the primary serves it.
    pub(super) fn needs_turn(&self, side: Side, choice: &Choice, attempts: &Attempts) -> bool {
        self.proxy.policy.fallbacks.turns.is_some()
            && side == Side::Replica
            && choice.because.is_some_and(PickReason::is_fallback)
            && attempts.turn.is_none()
            // Where there is nobody else, nobody is to be protected.
            && self.proxy.topology.view().members.len() > 1
    }

    /// Whether its turn is now.
    pub(super) fn takes_turn(&self, attempts: &mut Attempts) -> bool {
        let turns = self.proxy.policy.fallbacks.turns.as_ref();
        let turn = turns.and_then(|turns| Arc::clone(turns).try_acquire_owned().ok());
        attempts.turn = turn.map(|permit| Turn { _permit: permit });
        attempts.turn.is_some()
    }

    /// Waits for its turn a little; then a member is chosen again, for a replica may serve by now.
    pub(super) async fn wait_for_turn(&mut self, attempts: &mut Attempts) -> Result<(), SqlError> {
        let proxy = Arc::clone(&self.proxy);
        let Fallbacks { turns: Some(turns), limit } = &proxy.policy.fallbacks else { return Ok(()) };
        let now = Instant::now();
        if now >= attempts.deadline {
            let problem = format!("{limit} reads are served by the primary already (routing.fallback_limit)");
            return Err(refusal::no_member(&problem, attempts.began.elapsed()));
        }
        let _held = proxy.metrics.held();
        let until = attempts.deadline.min(now + LOOK_AGAIN);
        let turn = timeout_at(until.into(), Arc::clone(turns).acquire_owned());
        let turn = self.while_wanted(&mut attempts.left_at, turn).await?;
        attempts.turn = turn.ok().and_then(Result::ok).map(|permit| Turn { _permit: permit });
        Ok(())
    }
}
