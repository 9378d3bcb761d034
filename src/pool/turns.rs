//! Turns: the right to use one connection. Taking one and giving it back while nobody waits are an addition each; only who
//! finds none waits in a queue.
//!
//! Invariant: free turns, turns that are handed to those who wait, and turns that are taken are as many as there were at first.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::Semaphore;

/// The turns of one member's pool.
#[derive(Debug)]
pub(super) struct Turns {
    free: AtomicUsize,
    waiting: AtomicUsize,
    /// Given back while somebody waited. One of who has given up waiting meanwhile is left here for whoever comes next.
    handed: Semaphore,
}

/// A turn; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Turn(Arc<Turns>);

/// Counts one who waits, also when that is given up.
struct Waiting<'a>(&'a Turns);

impl Turns {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Turns { free: AtomicUsize::new(limit), waiting: AtomicUsize::new(0), handed: Semaphore::new(0) })
    }

    /// A turn, if there is one.
    pub fn take(self: &Arc<Self>) -> Option<Turn> {
        (self.take_free() || self.take_handed()).then(|| Turn(Arc::clone(self)))
    }

    /// Waits for a turn, behind those who wait already. Cancel safe.
    pub async fn wait(self: &Arc<Self>) -> Turn {
        // Whoever gives one back from now on hands it over; who has done so just before has left a free one.
        let _waiting = Waiting::begin(self);
        if !self.take_free()
            && let Ok(permit) = self.handed.acquire().await
        {
            permit.forget();
        }
        Turn(Arc::clone(self))
    }

    /// How many are not taken.
    #[cfg(test)]
    pub fn available(&self) -> usize {
        self.free.load(SeqCst) + self.handed.available_permits()
    }

    fn take_free(&self) -> bool {
        self.free.fetch_update(SeqCst, SeqCst, |free| free.checked_sub(1)).is_ok()
    }

    fn take_handed(&self) -> bool {
        self.handed.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_ok()
    }

    fn give_back(&self) {
        if self.waiting.load(SeqCst) > 0 {
            return self.handed.add_permits(1);
        }
        self.free.fetch_add(1, SeqCst);
        // Somebody may have begun to wait in between, and have seen none.
        if self.waiting.load(SeqCst) > 0 && self.take_free() {
            self.handed.add_permits(1);
        }
    }
}

impl<'a> Waiting<'a> {
    fn begin(turns: &'a Turns) -> Self {
        turns.waiting.fetch_add(1, SeqCst);
        Waiting(turns)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn who_waits_gets_the_turn_that_is_given_back_and_who_came_first_first() {
        let turns = Turns::new(1);
        let taken = turns.take().unwrap();
        assert!(turns.take().is_none());
        let waits = |turns: &Arc<Turns>| {
            let turns = Arc::clone(turns);
            tokio::spawn(async move { turns.wait().await })
        };
        let first = waits(&turns);
        tokio::task::yield_now().await;
        let second = waits(&turns);
        tokio::task::yield_now().await;
        drop(taken);
        let first = first.await.unwrap();
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        drop(second.await.unwrap());
        assert!(turns.take().is_some());
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_turn_to_others() {
        let turns = Turns::new(1);
        let taken = turns.take().unwrap();
        {
            let mut waits = std::pin::pin!(turns.wait());
            assert!(timeout(Duration::from_millis(5), waits.as_mut()).await.is_err());
            // It is handed over and not picked up.
            drop(taken);
        }
        let taken = turns.take();
        assert!(taken.is_some() && turns.take().is_none());
        drop(taken);
        assert!(timeout(Duration::from_secs(5), turns.wait()).await.is_ok());
    }

    #[test]
    fn none_is_lost_and_none_is_made_by_many_at_once() {
        const LIMIT: usize = 3;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let (turns, used) = (Turns::new(LIMIT), Arc::new(AtomicUsize::new(0)));
        let sessions: Vec<_> = (0..16)
            .map(|session| {
                let (turns, used) = (Arc::clone(&turns), Arc::clone(&used));
                runtime.spawn(async move {
                    for round in 0..2_000 {
                        let turn = match turns.take() {
                            Some(turn) => turn,
                            // Some give up waiting.
                            None if (session + round) % 7 == 0 => {
                                let Ok(turn) = timeout(Duration::from_micros(1), turns.wait()).await else { continue };
                                turn
                            }
                            None => turns.wait().await,
                        };
                        assert!(used.fetch_add(1, SeqCst) < LIMIT);
                        if round % 3 == 0 {
                            tokio::task::yield_now().await;
                        }
                        used.fetch_sub(1, SeqCst);
                        drop(turn);
                    }
                })
            })
            .collect();
        let all = async {
            for session in sessions {
                session.await.unwrap();
            }
        };
        runtime.block_on(async { timeout(Duration::from_secs(60), all).await }).unwrap();
        assert_eq!(turns.available(), LIMIT);
    }
}
