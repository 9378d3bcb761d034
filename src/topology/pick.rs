//! Which member serves a read.
//!
//! Knows freshness, load and stickiness. Must not allocate: this runs once for every read.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::member_id::MemberId;
use super::place::{Need, Seen};
use super::state::Unfit;
use super::view::{MemberView, NoPrimary, View};
use crate::wire::gtid::GtidSet;

/// How much more a replica may be in use, in exchanges, before a session leaves it for the least used one.
const STICKY_SLACK: usize = 4;

/// How much longer than the quickest a replica may take to have what is waited for, besides twice as long.
const PACE_SLACK: Duration = Duration::from_millis(2);

/// What a read must be able to see.
#[derive(Clone, Copy, Debug)]
pub enum Freshness<'a> {
    /// Any replica within `monitor.max_lag`.
    Any,
    /// A replica that has applied these transactions.
    Gtid(&'a GtidSet),
    /// A write whose transaction is not known was confirmed at this instant: a replica that has everything the
    /// primary had executed then.
    After(Instant),
    /// Both.
    GtidAfter(&'a GtidSet, Instant),
}

/// Why this member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PickReason {
    /// The least busy replica that is fresh enough.
    Replica,
    /// The replica that served this session before.
    Sticky,
    /// The same, although others are less busy: none of them is known to be as new as this one was.
    Overloaded,
    /// The same, although it is another's turn: none of them is known to be as new as this one was.
    Outstayed,
    /// The primary: there is no replica, or none that answers and replicates.
    NoReplica,
    /// The primary: every replica that answers is behind by more than `monitor.max_lag`.
    AllLagging,
    /// The primary: no replica is known to have applied the session's last write.
    NotCaughtUp,
}

impl Freshness<'_> {
    /// The same for who waits for it.
    #[must_use]
    pub fn need(&self) -> Need {
        match *self {
            Self::Any => Need::default(),
            Self::Gtid(gtids) => Need { gtids: gtids.clone(), ..Need::default() },
            Self::After(write) => Need { after: Some(write), ..Need::default() },
            Self::GtidAfter(gtids, write) => Need { gtids: gtids.clone(), after: Some(write), seen: None },
        }
    }
}

impl PickReason {
    /// The word that metrics and logs use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replica => "replica",
            Self::Sticky => "sticky",
            Self::Overloaded => "overloaded",
            Self::Outstayed => "outstayed",
            Self::NoReplica => "no_replica",
            Self::AllLagging => "all_lagging",
            Self::NotCaughtUp => "not_caught_up",
        }
    }

    /// Whether the primary serves because no replica may.
    #[must_use]
    pub fn is_fallback(self) -> bool {
        !matches!(self, Self::Replica | Self::Sticky | Self::Overloaded | Self::Outstayed)
    }
}

/// The member that serves, and why.
#[derive(Clone, Copy, Debug)]
pub struct Pick<'a> {
    /// Who.
    pub member: &'a MemberView,
    /// Why.
    pub because: PickReason,
}

/// Nobody can serve the read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no replica can serve ({}), and {primary}", replicas.as_str())]
pub struct NoMember {
    /// Why no replica.
    pub replicas: PickReason,
    /// Why not the primary.
    pub primary: NoPrimary,
}

