//! What others may know of one client, and do to it: where its statement runs, who owns it, that it is to be killed.
//!
//! Knows the moments at which a kill may strike. Must not know how a member is told, nor the other clients.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{backend::Account, net::Scissors};

/// How long a statement that has ended waits for kills that are under way to it, so that they strike nothing else.
const KILLS_END: Duration = Duration::from_secs(3);

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

/// How much `KILL` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The statement: `KILL QUERY`.
    Query,
    /// The connection.
    Connection,
}

/// A member's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The member.
    pub address: SocketAddr,
    /// The member's id of the connection.
    pub thread_id: u32,
}

/// What becomes of a statement whose member is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfLost {
    /// Another member does it.
    Repeated,
    /// Its client is told.
    Ended,
}

/// Where a client's statement runs at this moment.
#[derive(Clone, Debug)]
pub struct Running {
    /// On which connection.
    pub place: Place,
    /// When the client's command began: who used a connection last is whose it is.
    pub began: Instant,
    /// Cuts its connection.
    pub scissors: Option<Arc<Scissors>>,
    /// What becomes of it then.
    pub if_lost: IfLost,
}

/// Whether a statement may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Begun {
    /// It may.
    Running,
    /// It was killed before it began.
    Killed(Scope),
}

/// What there is to kill.
#[derive(Debug)]
pub enum Aim {
    /// A statement that runs there; the number is the command's.
    At(Place, u64),
    /// A command that has not reached a member yet.
    Preparing(u64),
    /// Nothing runs.
    Idle,
}

impl Aim {
    /// The number of the command, if one is at work.
    #[must_use]
    pub const fn command(&self) -> Option<u64> {
        match self {
            Aim::At(_, command) | Aim::Preparing(command) => Some(*command),
            Aim::Idle => None,
        }
    }
}

/// What others may know of a client, and do to it.
#[derive(Debug)]
pub struct Handle {
    /// Its id.
    pub id: ClientId,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Ends the client at its next idle moment.
    pub stop: CancellationToken,
    /// Ends the client at once.
    pub kill: CancellationToken,
    /// How many commands have begun and ended: odd while one is at work.
    commands: AtomicU64,
    /// The client is to end: what is looked at behind each command.
    ends: AtomicBool,
    /// No kill is under way any more.
    struck: Notify,
    /// A command must not be sent any more.
    prevented: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    owner: Account,
    running: Option<Running>,
    /// The two connections that were used last: one to write on, one to read from.
    places: [Option<(Place, Instant)>; 2],
    /// Kills that a member is being told of now.
    striking: usize,
    /// What a member has killed of the running statement.
    struck: Option<Scope>,
    /// The command that must not be sent to a member any more.
    unwanted: Option<u64>,
    /// The client is to end, whatever it still does.
    doomed: bool,
}

impl Handle {
    /// Of a client that has just logged in.
    #[must_use]
    pub fn new(id: ClientId, owner: &Account, peer: SocketAddr, stop: CancellationToken) -> Self {
        let state = State {
            owner: owner.clone(),
            running: None,
            places: [None; 2],
            striking: 0,
            struck: None,
            unwanted: None,
            doomed: false,
        };
        Handle {
            id,
            peer,
            stop,
            kill: CancellationToken::new(),
            commands: AtomicU64::new(0),
            ends: AtomicBool::new(false),
            struck: Notify::new(),
            prevented: Notify::new(),
            state: Mutex::new(state),
        }
    }

    /// Who may kill it without a privilege.
    #[must_use]
    pub fn owner(&self) -> Account {
        self.state().owner.clone()
    }

    /// Another account has logged in on it (`COM_CHANGE_USER`).
    pub fn belongs_to(&self, owner: &Account) {
        self.state().owner = owner.clone();
    }

    /// A command has come. Its client alone calls this.
    pub fn command_begins(&self) {
        self.commands.store(self.commands.load(Ordering::Relaxed) | 1, Ordering::Release);
    }

    /// The command has been answered.
    pub fn command_ends(&self) {
        self.commands.store((self.commands.load(Ordering::Relaxed) | 1) + 1, Ordering::Release);
    }

