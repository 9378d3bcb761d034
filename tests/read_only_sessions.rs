//! Sessions that have switched autocommit off and made their transactions read-only, as drivers and frameworks do: their
//! reads run on replicas, by the word of every member's general log, and all else is as on one server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::thread;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::wire::Command;
use support::raw::{Raw, Who};
use support::reply::Kind;
use support::{Proxy, general_log, on_both, wait_for};

const SOON: Duration = Duration::from_secs(20);

/// A read waits for a replica that has what it must see rather than go to the primary.
const PATIENT: &str = "routing.causal_wait = '5s'\nmonitor.interval = '200ms'";

on_both!(
    every_read_of_a_read_only_session_runs_on_a_replica,
    a_transaction_begins_where_the_session_s_writes_are,
    nothing_is_left_of_a_transaction_that_was_cut_short,
    a_transaction_ends_with_its_replica_and_the_next_one_has_another,
    without_a_replica_the_primary_serves,
    what_did_not_begin_is_nobody_elses,
);

/// What a driver sends, by its name.
type Sequence = (&'static str, &'static [&'static str]);

/// What ends a session's transaction without a statement.
type Cut<'a> = (&'a str, &'a dyn Fn(&mut Raw));

/// What drivers send. `#` marks what must run on a replica, `%` what must run on the primary.
const SEQUENCES: &[Sequence] = &[
    (
        "Connector/J with Spring: setReadOnly(true), setAutoCommit(false), and back",
        &[
            "SET character_set_results = NULL",
            "SET autocommit=1",
            "set session transaction read only",
            "SET autocommit=0",
            "SELECT /*#*/ a FROM t WHERE b = 'x'",
            "SELECT /*#*/ COUNT(*) FROM t",
            "commit",
            "SELECT /*#*/ b FROM t",
            "rollback",
            "SET autocommit=1",
            "set session transaction read write",
            "SET autocommit=0",
            "INSERT /*%*/ INTO t (b) VALUES ('written')",
            "SELECT /*%*/ COUNT(*) FROM t",
            "commit",
            "SET autocommit=1",
            "set session transaction read only",
            "SET autocommit=0",
            "SELECT /*#*/ a FROM t WHERE b = 'written'",
            "SELECT /*#*/ COUNT(*) FROM t",
            "commit",
        ],
    ),
    (
        "PyMySQL: autocommit off at connect",
        &[
            "SET NAMES utf8mb4",
            "SET AUTOCOMMIT = 0",
            "SET SESSION TRANSACTION READ ONLY",
            "SELECT /*#*/ 1",
            "SELECT /*#*/ a FROM t",
            "COMMIT",
            "SELECT /*#*/ a FROM t",
            "SHOW TABLES /*#*/",
            "ROLLBACK",
            "BEGIN",
            "SELECT /*#*/ a FROM t",
            "COMMIT",
            "START TRANSACTION",
            "SELECT /*#*/ a FROM t",
            "ROLLBACK",
        ],
    ),
    (
        "SQLAlchemy: an isolation level and read-only sessions",
        &[
            "SET AUTOCOMMIT = 0",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "COMMIT",
            "SET SESSION @read_only = 1",
            "SELECT /*#*/ t.a AS t_a FROM t",
            "SELECT /*#*/ DATABASE()",
            "ROLLBACK",
            "SELECT /*#*/ t.a AS t_a FROM t LIMIT 1",
            "COMMIT",
        ],
    ),
    (
        "for the next transaction only",
        &[
            "SET autocommit = 0",
            "SET TRANSACTION READ ONLY",
            "SELECT /*#*/ a FROM t",
            "SELECT /*#*/ COUNT(*) FROM t",
            "COMMIT",
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
            "SELECT /*#*/ a FROM t",
            "COMMIT",
            "SELECT /*%*/ a FROM t",
            "COMMIT",
        ],
    ),
    (
        "SERIALIZABLE locks what it reads",
        &[
            "SET autocommit = 0",
            "SET SESSION TRANSACTION READ ONLY",
            "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SELECT /*%*/ a FROM t",
            "COMMIT",
        ],
    ),
    (
        "what the session keeps on the primary",
        &[
            "CREATE TEMPORARY TABLE own (a INT)",
            "SET autocommit = 0",
            "SET SESSION TRANSACTION READ ONLY",
            "SELECT /*%*/ a FROM own",
            "COMMIT",
            "SELECT /*%*/ a FROM t",
            "COMMIT",
            "SET SESSION TRANSACTION READ WRITE",
            "DROP TEMPORARY TABLE own",
            "COMMIT",
            "SET SESSION TRANSACTION READ ONLY",
            "SELECT /*#*/ a FROM t",
            "COMMIT",
        ],
    ),
];

fn shop(flavor: Flavor, adjust: impl FnOnce(&mut mysql_proxy::demo::Options)) -> Option<Cluster> {
    let cluster = support::cluster(flavor, |options| {
        options.general_log = true;
        adjust(options);
    })?;
    let table = "CREATE TABLE app.t (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(20));
                 INSERT INTO app.t (b) VALUES ('x'), ('y'), ('z')";
    cluster.sql(0, table).unwrap();
    (1..cluster.members().len()).for_each(|replica| cluster.catch_up(replica, SOON).unwrap());
    Some(cluster)
}

/// How often a marker was run on the primary, and on all replicas together.
fn seen(cluster: &Cluster, marker: &str) -> (usize, usize) {
    let count = |member| general_log::run_by(member, "app", marker).len();
    let [primary, replicas @ ..] = cluster.members() else { panic!() };
    (count(primary), replicas.iter().map(count).sum())
}

/// A session with autocommit off whose transactions are read-only.
fn read_only(proxy: &Proxy) -> Raw {
    let mut session = Raw::app(proxy.read_write);
    session.run("SET autocommit = 0");
    session.run("SET SESSION TRANSACTION READ ONLY");
    session
}

const fn variable(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::MySql => "transaction_read_only",
        Flavor::MariaDb => "tx_read_only",
    }
}

/// Runs a statement as text, or prepared if it is a read.
fn run(session: &mut Raw, sql: &str, prepared: bool) {
    if prepared && sql.contains("SELECT") {
        let id = session.prepare(sql).unwrap();
        let reply = session.execute(id, &[]).unwrap();
        assert_ne!(reply[0].payload[0], 0xff, "{sql}: {reply:?}");
        session.close(id);
    } else {
        let said = session.say(sql);
        assert!(!said.contains("ERROR "), "{sql}: {said}");
    }
}

fn every_read_of_a_read_only_session_runs_on_a_replica(flavor: Flavor) {
    let Some(cluster) = shop(flavor, |_| ()) else { return };
    let proxy = Proxy::start(&cluster, PATIENT);
    let mut expected = Vec::new();
    for prepared in [false, true] {
        for (name, lines) in SEQUENCES {
            let mut session = Raw::app(proxy.read_write);
            for line in *lines {
                let marker = format!("marker-{}.", expected.len());
                let sql = line.replace("@read_only", variable(flavor)).replace(['#', '%'], &marker);
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
            let seen = seen(&cluster, marker);
            let right = if *on_primary { seen == (1, 0) } else { seen == (0, 1) };
            (!right).then(|| format!("{sql}: {} times on the primary, {} on replicas", seen.0, seen.1))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} elsewhere: {wrong:#?}", wrong.len(), expected.len());
}

fn a_transaction_begins_where_the_session_s_writes_are(flavor: Flavor) {
    let Some(cluster) = shop(flavor, |_| ()) else { return };
    let proxy = Proxy::start(&cluster, PATIENT);
    let mut session = Raw::app(proxy.read_write);
    let mut found = 3;
    for begin in ["SET autocommit = 0", "SET autocommit = 0;BEGIN", "START TRANSACTION READ ONLY"] {
        for _ in 0..10 {
            session.run("SET autocommit = 1");
            session.run("SET SESSION TRANSACTION READ WRITE");
            session.run("INSERT INTO t (b) VALUES ('mine')");
            found += 1;
            session.run("SET SESSION TRANSACTION READ ONLY");
            begin.split(';').for_each(|line| session.run(line));
            assert_eq!(session.number("SELECT COUNT(*) FROM t"), found, "{begin}");
            assert_ne!(session.served_by(), cluster.primary().address(), "{begin}");
            session.run("COMMIT");
        }
    }
    // Replicas that do not have it in time leave the transaction to the primary, all of it.
    (1..=2).for_each(|replica| cluster.set_delay(replica, Duration::from_secs(30)).unwrap());
    let impatient = Proxy::start(&cluster, "routing.causal_wait = '20ms'");
    let mut session = Raw::app(impatient.read_write);
    session.run("INSERT INTO t (b) VALUES ('mine')");
    session.run("SET SESSION TRANSACTION READ ONLY");
    session.run("SET autocommit = 0");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), found + 1);
    let route = session.say("SHOW PROXY ROUTE");
    assert!(route.contains(" read_only_transaction not_caught_up "), "{route}");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), found + 1);
    assert_eq!(session.served_by(), cluster.primary().address());
    session.run("COMMIT");
}

