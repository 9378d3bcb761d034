//! Connections to members, shared by sessions: leases, limits, waiting, trimming.
//!
//! Knows how many connections there may be and which are idle. Must not know what sessions keep on them (that is the
//! type parameter `T`, a memory that travels with each connection), nor routing, nor configuration.

mod identity;
mod lease;
mod member;
mod permit;
mod places;
mod turns;

use std::{
    net::SocketAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use identity::{Identities, Identity, IdentityId};
pub use lease::Lease;
pub use member::{Counts, LeaseError, MemberPool, Wish};
pub use permit::Permit;

use crate::backend::Road;

/// The proxy's id of a connection to a member; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendId(u64);

/// Limits of the pools.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// How members are reached.
    pub road: Arc<Road>,
    /// Connections to each member, over all users: in use, idle, being dialled and being closed. At least 1.
    pub max_backend_connections: usize,
    /// How long a session waits for a connection.
    pub acquire_timeout: Duration,
    /// How long connecting and logging in may take.
    pub connect_timeout: Duration,
    /// An idle connection is closed after this time.
    pub idle_timeout: Duration,
}

/// One pool for each member.
#[derive(Debug)]
pub struct Pools<T> {
    settings: PoolSettings,
    members: RwLock<Vec<Arc<MemberPool<T>>>>,
    next_id: Arc<AtomicU64>,
}

impl<T: Default + Send + 'static> Pools<T> {
    /// No connections yet.
    #[must_use]
    pub fn new(settings: PoolSettings) -> Self {
        Pools { settings, members: RwLock::default(), next_id: Arc::default() }
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
        let pool = Arc::new(MemberPool::new(address, self.settings.clone(), Arc::clone(&self.next_id)));
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
