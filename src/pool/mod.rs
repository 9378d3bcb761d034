//! Connections to members, shared by sessions: leases, limits, waiting, trimming.
//!
//! Knows how many connections there may be and which are idle. Must not know what sessions keep on them (that is the
//! type parameter `T`, a memory that travels with each connection), nor routing, nor configuration.

mod identity;
mod lease;
mod member;
mod permit;
mod places;
mod settings;
mod turns;

use std::{
    net::SocketAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

pub use identity::{Identities, Identity, IdentityId};
pub use lease::Lease;
pub use member::{Counts, LeaseError, MemberPool, Wish};
pub use permit::Permit;
pub use settings::PoolSettings;
use settings::Shared;

use crate::backend::Road;

/// The proxy's id of a connection to a member; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendId(u64);

/// One pool for each member.
#[derive(Debug)]
pub struct Pools<T> {
    shared: Arc<Shared>,
    members: RwLock<Vec<Arc<MemberPool<T>>>>,
}

impl<T: Default + Send + 'static> Pools<T> {
    /// No connections yet. `road`: how members are reached.
    #[must_use]
    pub fn new(settings: &PoolSettings, road: Arc<Road>) -> Self {
        Pools { shared: Arc::new(Shared::new(settings, road)), members: RwLock::default() }
    }

    /// The limits from now on. What is too much is closed when it comes back, and at once where it is idle.
    pub fn reconfigure(&self, settings: &PoolSettings) {
        if self.shared.set(settings) {
            self.list().iter().for_each(|pool| pool.follow_limits());
        }
    }

    /// Members are reached in another way from now on: connections of before serve their sessions to the end of what those
    /// do, and nobody else.
    pub fn renew(&self) {
        self.shared.begin_anew();
        self.list().iter().for_each(|pool| pool.clear());
    }

    /// The pool of the member at this address.
    pub fn member(&self, address: SocketAddr) -> Arc<MemberPool<T>> {
        if let Some(pool) = self.all().iter().find(|pool| pool.address() == address) {
            return Arc::clone(pool);
        }
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = members.iter().find(|pool| pool.address() == address) {
            return Arc::clone(pool);
        }
        let pool = Arc::new(MemberPool::new(address, Arc::clone(&self.shared)));
        members.push(Arc::clone(&pool));
        pool
    }

    /// Every pool.
    pub fn list(&self) -> Vec<Arc<MemberPool<T>>> {
        self.all().clone()
    }

    /// Forgets members that are not in the cluster any more; connections in use end with their sessions.
    pub fn retain(&self, addresses: &[SocketAddr]) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        members.retain(|pool| addresses.contains(&pool.address()));
    }

    /// Closes the idle connections to these members.
    pub fn clear(&self, addresses: &[SocketAddr]) {
        self.list().iter().filter(|pool| addresses.contains(&pool.address())).for_each(|pool| pool.clear());
    }

    /// Closes what has been idle for too long or was closed by its member.
    pub fn trim(&self) {
        for pool in self.list() {
            pool.trim();
        }
    }

    fn all(&self) -> std::sync::RwLockReadGuard<'_, Vec<Arc<MemberPool<T>>>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn next(ids: &AtomicU64) -> BackendId {
    BackendId(ids.fetch_add(1, Ordering::Relaxed))
}
