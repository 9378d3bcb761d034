//! The connections of one member.
//!
//! Invariants: a turn is the right to use one connection, so those in use are never more than the limit; a place is the
//! right to have one, so the member never holds more than the limit for the proxy, counting those that are idle, being
//! dialled and being closed. Who has a turn and no place has an idle connection closed.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
    time::timeout,
};

use super::{
    BackendId, Identity, Lease, Permit, PoolSettings, next,
    places::{Place, Places},
    turns::{Turn, Turns},
};
use crate::backend::{Connection, DialError, DialOptions};

/// Of the connections that a member may hold, one in so many may be guests: not the pool's own.
const GUESTS_SHARE: usize = 4;
/// The most who wait to be guests of a member.
const MAX_WAITING_GUESTS: usize = 1_000;
/// How long before the end of `wait_timeout` a connection is not used any more.
const CLOSE_TO_THE_END: Duration = Duration::from_secs(2);

/// A connection with what its users remember of it.
#[derive(Debug)]
pub(super) struct Parked<T> {
    pub id: BackendId,
    /// Kept as long as there is a connection that only its sessions can use.
    pub identity: Arc<Identity>,
    pub connection: Connection,
    pub memory: T,
    pub idle_since: Instant,
    /// Behind that nobody uses it any more.
    idle_until: Instant,
    place: Place,
}

impl<T> Parked<T> {
    /// Says goodbye in the background; the place is free once the member has let the connection go. Gives that place to
    /// who wants it.
    pub fn close_soon(self) -> Option<oneshot::Receiver<Place>> {
        let Parked { connection, place, .. } = self;
        // Without a runtime the program is about to end.
        let runtime = Handle::try_current().ok()?;
        let (give, freed) = oneshot::channel();
        runtime.spawn(async move {
            connection.close().await;
            drop(give.send(place));
        });
        Some(freed)
    }
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
    /// Too many wait already.
    #[error("{0} wait already")]
    Crowded(usize),
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
    /// Being dialled, or being closed and not yet let go by the member.
    pub changing: usize,
}

/// The pool of one member.
#[derive(Debug)]
pub struct MemberPool<T> {
    address: SocketAddr,
    settings: PoolSettings,
    turns: Arc<Turns>,
    places: Arc<Places>,
    guests: Arc<Semaphore>,
    waiting_guests: AtomicUsize,
    idle: Mutex<Vec<Box<Parked<T>>>>,
    in_use: AtomicUsize,
    waiting: AtomicUsize,
    exchanges: AtomicU64,
    next_id: Arc<AtomicU64>,
}

