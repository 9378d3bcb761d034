//! The plain server, the cluster with the proxy in front, and equal databases on both.

use std::net::SocketAddr;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor};

use super::support::raw::{Raw, Who};
use super::support::{self, Proxy};

/// As many sessions run at once as there are databases.
pub const MOST: usize = 8;
/// How often the proxy looks at the replicas.
pub const INTERVAL: Duration = Duration::from_millis(20);

/// Where transactions read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transactions {
    /// On the primary.
    Whole,
    /// At `READ COMMITTED`, which is then the servers' default, on a replica until they write.
    Split,
}

/// See the module.
pub struct World {
    pub flavor: Flavor,
    proxy: Proxy,
    cluster: Cluster,
    alone: Cluster,
}

impl World {
    pub fn start(flavor: Flavor, transactions: Transactions) -> Option<Self> {
        let more = |options: &mut mysql_proxy::demo::Options| {
            // Routines without SUPER, also on MySQL; and a lock that is never given shows within the test.
            options.extra_cnf =
                "log-bin-trust-function-creators=ON\nlock-wait-timeout=20\ninnodb-lock-wait-timeout=1\n".into();
            if transactions == Transactions::Split {
                options.extra_cnf += "transaction-isolation=READ-COMMITTED\nbinlog-format=ROW\n";
            }
        };
        let alone = support::cluster(flavor, |options| {
            options.replicas = 0;
            more(options);
        })?;
        let cluster = support::cluster(flavor, more)?;
        for servers in [&alone, &cluster] {
            let grants = "GRANT ALL ON *.* TO app@'%'; CREATE ROLE lockstep; GRANT lockstep TO app@'%', admin@'%'";
            servers.sql(0, grants).unwrap();
        }
        (1..=2).for_each(|replica| cluster.catch_up(replica, Duration::from_secs(20)).unwrap());
        // A small pool is shared; it may be all held by others for a while.
        let adjust = "pool.max_backend_connections = 6\npool.acquire_timeout = '50s'\n\
                      monitor.interval = '20ms'\nmonitor.timeout = '20ms'\nmonitor.fall = 1000";
        let adjust = format!("{adjust}\nrouting.split_transactions = {}", transactions == Transactions::Split);
        let proxy = Proxy::start(&cluster, &adjust);
        Some(Self { flavor, proxy, cluster, alone })
    }

    /// Where the plain server is.
    pub fn alone(&self) -> SocketAddr {
        self.alone.primary().address()
    }

    /// Where the proxy is.
    pub fn proxied(&self) -> SocketAddr {
        self.proxy.read_write
    }

    /// What runs, and stands open, on the primary.
    fn running(&self) -> String {
        let lists = ["SHOW FULL PROCESSLIST", "SELECT * FROM information_schema.innodb_trx"];
        format!("{:?}", lists.map(|list| self.cluster.sql(0, list)))
    }

    /// Makes the first so many databases anew, everywhere.
    pub fn begin(&self, databases: usize) {
        let mut primary = admin(self.cluster.primary().address());
        let mut alone = admin(self.alone());
        for database in 0..databases {
            // A session that was cut short may have left it; mostly it is unknown.
            for server in [&mut primary, &mut alone] {
                server.say(&format!("XA ROLLBACK '{}'", name(database)));
            }
            // What the last round's sessions locked is free once their servers have seen them leave.
            for server in [&mut primary, &mut alone] {
                let one = |digit: &str| format!("IS_FREE_LOCK('{}{digit}')", name(database));
                let free = ["", "0", "1", "2", "3", "4", "5"].map(one).join(" AND ");
                let free = format!("SELECT {free}");
                support::wait_for("locks to be free", Duration::from_secs(20), || server.say(&free) == "1");
            }
            for statement in schema(&name(database)) {
                let said = [primary.say(&statement), alone.say(&statement)];
                assert_eq!(said, ["OK", "OK"], "{statement}; on the primary: {}", self.running());
            }
        }
        let (ask, wait) = match self.flavor {
            Flavor::MariaDb => ("SELECT @@gtid_binlog_pos", "MASTER_GTID_WAIT"),
            Flavor::MySql => ("SELECT REPLACE(@@gtid_executed, '\n', '')", "WAIT_FOR_EXECUTED_GTID_SET"),
        };
        let position = primary.say(ask);
        for replica in &self.cluster.members()[1..] {
            let said = admin(replica.address()).say(&format!("SELECT {wait}('{position}', 20)"));
            let why = || std::fs::read_to_string(replica.error_log()).unwrap_or_default();
            assert_eq!(said, "0", "a replica has not caught up; its log:\n{}", why());
        }
    }
}

/// The name of a session's own database.
pub fn name(database: usize) -> String {
    format!("l{database}")
}

fn admin(address: SocketAddr) -> Raw {
    Raw::connect(address, &Who { database: None, ..Who::named("admin") }).unwrap()
}

fn schema(name: &str) -> Vec<String> {
    let lines = [
        "DROP DATABASE IF EXISTS {d}",
        "DROP DATABASE IF EXISTS {d}x",
        "CREATE DATABASE {d}",
        "CREATE TABLE {d}.t (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(20), c INT)",
        "INSERT INTO {d}.t (b, c) VALUES ('x', 1), ('y', NULL), ('z', 3)",
        "CREATE TABLE {d}.u (a BIGINT PRIMARY KEY, d DECIMAL(8,2) NOT NULL DEFAULT 1.5, e DATETIME)",
        "INSERT INTO {d}.u VALUES (1, 2.25, '2024-02-29 12:00:00'), (2, -1, NULL)",
        "CREATE VIEW {d}.v AS SELECT t.a, b, d FROM {d}.t LEFT JOIN {d}.u USING (a)",
        "CREATE FUNCTION {d}.writes(x INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO {d}.t (c) VALUES (x); RETURN x + 1; END",
        "CREATE FUNCTION {d}.puts(x INT) RETURNS INT NO SQL BEGIN SET @p = x; RETURN x; END",
        "CREATE PROCEDURE {d}.results() BEGIN SELECT a, b FROM {d}.t ORDER BY a LIMIT 2; SELECT 'two'; UPDATE {d}.t SET c = 5 WHERE a = 1; END",
        "CREATE PROCEDURE {d}.leaves() SET @x = 42, @@sql_select_limit = 2",
    ];
    lines.iter().map(|line| line.replace("{d}", name)).collect()
}
