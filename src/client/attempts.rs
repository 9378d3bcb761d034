//! What was tried for one statement, and which member was chosen.
//!
//! Knows the bounds of trying. Must not know how a member is chosen.

use std::time::{Duration, Instant};

use super::{fallbacks::Turn, refusal};
use crate::{
    topology::{Member, MemberId, PickReason},
    wire::err::SqlError,
};

/// The most connections that are closed for one statement because they cannot come to have what its session has: fresh ones
/// can, but for what `docs/routing.md` names.
const MOST_UNREACHABLE: usize = 8;

/// The most members that are lost with the same statement before its client is told.
const MOST_LOSSES: usize = 3;

/// What was tried for one statement.
#[derive(Debug)]
pub(super) struct Attempts {
    pub deadline: Instant,
    /// When the work on the statement began.
    pub began: Instant,
    /// Members that did not serve since it was last waited for news of them.
    pub avoid: Vec<MemberId>,
    /// How many times it was sent and its member lost, or refused to begin.
    losses: usize,
    /// How each refused.
    pub problems: Vec<String>,
    /// It may wait for a replica to have what it must see.
    pub waits: bool,
    /// It need not read where the session has read before.
    pub moves: bool,
    /// It has waited to read there instead.
    pub moves_to: Option<MemberId>,
    /// How long the statement waited for a replica to have what it must see; `None`: it did not.
    pub waited: Option<Duration>,
    /// It may be served by the primary in a replica's place.
    pub turn: Option<Turn>,
    /// When its client was seen to have left.
    pub left_at: Option<Instant>,
    /// Connections that could not come to have what the session has.
    unreachable: usize,
    /// Why it is the primary that serves, though a replica was wanted.
    pub fell_back: Option<PickReason>,
}

/// The member that was chosen.
pub(super) struct Choice {
    pub member: Member,
    pub on_primary: bool,
    pub because: Option<PickReason>,
    pub lag: Option<Duration>,
}

impl Attempts {
    pub fn new(now: Instant, allowed: Duration) -> Self {
        Attempts {
            deadline: now + allowed,
            began: now,
            avoid: Vec::new(),
            losses: 0,
            problems: Vec::new(),
            waits: true,
            moves: false,
            moves_to: None,
            waited: None,
            turn: None,
            left_at: None,
            unreachable: 0,
            fell_back: None,
        }
    }

    /// This member did not serve.
    pub fn failed(&mut self, member: MemberId, problem: String) {
        self.avoid.push(member);
        if self.problems.len() < 8 && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// This member was lost, or is about to end, after the statement was sent to it.
    pub fn lost(&mut self, member: MemberId, problem: String) {
        self.losses += 1;
        self.failed(member, problem);
    }

    /// Whether a statement whose member was lost may be sent to another one. It may be what members die of.
    pub const fn may_repeat(&self) -> bool {
        self.losses < MOST_LOSSES
    }

    /// Whether it was sent more than once.
    pub const fn was_repeated(&self) -> bool {
        self.losses > 0
    }

    /// A connection was closed because it could not come to have what the session has; the error once that is no accident.
    pub fn unreachable(&mut self, problem: String) -> Result<(), SqlError> {
        self.unreachable += 1;
        if self.unreachable < MOST_UNREACHABLE {
            return Ok(());
        }
        self.problems.push(problem);
        Err(self.refusal())
    }

    /// The client is told so.
    pub fn refusal(&self) -> SqlError {
        let tried = if self.problems.is_empty() { "no member is known".to_owned() } else { self.problems.join("; ") };
        refusal::no_member(&tried, self.began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_members_die_of_is_repeated_so_often_however_long_is_waited_between() {
        let mut attempts = Attempts::new(Instant::now(), Duration::from_secs(10));
        assert!(!attempts.was_repeated());
        for _ in 0..MOST_LOSSES {
            assert!(attempts.may_repeat());
            attempts.lost(MemberId(1), "connection reset".to_owned());
            // It is waited for news of the members, and all of them count again.
            attempts.avoid.clear();
        }
        assert!(!attempts.may_repeat() && attempts.was_repeated());
    }

    #[test]
    fn who_cannot_be_dialled_is_no_loss() {
        let mut attempts = Attempts::new(Instant::now(), Duration::from_secs(10));
        attempts.failed(MemberId(1), "connection refused".to_owned());
        assert!(!attempts.was_repeated());
    }
}
