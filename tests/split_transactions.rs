//! `routing.split_transactions`: a transaction reads from a replica until it writes, by the word of every member's general
//! log, and all else is as on one server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::wire::Command;
use support::raw::{Raw, Who};
use support::reply::Kind;
use support::statement::execution;
use support::{Proxy, general_log, on_both, wait_for};

const SOON: Duration = Duration::from_secs(20);

/// A read waits for a replica that has what it must see rather than go to the primary.
const SPLITTING: &str = "routing.split_transactions = true\nrouting.causal_wait = '5s'\nmonitor.interval = '200ms'";

on_both!(a_transaction_reads_from_a_replica_until_it_writes, what_has_only_read_is_lost_with_no_member);

/// One cluster for all that leaves its members alone.
fn a_transaction_reads_from_a_replica_until_it_writes(flavor: Flavor) {
    let Some(cluster) = shop(flavor) else { return };
    let proxy = Proxy::start(&cluster, SPLITTING);
    reads_before_the_first_write_run_on_a_replica(&cluster, &proxy);
    the_transaction_is_one_and_whole_wherever_it_writes(&cluster, &proxy);
    parameters_that_are_sent_ahead_and_cursors_come_to_the_primary(&cluster, &proxy);
    what_the_replica_refuses_the_primary_does(&cluster, &proxy);
    nothing_is_left_of_a_transaction_that_was_cut_short(&cluster, &proxy);
}

fn what_has_only_read_is_lost_with_no_member(flavor: Flavor) {
    let Some(mut cluster) = shop(flavor) else { return };
    let proxy = Proxy::start(&cluster, &format!("{SPLITTING}\npool.acquire_timeout = '1s'"));
    a_transaction_that_has_only_read_outlives_its_replica(&mut cluster, &proxy);
    without_a_primary_it_stands_as_it_stood(&mut cluster, &proxy);
    a_replica_that_falls_behind_is_left(&cluster, &proxy);
}

