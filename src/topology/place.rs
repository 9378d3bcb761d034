//! How far a member is, and what a read must be able to see.
//!
//! PURE. Knows GTID sets, Galera's positions and places in a binary log. Must not know how they were asked.

use std::sync::Arc;
use std::time::Instant;

use super::galera::Position;
use super::member_id::MemberId;
use super::replication::BinlogPosition;
use crate::wire::gtid::GtidSet;

/// What a read must be able to see.
#[derive(Clone, Debug, Default)]
pub struct Need {
    /// These transactions.
    pub gtids: GtidSet,
    /// Everything that the primary had executed at this instant.
    pub after: Option<Instant>,
    /// Nothing older than what the session has seen.
    pub seen: Option<Seen>,
}

/// Where and when a session read last. The member itself never goes back; any other is as new as it was if it has everything
/// that the primary had executed at that instant, for no member can have had more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where.
    pub member: MemberId,
    /// When its reply was complete.
    pub at: Instant,
}

/// What a member says of how far it is, in the words of its kind of cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// GTIDs: executed by a primary, applied by a replica.
    Gtids(Arc<GtidSet>),
    /// Galera's own sequence: what a writer may have confirmed, what a reader surely has.
    Galera(Position),
    /// Where transactions have no GTIDs: the end of a primary's binary log, or how far of it a replica has applied.
    Binlog(BinlogPosition),
}

impl Need {
    /// The instant of which a primary must say what it had executed, before `member` can be known to have it.
    #[must_use]
    pub fn instant_for(&self, member: Option<MemberId>) -> Option<Instant> {
        let seen = self.seen.filter(|seen| Some(seen.member) != member).map(|seen| seen.at);
        self.after.max(seen)
    }
}

impl Mark {
    /// Whether whoever is here has everything of `other`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Gtids(have), Self::Gtids(wanted)) => have.covers(wanted),
            (Self::Galera(have), Self::Galera(wanted)) => have.covers(wanted),
            (Self::Binlog(have), Self::Binlog(wanted)) => have.covers(wanted),
            _ => false,
        }
    }

    /// The transactions, where they have GTIDs that mean the same to every member.
    #[must_use]
    pub const fn gtids(&self) -> Option<&Arc<GtidSet>> {
        match self {
            Self::Gtids(gtids) => Some(gtids),
            Self::Galera(_) | Self::Binlog(_) => None,
        }
    }
}

/// How far a member is known to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// In its own words.
    pub mark: Mark,
    /// It has everything that this primary had executed at this instant.
    pub caught_up_to: Option<(MemberId, Instant)>,
}

impl Place {
    /// Whether a read that needs this can be served by `member`, which is here, while `primary` takes the writes.
    #[must_use]
    pub fn satisfies(&self, need: &Need, member: MemberId, primary: Option<MemberId>) -> bool {
        self.has(&need.gtids)
            && need.after.is_none_or(|instant| self.is_past(instant, primary))
            && need.seen.is_none_or(|seen| seen.member == member || self.is_past(seen.at, primary))
    }

    /// Whether it has these transactions.
    #[must_use]
    pub fn has(&self, gtids: &GtidSet) -> bool {
        gtids.is_empty() || self.mark.gtids().is_some_and(|have| have.covers(gtids))
    }

    /// Whether it has everything that `primary` had executed at this instant.
    #[must_use]
    pub fn is_past(&self, instant: Instant, primary: Option<MemberId>) -> bool {
        self.caught_up_to.is_some_and(|(of, proven)| Some(of) == primary && proven >= instant)
    }
}
