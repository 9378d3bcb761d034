//! What sessions wait to see, and what the primary had executed when: where readers and followers meet.
//!
//! Knows needs, places and who waits. Must not know sockets, nor who asks members. Locks are held for a few comparisons, and
//! only by those who wait and by followers; a read that need not wait never comes here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot, watch};
use tokio::time::timeout;

use super::member_id::MemberId;
use super::place::{Mark, Need, Place};
use crate::wire::gtid::GtidSet;

/// The most reads that wait at a time; one more is told not to.
const MOST_WAITING: usize = 10_000;
/// The most marks of the primary that are kept.
const MOST_MARKS: usize = 64;
/// While reads usually wait longer than they may, one in this time tries whether that still holds.
const TRIAL: Duration = Duration::from_millis(100);

/// What the primary had executed at one instant.
#[derive(Debug)]
struct PrimaryMark {
    /// Before it was asked.
    begun: Instant,
    mark: Mark,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    since: Instant,
    need: Need,
    /// Only this member is asked for it; `None`: all are.
    asks: Option<MemberId>,
    served: Option<oneshot::Sender<MemberId>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// The oldest first.
    waiters: VecDeque<Waiter>,
    /// Who wants to know of the primary alone, and of which instant; the oldest first.
    demands: VecDeque<(u64, Instant)>,
    primary: Option<MemberId>,
    /// Of that primary, the oldest first.
    marks: VecDeque<PrimaryMark>,
    /// What wakes each member's follower alone.
    bells: Vec<(MemberId, Arc<Notify>)>,
}

/// Where readers and followers meet.
#[derive(Debug)]
pub struct Board {
    state: Mutex<State>,
    /// Counts what may give any follower something to do.
    news: watch::Sender<u64>,
    began: Instant,
    /// How long a read usually waits, in microseconds.
    usual: AtomicU64,
    /// When the last trial began, in microseconds since `began`.
    tried: AtomicU64,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            news: watch::Sender::new(0),
            began: Instant::now(),
            usual: AtomicU64::new(0),
            tried: AtomicU64::new(0),
        }
    }
}

/// A read that waits; dropping it ends the waiting.
#[derive(Debug)]
pub struct Wait<'a> {
    board: &'a Board,
    number: u64,
    since: Instant,
    asks: Option<MemberId>,
    served: oneshot::Receiver<MemberId>,
    is_served: bool,
}

/// Somebody who wants to know what the primary has executed, and no replica; dropping it ends that.
#[derive(Debug)]
pub struct Demand<'a> {
    board: &'a Board,
    number: u64,
}