/// A name, and what is said. `#` marks what must run on a replica, `%` what must run on the primary.
type Sequence = (&'static str, &'static [&'static str]);

const SEQUENCES: &[Sequence] = &[
    (
        "only reads",
        &["BEGIN /*#*/", "SELECT /*#*/ a FROM t", "SHOW TABLES /*#*/", "SELECT /*#*/ COUNT(*) FROM t", "COMMIT /*#*/"],
    ),
    (
        "it writes",
        &[
            "START TRANSACTION /*#*/",
            "SELECT /*#*/ a FROM t",
            "INSERT /*%*/ INTO t (b) VALUES ('mine')",
            "SELECT /*%*/ a FROM t",
            "COMMIT /*%*/",
            "SELECT /*#*/ a FROM t",
        ],
    ),
    (
        "it locks",
        &[
            "BEGIN",
            "SELECT /*#*/ a FROM t",
            "SELECT /*%*/ a FROM t FOR UPDATE",
            "SELECT /*%*/ a FROM t",
            "ROLLBACK /*%*/",
        ],
    ),
    (
        "a savepoint is the primary's",
        &[
            "BEGIN",
            "SELECT /*#*/ a FROM t",
            "SAVEPOINT s",
            "SELECT /*%*/ a FROM t",
            "ROLLBACK TO SAVEPOINT s",
            "COMMIT",
        ],
    ),
    (
        "SQLAlchemy, Django: autocommit off",
        &[
            "SET autocommit = 0",
            "SELECT /*#*/ a FROM t",
            "SELECT /*#*/ COUNT(*) FROM t",
            "UPDATE /*%*/ t SET b = 'changed' WHERE a = 1",
            "SELECT /*%*/ b FROM t WHERE a = 1",
            "COMMIT",
            "SELECT /*#*/ b FROM t WHERE a = 1",
            "ROLLBACK /*#*/",
            "SELECT /*#*/ b FROM t WHERE a = 1",
            "SET autocommit = 1",
            "SELECT /*#*/ b FROM t WHERE a = 1",
        ],
    ),
    (
        "chained",
        &[
            "BEGIN",
            "SELECT /*#*/ a FROM t",
            "COMMIT AND CHAIN",
            "SELECT /*#*/ a FROM t",
            "DELETE /*%*/ FROM t WHERE a = 77",
            "COMMIT",
        ],
    ),
    (
        "one begins in another",
        &[
            "BEGIN",
            "SELECT /*#*/ a FROM t",
            "BEGIN",
            "SELECT /*#*/ a FROM t",
            "START TRANSACTION READ ONLY",
            "SELECT /*#*/ a FROM t",
            "COMMIT",
        ],
    ),
    (
        "what a write commits implicitly",
        &[
            "BEGIN",
            "SELECT /*#*/ a FROM t",
            "CREATE TABLE /*%*/ made (a INT)",
            "SELECT /*#*/ a FROM t",
            "DROP TABLE made",
        ],
    ),
    (
        "another isolation level",
        &[
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "BEGIN /*%*/",
            "SELECT /*%*/ a FROM t",
            "COMMIT",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "BEGIN /*#*/",
            "SELECT /*#*/ a FROM t",
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SELECT /*%*/ a FROM t",
            "COMMIT",
        ],
    ),
    (
        "the client's wish",
        &[
            "BEGIN",
            "SELECT /*#*/ a FROM t",
            "/* proxy:primary */ SELECT /*%*/ a FROM t",
            "SELECT /*%*/ a FROM t",
            "COMMIT",
        ],
    ),
    ("an explicit wish to write", &["START TRANSACTION READ WRITE /*%*/", "SELECT /*%*/ a FROM t", "COMMIT"]),
];

fn shop(flavor: Flavor) -> Option<Cluster> {
    let cluster = support::cluster(flavor, |options| {
        options.general_log = true;
        options.extra_cnf =
            "transaction-isolation=READ-COMMITTED\nbinlog-format=ROW\nlog-bin-trust-function-creators=ON\n".into();
    })?;
    let table = "CREATE TABLE app.t (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(20));
                 INSERT INTO app.t (b) VALUES ('x'), ('y'), ('z')";
    cluster.sql(0, table).unwrap();
    (1..cluster.members().len()).for_each(|replica| cluster.catch_up(replica, SOON).unwrap());
    Some(cluster)
}

/// The table as it was made, also on replicas.
fn start_with_three(cluster: &Cluster) {
    cluster.sql(0, "DELETE FROM app.t WHERE a > 3").unwrap();
    (1..cluster.members().len()).for_each(|replica| cluster.catch_up(replica, SOON).unwrap());
}

/// How often a marker was run on the primary, and on all replicas together.
fn seen(cluster: &Cluster, marker: &str) -> (usize, usize) {
    let count = |member| general_log::run_by(member, "app", marker).len();
    let [primary, replicas @ ..] = cluster.members() else { panic!() };
    (count(primary), replicas.iter().map(count).sum())
}

/// Runs a statement as text, or prepared if it is a read or a write.
fn run(session: &mut Raw, sql: &str, prepared: bool) {
    if prepared && ["SELECT", "INSERT", "UPDATE"].iter().any(|verb| sql.contains(verb)) {
        let id = session.prepare(sql).unwrap();
        let reply = session.execute(id, &[]).unwrap();
        assert_ne!(reply[0].payload[0], 0xff, "{sql}: {reply:?}");
        session.close(id);
    } else {
        let said = session.say(sql);
        assert!(!said.contains("ERROR "), "{sql}: {said}");
    }
}

fn reads_before_the_first_write_run_on_a_replica(cluster: &Cluster, proxy: &Proxy) {
    start_with_three(cluster);
    let mut expected = Vec::new();
    for prepared in [false, true] {
        for (name, lines) in SEQUENCES {
            let mut session = Raw::app(proxy.read_write);
            for line in *lines {
                let marker = format!("marker-{}.", expected.len());
                let sql = line.replace(['#', '%'], &marker);
                run(&mut session, &sql, prepared);
                if line.contains(['#', '%']) {
                    expected.push((marker, format!("{name}: {sql}"), line.contains('%')));
                }
            }
        }
    }
    let wrong: Vec<String> = expected
        .iter()
        .filter_map(|(marker, sql, on_primary)| {
            let seen = seen(cluster, marker);
            let right = if *on_primary { seen == (1, 0) } else { seen == (0, 1) };
            (!right).then(|| format!("{sql}: {} times on the primary, {} on replicas", seen.0, seen.1))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} elsewhere: {wrong:#?}", wrong.len(), expected.len());
    wait_for("no transaction on a replica", SOON, || open_transactions(cluster, 1) == 0);
    // It is an option.
    let usual = Proxy::start(cluster, "");
    let mut session = Raw::app(usual.read_write);
    for sql in ["BEGIN", "SELECT /*usual*/ a FROM t", "COMMIT"] {
        session.say(sql);
    }
    assert_eq!(seen(cluster, "usual"), (1, 0));
}

/// What a transaction that has read elsewhere before does on the primary is undone and lasts together.
fn the_transaction_is_one_and_whole_wherever_it_writes(cluster: &Cluster, proxy: &Proxy) {
    start_with_three(cluster);
    let mut other = Raw::app(proxy.read_write);
    let mut rows = 3;
    for (begin, end, lasts) in [
        ("BEGIN", "ROLLBACK", false),
        ("BEGIN", "COMMIT", true),
        ("SET autocommit = 0", "ROLLBACK", false),
        ("SET autocommit = 0", "COMMIT", true),
    ] {
        let mut session = Raw::app(proxy.read_write);
        session.run(begin);
        assert_eq!(session.number("SELECT COUNT(*) FROM t"), rows, "{begin} {end}");
        assert_ne!(session.served_by(), cluster.primary().address(), "{begin} {end}");
        session.run("INSERT INTO t (b) VALUES ('one')");
        session.run("INSERT INTO t (b) VALUES ('two')");
        assert_eq!(session.number("SELECT COUNT(*) FROM t"), rows + 2, "{begin} {end}");
        assert_eq!(other.number("/* proxy:primary */ SELECT COUNT(*) FROM t"), rows, "{begin} {end}");
        session.run(end);
        rows += if lasts { 2 } else { 0 };
        assert_eq!(session.number("SELECT COUNT(*) FROM t"), rows, "{begin} {end}");
        assert_eq!(other.number("/* proxy:primary */ SELECT COUNT(*) FROM t"), rows, "{begin} {end}");
    }
    // An error on the primary leaves the transaction open there.
    let mut session = Raw::app(proxy.read_write);
    session.run("BEGIN");
    session.say("SELECT COUNT(*) FROM t");
    assert!(session.say("INSERT INTO t (a) VALUES (1)").contains("ERROR 1062"));
    session.run("INSERT INTO t (b) VALUES ('three')");
    session.run("ROLLBACK");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), rows);
    // Each transaction sees what the one before has written.
    for number in 0..20 {
        // A read waits for a replica; a BEGIN, behind which perhaps nothing is read, does not.
        session.run(if number % 2 == 0 { "SET autocommit = 0" } else { "SET autocommit = 1" });
        if number % 2 == 1 {
            session.run("BEGIN");
        }
        assert_eq!(session.number("SELECT COUNT(*) FROM t"), rows);
        if number % 2 == 0 {
            assert_ne!(session.served_by(), cluster.primary().address());
        }
        session.run("INSERT INTO t (b) VALUES ('more')");
        session.run("COMMIT");
        rows += 1;
    }
}

fn a_transaction_that_has_only_read_outlives_its_replica(cluster: &mut Cluster, proxy: &Proxy) {
    for (begin, next, killed) in [
        ("BEGIN", "SELECT COUNT(*) FROM t", true),
        ("SET autocommit = 0", "SELECT COUNT(*) FROM t", false),
        ("BEGIN", "COMMIT", false),
        ("SET autocommit = 0", "COMMIT", true),
        ("BEGIN", "prepared", true),
        ("SET autocommit = 0", "prepared", false),
        ("BEGIN", "SHOW TABLES LIKE 't'", false),
    ] {
        let mut session = Raw::app(proxy.read_write);
        session.run(begin);
        assert_eq!(session.number("SELECT COUNT(*) FROM t"), 3);
        let lost = session.served_by();
        let index = cluster.members().iter().position(|member| member.address() == lost).unwrap();
        assert_ne!(index, 0);
        if killed {
            cluster.kill(index).unwrap();
        } else {
            let all = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'app'";
            for row in cluster.sql(index, all).unwrap() {
                cluster.sql(index, &format!("KILL {}", row[0])).unwrap();
            }
        }
        let said = match next {
            "prepared" => {
                let id = session.prepare("SELECT CAST(COUNT(*) AS CHAR) FROM t WHERE a < ?").unwrap();
                session.execute_text(id, &["9"]).unwrap().remove(0)
            }
            next => session.say(next),
        };
        assert!(!said.contains("ERROR"), "{begin}, {next}: {said}");
        session.run("INSERT INTO t (b) VALUES ('mine')");
        session.run("ROLLBACK");
        if next != "COMMIT" || begin != "BEGIN" {
            // With COMMIT it was a transaction of its own.
            assert_eq!(session.number("/* proxy:primary */ SELECT COUNT(*) FROM t"), 3, "{begin}, {next}");
        }
        session.run("ROLLBACK");
        cluster.sql(0, "DELETE FROM app.t WHERE a > 3").unwrap();
        if killed {
            cluster.restart(index).unwrap();
        }
        cluster.catch_up(index, SOON).unwrap();
        wait_for("both replicas serve", SOON, || {
            let mut other = Raw::app(proxy.read_write);
            other.say("SELECT COUNT(*) FROM t");
            other.served_by() == lost
        });
    }
}

fn without_a_primary_it_stands_as_it_stood(cluster: &mut Cluster, proxy: &Proxy) {
    let mut session = Raw::app(proxy.read_write);
    session.run("BEGIN");
    session.say("SELECT COUNT(*) FROM t");
    cluster.kill(0).unwrap();
    let said = session.say("INSERT INTO t (b) VALUES ('mine')");
    assert!(said.contains("ERROR 9001"), "{said}");
    // The statement has failed, and the transaction is still one.
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 3);
    assert_eq!(open_transactions(cluster, 1), 1);
    cluster.restart(0).unwrap();
    wait_for("the primary serves", SOON, || session.say("INSERT INTO t (b) VALUES ('mine')") == "OK");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 4);
    session.run("ROLLBACK");
    assert_eq!(session.number("/* proxy:primary */ SELECT COUNT(*) FROM t"), 3);
}

