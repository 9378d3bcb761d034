//! How many connections a member may hold for the proxy, whatever they are doing: one that is being dialled or closed
//! counts like one in use.
//!
//! Knows numbers. Must not know connections, nor who wants one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Notify, futures::Notified};

/// The places for connections at one member.
#[derive(Debug)]
pub(super) struct Places {
    limit: usize,
    free: AtomicUsize,
    changed: Notify,
}

/// A place for one connection; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

impl Places {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Places { limit, free: AtomicUsize::new(limit), changed: Notify::new() })
    }

    /// A place, if one is free.
    pub fn take(self: &Arc<Self>) -> Option<Place> {
        let less = |free: usize| free.checked_sub(1);
        let taken = self.free.fetch_update(Ordering::AcqRel, Ordering::Relaxed, less).is_ok();
        taken.then(|| Place(Arc::clone(self)))
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.limit - self.free.load(Ordering::Relaxed)
    }

    /// Waits until a place is free or a connection idle.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// One who waits should look again.
    pub fn change(&self) {
        self.changed.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, Ordering::AcqRel);
        self.0.change();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_the_limit() {
        let places = Places::new(2);
        let (one, two) = (places.take(), places.take());
        assert!(one.is_some() && two.is_some() && places.take().is_none());
        drop(one);
        assert_eq!(places.taken(), 1);
        assert!(places.take().is_some());
    }
}
