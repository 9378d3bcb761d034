//! The split itself, with every member's general log as the witness: reads on replicas, all else on the primary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor};
use support::raw::{Raw, Who};
use support::{Proxy, general_log, on_both};

const SOON: Duration = Duration::from_secs(20);

on_both!(
    each_statement_runs_where_it_belongs,
    a_statement_is_read_under_the_sql_mode_that_members_give,
    sysbench_sees_no_error_and_its_transactions_stay_on_the_primary,
);

/// How often a marker was run on the primary, and on all replicas together.
fn seen(cluster: &Cluster, marker: &str) -> (usize, usize) {
    let count = |member| general_log::run_by(member, "app", marker).len();
    let [primary, replicas @ ..] = cluster.members() else { panic!() };
    (count(primary), replicas.iter().map(count).sum())
}

/// Statements of a session that never writes; `#` is where the marker comes.
const READS: &[&str] = &[
    "SELECT /*#*/ COUNT(*) FROM t",
    "/*#*/ select a from t where b = 'INSERT'",
    "WITH w AS (SELECT a FROM t) SELECT /*#*/ * FROM w",
    "(SELECT /*#*/ 1) UNION (SELECT 2)",
    "SELECT /*#*/ NOW(), VERSION(), DATABASE()",
    "EXPLAIN SELECT /*#*/ * FROM t",
    "SHOW TABLES /*#*/",
    "SELECT /*#*/ @@sql_mode",
    "SELECT /*#*/ 1; SELECT 2",
    "START TRANSACTION READ ONLY; SELECT /*#*/ 1; COMMIT",
];

const WRITES: &[&str] = &[
    "INSERT INTO /*#*/ t (b) VALUES ('x')",
    "UPDATE /*#*/ t SET b = 'SELECT'",
    "DELETE FROM /*#*/ t WHERE a = 77",
    "REPLACE /*#*/ INTO t (a, b) VALUES (5, 'y')",
    "SELECT /*#*/ * FROM t FOR UPDATE",
    "SELECT /*#*/ * FROM t LOCK IN SHARE MODE",
    "SELECT /*#*/ writes()",
    "CALL /*#*/ nothing()",
    "SELECT /*#*/ GET_LOCK('l', 0), RELEASE_LOCK('l')",
    "SELECT 1; INSERT INTO /*#*/ t (b) VALUES ('second')",
    "SELECT 1 /*#*/; /*!50000 DELETE FROM t WHERE a = 78 */",
    "CREATE TABLE /*#*/ made (a INT PRIMARY KEY)",
    "DROP TABLE /*#*/ made",
    "SHOW PROCESSLIST /*#*/",
    "SELECT /*#*/ @@global.read_only",
    "SET /*#*/ GLOBAL max_connections = 450",
];

fn a_statement_is_read_under_the_sql_mode_that_members_give(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.extra_cnf = "sql-mode=ANSI\n".into()) else {
        return;
    };
    let proxy = Proxy::start(&cluster, "");
    let mut session = Raw::app(proxy.read_write);
    // There is no such function, of which the primary tells; as a string it would be a read.
    let call = "SELECT \"app\".\"f\"(1)";
    let route = |session: &mut Raw| {
        session.say(call);
        session.say("SHOW PROXY ROUTE")
    };
    assert!(route(&mut session).contains(" unknown_function "));
    session.run("SET sql_mode = ''");
    assert!(route(&mut session).starts_with("replica "));
    session.ask(mysql_proxy::wire::Command::ResetConnection, b"", support::reply::Kind::Results).unwrap();
    assert!(route(&mut session).contains(" unknown_function "));
}