fn parameters_that_are_sent_ahead_and_cursors_come_to_the_primary(cluster: &Cluster, proxy: &Proxy) {
    start_with_three(cluster);
    let mut session = Raw::app(proxy.read_write);
    session.run("BEGIN");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 3);
    let insert = session.prepare("INSERT INTO t (b) VALUES (?)").unwrap();
    for chunk in [&b"long"[..], b"er"] {
        session.send(Command::StmtSendLongData, &[&insert.to_le_bytes()[..], &[0, 0], chunk].concat()).unwrap();
    }
    let mut execute = execution(insert, 0, &[None]);
    execute[9] = 0;
    let reply = session.ask(Command::StmtExecute, &execute, Kind::Results).unwrap();
    assert_ne!(reply[0].payload[0], 0xff, "{reply:?}");
    assert_eq!(session.say("SELECT b FROM t WHERE a > 3"), "longer");
    session.run("ROLLBACK");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 3);

    session.run("BEGIN");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 3);
    let select = session.prepare("SELECT a FROM t ORDER BY a").unwrap();
    session.ask(Command::StmtExecute, &execution(select, 1, &[]), Kind::Cursor).unwrap();
    session.run("INSERT INTO t (b) VALUES ('mine')");
    let fetch = [select.to_le_bytes(), 10_u32.to_le_bytes()].concat();
    let rows = session.ask(Command::StmtFetch, &fetch, Kind::Rows).unwrap();
    assert_ne!(rows[0].payload[0], 0xff, "{rows:?}");
    session.run("ROLLBACK");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 3);
}

