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
