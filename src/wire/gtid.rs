//! Sets of global transaction identifiers, as `MySQL` and as `MariaDB` write them.
//!
//! Knows the two texts and what it means that one set covers another. Must not know where a set comes from, nor
//! anything else of this crate.
//!
//! - `MySQL`: `uuid:1-5:7,uuid:tag:1-3` (tags since 8.3). A set covers another when it contains every one of its
//!   transactions.
//! - `MariaDB`: `domain-server-seq,…`. Transactions of one domain are applied in order, so a position covers another
//!   when it has, for each of its domains, a sequence number at least as high.

mod mariadb;
mod mysql;

use std::fmt;

/// Longest text that is read as a set, in bytes. A heavily fragmented `gtid_executed` stays far below it.
pub const MAX_TEXT: usize = 1 << 20;

/// Which of the two texts is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GtidKind {
    /// `uuid[:tag]:interval[:interval…]`.
    MySql,
    /// `domain-server-seq`.
    MariaDb,
}

/// Why a text is not a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GtidError {
    /// Longer than [`MAX_TEXT`].
    #[error("a GTID set of more than {MAX_TEXT} bytes")]
    TooLong,
    /// Not a UUID where one must stand.
    #[error("a GTID without a valid server UUID")]
    Uuid,
    /// Not a tag (a letter or underscore, then letters, digits, underscores; 32 at most).
    #[error("a GTID with an invalid tag")]
    Tag,
    /// Not a transaction number or a range of them.
    #[error("a GTID with an invalid transaction number")]
    Number,
    /// Not `domain-server-seq`.
    #[error("a GTID that is not domain-server-sequence")]
    Triple,
}

/// A set of transactions. The empty set is covered by every set.
///
/// Both notations fit into one value, so that covering and merging have no undefined case: transactions of one
/// notation are never covered by those of the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GtidSet {
    mysql: mysql::Set,
    mariadb: mariadb::Position,
}

impl GtidSet {
    /// The set without any transaction.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what a server printed; white space is free, an empty text is the empty set.
    pub fn parse(kind: GtidKind, text: &[u8]) -> Result<Self, GtidError> {
        if text.len() > MAX_TEXT {
            return Err(GtidError::TooLong);
        }
        let mut set = Self::new();
        match kind {
            GtidKind::MySql => set.mysql = mysql::Set::parse(text)?,
            GtidKind::MariaDb => set.mariadb = mariadb::Position::parse(text)?,
        }
        Ok(set)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mysql.is_empty() && self.mariadb.is_empty()
    }

    /// Whether every transaction of `other` is in this set. Allocates nothing.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.mysql.covers(&other.mysql) && self.mariadb.covers(&other.mariadb)
    }

    /// Adds what `other` has.
    pub fn merge(&mut self, other: &Self) {
        self.mysql.merge(&other.mysql);
        self.mariadb.merge(&other.mariadb);
    }

    /// Adds what `other` has, and then fills the oldest gaps until each source has at most `max_intervals` intervals.
    ///
    /// For what a session remembers of its own writes: between them lie the writes of others, so the exact set would
    /// grow for ever. A filled gap asks for more than was written, which is safe.
    pub fn merge_bounded(&mut self, other: &Self, max_intervals: usize) {
        self.merge(other);
        self.mysql.fill_oldest_gaps(max_intervals.max(1));
    }

    /// What this position says, with the domains that only `other` knows added (`MariaDB`; no change for `MySQL`).
    pub fn add_unknown_domains(&mut self, other: &Self) {
        self.mariadb.add_unknown_domains(&other.mariadb);
    }
}

impl GtidSet {
    /// What of this set is in `old` and not in `new`, which the same server has said one after the other.
    #[must_use]
    pub fn lost(&self, old: &Self, new: &Self) -> Self {
        Self { mysql: self.mysql.lost(&old.mysql, &new.mysql), mariadb: self.mariadb.lost(&old.mariadb, &new.mariadb) }
    }

    /// Whether one of its transactions was made by the server of this UUID (`MySQL`).
    #[must_use]
    pub fn names_server(&self, uuid: &str) -> bool {
        mysql::parse_uuid(uuid.as_bytes()).is_some_and(|uuid| self.mysql.names(&uuid))
    }

    /// Whether a server has made transactions of both sets (`MySQL`).
    #[must_use]
    pub fn shares_a_source(&self, other: &Self) -> bool {
        self.mysql.shares_a_source(&other.mysql)
    }
}

/// All that a `MariaDB` server has ever written or applied, as far as it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    known: mariadb::Origins,
    server: u32,
}

impl Origins {
    /// Of the server of this id: what its `@@gtid_binlog_state`, `@@gtid_slave_pos` and `@@gtid_current_pos` say.
    pub fn read(server: u64, texts: &[&[u8]]) -> Result<Self, GtidError> {
        let mut origins = Self { server: u32::try_from(server).unwrap_or_default(), ..Self::default() };
        for text in texts {
            if text.len() > MAX_TEXT {
                return Err(GtidError::TooLong);
            }
            origins.known.add(text)?;
        }
        Ok(origins)
    }

    /// Whether something that the same server had before is not there: its numbers have gone back.
    #[must_use]
    pub fn fell_behind(&self, before: &Self) -> bool {
        self.known.fell_behind(&before.known)
    }

    /// A transaction of `position` that this server never had, although it should: of a domain that it knows, or written by
    /// itself or by `source`, from which the position's server copies.
    #[must_use]
    pub fn misses(&self, position: &GtidSet, source: u64) -> Option<String> {
        self.known.misses(&position.mariadb, [Some(self.server), u32::try_from(source).ok()])
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mysql.fmt(f)?;
        if !self.mysql.is_empty() && !self.mariadb.is_empty() {
            f.write_str(",")?;
        }
        self.mariadb.fmt(f)
    }
}

/// The number that `digits` writes, if it is one and fits.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests;
