//! One check of one member: the questions, and what the answers say.
//!
//! Knows which question each version understands and which privilege it needs. Must not know roles, timing or other
//! members: every member is asked the same, and says what it had executed (should it be the primary) as well as what
//! it had applied (should it be a replica).
//!
//! What is asked of Galera needs no privilege, and a node without quorum answers it, too: `SHOW`, and a `SELECT` that
//! reads no table.

use std::sync::Arc;
use std::time::Instant;

use super::ask::{Answer, AskError, Converse, Row};
use super::galera::{self, Node};
use super::grants;
use super::replication::{BinlogPosition, Replication, UsingGtid};
use super::settings::ClusterKind;
use super::state::ServerInfo;
use crate::wire::StatusFlags;
use crate::wire::gtid::{GtidKind, GtidSet, Origins};
use crate::wire::server::{ServerFamily, Version};

/// The named lock by which a member says that it is about to end. Whoever ends it takes the lock there first, and waits until
/// nothing runs any more. It needs no privilege to be seen, and nobody has to clear it: it goes with the connection that took it.
pub const LEAVING: &str = "mysql-proxy.leaving";

const ER_ACCESS_DENIED: u16 = 1045;
const ER_DB_ACCESS_DENIED: u16 = 1044;
const ER_SPECIFIC_ACCESS_DENIED: u16 = 1227;

/// What one member answered to one check.
#[derive(Clone, Debug)]
pub struct Report {
    /// Taken before the first question: what was executed at this instant is in `executed`.
    pub begun: Instant,
    /// What the greeting told, with `@@server_id`.
    pub server: Arc<ServerInfo>,
    /// Taken behind the last answer.
    pub finished: Instant,
    /// `@@server_uuid`, which `MariaDB` does not have.
    pub uuid: Option<Arc<str>>,
    /// `@@read_only`.
    pub read_only: bool,
    /// Somebody has announced that it is about to end: the named lock [`LEAVING`] is taken there.
    pub leaving: bool,
    /// `@@max_connections`; 0 if it does not say.
    pub max_connections: u64,
    /// All that a `MariaDB` server has ever had.
    pub origins: Option<Arc<Origins>>,
    /// How many replicas are connected to it, where it says so without a privilege (`MariaDB`).
    pub replicas_connected: Option<u64>,
    /// What it would hand to its replicas; `None` where GTIDs are off or there is no binary log.
    pub executed: Option<Arc<GtidSet>>,
    /// What it has applied of its source's transactions; empty where GTIDs are off.
    pub applied: Arc<GtidSet>,
    /// The end of its own binary log, asked only where GTIDs are off.
    pub binlog_end: Option<BinlogPosition>,
    /// From whom it copies; not asked where the configuration says that it is a Galera cluster.
    pub replication: Replication,
    /// What it says as a node of a Galera cluster, if it is one and was asked.
    pub galera: Option<Node>,
}

/// Asks everything that concerns such a cluster. A missing privilege is part of the answer; other errors of the server
/// fail the check.
pub async fn probe(member: &mut impl Converse, kind: ClusterKind) -> Result<Report, AskError> {
    let mut server = member.server();
    let begun = Instant::now();
    let status = member.query(&state_query(&server)).await?;
    let state = status.first().ok_or_else(|| unexpected("no row"))?;
    server.server_id = state.number(&["server_id"]).unwrap_or_default();
    let account = state.text(&["account"]).unwrap_or_else(|| "proxy".to_owned());
    server.autocommit = state.bytes(&["autocommit"]).is_none() || is_on(state, "autocommit");
    server.isolation = state.text(&["isolation"]).unwrap_or_default();
    if server.family == ServerFamily::MariaDb {
        // MySQL greets before it knows; what MariaDB greeted with may have been changed since.
        server.status.set(StatusFlags::AUTOCOMMIT, server.autocommit);
    }
    let galera = if may_be_galera(kind, &server) { ask_galera(member).await? } else { None };
    let replication = match kind {
        ClusterKind::Galera => Replication::None,
        _ => ask_replication(member, &server, &account).await?,
    };
    let replicas_connected = match server.family {
        ServerFamily::MariaDb if kind != ClusterKind::Galera && galera.is_none() => ask_connected(member).await?,
        _ => None,
    };
    let gtids = match server.family {
        ServerFamily::MySql => mysql_gtids(state),
        ServerFamily::MariaDb => mariadb_gtids(state, &replication),
    }
    .map_err(|error| unexpected(&error.to_string()))?;
    let by_position = gtids.executed.is_none() && is_on(state, "log_bin") && kind != ClusterKind::Galera;
    let binlog_end = if by_position { ask_binlog_end(member, &server).await? } else { None };
    Ok(Report {
        begun,
        finished: Instant::now(),
        uuid: state.text(&["server_uuid"]).filter(|uuid| !uuid.is_empty()).map(Arc::from),
        read_only: is_on(state, "read_only"),
        leaving: is_on(state, "leaving"),
        max_connections: state.number(&["max_connections"]).unwrap_or_default(),
        origins: gtids.origins.map(Arc::new),
        replicas_connected,
        executed: gtids.executed.map(Arc::new),
        applied: Arc::new(gtids.applied),
        binlog_end,
        replication,
        galera,
        server: Arc::new(server),
    })
}