fn each_statement_runs_where_it_belongs(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.general_log = true) else { return };
    cluster
        .sql(
            0,
            "CREATE TABLE app.t (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(20)); SET GLOBAL \
             log_bin_trust_function_creators = 1; CREATE FUNCTION app.writes() RETURNS INT NO SQL RETURN 1; \
             CREATE PROCEDURE app.nothing() SELECT 1; GRANT ALL ON *.* TO app@'%'",
        )
        .unwrap();
    cluster.catch_up(1, SOON).unwrap();
    cluster.catch_up(2, SOON).unwrap();
    let proxy = Proxy::start(&cluster, "");

    let mut number = 0;
    let mut marked = |sql: &str| {
        number += 1;
        let marker = format!("marker-{number}.");
        (sql.replace('#', &marker), marker)
    };
    let mut expected = Vec::new();

    let mut reader = Raw::app(proxy.read_write);
    for sql in READS {
        let (sql, mark) = marked(sql);
        for part in if sql.starts_with("START") { sql.split("; ").collect() } else { vec![&*sql] } {
            let said = reader.say(part);
            assert!(!said.contains("ERROR "), "{part}: {said}");
        }
        expected.push((mark, sql, false));
    }
    let (sql, mark) = marked("SELECT /*#*/ b FROM t WHERE a > ?");
    let id = reader.prepare(&sql).unwrap();
    reader.execute_text(id, &["0"]).unwrap();
    expected.push((mark, sql, false));

    for sql in WRITES {
        let (sql, mark) = marked(sql);
        let said = Raw::app(proxy.read_write).say(&sql);
        assert!(!said.contains("ERROR "), "{sql}: {said}");
        expected.push((mark, sql, true));
    }
    let mut writer = Raw::app(proxy.read_write);
    let (sql, mark) = marked("INSERT INTO /*#*/ t (b) VALUES (?)");
    let id = writer.prepare(&sql).unwrap();
    writer.execute_text(id, &["prepared"]).unwrap();
    expected.push((mark, sql, true));

    for begin in
        ["BEGIN", "START TRANSACTION", "SET autocommit = 0", "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"]
    {
        let mut session = Raw::app(proxy.read_write);
        session.run(begin);
        for read in ["SELECT /*#*/ COUNT(*) FROM t", "SELECT /*#*/ 1"] {
            let (sql, mark) = marked(read);
            assert!(!session.say(&sql).contains("ERROR "));
            expected.push((mark, format!("{begin}; {sql}"), true));
        }
        session.run("COMMIT");
    }

    let wrong: Vec<String> = expected
        .iter()
        .filter_map(|(marker, sql, primary)| {
            let seen = seen(&cluster, marker);
            let right = if *primary { seen.0 >= 1 && seen.1 == 0 } else { seen.0 == 0 && seen.1 >= 1 };
            (!right).then(|| format!("{sql}: {} times on the primary, {} on replicas", seen.0, seen.1))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");

    let ignored = |hint: &str| proxy.metric(&format!("mysql_proxy_ignored_hints_total{{hint=\"{hint}\"}}"));
    let (before, mut session) = (ignored("replica"), Raw::app(proxy.read_write));
    session.run("/* proxy:replica */ INSERT INTO t (b) VALUES ('not there')");
    session.say("/* proxy:replica */ SELECT COUNT(*) FROM t");
    session.run("BEGIN");
    session.say("/* proxy:replica */ SELECT COUNT(*) FROM t");
    session.run("ROLLBACK");
    assert_eq!((ignored("replica") - before, ignored("primary")), (2.0, 0.0));

    // Only reads ran, and each replica had its share of the sessions' connections.
    let mut sessions: Vec<Raw> = (0..8).map(|_| Raw::app(proxy.read_write)).collect();
    for session in &mut sessions {
        session.say("SELECT /*shared*/ 1");
    }
    for replica in &cluster.members()[1..] {
        assert!(!general_log::run_by(replica, "app", "/*shared*/").is_empty(), "replica {} is idle", replica.index());
    }
}

fn sysbench(proxy: &Proxy, arguments: &[&str]) -> String {
    let output = Command::new("sysbench")
        .args(["--db-driver=mysql", "--mysql-user=app", "--mysql-password=app", "--mysql-db=app", "--tables=2"])
        .args([format!("--mysql-host={}", proxy.read_write.ip()), format!("--mysql-port={}", proxy.read_write.port())])
        .args(["--table-size=1000", "--threads=8", "--events=0", "--mysql-ignore-errors=1213,1062"])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}\n{said}");
    said
}

/// The number behind a word of sysbench's report.
fn figure(report: &str, name: &str) -> u64 {
    let line = report.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or_else(|| panic!("{report}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn sysbench_sees_no_error_and_its_transactions_stay_on_the_primary(flavor: Flavor) {
    if Command::new("sysbench").arg("--version").output().is_err() {
        eprintln!("skipped: no sysbench on this machine; install it with: apt-get install sysbench");
        return;
    }
    let Some(cluster) = support::cluster(flavor, |options| options.general_log = true) else { return };
    let proxy = Proxy::start(&cluster, "");
    sysbench(&proxy, &["oltp_read_write", "prepare"]);
    cluster.catch_up(1, SOON).unwrap();
    cluster.catch_up(2, SOON).unwrap();
    let made = seen(&cluster, "sbtest");

    // Two tables of 1000 rows make rows meet: a deadlock is the server's word (1213), and retried by sysbench.
    let time = if support::long() { "--time=60" } else { "--time=10" };
    let report = sysbench(&proxy, &["oltp_read_write", "--report-interval=0", time, "run"]);
    assert_eq!(figure(&report, "reconnects:"), 0, "{report}");
    let transactions = figure(&report, "transactions:");
    let deadlocks = figure(&report, "ignored errors:");
    assert!(transactions > 50, "{report}");
    let (primary, replicas) = seen(&cluster, "sbtest");
    assert_eq!(replicas, made.1, "statements of read-write transactions ran on replicas");
    let statements = (primary - made.0) as u64;
    assert!(statements >= transactions * 18, "{statements} statements of {transactions} transactions on the primary");
    assert!(statements <= (transactions + deadlocks + 8) * 18, "{statements} of {transactions}: some ran twice");

    let report = sysbench(&proxy, &["oltp_read_only", "--skip-trx=on", "--time=3", "run"]);
    assert_eq!(figure(&report, "ignored errors:") + figure(&report, "reconnects:"), 0, "{report}");
    let (primary_after, replicas_after) = seen(&cluster, "sbtest");
    assert_eq!(primary_after, primary, "autocommit reads of sessions that never wrote ran on the primary");
    let reads = (replicas_after - replicas) as u64;
    assert!(reads >= figure(&report, "transactions:") * 14, "{reads} reads on replicas\n{report}");

    // Without transactions (two threads may insert the same row: 1062): reads in between are read-your-writes, and every write is on the primary.
    sysbench(&proxy, &["oltp_read_write", "--skip-trx=on", "--time=3", "run"]);
    for replica in &cluster.members()[1..] {
        let ran = general_log::run_by(replica, "app", "sbtest");
        let wrote: Vec<_> = ran.iter().filter(|sql| !sql.trim_start().starts_with("SELECT")).collect();
        assert!(wrote.is_empty(), "on replica {}: {:?}", replica.index(), &wrote[..wrote.len().min(5)]);
    }
    let client = Raw::connect(proxy.read_write, &Who::named("app"));
    assert!(client.is_ok());
}
