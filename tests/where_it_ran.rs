//! Where each statement ran, by the word of every member's general log: random sessions, several at once, and for each
//! statement what the routing table allows. Each carries a marker, so that the logs tell whose it was; each must be
//! there exactly once, on a member that may run it, and for as long as a transaction or a pin lasts on one connection
//! that no other session uses.
//!
//! `MYSQL_PROXY_WHERE_SESSIONS` says how many sessions, `MYSQL_PROXY_WHERE_SEED` with which seed to begin,
//! `MYSQL_PROXY_WHERE_SHOW` how many contradictions are shown.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "where_it_ran/blocks.rs"]
mod blocks;
#[path = "where_it_ran/model.rs"]
mod model;
#[path = "where_it_ran/pins.rs"]
mod pins;
#[path = "lockstep/random.rs"]
mod random;
#[path = "where_it_ran/session.rs"]
mod session;
#[path = "where_it_ran/statements.rs"]
mod statements;
mod support;
#[path = "where_it_ran/transactions.rs"]
mod transactions;
#[path = "where_it_ran/witness.rs"]
mod witness;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor};
use session::{Sent, Session};
use support::{Proxy, on_both};
use witness::Witness;

const SOON: Duration = Duration::from_secs(20);
/// One of the replicas is this late, so that it has not what was written just now.
const LATE: Duration = Duration::from_secs(1);
const AT_ONCE: usize = 8;
const SESSIONS: u32 = 320;

on_both!(the_logs_prove_where_each_statement_ran);

fn the_logs_prove_where_each_statement_ran(flavor: Flavor) {
    let Some(cluster) = cluster(flavor) else { return };
    // Nobody has to wait for a connection; a member that is slow to answer on a busy machine is none that is down, and a read
    // that must see something waits for a replica rather than go to the primary.
    let adjust = "pool.max_backend_connections = 40\nrouting.causal_wait = '5s'\nmonitor.interval = '200ms'\nmonitor.timeout = '200ms'\n\
                  monitor.fall = 1000\nmonitor.max_lag = '1m'";
    let proxy = Proxy::start(&cluster, adjust);
    let (sessions, seed) = (number("SESSIONS", SESSIONS), number("SEED", 1));
    let began = Instant::now();
    let sent = play(flavor, [proxy.read_write, cluster.primary().address()], sessions, seed);
    let took = began.elapsed();
    let witness = Witness::hear(&cluster, seed);
    eprintln!("{flavor}: {sessions} sessions from seed {seed}, {} statements in {took:?}", sent.len());
    eprintln!("{}", witness.summary(&sent));
    let wrong = witness.contradictions(&sent);
    let shown = wrong.iter().take(number("SHOW", 12) as usize).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} statements did not run where they belong:\n{shown}", wrong.len());
    assert_that_nothing_was_repeated(&proxy);
    let waited = proxy.metric("mysql_proxy_causal_reads_total{how=\"waited\"}");
    witness.assert_that_it_could_have_been_otherwise(&sent, waited);
}

fn assert_that_nothing_was_repeated(proxy: &Proxy) {
    let (_, metrics) = support::http(proxy.admin_http, "/metrics").unwrap();
    let mut retries = metrics.lines().filter(|line| line.starts_with("mysql_proxy_retries_total{"));
    assert!(retries.all(|line| line.ends_with(" 0")), "statements were repeated: {metrics}");
}

fn number(name: &str, usual: u32) -> u32 {
    let name = format!("MYSQL_PROXY_WHERE_{name}");
    std::env::var(&name).map_or(usual, |value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

fn cluster(flavor: Flavor) -> Option<Cluster> {
    let cluster = support::cluster(flavor, |options| {
        options.general_log = true;
        options.extra_cnf = "log-bin-trust-function-creators=ON\n".into();
    })?;
    let schemas: String = (0..AT_ONCE).map(|slot| schema(flavor, &database(slot))).collect();
    cluster.sql(0, &format!("GRANT ALL ON *.* TO app@'%'; {schemas}")).unwrap();
    (1..=2).for_each(|replica| cluster.catch_up(replica, SOON).unwrap());
    cluster.set_delay(2, LATE).unwrap();
    Some(cluster)
}

/// Sessions that run at the same time do not meet in a database.
fn database(slot: usize) -> String {
    format!("shop{slot}")
}

fn schema(flavor: Flavor, name: &str) -> String {
    let sequence = if flavor == Flavor::MariaDb { "CREATE SEQUENCE sq;" } else { "" };
    format!(
        "CREATE DATABASE {name}; USE {name}; {sequence}
         CREATE TABLE t (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(40), c INT);
         CREATE TABLE u (a INT PRIMARY KEY); CREATE TABLE x (a INT PRIMARY KEY);
         INSERT INTO t (b, c) VALUES ('x', 1), ('y', 2), ('z', 3); INSERT INTO u VALUES (1), (2);
         CREATE VIEW v AS SELECT a, b FROM t;
         CREATE FUNCTION plain(x INT) RETURNS INT DETERMINISTIC NO SQL RETURN x;
         CREATE PROCEDURE nothing() SELECT 1;
         CREATE PROCEDURE puts(x INT) INSERT INTO t (b, c) VALUES ('put', x);
         CREATE PROCEDURE leaves() SET @left_behind = RAND();
         DELIMITER //
         CREATE FUNCTION writes(x INT) RETURNS INT MODIFIES SQL DATA
         BEGIN INSERT INTO t (b, c) VALUES ('by a function', x); RETURN x; END//
         DELIMITER ;
         "
    )
}

/// Runs the sessions, several at once; gives all they have sent.
fn play(flavor: Flavor, addresses: [SocketAddr; 2], sessions: u32, seed: u32) -> Vec<Sent> {
    let next = AtomicU32::new(0);
    let worker = |slot: usize| {
        let mut sent = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= sessions {
                return sent;
            }
            let seed = u64::from(seed) + u64::from(number);
            let mut session = Session::begin(flavor, addresses, database(slot), number, seed);
            blocks::play(&mut session);
            sent.append(&mut session.sent);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|slot| scope.spawn(move || worker(slot))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a session failed; see above")).collect()
    })
}
