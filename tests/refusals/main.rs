//! What is taken for a read is fed to a real read-only replica: it must refuse none of it, and none of it may write, lock
//! or leave anything behind where a replica does not refuse.
//!
//! `MYSQL_PROXY_REFUSALS` sets how many statements are made for each family of servers, `MYSQL_PROXY_REFUSALS_SEED` from
//! which number on (`make refusals`). What is made depends on the seed alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod mutation;
mod replica;
#[path = "../routing_tables/mod.rs"]
mod routing_tables;
#[path = "../support/mod.rs"]
mod support;

use mutation::Mutation;
use mysql_proxy::demo::Flavor;
use mysql_proxy::explain::explain;
use mysql_proxy::route::{Reason, Target};
use mysql_proxy::session::Consistency;
use replica::{Reading, Replica};
use support::on_both;

on_both!(what_is_more_than_a_read_shows, no_read_of_the_tables_is_refused, no_read_made_of_pieces_is_refused);

/// How many statements are made when nobody asks for more.
const SHORT: u64 = 150_000;
/// Statements between two looks at what they have left behind.
const BATCH: usize = 400;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// Whether the text alone makes it a read: a hint would be the client's own risk.
fn is_read(server: &str, reading: &Reading, sql: &[u8]) -> bool {
    let mut states = vec![format!("server={server}"), format!("sql_mode={}", reading.sql_mode)];
    states.push(format!("character_set_client={}", reading.character_set));
    states.extend(reading.database.map(|database| format!("database={database}")));
    let got = explain(sql, &states, &[], Consistency::Session, false).unwrap_or_else(|error| panic!("{error}"));
    got.target() == Target::Replica && matches!(got.reason(), Reason::Read | Reason::Metadata)
}

/// What must not be taken for a read, one for each way in which it shows.
const MORE_THAN_READS: &[&str] = &[
    "DELETE FROM w",
    "SELECT f()",
    "SELECT now ()",
    "SELECT GET_LOCK('a', 0)",
    "SELECT @x := 1",
    "SELECT 1 INTO @x",
    "SELECT 1 FROM t INTO OUTFILE '/nonexistent/x'",
    "SELECT * FROM t FOR UPDATE",
    "SELECT * FROM t LOCK IN SHARE MODE",
    "SELECT LAST_INSERT_ID(7)",
    "SELECT 1; DELETE FROM w",
    "CREATE TEMPORARY TABLE x (a INT)",
    "SET sql_mode = 'ANSI'",
    "SET @x = 1",
    "USE information_schema",
    "START TRANSACTION",
    "COMMIT",
    "CALL p()",
    "DO 1",
    "PREPARE s FROM 'SELECT 1'",
    "HANDLER t OPEN",
    "LOCK TABLES t READ",
    "FLUSH TABLES",
    "ANALYZE TABLE t",
    "XA START 'x'",
    "KILL QUERY 1",
    "SHUTDOWN",
];

fn what_is_more_than_a_read_shows(flavor: Flavor) {
    let Some(mut replica) = Replica::start(flavor) else { return };
    let own: &[&str] = match flavor {
        Flavor::MariaDb => &["SELECT NEXTVAL(s)", "SELECT SETVAL(s, 5)", "BEGIN NOT ATOMIC SET @x = 1; END"],
        Flavor::MySql => &["LOCK INSTANCE FOR BACKUP"],
    };
    let reading = Reading { sql_mode: "", character_set: "utf8mb4", database: None };
    for sql in MORE_THAN_READS.iter().chain(own) {
        assert!(!replica.feed(&reading, &[sql.as_bytes().to_vec()]).is_empty(), "{flavor}: nothing shows of {sql}");
    }
    let reads = ["SELECT * FROM t", "SHOW TABLES", "CHECKSUM TABLE t", "EXPLAIN SELECT 1"].map(Into::into);
    assert_eq!(replica.feed(&reading, &reads), Vec::<String>::new());
}

fn no_read_of_the_tables_is_refused(flavor: Flavor) {
    let Some(mut replica) = Replica::start(flavor) else { return };
    let server = replica.server();
    let mut wrong = Vec::new();
    let mut fed = 0;
    for reading in replica.readings() {
        let reads: Vec<Vec<u8>> = routing_tables::lines()
            .into_iter()
            .map(|line| line.sql)
            .filter(|sql| is_read(&server, &reading, sql))
            .collect();
        fed += reads.len();
        wrong.extend(replica.feed(&reading, &reads));
    }
    eprintln!("{flavor}: {fed} reads of the tables, {} faults", wrong.len());
    assert!(fed > 500, "only {fed} reads");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn no_read_made_of_pieces_is_refused(flavor: Flavor) {
    let Some(mut replica) = Replica::start(flavor) else { return };
    let made = number("MYSQL_PROXY_REFUSALS", SHORT);
    let seed = number("MYSQL_PROXY_REFUSALS_SEED", 1);
    let seeds: Vec<Vec<u8>> = routing_tables::lines().into_iter().map(|line| line.sql).collect();
    let (server, readings) = (replica.server(), replica.readings());
    let (mut fed, mut wrong, mut ran) = (0, Vec::new(), 0);
    for round in 0..made.div_ceil(BATCH as u64) {
        let mut mutation = Mutation::new(seed + round, &seeds);
        let reading = &readings[mutation.below(readings.len())];
        let reads: Vec<Vec<u8>> =
            (0..BATCH).map(|_| mutation.statement()).filter(|sql| is_read(&server, reading, sql)).collect();
        fed += reads.len();
        wrong.extend(replica.feed(reading, &reads).into_iter().map(|fault| format!("seed {}: {fault}", seed + round)));
        ran = replica.answered();
        assert!(wrong.len() < 20, "{}", wrong.join("\n"));
    }
    eprintln!("{flavor}: {made} made, {fed} taken for reads, {ran} answered with a result, {} faults", wrong.len());
    assert!(fed as u64 > made / 50, "only {fed} of {made} are taken for reads");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
