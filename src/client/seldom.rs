//! How often a line about clients may stand in the log, whatever they do.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The least time between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// Lets one through now and then, and counts the others.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Whether to say it now; then how many times it was kept back since the last word.
    pub fn note(&self) -> Option<u64> {
        self.note_at(Instant::now())
    }

    fn note_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, kept_back) = &mut *state;
        if last.is_some_and(|last| now.saturating_duration_since(last) < INTERVAL) {
            *kept_back = kept_back.saturating_add(1);
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_second_and_the_others_are_counted() {
        let (seldom, now) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.note_at(now), Some(0));
        assert_eq!((seldom.note_at(now), seldom.note_at(now)), (None, None));
        assert_eq!(seldom.note_at(now + INTERVAL), Some(2));
        assert_eq!(seldom.note_at(now + INTERVAL * 2), Some(0));
    }
}
