//! Where the primary's history begins anew: its binary log was reset, it was made anew from nothing, or it has lost in a
//! crash what others have.
//!
//! PURE. Knows what the primary said before and says now. Must not know who the primary is, nor what follows for sessions.
//!
//! From there on it gives away numbers of transactions for the second time. A replica that has the first of that number
//! looks as if it had the second, also when the primary has long gone past it: so who had any of them is remembered until
//! it no longer has them.

use std::fmt;
use std::sync::Arc;

use super::probe::Report;
use super::replication::BinlogPosition;
use crate::wire::gtid::{GtidSet, Origins};

/// What the primary said last.
#[derive(Clone, Debug)]
pub struct Footprint {
    server_id: u64,
    uuid: Option<Arc<str>>,
    executed: Option<Arc<GtidSet>>,
    origins: Option<Arc<Origins>>,
    binlog_end: Option<BinlogPosition>,
}

/// Why nothing that was learned before counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Its `@@server_uuid` is another one.
    OtherServer,
    /// Its transactions have gone back.
    WentBack {
        /// From where.
        from: String,
        /// To where.
        to: String,
    },
}

impl fmt::Display for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherServer => f.write_str("its server_uuid is another one than before"),
            Self::WentBack { from, to } => {
                let nothing = if to.is_empty() { "nothing" } else { to };
                write!(f, "its transactions have gone back from {from} to {nothing}")
            }
        }
    }
}

/// What the primary had before it began anew, and what it had then.
#[derive(Clone, Debug)]
pub struct Lost {
    old: Arc<GtidSet>,
    old_end: Option<BinlogPosition>,
}

/// What a replica has of a history that has ended.
#[derive(Clone, Debug)]
pub enum Leftover {
    /// These transactions.
    Gtids(GtidSet),
    /// All up to here in the source's old log.
    Log(BinlogPosition),
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gtids(gtids) => gtids.fmt(f),
            Self::Log(position) => write!(f, "all up to {position}"),
        }
    }
}

impl Footprint {
    /// What this report leaves.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        Self {
            server_id: report.server.server_id,
            uuid: report.uuid.clone(),
            executed: report.executed.clone(),
            origins: report.origins.clone(),
            binlog_end: report.binlog_end.clone(),
        }
    }

    /// Whether the same server (by its id) begins anew with this report. Another server that takes over is another matter.
    #[must_use]
    pub fn ended_by(&self, now: &Report) -> Option<(Beginning, Lost)> {
        if self.server_id != now.server.server_id {
            return None;
        }
        let lost = Lost { old: self.executed.clone().unwrap_or_default(), old_end: self.binlog_end.clone() };
        if let (Some(before), Some(uuid)) = (&self.uuid, &now.uuid)
            && before != uuid
        {
            return Some((Beginning::OtherServer, lost));
        }
        let (from, to) = match (&self.executed, &now.executed, &self.binlog_end, &now.binlog_end) {
            (Some(before), Some(executed), ..) if self.has_lost(before, executed, now) => {
                (before.to_string(), executed.to_string())
            }
            (None, None, Some(before), Some(end)) if !end.covers(before) => (before.to_string(), end.to_string()),
            _ => return None,
        };
        Some((Beginning::WentBack { from: shortened(&from), to: shortened(&to) }, lost))
    }

    /// `MariaDB`'s newest number of a domain may fall where two servers write to it; what it ever had may not.
    fn has_lost(&self, before: &GtidSet, executed: &GtidSet, now: &Report) -> bool {
        let fell = match (&self.origins, &now.origins) {
            (Some(before), Some(now)) => now.fell_behind(before),
            _ => true,
        };
        fell && !before.lost(before, executed).is_empty()
    }
}

impl Lost {
    /// What of it this replica has, that the primary does not have at this moment.
    #[must_use]
    pub fn in_replica(&self, replica: &Report, primary: &Report) -> Option<Leftover> {
        if let Some(executed) = &primary.executed {
            let left = replica.applied.lost(&self.old, executed);
            return (!left.is_empty()).then_some(Leftover::Gtids(left));
        }
        let (old, end) = (self.old_end.as_ref()?, primary.binlog_end.as_ref()?);
        let mut channels = replica.replication.channels().iter();
        let beyond = |applied: &BinlogPosition| old.covers(applied) && !end.covers(applied);
        let applied = channels.find_map(|channel| channel.applied_to.as_ref().filter(|applied| beyond(applied)))?;
        Some(Leftover::Log(applied.clone()))
    }
}

impl Leftover {
    /// Whether the replica still has it.
    #[must_use]
    pub fn is_in(&self, replica: &Report) -> bool {
        match self {
            Self::Gtids(gtids) => replica.applied.covers(gtids),
            Self::Log(position) => replica
                .replication
                .channels()
                .iter()
                .any(|channel| channel.applied_to.as_ref().is_some_and(|applied| applied.covers(position))),
        }
    }
}

/// A set of many servers fills no line of the log.
pub fn shortened(gtids: &str) -> String {
    const MOST: usize = 120;
    if gtids.len() <= MOST { gtids.to_owned() } else { format!("{}…", gtids.chars().take(MOST).collect::<String>()) }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
