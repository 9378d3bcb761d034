//! What the proxy counts, as one struct of handles that exist from the start.
//!
//! Knows the names and labels of the contract and how to write them as Prometheus text. Must not know where the figures
//! come from, nor any network: the admin server asks for the text. What is counted for every statement lives in plain
//! atomics of ours, apart for each thread; what is rarer lives in a recorder of the Prometheus exporter, which is ours
//! alone and never installed as the process's recorder. What belongs to a member is asked for when the text is made
//! ([`Scrape`]), so a member that is gone leaves no series behind.

mod family;
mod histogram;
mod hot;
mod labels;
mod members;
mod pace;
mod pins;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::Gauge;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use self::family::{Counters, Gauges, gauge};
use self::hot::Shards;
use self::pins::PinnedNow;
use self::text::{Kind, Text};
use crate::session::PinReason;

pub use self::labels::{
    AuthFailure, CausalRead, ClientOutcome, Direction, IgnoredHint, Label, Outcome, ReloadOutcome, RetryVerdict, Side,
};
pub use self::members::{MemberRow, Scrape};
pub use self::pace::{Counted, Pace};
pub use self::pins::CountedPins;

/// Of the sources, where the build was told (`MYSQL_PROXY_COMMIT`).
const COMMIT: &str = match option_env!("MYSQL_PROXY_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// The names of what statements are counted by; a position in a table is the number that counting takes.
#[derive(Clone, Copy, Debug)]
pub struct RouteNames {
    /// `route::Target`, in the order of its discriminants.
    pub targets: &'static [&'static str],
    /// `route::Reason`, in the order of its discriminants.
    pub reasons: &'static [&'static str],
}

/// Everything that is counted.
pub struct Metrics {
    hot: Shards,
    recorder: PrometheusRecorder,
    /// CPU, memory, threads and descriptors, as they are asked for.
    process: metrics_process::Collector,
    clients: Gauge,
    client_outcomes: Counters<ClientOutcome>,
    pins: Counters<PinReason>,
    pinned_sessions: Gauges<PinReason>,
    pinned_now: PinnedNow,
    causal_reads: Counters<CausalRead>,
    ignored_hints: Counters<IgnoredHint>,
    retries: Counters<RetryVerdict>,
    held_statements: Gauge,
    held_now: Arc<AtomicU64>,
    reloads: Counters<ReloadOutcome>,
    auth_failures: Counters<AuthFailure>,
}

/// One more in a gauge for as long as this lives.
#[must_use = "the gauge goes down again as soon as this is dropped"]
pub struct Raised(Gauge);

/// A statement waits for a member for as long as this lives.
#[must_use = "the statement waits no longer as soon as this is dropped"]
pub struct Held {
    _gauge: Raised,
    now: Arc<AtomicU64>,
}

