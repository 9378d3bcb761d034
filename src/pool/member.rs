//! The connections of one member.
//!
//! Invariant: a permit is the right to use one connection, so those in use are never more than the limit; before one
//! is dialled beyond the limit an idle one is closed.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{BackendId, Identity, IdentityId, Lease, PoolSettings, next};
use crate::backend::{Connection, DialError, DialOptions};

/// A connection with what its users remember of it.
#[derive(Debug)]
pub(super) struct Parked<T> {
    pub id: BackendId,
    pub identity: IdentityId,
    pub connection: Box<Connection>,
    pub memory: T,
    pub idle_since: Instant,
}

/// Which of the idle connections is wanted most.
#[derive(Clone, Copy, Debug)]
pub struct Wish<C, F> {
    /// Only one whose memory says that it can be used.
    pub can: C,
    /// The one that the session used last.
    pub last: Option<BackendId>,
    /// Else one whose memory fits.
    pub fits: F,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// All connections of the member are in use and none came free.
    #[error("all {limit} connections are in use, none came free within {waited:?}")]
    Exhausted {
        /// The limit.
        limit: usize,
        /// How long the session waited.
        waited: Duration,
    },
    /// A new one could not be made.
    #[error(transparent)]
    Dial(#[from] DialError),
}

/// Connections of a member by state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Leased.
    pub in_use: usize,
    /// Waiting for a session.
    pub idle: usize,
}

/// The pool of one member.
#[derive(Debug)]
pub struct MemberPool<T> {
    address: SocketAddr,
    settings: PoolSettings,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Parked<T>>>,
    in_use: AtomicU64,
    waiting: AtomicU64,
    exchanges: AtomicU64,
    next_id: Arc<AtomicU64>,
}