/// A write that looks like a read, and a token of what the replica may not have.
fn what_the_replica_refuses_the_primary_does(cluster: &Cluster, proxy: &Proxy) {
    start_with_three(cluster);
    let hidden = "CREATE FUNCTION hidden() RETURNS INT MODIFIES SQL DATA
                  BEGIN INSERT INTO t (b) VALUES ('hidden'); RETURN 7; END";
    let view = "CREATE VIEW looks_like_a_table AS SELECT hidden() AS c";
    let mut admin = Raw::connect(cluster.primary().address(), &Who::named("admin")).unwrap();
    for sql in [hidden, view] {
        admin.run(sql);
    }
    start_with_three(cluster);
    let mut session = Raw::app(proxy.read_write);
    session.run("BEGIN");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 3);
    assert_eq!(session.say("SELECT c FROM looks_like_a_table"), "7");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 4);
    session.run("ROLLBACK");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 3);

    (1..=2).for_each(|replica| cluster.set_delay(replica, Duration::from_secs(60)).unwrap());
    let mut writer = Raw::app(proxy.read_write);
    session.run("BEGIN");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 3);
    assert_ne!(session.served_by(), cluster.primary().address());
    writer.run("INSERT INTO t (b) VALUES ('elsewhere')");
    let token = writer.say("SHOW PROXY TOKEN");
    assert_eq!(session.number(&format!("/* proxy:after={token} */ SELECT COUNT(*) FROM t")), 4);
    session.run("COMMIT");
    // Nothing is known yet of what it will read, so it is not waited for.
    let begun = Instant::now();
    for _ in 0..5 {
        for sql in ["BEGIN", "INSERT INTO t (b) VALUES ('mine')", "COMMIT"] {
            writer.run(sql);
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    (1..=2).for_each(|replica| cluster.set_delay(replica, Duration::ZERO).unwrap());
}

/// A replica that stops replicating serves the transaction that reads from it no longer.
fn a_replica_that_falls_behind_is_left(cluster: &Cluster, proxy: &Proxy) {
    start_with_three(cluster);
    (1..=2).for_each(|replica| cluster.set_delay(replica, Duration::from_secs(600)).unwrap());
    let late = Proxy::start(cluster, &format!("{SPLITTING}\nmonitor.max_lag = '1s'"));
    let mut session = Raw::app(late.read_write);
    session.run("SET autocommit = 0");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 3);
    assert_ne!(session.served_by(), cluster.primary().address());
    Raw::app(proxy.read_write).run("INSERT INTO t (b) VALUES ('elsewhere')");
    wait_for("the transaction to leave its replica", SOON, || session.number("SELECT COUNT(*) FROM t") == 4);
    assert_eq!(session.served_by(), cluster.primary().address());
    session.run("COMMIT");
    (1..=2).for_each(|replica| cluster.set_delay(replica, Duration::ZERO).unwrap());
}