impl Board {
    /// Whether a read that may wait for so long should: not when such reads usually wait longer. `None`: it should not. Until
    /// it is [widened](Wait::widen) only the member `asks` is asked.
    pub fn wait(&self, need: Need, asks: Option<MemberId>, allowed: Duration, now: Instant) -> Option<Wait<'_>> {
        if self.usual() > allowed && !self.tries(now) {
            return None;
        }
        let (serve, served) = oneshot::channel();
        // Of what the primary must say first, its own follower must hear.
        let alone = asks.filter(|_| need.instant_for(asks).is_none());
        let (number, bell) = {
            let mut state = self.state();
            if state.waiters.len() >= MOST_WAITING {
                return None;
            }
            state.next += 1;
            let number = state.next;
            state.waiters.push_back(Waiter { number, since: now, need, asks, served: Some(serve) });
            (number, alone.and_then(|member| state.bell(member)))
        };
        match bell {
            Some(bell) => bell.notify_one(),
            None => self.tell(),
        }
        Some(Wait { board: self, number, since: now, asks, served, is_served: false })
    }

    /// The newest that a primary has said of itself, to a question that was begun then.
    #[must_use]
    pub fn newest_mark(&self, primary: MemberId) -> Option<(Instant, Mark)> {
        let state = self.state();
        let newest = state.marks.back().filter(|_| state.primary == Some(primary))?;
        Some((newest.begun, newest.mark.clone()))
    }

    /// Has the primary asked what it has executed since `instant`, until the value is dropped.
    #[must_use]
    pub fn demand(&self, instant: Instant) -> Option<Demand<'_>> {
        let number = {
            let mut state = self.state();
            if state.demands.len() >= MOST_WAITING {
                return None;
            }
            state.next += 1;
            let number = state.next;
            state.demands.push_back((number, instant));
            number
        };
        self.tell();
        Some(Demand { board: self, number })
    }

    /// Another primary, or a new history of the same one: what was said before proves nothing.
    pub fn begin_anew(&self) {
        self.state().marks.clear();
    }

    /// How long reads that wait usually do so, those that wait in vain counted twice.
    #[must_use]
    pub fn usual(&self) -> Duration {
        Duration::from_micros(self.usual.load(Ordering::Relaxed))
    }

    /// Wakes the follower of this member alone: a read waits for just that.
    #[must_use]
    pub fn bell(&self, member: MemberId) -> Arc<Notify> {
        let mut state = self.state();
        if let Some(bell) = state.bell(member) {
            return bell;
        }
        // Those of members that have left.
        state.bells.retain(|(_, bell)| Arc::strong_count(bell) > 1);
        let bell = Arc::new(Notify::new());
        state.bells.push((member, Arc::clone(&bell)));
        bell
    }

    /// Hears of everything that may give any follower something to do.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Whether somebody waits for the primary to say what it has executed, and since when the answer must be.
    #[must_use]
    pub fn wants_mark(&self, primary: MemberId) -> bool {
        let state = self.state();
        let newest = state.marks.back().filter(|_| state.primary == Some(primary)).map(|mark| mark.begun);
        let lacks = |instant: Instant| newest.is_none_or(|newest| newest < instant);
        let reads = state.waiters.iter().filter_map(|waiter| waiter.need.instant_for(waiter.asks));
        reads.chain(state.demands.iter().map(|(_, instant)| *instant)).any(lacks)
    }

    /// The primary has answered what it has executed, to a question that was begun then. False, and nothing is known of it any
    /// more, if it has less than it had.
    #[must_use]
    pub fn mark(&self, primary: MemberId, begun: Instant, mark: Mark) -> bool {
        let mut state = self.state();
        if state.primary != Some(primary) {
            state.marks.clear();
            state.primary = Some(primary);
        }
        if state.marks.back().is_some_and(|before| !mark.covers(&before.mark)) {
            state.marks.clear();
            return false;
        }
        if state.marks.len() == MOST_MARKS {
            state.marks.pop_front();
        }
        state.marks.push_back(PrimaryMark { begun, mark });
        drop(state);
        self.tell();
        true
    }

    /// What a replica that is `here` should be asked for next: what the read that has waited longest needs. `None`: nobody
    /// waits for anything of which it can say more.
    #[must_use]
    pub fn target(&self, member: MemberId, here: Option<&Place>, primary: Option<MemberId>) -> Option<Mark> {
        let state = self.state();
        let lacks = |need: &Need| here.is_none_or(|here| !here.satisfies(need, member, primary));
        let asked = state.waiters.iter().filter(|it| it.asks.is_none_or(|asked| asked == member));
        asked.filter(|it| lacks(&it.need)).find_map(|it| {
            let Some(after) = it.need.instant_for(Some(member)) else {
                return Some(Mark::Gtids(it.need.gtids.clone().into()));
            };
            let marks = state.marks.iter().filter(|_| state.primary == primary);
            let mark = marks.into_iter().find(|mark| mark.begun >= after)?;
            match &mark.mark {
                Mark::Gtids(gtids) => {
                    let mut both = GtidSet::clone(gtids);
                    both.merge(&it.need.gtids);
                    Some(Mark::Gtids(both.into()))
                }
                position @ (Mark::Galera(_) | Mark::Binlog(_)) => Some(position.clone()),
            }
        })
    }

    /// Where a member is that says this of itself.
    #[must_use]
    pub fn place(&self, mark: Mark) -> Place {
        let state = self.state();
        let newest = state.marks.iter().rev().find(|known| mark.covers(&known.mark));
        let caught_up_to = newest.and_then(|known| Some((state.primary?, known.begun)));
        Place { mark, caught_up_to }
    }

    /// Serves those who wait for a member that is where this one is.
    pub fn serve(&self, member: MemberId, place: &Place, primary: Option<MemberId>, now: Instant) {
        let mut state = self.state();
        let served = state.waiters.iter_mut().filter(|waiter| place.satisfies(&waiter.need, member, primary));
        for waiter in served {
            if let Some(serve) = waiter.served.take() {
                let _ = serve.send(member);
                self.note(now.saturating_duration_since(waiter.since));
            }
        }
        state.waiters.retain(|waiter| waiter.served.is_some());
    }

    /// A moving average: an eighth of what took longer, so that one read in vain sends not everybody to the primary; a half of what
    /// took less, so that a few reads are enough to see that a replica is quick again.
    fn note(&self, waited: Duration) {
        let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX / 2);
        let moved =
            |usual: u64| if waited > usual { usual + (waited - usual).div_ceil(8) } else { usual.midpoint(waited) };
        let _ = self.usual.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |usual| Some(moved(usual)));
    }

    fn tries(&self, now: Instant) -> bool {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let now = micros(now.saturating_duration_since(self.began));
        let tried = self.tried.load(Ordering::Relaxed);
        now.saturating_sub(tried) >= micros(TRIAL)
            && self.tried.compare_exchange(tried, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    pub(super) fn tell(&self) {
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bell(&self, member: MemberId) -> Option<Arc<Notify>> {
        self.bells.iter().find(|(of, _)| *of == member).map(|(_, bell)| Arc::clone(bell))
    }
}

impl Wait<'_> {
    /// The member that is fresh enough. The one that is asked alone is given so long; then all are asked. Cancel safe; who
    /// gives up waiting drops the `Wait`.
    pub async fn served(&mut self, alone: Duration) -> Option<MemberId> {
        let first = match self.asks {
            Some(_) => timeout(alone, &mut self.served).await.ok(),
            None => None,
        };
        let member = if let Some(served) = first {
            served.ok()
        } else {
            self.widen();
            (&mut self.served).await.ok()
        };
        self.is_served = member.is_some();
        member
    }

    /// From now on every member is asked.
    pub fn widen(&mut self) {
        if self.asks.take().is_none() {
            return;
        }
        let mut state = self.board.state();
        if let Ok(at) = state.waiters.binary_search_by_key(&self.number, |waiter| waiter.number) {
            state.waiters[at].asks = None;
        }
        drop(state);
        self.board.tell();
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if self.is_served {
            return;
        }
        let mut state = self.board.state();
        if let Ok(at) = state.waiters.binary_search_by_key(&self.number, |waiter| waiter.number) {
            state.waiters.remove(at);
            drop(state);
            self.board.note(self.since.elapsed().saturating_mul(2));
        }
    }
}

impl Drop for Demand<'_> {
    fn drop(&mut self) {
        let mut state = self.board.state();
        if let Ok(at) = state.demands.binary_search_by_key(&self.number, |(number, _)| *number) {
            state.demands.remove(at);
        }
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
