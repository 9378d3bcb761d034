//! What a member says of its own replication.
//!
//! PURE. Knows the columns of `SHOW REPLICA STATUS`, old and new. Must not know how the answer was fetched, nor
//! whether what it says is good enough.

use std::time::Duration;

use super::ask::{Answer, Row};
use crate::wire::gtid::{GtidKind, GtidSet};

/// Longest text of a server's error that is kept, in characters.
const MAX_ERROR: usize = 300;

/// From whom a member copies, and how that goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Replication {
    /// From nobody.
    #[default]
    None,
    /// The monitor's account may not see it.
    Denied {
        /// The statement that helps.
        grant: String,
    },
    /// From one source for each channel; hardly ever more than one.
    Channels(Vec<Channel>),
}

/// Whether a replication thread runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thread {
    /// It runs.
    Running,
    /// It does not.
    Stopped {
        /// `No`, `Connecting`, `Preparing`.
        state: String,
        /// The newest error in the server's words; may be empty.
        error: String,
    },
}

/// How transactions are named towards the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsingGtid {
    /// By file and position, or the server does not say.
    #[default]
    Other,
    /// `MariaDB` with `MASTER_USE_GTID=current_pos`.
    CurrentPosition,
}

/// Copying from one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Fetches the changes.
    pub io: Thread,
    /// Applies them.
    pub sql: Thread,
    /// `Seconds_Behind_Source`; `None` when the server says NULL.
    pub behind: Option<Duration>,
    /// From whom, as the server tells it.
    pub source: Source,
    /// The number of the newest error of the thread that fetches; 0 for none.
    pub io_error: u64,
    /// How long it waits before it connects again.
    pub connect_retry: Duration,
    /// What it has fetched since it was pointed to this source (`MySQL`); empty where the server does not say.
    pub retrieved: GtidSet,
    /// Up to where in the source's binary log everything is applied.
    pub applied_to: Option<BinlogPosition>,
    /// `MariaDB`'s `Using_Gtid`.
    pub using_gtid: UsingGtid,
}

/// The server that a channel copies from. The ids are those of the newest connection: behind a change of the source an
/// old one of `MariaDB` stands there until it has connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `Source_Host`, as the replica was told.
    pub host: String,
    /// `Source_Port`.
    pub port: u16,
    /// `@@server_uuid`; `None` for `MariaDB`, and before it was ever connected.
    pub uuid: Option<String>,
    /// `@@server_id`; 0 before it was ever connected.
    pub server_id: u64,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A place in a binary log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinlogPosition {
    base: String,
    number: u64,
    offset: u64,
}

impl BinlogPosition {
    /// Of a file such as `binlog.000012`; `None` if the name has no number.
    #[must_use]
    pub fn new(file: &str, offset: u64) -> Option<Self> {
        let (base, number) = file.rsplit_once('.')?;
        Some(Self { base: base.to_owned(), number: number.parse().ok()?, offset })
    }

    /// Whether this is at or behind `other` in the same log.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.base == other.base && (self.number, self.offset) >= (other.number, other.offset)
    }
}

impl std::fmt::Display for BinlogPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}:{}", self.base, self.number, self.offset)
    }
}

impl Replication {
    /// Reads the answer of `SHOW REPLICA STATUS`, `SHOW SLAVE STATUS` or `SHOW ALL SLAVES STATUS`.
    #[must_use]
    pub fn read(answer: &Answer) -> Self {
        let channels: Vec<Channel> = answer.rows().filter(is_asynchronous).map(read_channel).collect();
        if channels.is_empty() { Self::None } else { Self::Channels(channels) }
    }

    /// The channels; none if it copies from nobody or may not be seen.
    #[must_use]
    pub fn channels(&self) -> &[Channel] {
        match self {
            Self::Channels(channels) => channels,
            Self::None | Self::Denied { .. } => &[],
        }
    }
}

/// Group replication's own channels are listed even while they do nothing.
fn is_asynchronous(row: &Row<'_>) -> bool {
    !row.bytes(&["Channel_Name"]).is_some_and(|name| name.starts_with(b"group_replication_"))
}

fn read_channel(row: Row<'_>) -> Channel {
    let file = row.text(&["Relay_Source_Log_File", "Relay_Master_Log_File"]).unwrap_or_default();
    let offset = row.number(&["Exec_Source_Log_Pos", "Exec_Master_Log_Pos"]).unwrap_or_default();
    Channel {
        io: thread(row, &["Replica_IO_Running", "Slave_IO_Running"], "Last_IO_Error"),
        sql: thread(row, &["Replica_SQL_Running", "Slave_SQL_Running"], "Last_SQL_Error"),
        behind: row.number(&["Seconds_Behind_Source", "Seconds_Behind_Master"]).map(Duration::from_secs),
        source: read_source(row),
        io_error: row.number(&["Last_IO_Errno"]).unwrap_or_default(),
        connect_retry: Duration::from_secs(row.number(&["Connect_Retry"]).unwrap_or_default()),
        retrieved: row
            .bytes(&["Retrieved_Gtid_Set"])
            .and_then(|text| GtidSet::parse(GtidKind::MySql, text).ok())
            .unwrap_or_default(),
        applied_to: BinlogPosition::new(&file, offset),
        using_gtid: match row.bytes(&["Using_Gtid"]) {
            Some(b"Current_Pos") => UsingGtid::CurrentPosition,
            _ => UsingGtid::Other,
        },
    }
}