/// Transactions of the application that stand open on members from this one on.
fn open_transactions(cluster: &Cluster, first: usize) -> usize {
    let ask = "SELECT COUNT(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p
               ON p.id = t.trx_mysql_thread_id WHERE p.user = 'app'";
    let on = |member| cluster.sql(member, ask).unwrap()[0][0].parse::<usize>().unwrap();
    (first..cluster.members().len()).map(on).sum()
}

fn nothing_is_left_of_a_transaction_that_was_cut_short(cluster: &Cluster, proxy: &Proxy) {
    start_with_three(cluster);
    for writes in [false, true] {
        for how in ["reset", "leave", "kill"] {
            let mut session = Raw::app(proxy.read_write);
            session.run("BEGIN");
            session.say("SELECT COUNT(*) FROM t");
            if writes {
                session.run("INSERT INTO t (b) VALUES ('mine')");
            }
            match how {
                "reset" => {
                    session.ask(Command::ResetConnection, b"", Kind::One).unwrap();
                    session.run("SET @x = 1");
                }
                "leave" => drop(session),
                _ => Raw::app(proxy.read_write).run(&format!("KILL {}", session.id())),
            }
            wait_for("no transaction anywhere", SOON, || open_transactions(cluster, 0) == 0);
            assert_eq!(Raw::app(proxy.read_write).number("/* proxy:primary */ SELECT COUNT(*) FROM t"), 3, "{how}");
        }
    }
}
