//! The task that follows one member: while somebody waits it asks the member how far it is, one question at a time.
//!
//! Knows when to ask and whom to tell. Must not know sessions. Without anybody who waits, nothing is asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use super::question::Question;
use crate::topology::ask::{Ask, Converse};
use crate::topology::board::Board;
use crate::topology::member::Member;
use crate::topology::place::Mark;
use crate::topology::published::Topology;
use crate::topology::view::View;

/// How long a member may keep an answer back until it has what is asked for.
const PATIENCE: Duration = Duration::from_millis(100);
/// For how long the connection is kept when nobody waits.
const IDLE: Duration = Duration::from_secs(10);
/// After a question that was not answered.
const PAUSE: Duration = Duration::from_millis(100);

/// When a member is asked.
#[derive(Clone, Copy, Debug)]
pub struct FollowSettings {
    /// The least time between two questions to one member.
    pub interval: Duration,
    /// For connecting, and again for answering.
    pub timeout: Duration,
}

/// Follows one member until dropped.
pub struct Follower<A: Ask> {
    /// Whom.
    pub member: Member,
    /// With what.
    pub asker: Arc<A>,
    /// Who says what it is for, and where to tell.
    pub topology: Arc<Topology>,
    /// When.
    pub settings: FollowSettings,
}

/// What to ask next.
enum Task {
    /// A primary: what it has executed.
    Mark(Question),
    /// A replica: whether it has this.
    Reach(Question, Mark),
}

impl<A: Ask> Follower<A> {
    /// Asks while somebody waits.
    pub async fn run(self) {
        let (mut news, bell) = (self.board().news(), self.board().bell(self.member.id));
        let mut kept: Option<A::Conversation> = None;
        loop {
            let woken = async {
                tokio::select! {
                    told = news.changed() => told.is_ok(),
                    () = bell.notified() => true,
                }
            };
            match timeout(IDLE, woken).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => {
                    // Nobody has waited for a while: the member has its connection back.
                    if let Some(kept) = kept.take() {
                        drop(tokio::spawn(kept.close()));
                    }
                    continue;
                }
            }
            self.serve_who_came_late();
            while let Some(task) = self.task(&self.topology.view()) {
                let begun = Instant::now();
                if self.ask(&mut kept, &task, begun).await.is_none() {
                    // It may come back with less than it had.
                    kept = None;
                    self.member.forget_place();
                    self.member.note_pace(PATIENCE, Instant::now());
                    tokio::time::sleep(PAUSE).await;
                }
                sleep_until((begun + self.settings.interval).into()).await;
            }
        }
    }

    /// Of what is known already some may have begun to wait just when it became known.
    fn serve_who_came_late(&self) {
        if let Some(place) = self.member.place().as_deref() {
            let primary = self.topology.view().assigned_primary.as_ref().ok().copied();
            self.board().serve(self.member.id, place, primary, Instant::now());
        }
    }

    fn board(&self) -> &Board {
        self.topology.board()
    }

    fn task(&self, view: &View) -> Option<Task> {
        let own = view.member(self.member.id)?;
        let server = own.server.as_ref()?;
        let primary = view.assigned_primary.as_ref().ok().copied();
        let no_gtids_of = view.usable_primary().filter(|primary| primary.binlog_end.is_some());
        let no_gtids_of = no_gtids_of.and_then(|primary| Some(primary.server.as_ref()?.server_id));
        if primary == Some(self.member.id) {
            let question = Question::of(server, view.character, true, no_gtids_of);
            let tells = view.primary_that_tells() == primary;
            return (tells && self.board().wants_mark(self.member.id)).then_some(Task::Mark(question));
        }
        let is_shown = no_gtids_of.is_none() || own.hides_replication.is_none();
        if !own.serves_reads() || !is_shown {
            return None;
        }
        let target = self.board().target(self.member.id, self.member.place().as_deref(), primary)?;
        Some(Task::Reach(Question::of(server, view.character, false, no_gtids_of), target))
    }

    /// `None`: no answer.
    async fn ask(&self, kept: &mut Option<A::Conversation>, task: &Task, begun: Instant) -> Option<()> {
        let limit = self.settings.timeout;
        let mut conversation = match kept.take() {
            Some(kept) => kept,
            None => timeout(limit, self.asker.connect(self.member.address)).await.ok()?.ok()?,
        };
        // A login says nothing of how far it is.
        let asked = Instant::now();
        let (question, wanted) = match task {
            Task::Mark(question) => (question, None),
            Task::Reach(question, wanted) => (question, wanted.gtids()),
        };
        let sql = question.sql(wanted.map(Arc::as_ref), PATIENCE);
        let answer = timeout(limit + PATIENCE, conversation.query(&sql)).await.ok()?.ok()?;
        let mark = question.read(&answer)?;
        *kept = Some(conversation);
        match task {
            Task::Mark(_) => self.record(begun, mark)?,
            Task::Reach(..) => self.publish(asked, mark),
        }
        Some(())
    }

    /// A primary that has less than it had begins a new history, of which the monitor must judge first who has the old one;
    /// until then what it says proves nothing. `None`: it proves nothing.
    fn record(&self, begun: Instant, mark: Mark) -> Option<()> {
        let view = self.topology.view();
        let known = view.member(self.member.id)?;
        let has_less = match &mark {
            Mark::Gtids(gtids) => !gtids.covers(&known.applied),
            Mark::Binlog(end) => known.binlog_end.as_ref().is_none_or(|known| !end.covers(known)),
            Mark::Galera(_) => false,
        };
        if has_less || !self.board().mark(self.member.id, begun, mark) {
            self.topology.recheck();
            return None;
        }
        Some(())
    }

    fn publish(&self, asked: Instant, mark: Mark) {
        let now = Instant::now();
        self.member.note_pace(now.saturating_duration_since(asked), now);
        let place = Arc::new(self.board().place(mark));
        let primary = self.topology.view().assigned_primary.as_ref().ok().copied();
        self.member.reach(Arc::clone(&place));
        self.board().serve(self.member.id, &place, primary, now);
    }
}