    /// A statement begins to run there, unless it was killed before.
    pub fn begin(&self, running: Running) -> Begun {
        let mut state = self.state();
        if state.doomed {
            return Begun::Killed(Scope::Connection);
        }
        if state.unwanted.is_some_and(|command| command == self.command()) {
            return Begun::Killed(Scope::Query);
        }
        let known = state.places.iter().position(|known| known.is_some_and(|(place, _)| place == running.place));
        if known.is_none() {
            state.places.swap(0, 1);
        }
        state.places[known.unwrap_or(0)] = Some((running.place, running.began));
        state.running = Some(running);
        Begun::Running
    }

    /// The statement has ended; tells what of it was killed. Waits for kills that are under way, which would strike
    /// whatever comes next on its connection.
    pub async fn end(&self) -> Option<Scope> {
        let ended = self.try_end();
        if let Some(struck) = ended {
            return struck;
        }
        let all_struck = async {
            loop {
                let notified = self.struck.notified();
                if let Some(struck) = self.try_end() {
                    return struck;
                }
                notified.await;
            }
        };
        if let Ok(struck) = timeout(KILLS_END, all_struck).await {
            return struck;
        }
        // The member does not answer to the kill: its connection is given up.
        let mut state = self.state();
        state.running = None;
        state.struck.take().or(Some(Scope::Query))
    }

    /// Like [`Handle::end`] without waiting: none while a kill is under way.
    #[allow(clippy::option_option)] // Not known yet, not killed, killed.
    pub fn try_end(&self) -> Option<Option<Scope>> {
        let mut state = self.state();
        if state.striking > 0 {
            return None;
        }
        state.running = None;
        Some(state.struck.take())
    }

    /// Where the client's statement runs now.
    #[must_use]
    pub fn running(&self) -> Option<Place> {
        self.state().running.as_ref().map(|running| running.place)
    }

    /// The connections to this member that it used last, and since when.
    #[must_use]
    pub fn places_at(&self, address: SocketAddr) -> [Option<(Place, Instant)>; 2] {
        let places = self.state().places;
        places.map(|place| place.filter(|(place, _)| place.address == address))
    }

    /// Cuts the connection on which a statement runs, if its member is one of these; gives what becomes of it.
    pub fn cut_from(&self, lost: &[SocketAddr]) -> Option<IfLost> {
        let state = self.state();
        let running = state.running.as_ref().filter(|running| lost.contains(&running.place.address))?;
        running.scissors.as_ref()?.cut();
        Some(running.if_lost)
    }

    /// What a kill would strike.
    pub fn aim(&self) -> Aim {
        let state = self.state();
        let command = self.command();
        match &state.running {
            Some(running) => Aim::At(running.place, command),
            None if command % 2 == 1 => Aim::Preparing(command),
            None => Aim::Idle,
        }
    }

    /// A member is about to be told to kill what runs there; none when it has ended.
    pub fn strike(self: &Arc<Self>, place: Place, command: u64) -> Option<Strike> {
        let mut state = self.state();
        let runs = state.running.as_ref().is_some_and(|running| running.place == place);
        (runs && self.command() == command).then(|| {
            state.striking += 1;
            Strike { handle: Arc::clone(self) }
        })
    }

    /// The command must not be sent; false when it has been.
    pub fn prevent(&self, command: u64) -> bool {
        let mut state = self.state();
        let prevented = state.running.is_none() && self.command() == command;
        if prevented {
            state.unwanted = Some(command);
            drop(state);
            self.prevented.notify_waiters();
        }
        prevented
    }

    /// Returns when the present command must not be sent any more. Its client alone calls this. Cancel safe.
    pub async fn unwanted(&self) -> Scope {
        loop {
            let mut prevented = pin!(self.prevented.notified());
            prevented.as_mut().enable();
            if let Some(scope) = self.is_unwanted() {
                return scope;
            }
            tokio::select! {
                () = prevented => {}
                () = self.kill.cancelled() => {}
            }
        }
    }

    fn is_unwanted(&self) -> Option<Scope> {
        let state = self.state();
        if state.doomed {
            return Some(Scope::Connection);
        }
        state.unwanted.filter(|command| *command == self.command()).map(|_| Scope::Query)
    }

