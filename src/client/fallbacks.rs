//! How many reads at a time the primary may serve in a replica's place.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of all clients.
#[derive(Clone, Debug)]
pub struct Fallbacks {
    pub(super) turns: Option<Arc<Semaphore>>,
    pub(super) limit: usize,
}

/// The right to have the primary serve one read in a replica's place, for as long as it takes.
#[derive(Debug)]
pub(super) struct Turn {
    pub _permit: OwnedSemaphorePermit,
}

impl Fallbacks {
    /// So many at a time; 0: any number.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { turns: (limit > 0).then(|| Arc::new(Semaphore::new(limit))), limit }
    }

    /// These, or others of another limit; whoever has a turn of these keeps it.
    #[must_use]
    pub fn limited_to(&self, limit: usize) -> Self {
        if self.limit == limit { self.clone() } else { Self::new(limit) }
    }

    /// Whether reads may have to wait for their turn.
    pub(super) const fn are_limited(&self) -> bool {
        self.turns.is_some()
    }
}