impl View {
    /// Who serves a read that must see `need` and nothing older than what was `seen`: the replica in `prefer` while that is
    /// fine, else the least busy one, else the primary. Never one of `avoid` (members that this statement was tried on
    /// already), except that an avoided primary is still named when nobody else is left.
    pub fn pick_replica(
        &self,
        need: &Freshness<'_>,
        seen: Option<Seen>,
        prefer: Option<MemberId>,
        avoid: &[MemberId],
    ) -> Result<Pick<'_>, NoMember> {
        let as_new =
            |view: &MemberView| seen.is_none_or(|seen| seen.member == view.member.id || self.is_past(view, seen.at));
        let serves = |view: &&MemberView| view.serves_reads() && !avoid.contains(&view.member.id);
        let fresh = |view: &&MemberView| serves(view) && self.is_fresh(view, need) && as_new(view);
        let Some(idlest) = self.idlest(fresh) else {
            return self.fall_back(avoid);
        };
        let limit = |of: &MemberView| of.member.in_flight().saturating_mul(2).saturating_add(STICKY_SLACK);
        let preferred = prefer.and_then(|id| self.member(id)).filter(fresh);
        if let Some(member) = preferred.filter(|view| view.member.in_flight() <= limit(idlest)) {
            // Of those that are less busy none may be known to be as new.
            let overloaded = member.member.in_flight() > STICKY_SLACK
                && self.idlest(serves).is_some_and(|any| member.member.in_flight() > limit(any));
            let because = if overloaded { PickReason::Overloaded } else { PickReason::Sticky };
            return Ok(Pick { member, because });
        }
        let stays = prefer.is_none() && seen.is_some_and(|seen| seen.member == idlest.member.id);
        if stays && self.idlest(serves).is_some_and(|any| any.member.id != idlest.member.id) {
            return Ok(Pick { member: idlest, because: PickReason::Outstayed });
        }
        Ok(Pick { member: self.in_turn(idlest), because: PickReason::Replica })
    }

    /// Which replica a read waits for that none can serve yet, and how long that one usually takes to have what is waited for:
    /// the one in `prefer` unless it is busy or slow, else the least busy of those that are as quick as the quickest.
    pub fn worth_waiting_for(
        &self,
        prefer: Option<MemberId>,
        avoid: &[MemberId],
        now: Instant,
    ) -> Option<(MemberId, Duration)> {
        let serves = |view: &&MemberView| view.serves_reads() && !avoid.contains(&view.member.id);
        let pace = |view: &MemberView| view.member.pace(now);
        let quickest = self.members.iter().filter(serves).filter_map(pace).min().unwrap_or_default();
        let is_quick = |view: &MemberView| pace(view).is_none_or(|pace| pace <= quickest * 2 + PACE_SLACK);
        let quick = |view: &&MemberView| serves(view) && is_quick(view);
        let idlest = self.idlest(quick)?;
        let limit = idlest.member.in_flight().saturating_mul(2).saturating_add(STICKY_SLACK);
        let preferred = prefer.and_then(|id| self.member(id)).filter(quick);
        let chosen = preferred.filter(|view| view.member.in_flight() <= limit).unwrap_or_else(|| self.in_turn(idlest));
        Some((chosen.member.id, pace(chosen).unwrap_or_default()))
    }

    /// The least busy of those that qualify; of equals the one that was chosen longest ago.
    fn idlest(&self, qualifies: impl Fn(&&MemberView) -> bool) -> Option<&MemberView> {
        self.members.iter().filter(qualifies).min_by_key(|view| (view.member.in_flight(), view.member.turn()))
    }

    /// It is chosen among equals now.
    fn in_turn<'a>(&self, chosen: &'a MemberView) -> &'a MemberView {
        chosen.member.take_turn(self.turns.fetch_add(1, Ordering::Relaxed).wrapping_add(1));
        chosen
    }

    fn fall_back(&self, avoid: &[MemberId]) -> Result<Pick<'_>, NoMember> {
        let because = self.why_no_replica(avoid);
        match self.usable_primary().filter(|primary| !primary.leaving) {
            Some(member) => Ok(Pick { member, because }),
            None => Err(NoMember { replicas: because, primary: self.open_primary().err().unwrap_or_default() }),
        }
    }

    /// Whether its last check or its follower shows that it has what is needed.
    fn is_fresh(&self, view: &MemberView, need: &Freshness<'_>) -> bool {
        let place = view.member.place();
        let place = place.as_deref();
        let has = |wanted: &GtidSet| view.applied.covers(wanted) || place.is_some_and(|place| place.has(wanted));
        match need {
            Freshness::Any => true,
            Freshness::Gtid(wanted) => has(wanted),
            Freshness::After(write) => self.is_past(view, *write),
            Freshness::GtidAfter(wanted, write) => has(wanted) && self.is_past(view, *write),
        }
    }

    /// Whether it has everything that the primary had executed at this instant.
    fn is_past(&self, view: &MemberView, instant: Instant) -> bool {
        let primary = self.assigned_primary.as_ref().ok().copied();
        view.caught_up_to.is_some_and(|proven| proven >= instant)
            || view.member.place().as_deref().is_some_and(|place| place.is_past(instant, primary))
    }

    fn why_no_replica(&self, avoid: &[MemberId]) -> PickReason {
        let mut lagging = false;
        for view in self.members.iter().filter(|view| !avoid.contains(&view.member.id)) {
            if view.serves_reads() {
                return PickReason::NotCaughtUp;
            }
            lagging |= view.is_up() && matches!(view.unfit, Some(Unfit::Lag { .. } | Unfit::LagUnknown));
        }
        if lagging { PickReason::AllLagging } else { PickReason::NoReplica }
    }
}

#[cfg(test)]
#[path = "pick_tests.rs"]
mod tests;