    /// The client ends, and its statement with it: the drain's deadline has passed.
    pub fn expire(&self) {
        self.doom();
        if let Some(scissors) = self.state().running.as_ref().and_then(|running| running.scissors.as_ref()) {
            scissors.cut();
        }
    }

    /// The client ends: at once if it is idle, else when its command has.
    pub fn doom(&self) {
        self.state().doomed = true;
        self.ends.store(true, Ordering::Release);
        self.kill.cancel();
    }

    /// Whether it is to end.
    #[must_use]
    pub fn is_doomed(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }

    fn command(&self) -> u64 {
        self.commands.load(Ordering::Acquire)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A kill that a member is being told of.
#[derive(Debug)]
pub struct Strike {
    handle: Arc<Handle>,
}

impl Strike {
    /// The member has obeyed.
    pub fn has_struck(&self, scope: Scope) {
        let mut state = self.handle.state();
        state.struck = state.struck.max(Some(scope));
    }
}

impl Drop for Strike {
    fn drop(&mut self) {
        self.handle.state().striking -= 1;
        self.handle.struck.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle() -> Arc<Handle> {
        let owner = Account::with_password(b"app", b"");
        let id = ClientId::from_number(0x8000_0001);
        Arc::new(Handle::new(id, &owner, ([127, 0, 0, 1], 7).into(), CancellationToken::new()))
    }

    fn running(thread_id: u32) -> Running {
        let place = Place { address: ([127, 0, 0, 1], 3306).into(), thread_id };
        Running { place, began: Instant::now(), scissors: None, if_lost: IfLost::Ended }
    }

    #[tokio::test]
    async fn a_refused_kill_marks_nobody_and_one_that_strikes_is_told_at_the_end() {
        let handle = handle();
        handle.command_begins();
        assert_eq!(handle.begin(running(9)), Begun::Running);
        let Aim::At(place, command) = handle.aim() else { panic!("nothing runs") };
        drop(handle.strike(place, command).unwrap());
        assert_eq!(handle.end().await, None);
        handle.command_ends();

        handle.command_begins();
        assert_eq!(handle.begin(running(9)), Begun::Running);
        assert!(handle.strike(place, command).is_none(), "another statement runs there now");
        let Aim::At(place, command) = handle.aim() else { panic!("nothing runs") };
        let strike = handle.strike(place, command).unwrap();
        let ending = tokio::spawn({
            let handle = Arc::clone(&handle);
            async move { handle.end().await }
        });
        tokio::task::yield_now().await;
        assert!(!ending.is_finished(), "the kill is under way, and would strike the next statement");
        strike.has_struck(Scope::Query);
        drop(strike);
        assert_eq!(ending.await.unwrap(), Some(Scope::Query));
        assert_eq!(handle.end().await, None);
    }

    #[test]
    fn a_command_that_is_killed_before_it_is_sent_is_not_sent_and_the_next_one_is() {
        let handle = handle();
        assert!(matches!(handle.aim(), Aim::Idle));
        handle.command_begins();
        let Aim::Preparing(command) = handle.aim() else { panic!("no command") };
        assert!(handle.prevent(command));
        assert_eq!(handle.begin(running(9)), Begun::Killed(Scope::Query));
        handle.command_ends();
        assert!(!handle.prevent(command));
        handle.command_begins();
        assert_eq!(handle.begin(running(9)), Begun::Running);
        handle.doom();
        assert_eq!(handle.begin(running(9)), Begun::Killed(Scope::Connection));
    }

    #[tokio::test]
    async fn who_waits_hears_at_once_that_its_command_was_killed() {
        let handle = handle();
        handle.command_begins();
        let waiting = tokio::spawn({
            let handle = Arc::clone(&handle);
            async move { handle.unwanted().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        let Aim::Preparing(command) = handle.aim() else { panic!("no command") };
        assert!(handle.prevent(command));
        assert_eq!(waiting.await.unwrap(), Scope::Query);
        handle.command_ends();

        handle.command_begins();
        let next = timeout(Duration::from_millis(20), handle.unwanted());
        assert!(next.await.is_err(), "the kill was not for this one");
        handle.doom();
        assert_eq!(handle.unwanted().await, Scope::Connection);
    }
}
