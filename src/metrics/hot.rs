//! What is counted for every statement: plain atomics, apart for each thread so that no two threads write to one cache
//! line, and added up only when somebody looks.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::histogram::{Histogram, OVERHEAD, STATEMENT, Samples};
use super::labels::{Direction, Label, Outcome, Side};
use super::text::{Kind, Text};
use super::{QueryTotals, RouteNames};

/// More threads than this share.
const MOST_SHARDS: usize = 32;

const DIRECTIONS: usize = Direction::ALL.len();
const OUTCOMES: usize = Outcome::ALL.len();

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The number of this thread; it gets one when it first counts.
    static THREAD: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The counts of all threads.
pub(super) struct Shards {
    names: RouteNames,
    shards: Box<[Shard]>,
}

/// The counts of one thread, or of a few. Aligned to two cache lines, which processors fetch together.
#[repr(align(128))]
struct Shard {
    /// By target, reason and outcome.
    queries: Box<[AtomicU64]>,
    /// By target.
    durations: Box<[Histogram]>,
    overhead: Histogram,
    causal_wait: Histogram,
    /// By side and direction.
    bytes: [AtomicU64; Side::ALL.len() * DIRECTIONS],
}

impl Shards {
    pub(super) fn new(names: RouteNames) -> Self {
        let threads = std::thread::available_parallelism().map_or(MOST_SHARDS, usize::from);
        let shards = (0..threads.clamp(1, MOST_SHARDS)).map(|_| Shard::new(names)).collect();
        Self { names, shards }
    }