impl<T: Default + Send + 'static> MemberPool<T> {
    pub(super) fn new(address: SocketAddr, settings: PoolSettings, next_id: Arc<AtomicU64>) -> Self {
        let permits = Arc::new(Semaphore::new(settings.max_backend_connections.max(1)));
        MemberPool {
            address,
            settings,
            permits,
            idle: Mutex::default(),
            in_use: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            exchanges: AtomicU64::new(0),
            next_id,
        }
    }

    /// The member's address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A statement is run on one of the connections.
    pub fn count_exchange(&self) {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
    }

    /// Statements that were run, since the member is known.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.exchanges.load(Ordering::Relaxed)
    }

    /// How many connections there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { in_use: self.in_use.load(Ordering::Relaxed) as usize, idle: self.idle().len() }
    }

    /// Whether anybody waits for a connection.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Leases a connection of this identity: an idle one, else a new one; waits for its turn when the member's limit
    /// is reached. Cancel safe.
    pub async fn lease(
        self: &Arc<Self>,
        identity: &Identity,
        wish: Wish<impl Fn(&T) -> bool, impl Fn(&T) -> bool>,
    ) -> Result<Lease<T>, LeaseError> {
        let (permit, waited) = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => (permit, false),
            Err(_) => (self.wait_for_permit().await?, true),
        };
        match self.take_idle(identity.id(), &wish) {
            Some(parked) => Ok(self.hand_out(parked, permit, waited)),
            None => self.dial(identity, permit).await,
        }
    }

    /// The same without waiting for a turn; none when the member's limit is reached.
    pub async fn lease_at_once(
        self: &Arc<Self>,
        identity: &Identity,
        wish: Wish<impl Fn(&T) -> bool, impl Fn(&T) -> bool>,
    ) -> Result<Option<Lease<T>>, LeaseError> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else { return Ok(None) };
        let lease = match self.take_idle(identity.id(), &wish) {
            Some(parked) => self.hand_out(parked, permit, false),
            None => self.dial(identity, permit).await?,
        };
        Ok(Some(lease))
    }

    async fn wait_for_permit(&self) -> Result<OwnedSemaphorePermit, LeaseError> {
        /// Counts one who waits, also when that is given up.
        struct Waiting<'a>(&'a AtomicU64);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let limit = self.settings.acquire_timeout;
        match timeout(limit, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(LeaseError::Exhausted { limit: self.settings.max_backend_connections, waited: limit }),
        }
    }

    /// The best idle connection that is still alive.
    fn take_idle(
        &self,
        identity: IdentityId,
        wish: &Wish<impl Fn(&T) -> bool, impl Fn(&T) -> bool>,
    ) -> Option<Parked<T>> {
        loop {
            let mut parked = self.take_best(identity, wish)?;
            if parked.connection.is_usable() {
                return Some(parked);
            }
        }
    }

    fn take_best(
        &self,
        identity: IdentityId,
        wish: &Wish<impl Fn(&T) -> bool, impl Fn(&T) -> bool>,
    ) -> Option<Parked<T>> {
        let mut idle = self.idle();
        let can = |it: &Parked<T>| it.identity == identity && (wish.can)(&it.memory);
        let own = wish.last.and_then(|last| idle.iter().position(|it| it.id == last && can(it)));
        // Another session's connection only for want of our own, and then the one that was left longest ago: its
        // session is the least likely to come back for what it left there (ROW_COUNT(), warnings).
        let oldest = |fits: &dyn Fn(&T) -> bool| {
            let candidates = idle.iter().enumerate().filter(|(_, it)| can(it) && fits(&it.memory));
            candidates.min_by_key(|(_, it)| it.idle_since).map(|(at, _)| at)
        };
        let at = own.or_else(|| oldest(&wish.fits)).or_else(|| oldest(&|_| true))?;
        Some(idle.swap_remove(at))
    }

    async fn dial(self: &Arc<Self>, identity: &Identity, permit: OwnedSemaphorePermit) -> Result<Lease<T>, LeaseError> {
        if let Some(oldest) = self.make_room() {
            tokio::spawn(oldest.connection.close());
        }
        let options = DialOptions {
            connect_timeout: self.settings.connect_timeout,
            capabilities: identity.capabilities,
            extensions: identity.extensions,
            collation: Some(identity.collation),
        };
        let connection = Connection::dial(self.address, &identity.account, &options).await?;
        let parked = Parked {
            id: next(&self.next_id),
            identity: identity.id(),
            connection: Box::new(connection),
            memory: T::default(),
            idle_since: Instant::now(),
        };
        Ok(self.hand_out(parked, permit, true))
    }

    /// Takes out the connection that has been idle longest when those in use and idle fill the limit.
    fn make_room(&self) -> Option<Parked<T>> {
        let mut idle = self.idle();
        let in_use = self.in_use.load(Ordering::Relaxed) as usize;
        if in_use + idle.len() < self.settings.max_backend_connections {
            return None;
        }
        let oldest = idle.iter().enumerate().min_by_key(|(_, parked)| parked.idle_since)?.0;
        Some(idle.swap_remove(oldest))
    }

    fn hand_out(self: &Arc<Self>, parked: Parked<T>, permit: OwnedSemaphorePermit, waited: bool) -> Lease<T> {
        self.in_use.fetch_add(1, Ordering::Relaxed);
        Lease::new(Arc::clone(self), parked, permit, waited)
    }

    /// Takes back what a lease held; only what is fit for another session stays.
    pub(super) fn take_back(&self, parked: Option<Parked<T>>) {
        self.in_use.fetch_sub(1, Ordering::Relaxed);
        if let Some(mut parked) = parked
            && !parked.connection.is_in_flight()
        {
            parked.idle_since = Instant::now();
            self.idle().push(parked);
        }
    }

    /// Closes every idle connection: the member is gone or starts anew.
    pub fn clear(&self) {
        drop(std::mem::take(&mut *self.idle()));
    }

    pub(super) fn trim(&self) {
        let limit = self.settings.idle_timeout;
        let old: Vec<Parked<T>> =
            self.idle().extract_if(.., |it| it.idle_since.elapsed() >= limit || !it.connection.is_usable()).collect();
        for parked in old {
            tokio::spawn(parked.connection.close());
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Parked<T>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
