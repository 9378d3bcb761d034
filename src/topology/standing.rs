//! What is held for or against one member, from one check to the next.
//!
//! PURE. Knows how long something must be so before it counts. Must not know what the comparisons mean.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::history::{Footprint, Leftover, Lost, shortened};
use super::lineage::{Evidence, Kinship, Lineage};
use super::member_id::MemberId;
use super::probe::Report;
use super::replication::Thread;
use super::state::{Doubt, Proof, Unfit};

/// What may be so for a moment while all is well (a replica that reconnects, a transaction that waits for a receipt) counts
/// when so many checks in a row have found it.
const CONVICTED: u32 = 3;

/// The histories of the primary.
#[derive(Debug, Default)]
pub struct Past {
    /// Counts the histories that have ended.
    pub number: u64,
    /// Why the newest began; `None` for the first.
    pub beginning: Option<Arc<str>>,
    lost: Option<Lost>,
    footprint: Option<Footprint>,
}

impl Past {
    /// Takes over what the primary says now; `true` if a new history begins with it.
    pub fn follow(&mut self, report: &Report) -> bool {
        let ended = self.footprint.as_ref().and_then(|footprint| footprint.ended_by(report));
        self.footprint = Some(Footprint::of(report));
        let Some((why, lost)) = ended else { return false };
        self.number += 1;
        self.beginning = Some(why.to_string().into());
        self.lost = Some(lost);
        true
    }
}

/// One member's.
#[derive(Clone, Debug)]
pub struct Standing {
    kinship: Kinship,
    /// How many checks of the primary in a row have found it in excess of the primary's replicas, or ahead of the primary.
    suspected: u32,
    /// What it has of a history that has ended.
    leftover: Option<Leftover>,
    /// A history has ended before it was ever asked.
    unjudged: bool,
    /// Since when its thread that fetches does not run although the primary answers.
    cut_off_since: Option<Instant>,
}

impl Default for Standing {
    fn default() -> Self {
        Self { kinship: Kinship::Open, suspected: 0, leftover: None, unjudged: true, cut_off_since: None }
    }
}

impl Standing {
    /// A new history has begun with `primary`: what does the member have of the one before?
    pub fn judge_history(&mut self, report: Option<&Report>, past: &Past, primary: &Report) {
        self.unjudged = report.is_none();
        let left = report.and_then(|report| past.lost.as_ref()?.in_replica(report, primary));
        self.leftover = left.or_else(|| self.leftover.take());
    }

    /// The member has answered.
    pub fn identify(&mut self, report: &Report, id: MemberId, primary: MemberId, lineage: &Lineage<'_>, is_up: bool) {
        let cut_off = report.replication.channels().iter().any(|channel| channel.io != Thread::Running);
        self.cut_off_since = self.cut_off_since.or(Some(report.begun)).filter(|_| cut_off && is_up);
        if self.leftover.as_ref().is_some_and(|leftover| !leftover.is_in(report)) {
            self.leftover = None;
        }
        let found = lineage.kinship(id, primary, Evidence::Identities);
        // What its transactions have shown stands until they are compared again.
        let shown = matches!(self.kinship, Kinship::OtherHistory(_) | Kinship::Ahead(_))
            || matches!(self.kinship, Kinship::Stranger(Proof::Unknown { .. } | Proof::NotConnected { .. }));
        if !shown || matches!(found, Kinship::Stranger(_)) {
            self.kinship = found;
        }
    }

    /// The primary has answered behind the member.
    pub fn compare(
        &mut self,
        report: &Report,
        root: &Report,
        id: MemberId,
        primary: MemberId,
        lineage: &Lineage<'_>,
        past: &Past,
    ) {
        if std::mem::take(&mut self.unjudged) {
            self.leftover = past.lost.as_ref().and_then(|lost| lost.in_replica(report, root));
        }
        let found = lineage.kinship(id, primary, Evidence::Transactions);
        let superfluous = found == Kinship::Kin && lineage.is_superfluous(id, primary);
        let suspected = superfluous || matches!(found, Kinship::Ahead(_));
        self.suspected = if suspected { self.suspected.saturating_add(1) } else { 0 };
        self.kinship = found;
        if superfluous && self.suspected >= CONVICTED {
            let sources = report.replication.channels().iter().map(|channel| channel.source.to_string());
            let source_at = sources.collect::<Vec<_>>().join(", ");
            self.kinship = Kinship::Stranger(Proof::NotConnected { source_at });
        }
    }

    /// Why it must not serve, if it must not.
    #[must_use]
    pub fn complaint(&self) -> Option<Unfit> {
        if let Some(leftover) = &self.leftover {
            return Some(Unfit::OtherHistory { transactions: shortened(&leftover.to_string()) });
        }
        match &self.kinship {
            Kinship::Stranger(proof) => Some(Unfit::Stranger { proof: proof.clone() }),
            Kinship::OtherHistory(transactions) => Some(Unfit::OtherHistory { transactions: shortened(transactions) }),
            Kinship::Ahead(transactions) if self.suspected >= CONVICTED => {
                Some(Unfit::OtherHistory { transactions: shortened(transactions) })
            }
            Kinship::Ahead(_) | Kinship::Kin | Kinship::Open | Kinship::Unclear(_) => None,
        }
    }

    /// Whether the transactions that it has applied prove anything.
    #[must_use]
    pub fn is_believed(&self) -> bool {
        self.leftover.is_none() && self.suspected == 0 && self.complaint().is_none()
    }

    /// What an operator should look at although it serves.
    #[must_use]
    pub const fn doubt(&self) -> Option<&Doubt> {
        match &self.kinship {
            Kinship::Unclear(doubt) => Some(doubt),
            _ => None,
        }
    }

    /// For how long it has not fetched although the primary answers.
    #[must_use]
    pub fn cut_off_for(&self, report: &Report) -> Option<Duration> {
        self.cut_off_since.map(|since| report.begun.saturating_duration_since(since))
    }
}