    pub(super) fn query(&self, target: usize, reason: usize, outcome: Outcome) {
        let known = target < self.names.targets.len() && reason < self.names.reasons.len();
        debug_assert!(known, "no target {target} or no reason {reason} in the tables of names");
        if known && let Some(count) = self.mine().and_then(|it| it.queries.get(self.place(target, reason, outcome))) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn query_duration(&self, target: usize, took: Duration) {
        if let Some(histogram) = self.mine().and_then(|it| it.durations.get(target)) {
            histogram.observe(took);
        }
    }

    pub(super) fn overhead(&self, took: Duration) {
        if let Some(it) = self.mine() {
            it.overhead.observe(took);
        }
    }

    pub(super) fn causal_wait(&self, waited: Duration) {
        if let Some(it) = self.mine() {
            it.causal_wait.observe(waited);
        }
    }

    pub(super) fn bytes(&self, side: Side, direction: Direction, count: usize) {
        if let Some(bytes) = self.mine().and_then(|it| it.bytes.get(side.index() * DIRECTIONS + direction.index())) {
            bytes.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn answered(&self, target: usize, reason: usize, took: Duration, (statement, reply): (usize, usize)) {
        let Some(it) = self.mine() else { return };
        if let Some(count) = it.queries.get(self.place(target, reason, Outcome::Ok)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(histogram) = it.durations.get(target) {
            histogram.observe(took);
        }
        for (side, direction, count) in [
            (Side::Client, Direction::In, statement),
            (Side::Backend, Direction::Out, statement),
            (Side::Backend, Direction::In, reply),
            (Side::Client, Direction::Out, reply),
        ] {
            if let Some(bytes) = it.bytes.get(side.index() * DIRECTIONS + direction.index()) {
                bytes.fetch_add(count as u64, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn totals(&self) -> QueryTotals {
        let mut totals = QueryTotals {
            by_target: self.names.targets.iter().map(|name| (*name, 0)).collect(),
            by_outcome: Outcome::ALL.iter().map(|outcome| (outcome.name(), 0)).collect(),
        };
        for (target, _, outcome, count) in self.queries() {
            if let Some((_, sum)) = totals.by_target.get_mut(target) {
                *sum += count;
            }
            if let Some((_, sum)) = totals.by_outcome.get_mut(outcome.index()) {
                *sum += count;
            }
        }
        totals
    }

    /// By target and reason, as names, what has occurred.
    pub(super) fn routes(&self) -> Vec<(&'static str, &'static str, u64)> {
        let RouteNames { targets, reasons } = self.names;
        let mut routes: Vec<(&'static str, &'static str, u64)> = Vec::new();
        for (target, reason, _, count) in self.queries().filter(|(.., count)| *count > 0) {
            let (Some(target), Some(reason)) = (targets.get(target), reasons.get(reason)) else { continue };
            match routes.last_mut().filter(|(its, why, _)| (its, why) == (target, reason)) {
                Some((.., sum)) => *sum += count,
                None => routes.push((target, reason, count)),
            }
        }
        routes
    }

    /// The time of all statements.
    pub(super) fn all_durations(&self) -> Samples {
        let mut samples = Samples::none(&STATEMENT);
        self.shards.iter().flat_map(|shard| &shard.durations).for_each(|it| samples.add(it));
        samples
    }

    /// The time that reads waited for a replica.
    pub(super) fn causal_waits(&self) -> Samples {
        let mut samples = Samples::none(&STATEMENT);
        self.shards.iter().for_each(|shard| samples.add(&shard.causal_wait));
        samples
    }

    pub(super) fn write(&self, text: &mut Text) {
        self.write_queries(text);
        self.write_durations(text);
        self.write_overhead(text);
        self.write_causal_wait(text);
        self.write_bytes(text);
    }

    /// Only what has occurred: most targets never go with most reasons.
    fn write_queries(&self, text: &mut Text) {
        let name = "mysql_proxy_queries_total";
        text.head(name, Kind::Counter, "Statements, by where they went, why, and how they ended");
        let RouteNames { targets, reasons } = self.names;
        for (target, reason, outcome, count) in self.queries().filter(|(.., count)| *count > 0) {
            if let (Some(target), Some(reason)) = (targets.get(target), reasons.get(reason)) {
                let labels = [("target", *target), ("reason", *reason), ("outcome", outcome.name())];
                text.series(name, &labels, count);
            }
        }
    }

    fn write_durations(&self, text: &mut Text) {
        let name = "mysql_proxy_query_duration_seconds";
        text.head(name, Kind::Histogram, "Time from a statement read to its reply written, by where it went");
        for (at, target) in self.names.targets.iter().enumerate() {
            let mut samples = Samples::none(&STATEMENT);
            self.shards.iter().filter_map(|shard| shard.durations.get(at)).for_each(|it| samples.add(it));
            text.histogram(name, &[("target", target)], &samples);
        }
    }

    fn write_overhead(&self, text: &mut Text) {
        let name = "mysql_proxy_proxy_overhead_seconds";
        text.head(name, Kind::Histogram, "Time of a statement spent in the proxy, not waiting for a member");
        let mut samples = Samples::none(&OVERHEAD);
        self.shards.iter().for_each(|shard| samples.add(&shard.overhead));
        text.histogram(name, &[], &samples);
    }

    fn write_causal_wait(&self, text: &mut Text) {
        let name = "mysql_proxy_causal_wait_seconds";
        text.head(name, Kind::Histogram, "Time that reads waited for a replica to have what they must see");
        text.histogram(name, &[], &self.causal_waits());
    }

    fn write_bytes(&self, text: &mut Text) {
        let name = "mysql_proxy_bytes_total";
        text.head(name, Kind::Counter, "Bytes received (in) and sent (out) by the proxy, by the side that it faces");
        for side in Side::ALL {
            for direction in Direction::ALL {
                let at = side.index() * DIRECTIONS + direction.index();
                let sum = self.sum(|shard| shard.bytes.get(at));
                text.series(name, &[("side", side.name()), ("direction", direction.name())], sum);
            }
        }
    }

    /// Target, reason, outcome and how many.
    fn queries(&self) -> impl Iterator<Item = (usize, usize, Outcome, u64)> + '_ {
        let reasons = self.names.reasons.len();
        let routes = (0..self.names.targets.len()).flat_map(move |target| (0..reasons).map(move |it| (target, it)));
        routes.flat_map(move |(target, reason)| {
            Outcome::ALL.iter().map(move |outcome| {
                let at = self.place(target, reason, *outcome);
                (target, reason, *outcome, self.sum(|shard| shard.queries.get(at)))
            })
        })
    }

    fn place(&self, target: usize, reason: usize, outcome: Outcome) -> usize {
        (target * self.names.reasons.len() + reason) * OUTCOMES + outcome.index()
    }

    fn sum<'a>(&'a self, count: impl Fn(&'a Shard) -> Option<&'a AtomicU64>) -> u64 {
        self.shards.iter().filter_map(count).map(|it| it.load(Ordering::Relaxed)).sum()
    }

    fn mine(&self) -> Option<&Shard> {
        self.shards.get(this_thread() % self.shards.len())
    }
}

impl Shard {
    fn new(names: RouteNames) -> Self {
        let queries = names.targets.len() * names.reasons.len() * OUTCOMES;
        Self {
            queries: (0..queries).map(|_| AtomicU64::new(0)).collect(),
            durations: names.targets.iter().map(|_| Histogram::new(&STATEMENT)).collect(),
            overhead: Histogram::new(&OVERHEAD),
            causal_wait: Histogram::new(&STATEMENT),
            bytes: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

fn this_thread() -> usize {
    THREAD.get().unwrap_or_else(|| {
        let number = NEXT_THREAD.fetch_add(1, Ordering::Relaxed);
        THREAD.set(Some(number));
        number
    })
}