/// Statements counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryTotals {
    /// By target, in the order of [`RouteNames::targets`].
    pub by_target: Vec<(&'static str, u64)>,
    /// By outcome, in the order of [`Outcome::ALL`].
    pub by_outcome: Vec<(&'static str, u64)>,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new(names: RouteNames) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let of = &recorder;
        let process = metrics_process::Collector::default();
        metrics::with_local_recorder(&recorder, || process.describe());
        Self {
            hot: Shards::new(names),
            clients: gauge(of, "mysql_proxy_client_connections", "Client connections that are open"),
            client_outcomes: Counters::new(
                of,
                "mysql_proxy_client_connections_total",
                "outcome",
                "Client connections, by what became of their login",
            ),
            pins: Counters::new(
                of,
                "mysql_proxy_pins_total",
                "reason",
                "Times that a session began to keep its backend connection",
            ),
            pinned_sessions: Gauges::new(
                of,
                "mysql_proxy_pinned_sessions",
                "reason",
                "Sessions that keep their backend connection now; one with two reasons counts under both",
            ),
            pinned_now: PinnedNow::default(),
            causal_reads: Counters::new(
                of,
                "mysql_proxy_causal_reads_total",
                "how",
                "Reads of a session that must see earlier writes, by how they came to see them",
            ),
            ignored_hints: Counters::new(
                of,
                "mysql_proxy_ignored_hints_total",
                "hint",
                "Statements that asked for a side on which they must not run",
            ),
            retries: Counters::new(
                of,
                "mysql_proxy_retries_total",
                "verdict",
                "Statements whose member was lost, by what was decided about repeating them",
            ),
            held_now: Arc::default(),
            held_statements: gauge(of, "mysql_proxy_held_statements", "Statements that wait for a member now"),
            reloads: Counters::new(
                of,
                "mysql_proxy_config_reloads_total",
                "outcome",
                "Times that the configuration was read again",
            ),
            auth_failures: Counters::new(of, "mysql_proxy_auth_failures_total", "reason", "Logins that were refused"),
            process,
            recorder,
        }
    }

    /// A statement ended. `target` and `reason` are positions in [`RouteNames`]; one outside is not counted.
    pub fn query(&self, target: usize, reason: usize, outcome: Outcome) {
        self.hot.query(target, reason, outcome);
    }

    /// How long a statement took, from its last byte read to the last byte of its reply written.
    pub fn query_duration(&self, target: usize, took: Duration) {
        self.hot.query_duration(target, took);
    }

    /// How much of a statement's time was the proxy's own: not waiting for a member.
    pub fn proxy_overhead(&self, took: Duration) {
        self.hot.overhead(took);
    }

    /// Bytes that passed a socket.
    pub fn bytes(&self, side: Side, direction: Direction, count: usize) {
        self.hot.bytes(side, direction, count);
    }

    /// A statement of this target and reason took so long; it and its reply have passed as they are, so many bytes of each.
    pub fn answered(&self, target: usize, reason: usize, took: Duration, bytes: (usize, usize)) {
        self.hot.answered(target, reason, took, bytes);
    }

    /// A client connection opened; it counts until the answer is dropped.
    pub fn client_opened(&self) -> Raised {
        Raised::new(&self.clients)
    }

    /// What became of a client connection's login.
    pub fn client(&self, outcome: ClientOutcome) {
        self.client_outcomes.add(outcome);
    }

    /// A session began to keep its backend connection for this reason. See [`CountedPins`].
    fn pinned(&self, reason: PinReason) {
        self.pins.add(reason);
        self.pinned_sessions.raise(reason);
        self.pinned_now.raise(reason);
    }

    /// The reason has ended, or the session has.
    fn unpinned(&self, reason: PinReason) {
        self.pinned_sessions.lower(reason);
        self.pinned_now.lower(reason);
    }

    /// The reasons for which any session keeps its connection now, with their number, the most frequent first.
    #[must_use]
    pub fn pins_now(&self) -> Vec<(PinReason, u64)> {
        self.pinned_now.most_first()
    }

    /// A read that had to see an earlier write.
    pub fn causal_read(&self, how: CausalRead) {
        self.causal_reads.add(how);
    }

    /// A read waited so long for a replica to have what it must see.
    pub fn causal_wait(&self, waited: Duration) {
        self.hot.causal_wait(waited);
    }

    /// A hint could not be followed.
    pub fn ignored_hint(&self, hint: IgnoredHint) {
        self.ignored_hints.add(hint);
    }

    /// What was decided about a statement whose member was lost.
    pub fn retry(&self, verdict: RetryVerdict) {
        self.retries.add(verdict);
    }

    /// A statement waits for a member until the answer is dropped.
    pub fn held(&self) -> Held {
        self.held_now.fetch_add(1, Ordering::Relaxed);
        Held { _gauge: Raised::new(&self.held_statements), now: Arc::clone(&self.held_now) }
    }

    /// Statements that wait for a member now.
    fn held_now(&self) -> u64 {
        self.held_now.load(Ordering::Relaxed)
    }

    /// The configuration was read again.
    pub fn reload(&self, outcome: ReloadOutcome) {
        self.reloads.add(outcome);
    }

    /// A login was refused.
    pub fn auth_failure(&self, reason: AuthFailure) {
        self.auth_failures.add(reason);
    }

    /// The statements so far; adds up what the threads have counted, so it is not for every statement.
    #[must_use]
    pub fn query_totals(&self) -> QueryTotals {
        self.hot.totals()
    }

    /// Everything as Prometheus text (version 0.0.4); the members as they are now.
    #[must_use]
    pub fn render(&self, scrape: &dyn Scrape) -> String {
        metrics::with_local_recorder(&self.recorder, || self.process.collect());
        let mut text = Text::new(self.recorder.handle().render());
        text.head("mysql_proxy_build_info", Kind::Gauge, "1, with what runs here");
        text.series("mysql_proxy_build_info", &[("version", env!("CARGO_PKG_VERSION")), ("commit", COMMIT)], 1);
        self.hot.write(&mut text);
        members::write(&mut text, scrape.members());
        text.finish()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Raised {
    fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

#[cfg(test)]
mod tests;
