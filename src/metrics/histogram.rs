//! A histogram with fixed buckets: two relaxed additions for each sample, and no memory that grows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many bounds a histogram has; above the last there is one more bucket.
pub(super) const BOUNDS: usize = 19;

/// Upper bounds in nanoseconds, ascending.
pub(super) type Bounds = [u64; BOUNDS];

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// For whole statements: 50 µs to 60 s.
pub(super) const STATEMENT: Bounds = [
    50 * MICROSECOND,
    100 * MICROSECOND,
    250 * MICROSECOND,
    500 * MICROSECOND,
    MILLISECOND,
    2_500 * MICROSECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    25 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    500 * MILLISECOND,
    SECOND,
    2_500 * MILLISECOND,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    60 * SECOND,
];

/// For the proxy's own part of a statement, which is about ten microseconds: 1 µs to 1 s.
pub(super) const OVERHEAD: Bounds = [
    MICROSECOND,
    2_500,
    5 * MICROSECOND,
    10 * MICROSECOND,
    25 * MICROSECOND,
    50 * MICROSECOND,
    100 * MICROSECOND,
    250 * MICROSECOND,
    500 * MICROSECOND,
    MILLISECOND,
    2_500 * MICROSECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    25 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    500 * MILLISECOND,
    SECOND,
];

/// Samples by bucket, and the sum of them all.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds: &'static Bounds,
    buckets: [AtomicU64; BOUNDS + 1],
    nanoseconds: AtomicU64,
}

/// The samples of one or more histograms of the same bounds, added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Samples {
    bounds: &'static Bounds,
    buckets: [u64; BOUNDS + 1],
    nanoseconds: u64,
}

impl Histogram {
    pub(super) fn new(bounds: &'static Bounds) -> Self {
        Self { bounds, buckets: std::array::from_fn(|_| AtomicU64::new(0)), nanoseconds: AtomicU64::new(0) }
    }

    pub(super) fn observe(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let at = self.bounds.partition_point(|bound| *bound < nanoseconds);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
            self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        }
    }
}

impl Samples {
    pub(super) fn none(bounds: &'static Bounds) -> Self {
        Self { bounds, buckets: [0; BOUNDS + 1], nanoseconds: 0 }
    }

    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        self.nanoseconds = self.nanoseconds.wrapping_add(histogram.nanoseconds.load(Ordering::Relaxed));
    }

    /// Upper bound (`None` is infinity) and how many samples are not above it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        let bounds = self.bounds.iter().map(|bound| Some(Duration::from_nanos(*bound))).chain([None]);
        let counts = self.buckets.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        bounds.zip(counts)
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What has come since `earlier`, which counted the same.
    pub(super) fn since(&self, earlier: &Samples) -> Samples {
        let buckets = std::array::from_fn(|at| self.buckets[at].saturating_sub(earlier.buckets[at]));
        Self { bounds: self.bounds, buckets, nanoseconds: self.nanoseconds.wrapping_sub(earlier.nanoseconds) }
    }

    /// What so large a part of the samples (0 to 1) does not exceed, evenly spread within its bucket; `None` without samples.
    /// What is above the last bound counts as the last bound.
    #[expect(clippy::cast_precision_loss, reason = "the buckets are coarser by far")]
    pub(super) fn quantile(&self, part: f64) -> Option<Duration> {
        let wanted = self.count() as f64 * part;
        let (mut below, mut lower) = (0.0, 0);
        for (bound, count) in self.bounds.iter().zip(&self.buckets) {
            let within = *count as f64;
            if within > 0.0 && below + within >= wanted {
                let share = (wanted - below) / within;
                let nanoseconds = lower as f64 + share * (*bound - lower) as f64;
                return Some(Duration::from_secs_f64(nanoseconds / 1e9));
            }
            (below, lower) = (below + within, *bound);
        }
        (self.count() > 0).then(|| Duration::from_nanos(lower))
    }

    pub(super) fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_ascend() {
        assert!(STATEMENT.is_sorted_by(|a, b| a < b) && OVERHEAD.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_quantile_lies_within_its_bucket_and_counts_what_has_come_since() {
        let histogram = Histogram::new(&STATEMENT);
        let look = || {
            let mut samples = Samples::none(&STATEMENT);
            samples.add(&histogram);
            samples
        };
        let none = look();
        assert_eq!(none.quantile(0.5), None);
        (0..99).for_each(|_| histogram.observe(Duration::from_micros(80)));
        histogram.observe(Duration::from_millis(200));
        let first = look();
        let half = first.quantile(0.5).unwrap();
        assert!(half > Duration::from_micros(50) && half <= Duration::from_micros(100), "{half:?}");
        assert!(first.quantile(1.0).unwrap() > Duration::from_millis(100));
        histogram.observe(Duration::from_secs(3600));
        assert_eq!(look().since(&first).quantile(0.5), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_sample_on_a_bound_belongs_below_it_and_a_huge_one_above_all() {
        let histogram = Histogram::new(&STATEMENT);
        for took in [Duration::ZERO, Duration::from_micros(50), Duration::from_nanos(50_001), Duration::from_secs(120)]
        {
            histogram.observe(took);
        }
        let mut samples = Samples::none(&STATEMENT);
        samples.add(&histogram);
        let cumulative: Vec<_> = samples.cumulative().collect();
        assert_eq!(cumulative[0], (Some(Duration::from_micros(50)), 2));
        assert_eq!(cumulative[1], (Some(Duration::from_micros(100)), 3));
        assert_eq!(cumulative[BOUNDS - 1], (Some(Duration::from_secs(60)), 3));
        assert_eq!(cumulative[BOUNDS], (None, 4));
        assert_eq!(samples.count(), 4);
        assert_eq!(samples.sum(), Duration::from_nanos(120_000_100_001));
    }
}
