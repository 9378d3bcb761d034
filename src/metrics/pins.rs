//! The one place where pins are counted: by what a session's set is now against what it was when it was counted last.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Metrics, labels::Label};
use crate::session::{PinReason, Pins};

/// The pins of one session, as far as they are counted. Dropping it counts them off.
#[derive(Debug)]
pub struct CountedPins {
    counted: Pins,
    metrics: Arc<Metrics>,
}

/// How many sessions are pinned now, by reason.
#[derive(Debug)]
pub(super) struct PinnedNow([AtomicU64; PinReason::ALL.len()]);

impl Default for PinnedNow {
    fn default() -> Self {
        PinnedNow(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl PinnedNow {
    pub(super) fn raise(&self, reason: PinReason) {
        self.0[reason.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lower(&self, reason: PinReason) {
        self.0[reason.index()].fetch_sub(1, Ordering::Relaxed);
    }

    /// The reasons for which any session is pinned, with their number, the most frequent first.
    pub(super) fn most_first(&self) -> Vec<(PinReason, u64)> {
        let count = |reason: &PinReason| self.0[reason.index()].load(Ordering::Relaxed);
        let mut all: Vec<_> =
            PinReason::ALL.iter().map(|reason| (*reason, count(reason))).filter(|(_, count)| *count > 0).collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all
    }
}

impl CountedPins {
    /// A session that has none.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        CountedPins { counted: Pins::default(), metrics }
    }

    /// The session has these now. Gives those that are new. Near free where nothing has changed.
    pub fn follow(&mut self, now: &Pins) -> Pins {
        let mut new = Pins::default();
        if self.counted == *now {
            return new;
        }
        for reason in PinReason::ALL {
            match (self.counted.contains(reason), now.contains(reason)) {
                (false, true) => {
                    self.metrics.pinned(reason);
                    new.insert(reason);
                }
                (true, false) => self.metrics.unpinned(reason),
                _ => {}
            }
        }
        self.counted.clone_from(now);
        new
    }
}

impl Drop for CountedPins {
    fn drop(&mut self) {
        self.follow(&Pins::default());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::RouteNames;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(usize),
        Remove(usize),
        Reset,
        Follow,
    }

    fn step() -> impl Strategy<Value = Step> {
        let reason = 0..PinReason::ALL.len();
        prop_oneof![
            reason.clone().prop_map(Step::Insert),
            reason.prop_map(Step::Remove),
            Just(Step::Reset),
            Just(Step::Follow)
        ]
    }

    proptest! {
        /// However the sets of several sessions change, those that are counted are those that stand.
        #[test]
        fn what_is_counted_is_what_stands(steps in prop::collection::vec((0..3_usize, step()), 0..60)) {
            let metrics = Arc::new(Metrics::new(RouteNames { targets: &[], reasons: &[] }));
            let mut sessions: Vec<(Pins, CountedPins)> =
                (0..3).map(|_| (Pins::default(), CountedPins::new(Arc::clone(&metrics)))).collect();
            for (session, step) in steps {
                let (pins, counted) = &mut sessions[session];
                match step {
                    Step::Insert(at) => drop(pins.insert(PinReason::ALL[at])),
                    Step::Remove(at) => pins.remove(PinReason::ALL[at]),
                    Step::Reset => *pins = Pins::default(),
                    Step::Follow => drop(counted.follow(&pins.clone())),
                }
            }
            for (pins, counted) in &mut sessions {
                counted.follow(pins);
            }
            let stands = |reason: PinReason| sessions.iter().filter(|(pins, _)| pins.contains(reason)).count() as u64;
            let found = metrics.pins_now();
            for reason in PinReason::ALL {
                let counted = found.iter().find(|(it, _)| *it == reason).map_or(0, |(_, count)| *count);
                prop_assert_eq!(counted, stands(reason), "{}", reason.name());
            }
            drop(sessions);
            prop_assert_eq!(metrics.pins_now(), []);
        }
    }
}
