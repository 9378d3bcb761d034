//! The limits of the pools, as they are now.
//!
//! Knows values that may be replaced while connections are in use. Each is read by itself, without a lock: a lease that begins
//! while they change may go by either.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::backend::Road;

/// Limits of the pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Connections to each member, over all users: in use, idle, being dialled and being closed. At least 1.
    pub max_backend_connections: usize,
    /// How long a session waits for a connection.
    pub acquire_timeout: Duration,
    /// How long connecting and logging in may take.
    pub connect_timeout: Duration,
    /// An idle connection is closed after this time.
    pub idle_timeout: Duration,
}

/// What all pools have in common.
#[derive(Debug)]
pub(super) struct Shared {
    /// How members are reached.
    pub road: Arc<Road>,
    /// The next connection's id.
    pub next_id: AtomicU64,
    max_backend_connections: AtomicUsize,
    acquire_timeout: Span,
    connect_timeout: Span,
    idle_timeout: Span,
    /// Counts the times that all connections became useless.
    epoch: AtomicUsize,
}

/// A duration that may be replaced. In nanoseconds: 584 years are enough.
#[derive(Debug)]
struct Span(AtomicU64);

impl Span {
    fn new(duration: Duration) -> Self {
        let span = Span(AtomicU64::new(0));
        span.set(duration);
        span
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }

    /// Whether it was another one.
    fn set(&self, duration: Duration) -> bool {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.swap(nanos, Relaxed) != nanos
    }
}

impl Shared {
    pub fn new(settings: &PoolSettings, road: Arc<Road>) -> Self {
        Shared {
            road,
            next_id: AtomicU64::new(0),
            max_backend_connections: AtomicUsize::new(settings.max_backend_connections.max(1)),
            acquire_timeout: Span::new(settings.acquire_timeout),
            connect_timeout: Span::new(settings.connect_timeout),
            idle_timeout: Span::new(settings.idle_timeout),
            epoch: AtomicUsize::new(0),
        }
    }

    /// Whether any was another.
    pub fn set(&self, settings: &PoolSettings) -> bool {
        let limit = settings.max_backend_connections.max(1);
        let mut changed = self.max_backend_connections.swap(limit, Relaxed) != limit;
        changed |= self.acquire_timeout.set(settings.acquire_timeout);
        changed |= self.connect_timeout.set(settings.connect_timeout);
        changed |= self.idle_timeout.set(settings.idle_timeout);
        changed
    }

    pub fn limit(&self) -> usize {
        self.max_backend_connections.load(Relaxed)
    }

    pub fn acquire_timeout(&self) -> Duration {
        self.acquire_timeout.now()
    }

    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout.now()
    }

    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout.now()
    }

    /// Connections of another epoch serve nobody any more.
    pub fn epoch(&self) -> usize {
        self.epoch.load(Relaxed)
    }

    pub fn begin_anew(&self) {
        self.epoch.fetch_add(1, Relaxed);
    }
}