fn nothing_is_left_of_a_transaction_that_was_cut_short(flavor: Flavor) {
    let Some(cluster) = shop(flavor, |_| ()) else { return };
    let proxy = Proxy::start(&cluster, "");
    let reset = |session: &mut Raw| drop(session.ask(Command::ResetConnection, b"", Kind::One).unwrap());
    let change = |session: &mut Raw| session.change_user(&Who::named("app")).unwrap();
    let cuts: [Cut<'_>; 2] = [("reset", &reset), ("change of user", &change)];
    for (name, cut) in cuts {
        let mut session = read_only(&proxy);
        session.say("SELECT COUNT(*) FROM t");
        assert!(session.say("INSERT INTO t (b) VALUES ('refused')").contains("ERROR 1792"), "{name}");
        cut(&mut session);
        // It has no transaction, and neither autocommit off nor read-only transactions.
        session.run("INSERT INTO t (b) VALUES ('after')");
        assert_eq!(session.say("SELECT @@autocommit"), "1", "{name}");
        wait_for("no transaction on a replica", SOON, || open_transactions(&cluster) == 0);
    }

    let mut session = read_only(&proxy);
    session.say("SELECT COUNT(*) FROM t");
    let replica = session.served_by();
    let id = session.id();
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        Raw::app(proxy.read_write).say(&format!("KILL QUERY {id}"));
        proxy
    });
    let said = session.say("SELECT a, SLEEP(20) FROM t");
    assert!(said.contains("ERROR 1317") || said.contains('1'), "{said}");
    let proxy = killer.join().unwrap();
    session.say("SELECT COUNT(*) FROM t");
    assert_eq!(session.served_by(), replica, "KILL QUERY leaves the transaction as it is");
    let kill_all = format!("KILL {id}");
    Raw::app(proxy.read_write).say(&kill_all);
    wait_for("no transaction on a replica", SOON, || open_transactions(&cluster) == 0);
}