/// Counts one who waits, also when that is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T: Default + Send + 'static> MemberPool<T> {
    pub(super) fn new(address: SocketAddr, settings: PoolSettings, next_id: Arc<AtomicU64>) -> Self {
        let limit = settings.max_backend_connections.max(1);
        MemberPool {
            address,
            settings,
            turns: Turns::new(limit),
            places: Places::new(limit),
            guests: Arc::new(Semaphore::new((limit / GUESTS_SHARE).max(1))),
            waiting_guests: AtomicUsize::new(0),
            idle: Mutex::default(),
            in_use: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
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
        let (in_use, idle) = (self.in_use.load(Ordering::Relaxed), self.idle().len());
        Counts { in_use, idle, changing: self.places.taken().saturating_sub(in_use + idle) }
    }

    /// Whether anybody waits for a connection.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Leases a connection of this identity: an idle one, else a new one; waits for its turn when the member's limit
    /// is reached. Cancel safe: a connection that is being dialled is then finished, and idle.
    pub async fn lease(
        self: &Arc<Self>,
        identity: &Arc<Identity>,
        wish: Wish<impl Fn(&T) -> bool, impl Fn(&T) -> bool>,
    ) -> Result<Lease<T>, LeaseError> {
        let (turn, waited) = match self.turns.take() {
            Some(turn) => (turn, false),
            None => (self.wait_for_turn().await?, true),
        };
        if let Some(parked) = self.take_idle(identity, &wish, Instant::now()) {
            return Ok(self.hand_out(parked, turn, waited));
        }
        let place = self.wait_for_place().await?;
        self.dial(identity, place, turn).await
    }

    /// The same without waiting for a turn; none when the member's limit is reached.
    pub async fn lease_at_once(
        self: &Arc<Self>,
        identity: &Arc<Identity>,
        wish: Wish<impl Fn(&T) -> bool, impl Fn(&T) -> bool>,
    ) -> Result<Option<Lease<T>>, LeaseError> {
        let Some(turn) = self.turns.take() else { return Ok(None) };
        if let Some(parked) = self.take_idle(identity, &wish, Instant::now()) {
            return Ok(Some(self.hand_out(parked, turn, false)));
        }
        match self.make_place().await {
            Some(place) => self.dial(identity, place, turn).await.map(Some),
            None => Ok(None),
        }
    }

    /// An idle connection of this identity, if there is one and a turn for it: nobody waits for anything.
    pub fn lease_now(
        self: &Arc<Self>,
        identity: &Arc<Identity>,
        wish: &Wish<impl Fn(&T) -> bool, impl Fn(&T) -> bool>,
        now: Instant,
    ) -> Option<Lease<T>> {
        let turn = self.turns.take()?;
        let parked = self.take_idle(identity, wish, now)?;
        Some(self.hand_out(parked, turn, false))
    }

    /// The right to have a connection to the member besides those of the pool, within the same limit. Only a part of the
    /// limit is for such guests, who wait for each other in a queue that is bounded, so that a crowd of them leaves
    /// sessions their connections. Cancel safe.
    pub async fn permit(self: &Arc<Self>) -> Result<Permit<T>, LeaseError> {
        let waiting = Waiting::begin(&self.waiting_guests);
        if self.waiting_guests.load(Ordering::Relaxed) > MAX_WAITING_GUESTS {
            return Err(LeaseError::Crowded(MAX_WAITING_GUESTS));
        }
        let wait = timeout(self.settings.acquire_timeout, Arc::clone(&self.guests).acquire_owned());
        let Ok(Ok(guest)) = wait.await else { return Err(self.exhausted()) };
        let turn = self.wait_for_turn().await?;
        let place = self.wait_for_place().await?;
        drop(waiting);
        Ok(Permit::new(Arc::clone(self), place, turn, guest))
    }

    /// An idle connection of any identity whose memory is so, if nobody waits for one.
    pub fn lease_idle(self: &Arc<Self>, is_so: impl Fn(&T) -> bool) -> Option<Lease<T>> {
        let turn = self.turns.take()?;
        let mut parked = {
            let mut idle = self.idle();
            let at = idle.iter().position(|it| is_so(&it.memory))?;
            idle.swap_remove(at)
        };
        // One that its member has closed is closed here, too.
        parked.connection.is_usable().then(|| self.hand_out(parked, turn, false))
    }

    async fn wait_for_turn(&self) -> Result<Turn, LeaseError> {
        let _waiting = Waiting::begin(&self.waiting);
        timeout(self.settings.acquire_timeout, self.turns.wait()).await.map_err(|_| self.exhausted())
    }

    /// To be called by who has a turn.
    async fn wait_for_place(&self) -> Result<Place, LeaseError> {
        if let Some(place) = self.places.take() {
            return Ok(place);
        }
        let _waiting = Waiting::begin(&self.waiting);
        let free = async {
            loop {
                let mut changed = pin!(self.places.changed());
                changed.as_mut().enable();
                if let Some(place) = self.make_place().await {
                    return place;
                }
                changed.await;
            }
        };
        timeout(self.settings.acquire_timeout, free).await.map_err(|_| self.exhausted())
    }

    /// A place that is free, else that of the connection that has been idle longest, once the member has let it go.
    async fn make_place(&self) -> Option<Place> {
        if let Some(place) = self.places.take() {
            return Some(place);
        }
        self.take_longest_idle()?.close_soon()?.await.ok()
    }

    const fn exhausted(&self) -> LeaseError {
        LeaseError::Exhausted { limit: self.settings.max_backend_connections, waited: self.settings.acquire_timeout }
    }

    /// The best idle connection that is still alive.
    fn take_idle(
        &self,
        identity: &Arc<Identity>,
        wish: &Wish<impl Fn(&T) -> bool, impl Fn(&T) -> bool>,
        now: Instant,
    ) -> Option<Box<Parked<T>>> {
        loop {
            let mut parked = self.take_best(identity, wish, now)?;
            if parked.connection.is_usable() {
                return Some(parked);
            }
        }
    }

    fn take_best(
        &self,
        identity: &Arc<Identity>,
        wish: &Wish<impl Fn(&T) -> bool, impl Fn(&T) -> bool>,
        now: Instant,
    ) -> Option<Box<Parked<T>>> {
        let mut idle = self.idle();
        let can = |it: &Parked<T>| it.identity.id() == identity.id() && it.idle_until > now && (wish.can)(&it.memory);
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

    /// Dials in the background: a member is never left in the middle of a login because its session has gone.
    async fn dial(
        self: &Arc<Self>,
        identity: &Arc<Identity>,
        place: Place,
        turn: Turn,
    ) -> Result<Lease<T>, LeaseError> {
        let (give, dialled) = oneshot::channel();
        let (pool, identity) = (Arc::clone(self), Arc::clone(identity));
        tokio::spawn(async move {
            let result = pool.dial_now(identity, place).await.map(|parked| pool.hand_out(parked, turn, true));
            if let Err(Ok(unwanted)) = give.send(result) {
                unwanted.release(Duration::MAX);
            }
        });
        let ending = || DialError::Connect(std::io::Error::other("the proxy ends"));
        Ok(dialled.await.unwrap_or_else(|_| Err(ending()))?)
    }

    async fn dial_now(&self, identity: Arc<Identity>, place: Place) -> Result<Box<Parked<T>>, DialError> {
        let options = DialOptions {
            road: Arc::clone(&self.settings.road),
            connect_timeout: self.settings.connect_timeout,
            capabilities: identity.capabilities,
            extensions: identity.extensions,
            collation: Some(identity.collation),
        };
        // Should the member hang, its place is taken until it has let us go.
        let (connection, place) = Connection::dial_holding(self.address, &identity.account, &options, place).await?;
        let (id, now) = (next(&self.next_id), Instant::now());
        let (memory, idle_until) = (T::default(), now + self.settings.idle_timeout);
        Ok(Box::new(Parked { id, identity, connection, memory, idle_since: now, idle_until, place }))
    }

    fn take_longest_idle(&self) -> Option<Box<Parked<T>>> {
        let mut idle = self.idle();
        let oldest = idle.iter().enumerate().min_by_key(|(_, parked)| parked.idle_since)?.0;
        Some(idle.swap_remove(oldest))
    }

    fn hand_out(self: &Arc<Self>, parked: Box<Parked<T>>, turn: Turn, waited: bool) -> Lease<T> {
        Lease::new(Arc::clone(self), parked, turn, waited)
    }

    pub(super) fn begin_use(&self) {
        self.in_use.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_use(&self) {
        self.in_use.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes back what a lease held; only what is fit for another session stays.
    pub(super) fn take_back(&self, mut parked: Box<Parked<T>>, wait_timeout: Duration, now: Instant) {
        parked.idle_since = now;
        parked.idle_until = parked.idle_since + usable(wait_timeout).min(self.settings.idle_timeout);
        self.put_back(parked);
    }

    pub(super) fn put_back(&self, parked: Box<Parked<T>>) {
        if parked.connection.is_in_flight() {
            parked.close_soon();
            return;
        }
        self.idle().push(parked);
        if self.is_awaited() {
            // Who has a turn may want its place.
            self.places.change();
        }
    }

    /// Closes every idle connection: the member is gone or starts anew.
    pub fn clear(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for parked in idle {
            parked.close_soon();
        }
    }

    pub(super) fn trim(&self) {
        let now = Instant::now();
        let old: Vec<Box<Parked<T>>> =
            self.idle().extract_if(.., |it| it.idle_until <= now || !it.connection.is_usable()).collect();
        for parked in old {
            parked.close_soon();
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Box<Parked<T>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For how much of `wait_timeout` a connection is used again: the member is not to end it just when a command comes.
fn usable(wait_timeout: Duration) -> Duration {
    wait_timeout.saturating_sub((wait_timeout / 4).min(CLOSE_TO_THE_END))
}

#[cfg(test)]
#[path = "member_tests.rs"]
mod tests;
