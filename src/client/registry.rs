//! The clients that are connected, by the id that their greeting told them: for `KILL` and for counting.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

use crate::net::Scissors;

/// The proxy's id of a client connection, which is what the client believes its `CONNECTION_ID()` to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u32);

impl ClientId {
    /// As a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The id that somebody wrote.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        ClientId(number)
    }
}

/// Where a client's statement runs at this moment.
#[derive(Clone, Debug)]
pub struct Running {
    /// The member.
    pub address: SocketAddr,
    /// The member's id of the connection.
    pub thread_id: u32,
    /// For a statement that may be repeated elsewhere: cuts its connection.
    pub scissors: Option<Arc<Scissors>>,
}

/// What others may know of a client, and do to it.
#[derive(Debug)]
pub struct Handle {
    /// Its id.
    pub id: ClientId,
    /// The account's name.
    pub user: Vec<u8>,
    /// Ends the client at its next idle moment.
    pub stop: CancellationToken,
    /// Ends the client at once.
    pub kill: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    killed: bool,
}

impl Handle {
    /// A statement begins to run there.
    pub fn begin(&self, running: Running) {
        self.state().running = Some(running);
    }

    /// The statement has ended; true when somebody wanted it killed meanwhile, so that the kill may still be under
    /// way and the connection must not go to another session.
    pub fn end(&self) -> bool {
        let mut state = self.state();
        state.running = None;
        std::mem::take(&mut state.killed)
    }

    /// Where the client's statement runs now.
    pub fn running(&self) -> Option<Running> {
        self.state().running.clone()
    }

    /// Cuts the connection on which a statement runs, if it may be repeated elsewhere and its member is one of these.
    fn cut_from(&self, lost: &[SocketAddr]) -> bool {
        let state = self.state();
        let running = state.running.as_ref().filter(|running| lost.contains(&running.address));
        let scissors = running.and_then(|running| running.scissors.as_ref());
        scissors.is_some_and(|scissors| {
            scissors.cut();
            true
        })
    }

    /// Where the statement to be killed runs, if one does.
    pub fn aim(&self) -> Option<Running> {
        let mut state = self.state();
        state.killed |= state.running.is_some();
        state.running.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All clients.
#[derive(Debug)]
pub struct Registry {
    clients: Mutex<HashMap<ClientId, Arc<Handle>>>,
    next: AtomicU32,
}

impl Default for Registry {
    fn default() -> Self {
        Registry { clients: Mutex::default(), next: AtomicU32::new(1) }
    }
}

/// A place in the registry; dropping it leaves.
#[derive(Debug)]
pub struct Registered {
    registry: Arc<Registry>,
    /// What others see of the client.
    pub handle: Arc<Handle>,
}

impl Registry {
    /// An id that no connected client has.
    pub fn new_id(&self) -> ClientId {
        loop {
            let id = ClientId(self.next.fetch_add(1, Ordering::Relaxed));
            if id.0 != 0 && self.find(id).is_none() {
                return id;
            }
        }
    }

    /// Enters a client that has logged in; `stop` ends it at its next idle moment.
    pub fn enter(self: &Arc<Self>, id: ClientId, user: &[u8], stop: CancellationToken) -> Registered {
        let kill = CancellationToken::new();
        let handle = Arc::new(Handle { id, user: user.to_vec(), stop, kill, state: Mutex::default() });
        self.clients().insert(id, Arc::clone(&handle));
        Registered { registry: Arc::clone(self), handle }
    }

    /// The client of this id.
    pub fn find(&self, id: ClientId) -> Option<Arc<Handle>> {
        self.clients().get(&id).cloned()
    }

    /// Cuts the reads that wait for members which do not answer, so that they are repeated elsewhere; gives their number.
    pub fn cut_from(&self, lost: &[SocketAddr]) -> usize {
        self.clients().values().filter(|handle| handle.cut_from(lost)).count()
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
    use super::*;

    #[test]
    fn a_client_is_found_until_it_leaves() {
        let registry = Arc::new(Registry::default());
        let id = registry.new_id();
        let registered = registry.enter(id, b"app", CancellationToken::new());
        assert_eq!(registry.find(id).unwrap().user, b"app");
        drop(registered);
        assert!(registry.find(id).is_none() && registry.is_empty());
    }

    #[test]
    fn a_kill_that_aims_at_a_running_statement_is_remembered_to_its_end() {
        let registry = Arc::new(Registry::default());
        let registered = registry.enter(registry.new_id(), b"app", CancellationToken::new());
        let handle = &registered.handle;
        assert!(handle.aim().is_none());
        assert!(!handle.end());
        handle.begin(Running { address: ([127, 0, 0, 1], 3306).into(), thread_id: 9, scissors: None });
        assert_eq!(handle.aim().map(|running| running.thread_id), Some(9));
        assert!(handle.end());
        assert!(!handle.end());
    }
}