/// Transactions that stand open on replicas.
fn open_transactions(cluster: &Cluster) -> usize {
    let ask = "SELECT COUNT(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p
               ON p.id = t.trx_mysql_thread_id WHERE p.user = 'app'";
    let on = |replica| cluster.sql(replica, ask).unwrap()[0][0].parse::<usize>().unwrap();
    (1..cluster.members().len()).map(on).sum()
}

fn a_transaction_ends_with_its_replica_and_the_next_one_has_another(flavor: Flavor) {
    let Some(mut cluster) = shop(flavor, |_| ()) else { return };
    let proxy = Proxy::start(&cluster, "");
    let mut session = read_only(&proxy);
    session.say("SELECT COUNT(*) FROM t");
    let lost = session.served_by();
    let index = cluster.members().iter().position(|member| member.address() == lost).unwrap();
    cluster.kill(index).unwrap();
    let said = session.say("SELECT COUNT(*) FROM t");
    assert!(said.contains("ERROR 2013"), "{said}");
    assert_eq!(session.say("SELECT COUNT(*) FROM t"), "3");
    assert_ne!(session.served_by(), lost);
    assert_ne!(session.served_by(), cluster.primary().address());
    session.run("COMMIT");
    // What opens a transaction is repeated: nothing of that has been seen.
    session.say("SELECT COUNT(*) FROM t");
    session.run("COMMIT");
    cluster.restart(index).unwrap();
    let left = (1..=2).find(|other| *other != index).unwrap();
    let pool = "SELECT COUNT(*) FROM t";
    wait_for("both replicas serve", SOON, || {
        let mut other = read_only(&proxy);
        other.say(pool);
        other.served_by() == lost
    });
    cluster.kill(left).unwrap();
    assert_eq!(session.say(pool), "3");
    assert_ne!(session.served_by(), cluster.member(left).address());
}

