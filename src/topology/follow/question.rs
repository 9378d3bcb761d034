//! What a member is asked to tell how far it is, and how its answer reads.
//!
//! PURE. Knows each kind's statements. Must not know who waits, nor the clock.
//!
//! The functions are `MASTER_GTID_WAIT` (`MariaDB`, page `master_gtid_wait`) and `WAIT_FOR_EXECUTED_GTID_SET` (`MySQL` 5.7.5 and
//! newer, page `gtid-functions`): they come back as soon as the replica has the transactions, and at once when it has them.

use std::sync::Arc;
use std::time::Duration;

use crate::topology::ask::Answer;
use crate::topology::character::Character;
use crate::topology::galera;
use crate::topology::place::Mark;
use crate::topology::probe::{binlog_end, binlog_query, replication_query};
use crate::topology::replication::Replication;
use crate::topology::state::ServerInfo;
use crate::wire::gtid::{GtidKind, GtidSet};
use crate::wire::server::{ServerFamily, Version};

/// The first `MySQL` with `WAIT_FOR_EXECUTED_GTID_SET`.
const WAITS: Version = Version(5, 7, 5);

/// In which words a member tells how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// A replica's `gtid_slave_pos`.
    MariaDbReplica,
    /// A primary's `gtid_binlog_pos`.
    MariaDbPrimary,
    /// `gtid_executed`, of either.
    MySql {
        /// It has `WAIT_FOR_EXECUTED_GTID_SET`.
        waits: bool,
    },
    /// The end of a primary's binary log, where transactions have no GTIDs.
    BinlogEnd(&'static str),
    /// How far of it a replica has applied.
    AppliedTo {
        /// The statement.
        sql: &'static str,
        /// The primary's server id: of other channels nothing follows.
        source: u64,
    },
    /// What a Galera node surely has.
    GaleraReader,
    /// What a Galera node may have confirmed.
    GaleraWriter,
}

impl Question {
    /// The one for this member of such a cluster; `no_gtids_of`: the primary, of this server id, gives its transactions none.
    #[must_use]
    pub fn of(server: &ServerInfo, character: Character, is_primary: bool, no_gtids_of: Option<u64>) -> Self {
        match (character, server.family) {
            (Character::Galera, _) if is_primary => Self::GaleraWriter,
            (Character::Galera, _) => Self::GaleraReader,
            (_, ServerFamily::MySql) if is_primary && no_gtids_of.is_some() => Self::BinlogEnd(binlog_query(server)),
            (_, ServerFamily::MySql) if let Some(source) = no_gtids_of => {
                Self::AppliedTo { sql: replication_query(server), source }
            }
            (_, ServerFamily::MariaDb) if is_primary => Self::MariaDbPrimary,
            (_, ServerFamily::MariaDb) => Self::MariaDbReplica,
            (_, ServerFamily::MySql) => Self::MySql { waits: server.version >= WAITS },
        }
    }

    /// The statement. With `wanted` the answer comes when the member has it, or after `limit`.
    #[must_use]
    pub fn sql(self, wanted: Option<&GtidSet>, limit: Duration) -> String {
        let seconds = limit.as_secs_f64().max(0.001);
        match (self, wanted) {
            (Self::MariaDbReplica, Some(wanted)) => {
                format!("SELECT MASTER_GTID_WAIT('{wanted}', {seconds:.3}), @@global.gtid_slave_pos AS place")
            }
            (Self::MariaDbReplica, None) => "SELECT @@global.gtid_slave_pos AS place".to_owned(),
            (Self::MariaDbPrimary, _) => "SELECT @@global.gtid_binlog_pos AS place".to_owned(),
            (Self::MySql { waits: true }, Some(wanted)) => {
                format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{wanted}', {seconds:.3}), @@global.gtid_executed AS place")
            }
            (Self::MySql { .. }, _) => "SELECT @@global.gtid_executed AS place".to_owned(),
            (Self::BinlogEnd(sql) | Self::AppliedTo { sql, .. }, _) => sql.to_owned(),
            (Self::GaleraReader, _) => "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_state_uuid', \
                 'wsrep_last_committed')"
                .to_owned(),
            (Self::GaleraWriter, _) => "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_state_uuid', \
                 'wsrep_last_committed', 'wsrep_checkpoint_position')"
                .to_owned(),
        }
    }

    /// What the answer says; `None` for one that makes no sense.
    #[must_use]
    pub fn read(self, answer: &Answer) -> Option<Mark> {
        let gtids = |kind| {
            let text = answer.first()?.bytes(&["place"]).unwrap_or_default();
            GtidSet::parse(kind, text).ok().map(|set| Mark::Gtids(Arc::new(set)))
        };
        match self {
            Self::MariaDbReplica | Self::MariaDbPrimary => gtids(GtidKind::MariaDb),
            Self::MySql { .. } => gtids(GtidKind::MySql),
            Self::BinlogEnd(_) => binlog_end(answer).map(Mark::Binlog),
            Self::AppliedTo { source, .. } => {
                let replication = Replication::read(answer);
                let mut channels = replication.channels().iter();
                channels.find(|channel| channel.source.server_id == source)?.applied_to.clone().map(Mark::Binlog)
            }
            Self::GaleraReader => galera::applied(answer).map(Mark::Galera),
            Self::GaleraWriter => galera::confirmed(answer).map(Mark::Galera),
        }
    }
}
