//! What a session's next read must be able to see.

use std::time::Instant;

use crate::wire::gtid::{GtidKind, GtidSet};

/// The most separate ranges of GTIDs that are remembered; beyond that they are joined, which asks for more, never less.
const MAX_RANGES: usize = 64;

/// The session's writes that a replica must have applied before it may serve the session.
#[derive(Clone, Debug, Default)]
pub struct Causality {
    gtids: GtidSet,
    unknown: Option<Instant>,
}

impl Causality {
    /// Whether the session has written nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gtids.is_empty() && self.unknown.is_none()
    }

    /// A write that the server named. If it `had` a transaction of that name before, either it was asked in the very moment,
    /// or its numbers have gone back and replicas may have another of that name: then the name proves nothing.
    pub fn wrote(&mut self, kind: GtidKind, gtids: &[u8], had: Option<&GtidSet>, now: Instant) {
        match GtidSet::parse(kind, gtids) {
            Ok(set) => {
                if had.is_some_and(|had| !set.is_empty() && had.covers(&set)) {
                    self.wrote_unknown(now);
                }
                self.gtids.merge_bounded(&set, MAX_RANGES);
            }
            Err(_) => self.wrote_unknown(now),
        }
    }

    /// What somebody else has written counts as written here from now on.
    pub fn must_see(&mut self, gtids: &GtidSet) {
        self.gtids.merge_bounded(gtids, MAX_RANGES);
    }

    /// The names of its writes mean nothing any more: the primary has begun a new history. What is left of the writes is
    /// what the primary has now.
    pub fn forget_names(&mut self, now: Instant) {
        if !self.gtids.is_empty() {
            self.gtids = GtidSet::new();
            self.wrote_unknown(now);
        }
    }

    /// There may have been a write, confirmed or lost at this instant, whose GTID is not known.
    pub fn wrote_unknown(&mut self, now: Instant) {
        self.unknown = Some(self.unknown.map_or(now, |before| before.max(now)));
    }

    /// The GTIDs that a replica must have applied.
    #[must_use]
    pub const fn gtids(&self) -> &GtidSet {
        &self.gtids
    }

    /// The instant at which everything that the primary had executed must be on the replica too.
    #[must_use]
    pub const fn unknown(&self) -> Option<Instant> {
        self.unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> GtidSet {
        GtidSet::parse(GtidKind::MariaDb, text.as_bytes()).unwrap_or_default()
    }

    #[test]
    fn a_name_that_was_given_away_before_proves_nothing() {
        for (had, gtid, is_named) in [
            (None, "1-1-1", true),
            (Some("1-1-7"), "1-1-8", true),
            (Some("1-1-7"), "1-1-7", false),
            (Some("1-1-7"), "1-1-1", false),
            (Some("1-1-7"), "2-1-1", true),
            (Some("1-1-7"), "", true),
        ] {
            let (mut causality, now) = (Causality::default(), Instant::now());
            causality.wrote(GtidKind::MariaDb, gtid.as_bytes(), had.map(set).as_ref(), now);
            assert_eq!(causality.unknown(), (!is_named).then_some(now), "{had:?} {gtid}");
        }
    }

    #[test]
    fn in_a_new_history_the_names_of_the_old_one_are_a_write_of_now() {
        let (mut causality, now) = (Causality::default(), Instant::now());
        causality.forget_names(now);
        assert!(causality.is_empty());
        causality.wrote(GtidKind::MariaDb, b"1-1-8", None, now);
        causality.forget_names(now);
        assert_eq!((causality.gtids().is_empty(), causality.unknown()), (true, Some(now)));
    }
}
