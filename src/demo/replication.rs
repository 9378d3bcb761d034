//! The statements that make a cluster of single servers: accounts, sources, delays, positions.
//!
//! Knows both flavors' SQL for replication and privileges. Must not know processes or files.

use std::net::SocketAddr;
use std::time::Duration;

use super::flavor::Flavor;

/// Everything an application may want, on every database, and nothing that gets past `read_only`.
const ORDINARY: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, SHOW DATABASES, \
                        CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, \
                        ALTER ROUTINE, EVENT, TRIGGER";

/// Run on the primary; the replicas get them by replication.
pub(super) fn accounts(flavor: Flavor) -> String {
    let monitor = match flavor {
        Flavor::MariaDb => "BINLOG MONITOR, SLAVE MONITOR",
        Flavor::MySql => "REPLICATION CLIENT",
    };
    [
        account("repl", "REPLICATION SLAVE"),
        account("app", ORDINARY),
        account("proxy", monitor),
        // So that accounts with mysql_native_password can log in without being configured.
        match flavor {
            Flavor::MariaDb => "GRANT SELECT ON mysql.global_priv TO proxy@'%';".to_owned(),
            Flavor::MySql => String::new(),
        },
        account("admin", "ALL"),
        "GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION; CREATE DATABASE app;".to_owned(),
    ]
    .concat()
}

fn account(name: &str, privileges: &str) -> String {
    format!("CREATE USER {name}@'%' IDENTIFIED BY '{name}'; GRANT {privileges} ON *.* TO {name}@'%';")
}

/// Run on a replica: follow the primary from the beginning.
pub(super) fn follow(flavor: Flavor, primary: SocketAddr) -> String {
    let (host, port) = (primary.ip(), primary.port());
    match flavor {
        Flavor::MariaDb => format!(
            "CHANGE MASTER TO MASTER_HOST='{host}', MASTER_PORT={port}, MASTER_USER='repl', MASTER_PASSWORD='repl', \
             MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos; START SLAVE;"
        ),
        Flavor::MySql => format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='{host}', SOURCE_PORT={port}, SOURCE_USER='repl', \
             SOURCE_PASSWORD='repl', SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=86400, SOURCE_AUTO_POSITION=1, \
             GET_SOURCE_PUBLIC_KEY=1; START REPLICA;"
        ),
    }
}

/// Run on a replica: apply everything this much later (whole seconds).
pub(super) fn delay(flavor: Flavor, delay: Duration) -> String {
    let seconds = delay.as_secs();
    match flavor {
        Flavor::MariaDb => format!("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY={seconds}; START SLAVE;"),
        Flavor::MySql => format!(
            "STOP REPLICA SQL_THREAD; CHANGE REPLICATION SOURCE TO SOURCE_DELAY={seconds}; START REPLICA SQL_THREAD;"
        ),
    }
}

/// Asks the primary how far its writes have come.
pub(super) const fn position(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::MariaDb => "SELECT @@gtid_binlog_pos",
        Flavor::MySql => "SELECT @@gtid_executed",
    }
}

/// Asks a replica to wait for a position; answers 0 when it has come.
pub(super) fn wait_for(flavor: Flavor, position: &str, limit: Duration) -> String {
    let seconds = limit.as_secs().max(1);
    // MySQL breaks a long set into lines.
    let position = position.replace(char::is_whitespace, "");
    match flavor {
        Flavor::MariaDb => format!("SELECT MASTER_GTID_WAIT('{position}', {seconds})"),
        Flavor::MySql => format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', {seconds})"),
    }
}
