//! The clients that are connected, by the id that their greeting told them: for `KILL` and for counting.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use tokio_util::sync::CancellationToken;

pub use super::handle::ClientId;
use super::{
    handle::{Handle, IfLost, Place},
    seats::Seat,
};
use crate::backend::Account;

/// The highest bits of the ids of proxies' clients. Members count their connections from one and do not come so far. The sign
/// stays clear: MariaDB Connector/J holds a connection's id in an `int`, and writes it into its `KILL QUERY`.
const OF_A_PROXY: u32 = 0b01 << SIGN_AND_MARK;
/// Where those bits begin.
const SIGN_AND_MARK: u32 = 30;
/// How many bits of an id count clients; those between tell this proxy from others in front of the same cluster.
const COUNTED: u32 = 20;

/// Whose an id is.
#[derive(Debug)]
pub enum Named {
    /// A client of this proxy.
    Client(Arc<Handle>),
    /// It is one of this proxy's, or of another's, and no client of this one has it: no member knows it.
    Nobody,
    /// A member may have a connection of this id.
    Member,
}

/// All clients.
#[derive(Debug)]
pub struct Registry {
    clients: Mutex<HashMap<ClientId, Arc<Handle>>>,
    /// The bits of an id that do not count.
    own: u32,
    next: AtomicU32,
}

/// A place in the registry; dropping it leaves.
#[derive(Debug)]
pub struct Registered {
    registry: Arc<Registry>,
    /// What others see of the client.
    pub handle: Arc<Handle>,
    /// Among those of its user.
    pub seat: Seat,
}

impl Registry {
    /// Without clients; the number, of which few bits are used, tells this proxy from others.
    #[must_use]
    pub fn new(proxy: u32) -> Self {
        let own = OF_A_PROXY | ((proxy << COUNTED) & (OF_A_PROXY - 1));
        Registry { clients: Mutex::default(), own, next: AtomicU32::new(1) }
    }

    /// An id that no connected client has.
    pub fn new_id(&self) -> ClientId {
        loop {
            let count = self.next.fetch_add(1, Ordering::Relaxed) & ((1 << COUNTED) - 1);
            let id = ClientId::from_number(self.own | count);
            if self.find(id).is_none() {
                return id;
            }
        }
    }

    /// Whose an id is that somebody wrote.
    pub fn named(&self, number: u32) -> Named {
        match self.find(ClientId::from_number(number)) {
            Some(handle) => Named::Client(handle),
            None if number >> SIGN_AND_MARK == OF_A_PROXY >> SIGN_AND_MARK => Named::Nobody,
            None => Named::Member,
        }
    }

    /// Enters a client that has logged in; `stop` ends it at its next idle moment.
    pub fn enter(
        self: &Arc<Self>,
        id: ClientId,
        (owner, seat): (&Account, Seat),
        peer: SocketAddr,
        stop: CancellationToken,
    ) -> Registered {
        let handle = Arc::new(Handle::new(id, owner, peer, stop));
        self.clients().insert(id, Arc::clone(&handle));
        Registered { registry: Arc::clone(self), handle, seat }
    }

    /// Who uses, or has used last, each connection to a member.
    pub fn users_of(&self, address: SocketAddr) -> HashMap<u32, Arc<Handle>> {
        let mut latest: HashMap<u32, (Instant, Arc<Handle>)> = HashMap::new();
        for handle in self.clients().values() {
            for (Place { thread_id, .. }, began) in handle.places_at(address).into_iter().flatten() {
                if latest.get(&thread_id).is_none_or(|(before, _)| *before < began) {
                    latest.insert(thread_id, (began, Arc::clone(handle)));
                }
            }
        }
        latest.into_iter().map(|(thread_id, (_, handle))| (thread_id, handle)).collect()
    }

    /// The client of this id.
    pub fn find(&self, id: ClientId) -> Option<Arc<Handle>> {
        self.clients().get(&id).cloned()
    }