/// Prepares a new connection: a Galera node whose `wsrep_sync_wait` is on would have the questions wait until it has
/// caught up, and be taken for dead while a table is altered. A server that does not know the setting needs none.
pub async fn open(member: &mut impl Converse, kind: ClusterKind) -> Result<(), AskError> {
    if !may_be_galera(kind, &member.server()) {
        return Ok(());
    }
    match member.query("SET SESSION wsrep_sync_wait = 0").await {
        Ok(_) | Err(AskError::Server { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Only `MariaDB` is asked: what others call their variables and what they promise is not known here.
fn may_be_galera(kind: ClusterKind, server: &ServerInfo) -> bool {
    matches!(kind, ClusterKind::Auto | ClusterKind::Galera) && server.family == ServerFamily::MariaDb
}

async fn ask_galera(member: &mut impl Converse) -> Result<Option<Node>, AskError> {
    let variables = member.query("SHOW GLOBAL VARIABLES LIKE 'wsrep%'").await?;
    if !galera::takes_part(&variables) {
        return Ok(None);
    }
    let status = member.query("SHOW GLOBAL STATUS LIKE 'wsrep%'").await?;
    Ok(Node::read(&variables, &status))
}

fn unexpected(what: &str) -> AskError {
    AskError::Lost(format!("the answer makes no sense: {what}"))
}

/// One query, which is the health check as well. `super_read_only` need not be asked: it switches `read_only` on.
fn state_query(server: &ServerInfo) -> String {
    let own = match server.family {
        ServerFamily::MySql => {
            "@@global.gtid_mode AS gtid_mode, @@global.gtid_executed AS gtid_executed, \
             @@global.server_uuid AS server_uuid"
        }
        ServerFamily::MariaDb => {
            "@@global.gtid_slave_pos AS slave_pos, @@global.gtid_current_pos AS current_pos, \
             @@global.gtid_binlog_pos AS binlog_pos, @@global.gtid_binlog_state AS binlog_state"
        }
    };
    // Renamed in MySQL 5.7.20, and the old name is gone since 8.0.3.
    let isolation = match server.family {
        ServerFamily::MySql if server.version >= Version(8, 0, 0) => "transaction_isolation",
        ServerFamily::MySql | ServerFamily::MariaDb => "tx_isolation",
    };
    format!(
        "SELECT @@global.server_id AS server_id, @@global.autocommit AS autocommit, \
         @@global.{isolation} AS isolation, @@global.read_only AS read_only, @@global.log_bin AS log_bin, {own}, \
         @@global.max_connections AS max_connections, CURRENT_USER() AS account, \
         CASE WHEN IS_USED_LOCK('{LEAVING}') IS NULL THEN 0 ELSE EXISTS (SELECT 1 FROM information_schema.processlist \
         WHERE id = IS_USED_LOCK('{LEAVING}') AND user = SUBSTRING_INDEX(CURRENT_USER(), '@', 1)) END AS leaving"
    )
}

/// `0` and `OFF` are off; everything else is some way of being on (`read_only` may be `NO_LOCK` on a new `MariaDB`).
fn is_on(row: Row<'_>, variable: &str) -> bool {
    row.bytes(&[variable]).is_some_and(|value| value != b"0" && !value.eq_ignore_ascii_case(b"off"))
}

struct Gtids {
    executed: Option<GtidSet>,
    applied: GtidSet,
    origins: Option<Origins>,
}

/// With `gtid_mode` other than ON there may be transactions without a GTID, so the set proves nothing.
fn mysql_gtids(row: Row<'_>) -> Result<Gtids, crate::wire::gtid::GtidError> {
    let executed = GtidSet::parse(GtidKind::MySql, row.bytes(&["gtid_executed"]).unwrap_or_default())?;
    let complete = row.bytes(&["gtid_mode"]).is_some_and(|mode| mode.eq_ignore_ascii_case(b"on"));
    Ok(Gtids { executed: complete.then(|| executed.clone()), applied: executed, origins: None })
}

/// A replica is believed in its `gtid_slave_pos` only. `gtid_current_pos` counts its own stray writes too, and a
/// stray write with a high sequence number would pass for the primary's later ones. A former primary that replicates
/// with `current_pos` has no `gtid_slave_pos` for its domain until the first new transaction; there, and only for such
/// domains, its own writes count.
fn mariadb_gtids(row: Row<'_>, replication: &Replication) -> Result<Gtids, crate::wire::gtid::GtidError> {
    let read = |name| GtidSet::parse(GtidKind::MariaDb, row.bytes(&[name]).unwrap_or_default());
    let mut applied = read("slave_pos")?;
    if replication.channels().iter().any(|channel| channel.using_gtid == UsingGtid::CurrentPosition) {
        applied.add_unknown_domains(&read("current_pos")?);
    }
    let executed = if is_on(row, "log_bin") { Some(read("binlog_pos")?) } else { None };
    let texts = ["binlog_state", "slave_pos", "current_pos"].map(|name| row.bytes(&[name]).unwrap_or_default());
    let origins = Origins::read(row.number(&["server_id"]).unwrap_or_default(), &texts)?;
    Ok(Gtids { executed, applied, origins: Some(origins) })
}

async fn ask_replication(
    member: &mut impl Converse,
    server: &ServerInfo,
    account: &str,
) -> Result<Replication, AskError> {
    match ask_privileged(member, replication_query(server)).await? {
        Some(answer) => Ok(Replication::read(&answer)),
        None => Ok(Replication::Denied { grant: grants::replication(server, account) }),
    }
}

async fn ask_connected(member: &mut impl Converse) -> Result<Option<u64>, AskError> {
    match member.query("SHOW GLOBAL STATUS LIKE 'Slaves_connected'").await {
        Ok(answer) => Ok(answer.first().and_then(|row| row.number(&["Value"]))),
        Err(AskError::Server { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Asks a server from whom it copies, and how far.
pub fn replication_query(server: &ServerInfo) -> &'static str {
    match server.family {
        ServerFamily::MySql if server.version >= Version(8, 0, 22) => "SHOW REPLICA STATUS",
        ServerFamily::MySql => "SHOW SLAVE STATUS",
        ServerFamily::MariaDb => "SHOW ALL SLAVES STATUS",
    }
}

async fn ask_binlog_end(member: &mut impl Converse, server: &ServerInfo) -> Result<Option<BinlogPosition>, AskError> {
    let answer = ask_privileged(member, binlog_query(server)).await?;
    Ok(answer.as_ref().and_then(binlog_end))
}

/// Asks a server for the end of its binary log.
pub fn binlog_query(server: &ServerInfo) -> &'static str {
    match server.family {
        ServerFamily::MySql if server.version >= Version(8, 2, 0) => "SHOW BINARY LOG STATUS",
        ServerFamily::MySql | ServerFamily::MariaDb => "SHOW MASTER STATUS",
    }
}

/// What it answers.
pub fn binlog_end(answer: &Answer) -> Option<BinlogPosition> {
    let row = answer.first()?;
    BinlogPosition::new(&row.text(&["File"])?, row.number(&["Position"])?)
}

/// `None` if the account lacks the privilege.
async fn ask_privileged(member: &mut impl Converse, query: &str) -> Result<Option<Answer>, AskError> {
    match member.query(query).await {
        Ok(answer) => Ok(Some(answer)),
        Err(AskError::Server { code: ER_SPECIFIC_ACCESS_DENIED | ER_ACCESS_DENIED | ER_DB_ACCESS_DENIED, .. }) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
