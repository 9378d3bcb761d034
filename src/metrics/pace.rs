//! What has been counted between two looks: rates and percentiles.
//!
//! Knows sums of counts. Must not know the clock: who looks says how long it was.

use std::{collections::BTreeMap, time::Duration};

use super::{Metrics, histogram::Samples};

/// What was counted until a moment.
#[derive(Clone, Debug)]
pub struct Counted {
    routes: Vec<(&'static str, &'static str, u64)>,
    durations: Samples,
    causal_waits: Samples,
    held: u64,
}

/// What came between two of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    /// Statements a second by target and reason, those that came.
    pub routes: Vec<(&'static str, &'static str, f64)>,
    /// What 50, 95 and 99 of 100 statements took at most; `None` without statements.
    pub durations: Option<[Duration; 3]>,
    /// Reads a second that waited for a replica.
    pub causal_waits: f64,
    /// What 95 of 100 of them waited at most.
    pub causal_wait: Option<Duration>,
    /// Statements that wait for a member at the later moment.
    pub held: u64,
}

impl Metrics {
    /// What has been counted so far.
    #[must_use]
    pub fn counted(&self) -> Counted {
        Counted {
            routes: self.hot.routes(),
            durations: self.hot.all_durations(),
            causal_waits: self.hot.causal_waits(),
            held: self.held_now(),
        }
    }
}

impl Counted {
    /// What has come since `earlier`, in so long a time.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nobody looks at the sixteenth digit of a rate")]
    pub fn since(&self, earlier: &Counted, took: Duration) -> Pace {
        let seconds = took.as_secs_f64().max(0.001);
        let before: BTreeMap<_, _> =
            earlier.routes.iter().map(|(target, reason, count)| ((target, reason), *count)).collect();
        let came = |(target, reason, count): &(&'static str, &'static str, u64)| {
            let more = count.saturating_sub(before.get(&(target, reason)).copied().unwrap_or_default());
            (more > 0).then_some((*target, *reason, more as f64 / seconds))
        };
        let durations = self.durations.since(&earlier.durations);
        let waits = self.causal_waits.since(&earlier.causal_waits);
        let percentiles = [0.5, 0.95, 0.99].map(|part| durations.quantile(part));
        let durations = match percentiles {
            [Some(half), Some(most), Some(nearly_all)] => Some([half, most, nearly_all]),
            _ => None,
        };
        Pace {
            routes: self.routes.iter().filter_map(came).collect(),
            durations,
            causal_waits: waits.count() as f64 / seconds,
            causal_wait: waits.quantile(0.95),
            held: self.held,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, RouteNames};

    #[test]
    fn a_pace_is_what_came_between_two_looks() {
        let metrics = Metrics::new(RouteNames { targets: &["primary", "replica"], reasons: &["write", "read"] });
        (0..10).for_each(|_| metrics.query(0, 0, Outcome::Ok));
        let before = metrics.counted();
        (0..20).for_each(|_| metrics.query(1, 1, Outcome::Ok));
        metrics.query(1, 1, Outcome::Error);
        metrics.query_duration(1, Duration::from_millis(2));
        metrics.causal_wait(Duration::from_millis(30));
        let held = metrics.held();
        let pace = metrics.counted().since(&before, Duration::from_secs(2));
        assert_eq!(pace.routes, [("replica", "read", 10.5)]);
        assert!(pace.durations.unwrap()[2] <= Duration::from_micros(2_500));
        assert_eq!((pace.causal_waits, pace.held), (0.5, 1));
        drop(held);
        let pace = metrics.counted().since(&metrics.counted(), Duration::from_secs(1));
        assert_eq!(pace, Pace::default());
    }
}