fn read_source(row: Row<'_>) -> Source {
    Source {
        host: row.text(&["Source_Host", "Master_Host"]).unwrap_or_default(),
        port: row.number(&["Source_Port", "Master_Port"]).and_then(|port| port.try_into().ok()).unwrap_or_default(),
        uuid: row.text(&["Source_UUID", "Master_UUID"]).filter(|uuid| !uuid.is_empty()),
        server_id: row.number(&["Source_Server_Id", "Master_Server_Id"]).unwrap_or_default(),
    }
}

fn thread(row: Row<'_>, running: &[&str], error: &str) -> Thread {
    let state = row.text(running).unwrap_or_default();
    if state.eq_ignore_ascii_case("yes") {
        return Thread::Running;
    }
    let error = row.text(&[error]).unwrap_or_default().chars().take(MAX_ERROR).collect();
    Thread::Stopped { state, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(columns: &[(&str, Option<&str>)]) -> Answer {
        Answer {
            columns: columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
            rows: vec![columns.iter().map(|(_, value)| value.map(|value| value.as_bytes().to_vec())).collect()],
        }
    }

    const UUID: &str = "43ffca67-e4da-11f1-a042-02fc00000001";

    #[test]
    fn both_vocabularies_are_read() {
        let old = answer(&[
            ("Slave_IO_State", Some("")),
            ("Relay_Master_Log_File", Some("bin.000002")),
            ("Slave_IO_Running", Some("Connecting")),
            ("Slave_SQL_Running", Some("Yes")),
            ("Exec_Master_Log_Pos", Some("1701")),
            ("Seconds_Behind_Master", None),
            ("Last_IO_Error", Some("error connecting")),
            ("Last_SQL_Error", Some("")),
            ("Master_Server_Id", Some("1")),
            ("Master_Host", Some("db-0")),
            ("Master_Port", Some("3306")),
            ("Last_IO_Errno", Some("2003")),
            ("Connect_Retry", Some("60")),
            ("Using_Gtid", Some("Current_Pos")),
        ]);
        let new = answer(&[
            ("Relay_Source_Log_File", Some("bin.000002")),
            ("Replica_IO_Running", Some("Yes")),
            ("Replica_SQL_Running", Some("No")),
            ("Exec_Source_Log_Pos", Some("1701")),
            ("Seconds_Behind_Source", Some("7")),
            ("Last_SQL_Error", Some("duplicate key")),
            ("Source_Server_Id", Some("1")),
            ("Source_Host", Some("db-0")),
            ("Source_Port", Some("3306")),
            ("Source_UUID", Some("43ffca67-e4da-11f1-a042-02fc00000001")),
            ("Retrieved_Gtid_Set", Some("43ffca67-e4da-11f1-a042-02fc00000001:1-8")),
        ]);
        let applied_to = BinlogPosition::new("bin.000002", 1701);
        let stopped = |state: &str, error: &str| Thread::Stopped { state: state.into(), error: error.into() };
        let connecting = Channel {
            io: stopped("Connecting", "error connecting"),
            sql: Thread::Running,
            behind: None,
            source: Source { host: "db-0".into(), port: 3306, uuid: None, server_id: 1 },
            io_error: 2003,
            connect_retry: Duration::from_secs(60),
            retrieved: GtidSet::new(),
            applied_to: applied_to.clone(),
            using_gtid: UsingGtid::CurrentPosition,
        };
        let broken = Channel {
            io: Thread::Running,
            sql: stopped("No", "duplicate key"),
            behind: Some(Duration::from_secs(7)),
            using_gtid: UsingGtid::Other,
            source: Source { uuid: Some(UUID.into()), ..connecting.source.clone() },
            io_error: 0,
            connect_retry: Duration::ZERO,
            retrieved: GtidSet::parse(GtidKind::MySql, format!("{UUID}:1-8").as_bytes()).unwrap(),
            ..connecting.clone()
        };
        assert_eq!(Replication::read(&old), Replication::Channels(vec![connecting]));
        assert_eq!(Replication::read(&new), Replication::Channels(vec![broken]));
        assert_eq!(Replication::read(&Answer::default()), Replication::None);
    }

    #[test]
    fn an_unused_channel_of_group_replication_is_no_replication() {
        let row = [("Channel_Name", Some("group_replication_recovery")), ("Replica_IO_Running", Some("No"))];
        assert_eq!(Replication::read(&answer(&row)), Replication::None);
    }

    #[test]
    fn positions_are_ordered_within_one_log() {
        for (a, b, covers) in [
            (("bin.000002", 5), ("bin.000002", 5), true),
            (("bin.000002", 5), ("bin.000002", 6), false),
            (("bin.000010", 4), ("bin.000009", 99), true),
            (("bin.1000000", 4), ("bin.999999", 99), true),
            (("log.000002", 9), ("bin.000001", 1), false),
        ] {
            let at = |(file, offset): (&str, u64)| BinlogPosition::new(file, offset);
            assert_eq!(at(a).zip(at(b)).map(|(a, b)| a.covers(&b)), Some(covers), "{a:?} {b:?}");
        }
        assert_eq!(BinlogPosition::new("", 4), None);
    }
}
