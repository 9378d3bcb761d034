//! `MariaDB`'s position: the newest transaction of each domain.

use std::fmt;

use super::{GtidError, decimal};

/// The newest transaction of one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Newest {
    domain: u32,
    server: u32,
    sequence: u64,
}

/// Sorted by domain, each domain once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position(Vec<Newest>);

impl Position {
    pub(super) fn parse(text: &[u8]) -> Result<Self, GtidError> {
        let mut position = Self::default();
        for part in text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()) {
            position.raise(triple(part).ok_or(GtidError::Triple)?);
        }
        Ok(position)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|wanted| self.of_domain(wanted.domain).is_some_and(|have| have.sequence >= wanted.sequence))
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for newest in &other.0 {
            self.raise(*newest);
        }
    }

    pub(super) fn add_unknown_domains(&mut self, other: &Self) {
        for newest in &other.0 {
            if self.of_domain(newest.domain).is_none() {
                self.raise(*newest);
            }
        }
    }

    /// What of this position is in `old` and not in `new`: in domains whose numbers have gone back. A domain that alone
    /// is gone was deleted (`FLUSH BINARY LOGS DELETE_DOMAIN_ID`), which begins nothing anew.
    pub(super) fn lost(&self, old: &Self, new: &Self) -> Self {
        let sequence = |position: &Self, domain| position.of_domain(domain).map_or(0, |newest| newest.sequence);
        let goes_on = new
            .0
            .iter()
            .any(|newest| old.of_domain(newest.domain).is_some_and(|before| newest.sequence >= before.sequence));
        let is_lost = |newest: &&Newest| {
            let (before, now) = (sequence(old, newest.domain), new.of_domain(newest.domain));
            let now = if goes_on && now.is_none() { before } else { now.map_or(0, |now| now.sequence) };
            before > now && newest.sequence > now
        };
        Self(self.0.iter().filter(is_lost).copied().collect())
    }

    fn of_domain(&self, domain: u32) -> Option<&Newest> {
        let at = self.0.binary_search_by_key(&domain, |newest| newest.domain).ok()?;
        self.0.get(at)
    }

    fn raise(&mut self, newest: Newest) {
        match self.0.binary_search_by_key(&newest.domain, |known| known.domain) {
            Ok(at) if self.0[at].sequence < newest.sequence => self.0[at] = newest,
            Ok(_) => {}
            Err(at) => self.0.insert(at, newest),
        }
    }
}

/// All that a server has ever written or applied, as far as it tells: the newest transaction of each domain and server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origins(Vec<Newest>);

impl Origins {
    /// Adds what `@@gtid_binlog_state`, `@@gtid_slave_pos` or `@@gtid_current_pos` says.
    pub(super) fn add(&mut self, text: &[u8]) -> Result<(), GtidError> {
        for part in text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()) {
            let newest = triple(part).ok_or(GtidError::Triple)?;
            match self.find(newest) {
                Ok(at) => self.0[at].sequence = self.0[at].sequence.max(newest.sequence),
                Err(at) => self.0.insert(at, newest),
            }
        }
        Ok(())
    }

    /// The first place of `position` where this server never was, in a domain that it knows, or as written by one whose
    /// transactions it should have.
    pub(super) fn misses(&self, position: &Position, writers: [Option<u32>; 2]) -> Option<String> {
        let knows = |domain| self.0.iter().any(|known| known.domain == domain);
        let is_missing = |newest: &&Newest| match self.find(**newest) {
            Ok(at) => self.0[at].sequence < newest.sequence,
            Err(_) => knows(newest.domain) || (writers.contains(&Some(newest.server)) && !self.0.is_empty()),
        };
        let missing = position.0.iter().find(is_missing)?;
        Some(format!("{}-{}-{}", missing.domain, missing.server, missing.sequence))
    }

    /// Domains that alone are gone were deleted.
    pub(super) fn fell_behind(&self, before: &Self) -> bool {
        let knows = |domain| self.0.iter().any(|known| known.domain == domain);
        let goes_on = before.0.iter().any(|newest| knows(newest.domain));
        before.0.iter().any(|newest| match self.find(*newest) {
            Ok(at) => self.0[at].sequence < newest.sequence,
            Err(_) => knows(newest.domain) || !goes_on,
        })
    }

    fn find(&self, newest: Newest) -> Result<usize, usize> {
        self.0.binary_search_by_key(&(newest.domain, newest.server), |known| (known.domain, known.server))
    }
}

fn triple(text: &[u8]) -> Option<Newest> {
    let mut parts = text.split(|byte| *byte == b'-').map(|part| decimal(part.trim_ascii()));
    let domain = u32::try_from(parts.next()??).ok()?;
    let server = u32::try_from(parts.next()??).ok()?;
    let sequence = parts.next()??;
    parts.next().is_none().then_some(Newest { domain, server, sequence })
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, newest) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}-{}-{}", newest.domain, newest.server, newest.sequence)?;
        }
        Ok(())
    }
}
