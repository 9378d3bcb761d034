//! One `MySQL` server of the cluster as the proxy identifies it.
//!
//! Knows its name, its address and how busy the proxy keeps it. Must not know its health, which changes from one
//! [`View`](super::View) to the next while the member stays the same.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};

use super::member_id::MemberId;
use super::place::Place;

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It takes the writes.
    Primary,
    /// It copies the primary's writes and serves reads.
    Replica,
}

impl Role {
    /// The word that metrics, logs and the API use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long what is known of a member's pace counts.
const PACE_COUNTS: Duration = Duration::from_millis(500);

/// A server of the cluster. Cheap to clone; clones share the count of what is in flight and what its follower knows.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who it is.
    pub id: MemberId,
    /// What people call it: the pod's name (`mysql-1.mysql`), the configured `host:port`, or the bare address.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    load: Arc<Load>,
    place: Arc<ArcSwapOption<Place>>,
    pace: Arc<Mutex<Option<Pace>>>,
}

/// How long a member usually takes to have what is waited for.
#[derive(Clone, Copy, Debug)]
struct Pace {
    usual: Duration,
    at: Instant,
}

/// How busy the proxy keeps a member, shared by all clones.
#[derive(Debug, Default)]
struct Load {
    in_flight: AtomicUsize,
    /// When it was last chosen among equals; greater is later.
    turn: AtomicUsize,
}

impl Member {
    /// A member with nothing in flight.
    #[must_use]
    pub fn new(id: MemberId, name: &str, address: SocketAddr) -> Self {
        Self { id, name: name.into(), address, load: Arc::default(), place: Arc::default(), pace: Arc::default() }
    }

    /// The same member under another name.
    #[must_use]
    pub fn renamed(&self, name: &str) -> Self {
        Self { name: name.into(), ..self.clone() }
    }

    /// How many exchanges the proxy has under way with it, over all clients.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.load.in_flight.load(Ordering::Relaxed)
    }

    /// When it was last chosen among equals; greater is later.
    pub(super) fn turn(&self) -> usize {
        self.load.turn.load(Ordering::Relaxed)
    }

    /// It is chosen among equals now.
    pub(super) fn take_turn(&self, now: usize) {
        self.load.turn.store(now, Ordering::Relaxed);
    }

    /// How far its follower last saw it; `None` while that is not known.
    #[must_use]
    pub fn place(&self) -> Guard<Option<Arc<Place>>> {
        self.place.load()
    }

    /// Its follower has seen it here.
    pub(super) fn reach(&self, place: Arc<Place>) {
        self.place.store(Some(place));
    }

    /// How long it usually takes, of late, to have what is waited for; `None`: that is not known.
    #[must_use]
    pub fn pace(&self, now: Instant) -> Option<Duration> {
        let pace = *self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.filter(|pace| now.saturating_duration_since(pace.at) < PACE_COUNTS).map(|pace| pace.usual)
    }

    /// It has just taken so long.
    pub(super) fn note_pace(&self, took: Duration, now: Instant) {
        let usual = self.pace(now).map_or(took, |before| (before + took) / 2);
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = Some(Pace { usual, at: now });
    }

    /// It may have less than it was seen to have.
    pub(super) fn forget_place(&self) {
        self.place.store(None);
    }

    /// Counts one exchange until the returned value is dropped.
    #[must_use]
    pub fn begin(&self) -> InFlight {
        self.load.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(&self.load))
    }
}

/// One exchange under way; dropping it ends the count.
#[derive(Debug)]
pub struct InFlight(Arc<Load>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_flight_is_counted_over_all_clones() {
        let member = Member::new(MemberId(1), "a", ([127, 0, 0, 1], 3306).into());
        let renamed = member.renamed("b");
        let one = member.begin();
        let two = renamed.begin();
        assert_eq!((member.in_flight(), renamed.in_flight()), (2, 2));
        drop(one);
        drop(two);
        assert_eq!(member.in_flight(), 0);
    }
}