    /// Cuts the statements that wait for members which do not answer; gives how many of them are repeated elsewhere, and
    /// of how many the client is told.
    pub fn cut_from(&self, lost: &[SocketAddr]) -> (usize, usize) {
        let cut: Vec<IfLost> = self.clients().values().filter_map(|handle| handle.cut_from(lost)).collect();
        let repeated = cut.iter().filter(|if_lost| **if_lost == IfLost::Repeated).count();
        (repeated, cut.len() - repeated)
    }

    /// Ends all clients, with what they do.
    pub fn expire(&self) {
        self.clients().values().for_each(|handle| handle.expire());
    }

    /// How many clients there are.
    pub fn len(&self) -> usize {
        self.clients().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.clients().is_empty()
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, HashMap<ClientId, Arc<Handle>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.clients().remove(&self.handle.id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        handle::{Begun, Running},
        seats::Seats,
    };
    use super::*;

    fn enter(registry: &Arc<Registry>, user: &[u8]) -> Registered {
        let owner = Account::with_password(user, b"");
        let seat = Seats::new(0).take(user).unwrap();
        registry.enter(registry.new_id(), (&owner, seat), ([127, 0, 0, 1], 7).into(), CancellationToken::new())
    }

    #[test]
    fn a_client_is_found_until_it_leaves() {
        let registry = Arc::new(Registry::new(7));
        let registered = enter(&registry, b"app");
        let id = registered.handle.id;
        assert_eq!(registry.find(id).unwrap().owner().user, b"app");
        let other = Account::with_password(b"bob", b"");
        registered.handle.belongs_to(&other);
        assert_eq!(registry.find(id).unwrap().owner().user, b"bob");
        drop(registered);
        assert!(registry.find(id).is_none() && registry.is_empty());
    }

    #[test]
    fn ids_are_none_of_a_member_and_none_of_another_proxy() {
        let proxies = [Registry::new(0), Registry::new(1), Registry::new(u32::MAX)].map(Arc::new);
        let first = enter(&proxies[0], b"app");
        let ids = proxies.clone().map(|proxy| proxy.new_id().get());
        assert_eq!(ids, [0x4000_0002, 0x4010_0001, 0x7ff0_0001]);
        assert!(matches!(proxies[0].named(first.handle.id.get()), Named::Client(_)));
        for id in ids {
            assert!(matches!(proxies[0].named(id), Named::Nobody), "{id:x}");
        }
        for id in [0x3fff_ffff, 0x8000_0000] {
            assert!(matches!(proxies[0].named(id), Named::Member), "{id:x}");
        }
    }

    #[test]
    fn the_count_begins_again_and_passes_over_ids_in_use() {
        let registry = Arc::new(Registry::new(3));
        let first = enter(&registry, b"app");
        registry.next.store((1 << COUNTED) - 1, Ordering::Relaxed);
        let ids = [(); 3].map(|()| registry.new_id().get() & 0xf_ffff);
        assert_eq!(ids, [0xf_ffff, 0, 2]);
        assert_eq!(first.handle.id.get(), 0x4030_0001);
    }

    #[test]
    fn a_connection_is_whose_who_used_it_last() {
        let registry = Arc::new(Registry::new(3));
        let clients = [enter(&registry, b"a"), enter(&registry, b"b")];
        let address = ([127, 0, 0, 1], 3306).into();
        let began = Instant::now();
        for (client, thread_id, after) in [(0, 5, 1), (1, 5, 2), (1, 6, 3), (0, 6, 2)] {
            let running = Running {
                place: Place { address, thread_id },
                began: began + std::time::Duration::from_secs(after),
                scissors: None,
                if_lost: IfLost::Ended,
            };
            assert_eq!(clients[client].handle.begin(running), Begun::Running);
        }
        let users = registry.users_of(address);
        assert_eq!(users.len(), 2);
        assert!(users.values().all(|user| user.id == clients[1].handle.id));
        assert!(registry.users_of(([127, 0, 0, 1], 1).into()).is_empty());
    }
}
