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

    /// A write that the server named.
    pub fn wrote(&mut self, kind: GtidKind, gtids: &[u8], now: Instant) {
        match GtidSet::parse(kind, gtids) {
            Ok(set) => self.gtids.merge_bounded(&set, MAX_RANGES),
            Err(_) => self.wrote_unknown(now),
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