fn without_a_replica_the_primary_serves(flavor: Flavor) {
    let Some(cluster) = shop(flavor, |options| options.replicas = 0) else { return };
    let proxy = Proxy::start(&cluster, "");
    let mut session = read_only(&proxy);
    for _ in 0..2 {
        assert_eq!(session.say("SELECT COUNT(*) FROM t"), "3");
        let route = session.say("SHOW PROXY ROUTE");
        assert!(route.contains(" read_only_transaction no_replica "), "{route}");
        assert!(session.say("DELETE FROM t").contains("ERROR 1792"));
        session.run("COMMIT");
    }
    session.run("SET SESSION TRANSACTION READ WRITE");
    session.run("INSERT INTO t (b) VALUES ('mine')");
    session.run("COMMIT");
    for (one_shot, begin) in
        [("SET TRANSACTION READ ONLY", "SELECT COUNT(*) FROM t"), ("SET TRANSACTION READ ONLY", "BEGIN")]
    {
        session.run(one_shot);
        session.say(begin);
        assert_eq!(session.say("SELECT COUNT(*) FROM t"), "4");
        assert!(session.say("DELETE FROM t").contains("ERROR 1792"));
        session.run("COMMIT");
    }
    session.run("DELETE FROM t WHERE b = 'mine'");
    session.run("COMMIT");
}

/// What is said in front of a statement that then fails waits on the connection: as on one server for the session's next
/// transaction, and it is nobody else's.
fn what_did_not_begin_is_nobody_elses(flavor: Flavor) {
    let Some(cluster) = shop(flavor, |options| options.replicas = 0) else { return };
    let proxy = Proxy::start(&cluster, "pool.max_backend_connections = 2");
    for sql in ["START TRANSACTION WITH NONSENSE", "START TRANSACTION NONSENSE"] {
        let [direct, through] = [cluster.primary().address(), proxy.read_write].map(|address| {
            let mut session = Raw::app(address);
            session.run("SET TRANSACTION READ ONLY");
            assert!(session.say(sql).contains("ERROR 1064"), "{sql}");
            // Also while the first session is there, and each on whichever connection.
            let others: Vec<_> =
                (0..2).map(|_| Raw::app(address).say("INSERT INTO t (b) VALUES ('another')")).collect();
            session.run("START TRANSACTION");
            let own = session.say("INSERT INTO t (b) VALUES ('own')").contains("ERROR 1792");
            session.run("ROLLBACK");
            drop(session);
            let afterwards = Raw::app(address).say("INSERT INTO t (b) VALUES ('another')");
            (others, own, afterwards)
        });
        assert_eq!(through, direct, "{sql}");
        assert!(direct.0.iter().chain([&direct.2]).all(|said| !said.contains("ERROR")), "{direct:?}");
    }
}
