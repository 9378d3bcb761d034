//! How many connections a member may hold for the proxy, whatever they are doing: one that is being dialled or closed
//! counts like one in use.
//!
//! Knows numbers. Must not know connections, nor who wants one.

use std::sync::{
    Arc,
    atomic::{AtomicIsize, AtomicUsize, Ordering},
};

use tokio::sync::{Notify, futures::Notified};

/// The places for connections at one member.
#[derive(Debug)]
pub(super) struct Places {
    limit: AtomicUsize,
    /// Negative while more are taken than there are, as the limit was lowered.
    free: AtomicIsize,
    changed: Notify,
}

/// A place for one connection; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

impl Places {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Places {
            limit: AtomicUsize::new(limit),
            free: AtomicIsize::new(signed(limit)),
            changed: Notify::new(),
        })
    }

    /// A place, if one is free.
    pub fn take(self: &Arc<Self>) -> Option<Place> {
        let less = |free: isize| (free > 0).then(|| free - 1);
        let taken = self.free.fetch_update(Ordering::AcqRel, Ordering::Relaxed, less).is_ok();
        taken.then(|| Place(Arc::clone(self)))
    }

    /// There are so many from now on; false: that is nothing new. Nobody loses the own place. One at a time may do so.
    pub fn limit_to(&self, limit: usize) -> bool {
        let before = self.limit.swap(limit, Ordering::AcqRel);
        self.free.fetch_add(signed(limit) - signed(before), Ordering::AcqRel);
        for _ in before..limit {
            self.change();
        }
        before != limit
    }

    /// Whether more are taken than there are.
    pub fn are_too_many(&self) -> bool {
        self.free.load(Ordering::Relaxed) < 0
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        let taken = signed(self.limit.load(Ordering::Relaxed)) - self.free.load(Ordering::Relaxed);
        taken.max(0).cast_unsigned()
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

/// Limits are far below.
fn signed(number: usize) -> isize {
    isize::try_from(number).unwrap_or(isize::MAX)
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

    #[test]
    fn a_lower_limit_counts_as_places_come_back() {
        let places = Places::new(3);
        let taken: Vec<_> = (0..3).filter_map(|_| places.take()).collect();
        assert!(places.limit_to(1) && !places.limit_to(1));
        for place in taken {
            assert!(places.taken() == 1 || places.are_too_many());
            assert!(places.take().is_none());
            drop(place);
        }
        assert_eq!(places.taken(), 0);
        let one = places.take();
        assert!(one.is_some() && places.take().is_none());
        assert!(places.limit_to(2) && places.take().is_some());
    }
}
