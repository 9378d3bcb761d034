//! The newest snapshot of the cluster, for everybody to read.
//!
//! Knows how snapshots are swapped and who is told. Must not know how they come about.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

use super::announce::announce;
use super::board::Board;
use super::member_id::MemberId;
use super::place::Mark;
use super::view::View;

/// The newest snapshot of the cluster, and where to ask for a newer one.
#[derive(Debug)]
pub struct Topology {
    view: ArcSwap<View>,
    changed: watch::Sender<u64>,
    pub(super) recheck: watch::Sender<u64>,
    board: Board,
}

impl Topology {
    /// A snapshot that nobody replaces, for tests of what reads it.
    #[must_use]
    pub fn fixed(view: View) -> Self {
        let generation = view.generation;
        Self {
            view: ArcSwap::from_pointee(view),
            changed: watch::Sender::new(generation),
            recheck: watch::Sender::new(0),
            board: Board::default(),
        }
    }

    /// The newest snapshot. Hold it for one decision, not for long.
    #[must_use]
    pub fn view(&self) -> Guard<Arc<View>> {
        self.view.load()
    }

    /// Where reads wait for a replica that is fresh enough.
    #[must_use]
    pub const fn board(&self) -> &Board {
        &self.board
    }

    /// Tells each new snapshot's generation.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Waits until a snapshot is as wanted, and gives it. Dropping the future ends the waiting.
    pub async fn wait_for(&self, wanted: impl Fn(&View) -> bool) -> Arc<View> {
        let mut changed = self.changed();
        loop {
            changed.borrow_and_update();
            let view = self.view.load_full();
            if wanted(&view) {
                return view;
            }
            if changed.changed().await.is_err() {
                // Cannot be: this topology holds the sender.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The primary, if it is known to have executed this. A replica's word is none: it may be ahead of a new primary.
    #[must_use]
    pub fn executed_by(&self, mark: &Mark) -> Option<MemberId> {
        let primary = self.view.load().primary_that_tells()?;
        self.board.newest_mark(primary).filter(|(_, newest)| newest.covers(mark)).map(|_| primary)
    }

    /// What the primary has executed, everything from before `instant` and perhaps more, and which member that is; as long as
    /// there is no primary, it is waited for. Cancel safe. `None`: the primary does not tell.
    pub async fn executed_since(&self, instant: Instant) -> Option<(MemberId, Mark)> {
        let (mut news, mut changed) = (self.board.news(), self.changed());
        let _asked = self.board.demand(instant)?;
        loop {
            news.borrow_and_update();
            changed.borrow_and_update();
            if let Some(primary) = self.usable_primary_that_tells()? {
                let newest = self.board.newest_mark(primary).filter(|(begun, _)| *begun >= instant);
                if let Some((_, mark)) = newest {
                    return Some((primary, mark));
                }
            }
            tokio::select! {
                told = news.changed() => told.ok()?,
                told = changed.changed() => told.ok()?,
            }
        }
    }

    /// `None`: there is a primary, and it does not tell.
    #[allow(clippy::option_option)] // It does not tell, there is none, this one.
    fn usable_primary_that_tells(&self) -> Option<Option<MemberId>> {
        let view = self.view.load();
        let tells = view.primary_that_tells();
        (tells.is_some() || !view.has_primary()).then_some(tells)
    }

    /// A connection to a member failed or was lost: look at DNS and check all members now. Cheap, and never more often
    /// than a part of the interval, so it may be called for each failure.
    pub fn recheck(&self) {
        self.recheck.send_modify(|asked| *asked = asked.wrapping_add(1));
    }

    /// Replaces the snapshot.
    pub fn publish(&self, mut view: View) {
        let generation = view.generation;
        let before = self.view.load();
        // Equals go on taking turns, however rarely one is asked for.
        view.turns = before.turns.load(Ordering::Relaxed).into();
        let view = Arc::new(view);
        announce(&before, &view);
        let begins_anew = before.history != view.history || before.assigned_primary != view.assigned_primary;
        drop(before);
        self.view.store(view);
        if begins_anew {
            self.board.begin_anew();
            // Another follower may have to answer now.
            self.board.tell();
        }
        self.changed.send_replace(generation);
    }
}
