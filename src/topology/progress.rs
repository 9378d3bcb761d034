//! Which state of the primary a replica provably has.
//!
//! PURE. Knows the primary's newest polls and compares what a replica has applied with them. Must not know lag as the
//! replicas tell it, nor the clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::character::Character;
use super::galera::Position;
use super::probe::Report;
use super::replication::BinlogPosition;
use crate::wire::gtid::GtidSet;

/// How many polls of the primary are kept: with one a second, what a replica needs to be placed half a minute back.
const MAX_POLLS: usize = 32;

/// What the primary had executed at one instant.
#[derive(Debug)]
struct Poll {
    begun: Instant,
    mark: Mark,
}

/// In which words; those in which a replica's can be compared.
#[derive(Debug)]
enum Mark {
    Gtids(Arc<GtidSet>),
    Binlog(BinlogPosition),
    Galera(Position),
    Nothing,
}

impl Mark {
    fn of(report: &Report, character: Character) -> Self {
        if character == Character::Galera {
            let confirmed = report.galera.as_ref().and_then(|node| node.confirmed.clone());
            return confirmed.map_or(Self::Nothing, Self::Galera);
        }
        match (&report.executed, &report.binlog_end) {
            (Some(executed), _) => Self::Gtids(Arc::clone(executed)),
            (None, Some(end)) => Self::Binlog(end.clone()),
            (None, None) => Self::Nothing,
        }
    }
}

/// The primary's newest polls, oldest first.
#[derive(Debug, Default)]
pub struct PrimaryHistory {
    server_id: u64,
    polls: VecDeque<Poll>,
}

impl PrimaryHistory {
    /// Adds what the primary of such a cluster answered. Another server under the same role begins a new history.
    pub fn record(&mut self, report: &Report, character: Character) {
        if self.server_id != report.server.server_id {
            self.polls.clear();
            self.server_id = report.server.server_id;
        }
        if self.polls.len() == MAX_POLLS {
            self.polls.pop_front();
        }
        self.polls.push_back(Poll { begun: report.begun, mark: Mark::of(report, character) });
    }

    /// The newest instant of which the replica has everything, as far as its report shows.
    #[must_use]
    pub fn caught_up_to(&self, replica: &Report) -> Option<Instant> {
        self.polls.iter().rev().find(|poll| self.has_all_of(replica, poll)).map(|poll| poll.begun)
    }

    /// The first poll after `proven`; the first of all if nothing is proven.
    fn next_after(&self, proven: Option<Instant>) -> Option<Instant> {
        self.polls.iter().map(|poll| poll.begun).find(|begun| proven.is_none_or(|proven| *begun > proven))
    }

    fn has_all_of(&self, replica: &Report, poll: &Poll) -> bool {
        match &poll.mark {
            Mark::Gtids(executed) => replica.applied.covers(executed),
            Mark::Binlog(end) => replica
                .replication
                .channels()
                .iter()
                .filter(|channel| channel.source.server_id == self.server_id)
                .any(|channel| channel.applied_to.as_ref().is_some_and(|applied| applied.covers(end))),
            Mark::Galera(confirmed) => applied(replica).is_some_and(|applied| applied.covers(confirmed)),
            Mark::Nothing => false,
        }
    }
}

/// How far one replica has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// It has everything that the primary had executed at this instant.
    pub caught_up_to: Option<Instant>,
    /// It lacks something that the primary had executed soon after this instant.
    missing_since: Option<Instant>,
}

impl Progress {
    /// What follows from the replica's newest report. `before` is the one that led here: a replica that has less than
    /// it had (restored, or crashed without having flushed) starts anew.
    #[must_use]
    pub fn after(self, history: &PrimaryHistory, before: Option<&Report>, now: &Report) -> Self {
        let kept = if before.is_none_or(|before| went_forward(before, now)) { self } else { Self::default() };
        let caught_up_to = history.caught_up_to(now).or(kept.caught_up_to);
        let missing_since = match history.next_after(caught_up_to) {
            None => None,
            Some(_) if kept.missing_since.is_some() && caught_up_to == kept.caught_up_to => kept.missing_since,
            Some(next) => Some(next),
        };
        Self { caught_up_to, missing_since }
    }

    /// For how long the replica has been known, at the time of its report, to lack something; zero if it lacks nothing
    /// that was seen, `None` if nothing was ever proven.
    #[must_use]
    pub fn staleness(&self, report: &Report) -> Option<Duration> {
        self.caught_up_to?;
        Some(self.missing_since.map_or(Duration::ZERO, |since| report.begun.saturating_duration_since(since)))
    }
}

fn applied(report: &Report) -> Option<&Position> {
    report.galera.as_ref().and_then(|node| node.applied.as_ref())
}

fn went_forward(before: &Report, now: &Report) -> bool {
    let positions = |report: &Report| -> Vec<Option<BinlogPosition>> {
        report.replication.channels().iter().map(|channel| channel.applied_to.clone()).collect()
    };
    let forward = |(now, before): (&Option<BinlogPosition>, &Option<BinlogPosition>)| match (now, before) {
        (Some(now), Some(before)) => now.covers(before),
        (_, None) => true,
        (None, Some(_)) => false,
    };
    let in_galera = match (applied(now), applied(before)) {
        (Some(now), Some(before)) => now.covers(before),
        (_, None) => true,
        (None, Some(_)) => false,
    };
    in_galera
        && now.applied.covers(&before.applied)
        && (!now.applied.is_empty() || positions(now).iter().zip(&positions(before)).all(forward))
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
