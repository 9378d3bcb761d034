//! No session reads older data than it has written, however late the replicas are, and replicas serve it again as
//! soon as they have caught up.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::thread;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::wire::Command;
use support::raw::Raw;
use support::reply::Kind;
use support::{Proxy, on_both, wait_for};

const SOON: Duration = Duration::from_secs(20);
const LATE: Duration = Duration::from_secs(3);
const SESSIONS: u64 = 8;

on_both!(
    eight_sessions_never_miss_a_row_of_theirs_on_replicas_3_s_late,
    whatever_wrote_is_read_back_on_replicas_3_s_late,
    replicas_serve_a_session_again_soon_after_its_write,
);

fn late_cluster(flavor: Flavor) -> Option<Cluster> {
    let cluster = support::cluster(flavor, |_| ())?;
    cluster
        .sql(
            0,
            "CREATE TABLE app.t (session INT, number INT, content VARCHAR(50), PRIMARY KEY (session, number));
             CREATE PROCEDURE app.put(n INT) INSERT INTO app.t VALUES (100, n, 'called');
             DELIMITER //
             CREATE FUNCTION app.putting(n INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA
             BEGIN INSERT INTO app.t VALUES (101, n, 'by a function'); RETURN n; END//",
        )
        .unwrap();
    for replica in [1, 2] {
        cluster.catch_up(replica, SOON).unwrap();
        cluster.set_delay(replica, LATE).unwrap();
    }
    Some(cluster)
}

fn write_and_read_back(mut session: Raw, number: u64, times: u64) -> Raw {
    let insert = session.prepare(&format!("INSERT INTO t VALUES ({number}, ?, 'prepared')")).unwrap();
    let select = session.prepare(&format!("SELECT content FROM t WHERE session = {number} AND number = ?")).unwrap();
    for time in 0..times {
        let values = format!("INSERT INTO t VALUES ({number}, {time}, 'text')");
        match time % 3 {
            0 => session.run(&values),
            1 => {
                for sql in ["BEGIN", &values, "COMMIT"] {
                    session.run(sql);
                }
            }
            _ => drop(session.execute_text(insert, &[&time.to_string()]).unwrap()),
        }
        let read = format!("SELECT COUNT(*) FROM t WHERE session = {number}");
        if time % 2 == 0 {
            assert_eq!(
                session.number(&read),
                time + 1,
                "session {number} missed a row; {}",
                session.say("SHOW PROXY ROUTE")
            );
        } else {
            let found = session.execute_text(select, &[&time.to_string()]).unwrap();
            assert_eq!(found.len(), 1, "session {number} missed row {time}");
        }
    }
    session
}

fn eight_sessions_never_miss_a_row_of_theirs_on_replicas_3_s_late(flavor: Flavor) {
    let Some(cluster) = late_cluster(flavor) else { return };
    let proxy = Proxy::start(&cluster, "");
    let times = if support::long() { 1000 } else { 100 };
    let threads: Vec<_> = (0..SESSIONS)
        .map(|number| {
            let session = Raw::app(proxy.read_write);
            thread::spawn(move || write_and_read_back(session, number, times))
        })
        .collect();
    let mut sessions: Vec<Raw> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();

    // The replicas are late indeed: somebody who wrote nothing is served by one of them, and sees less.
    let mut bystander = Raw::app(proxy.read_write);
    let seen = bystander.number("SELECT COUNT(*) FROM t");
    assert_ne!(bystander.served_by(), cluster.primary().address());
    assert!(seen < SESSIONS * times, "the replicas were not late: {seen} rows");

    // And once they have caught up, the sessions are served by them again, with nothing missing.
    for (number, session) in sessions.iter_mut().enumerate() {
        wait_for("a read on a replica", SOON, || {
            let rows = session.number(&format!("SELECT COUNT(*) FROM t WHERE session = {number}"));
            assert_eq!(rows, times);
            session.served_by() != cluster.primary().address()
        });
    }
}

/// Ways to write a row `(100, n)`; what ends with `@` is a command of the protocol.
const WAYS: &[&[&str]] = &[
    &["INSERT INTO t VALUES (100, #, 'x')"],
    &["BEGIN", "INSERT INTO t VALUES (100, #, 'x')", "COMMIT"],
    &["SET autocommit = 0", "INSERT INTO t VALUES (100, #, 'x')", "COMMIT", "SET autocommit = 1"],
    &["SET autocommit = 0", "INSERT INTO t VALUES (100, #, 'x')", "SET autocommit = 1"],
    &["BEGIN", "INSERT INTO t VALUES (100, #, 'x')", "CREATE TABLE committing_# (a INT PRIMARY KEY)"],
    &["BEGIN", "INSERT INTO t VALUES (100, #, 'x')", "BEGIN", "ROLLBACK"],
    &["BEGIN", "INSERT INTO t VALUES (100, #, 'x')", "COMMIT AND CHAIN", "COMMIT"],
    &["SELECT 1; INSERT INTO t VALUES (100, #, 'x')"],
    &["INSERT INTO t VALUES (100, #, 'x'); SELECT 1"],
    &["CALL put(#)"],
    &["REPLACE INTO t VALUES (100, #, 'x')"],
    &["INSERT INTO t SELECT 100, #, 'x'"],
    &["LOCK TABLES t WRITE", "INSERT INTO t VALUES (100, #, 'x')", "UNLOCK TABLES"],
    &["XA START 'x#'", "INSERT INTO t VALUES (100, #, 'x')", "XA END 'x#'", "XA PREPARE 'x#'", "XA COMMIT 'x#'"],
    &["XA START 'y#'", "INSERT INTO t VALUES (100, #, 'x')", "XA END 'y#'", "XA COMMIT 'y#' ONE PHASE"],
    &["PREPARE s FROM 'INSERT INTO t VALUES (100, #, ''x'')'", "EXECUTE s", "DEALLOCATE PREPARE s"],
    &["INSERT INTO t VALUES (100, #, 'x')", "reset@"],
    &["INSERT INTO t VALUES (100, #, 'x')", "ping@", "SELECT 1", "SET NAMES latin1"],
    &["INSERT INTO t VALUES (100, #, 'x')", "START TRANSACTION READ ONLY", "SELECT 1", "COMMIT"],
    &["/* a comment */ INSERT INTO t VALUES (100, #, 'x')"],
];

fn whatever_wrote_is_read_back_on_replicas_3_s_late(flavor: Flavor) {
    let Some(cluster) = late_cluster(flavor) else { return };
    let proxy = Proxy::start(&cluster, "");
    for (number, way) in WAYS.iter().enumerate() {
        let mut session = Raw::app(proxy.read_write);
        for sql in *way {
            let sql = sql.replace('#', &number.to_string());
            match sql.as_str() {
                "reset@" => drop(session.ask(Command::ResetConnection, b"", Kind::One).unwrap()),
                "ping@" => drop(session.ask(Command::Ping, b"", Kind::One).unwrap()),
                _ => {
                    let said = session.say(&sql);
                    assert!(!said.contains("ERROR "), "{sql}: {said}");
                }
            }
        }
        let read = format!("SELECT COUNT(*) FROM t WHERE session = 100 AND number = {number}");
        assert_eq!(session.number(&read), 1, "{way:?}; {}", session.say("SHOW PROXY ROUTE"));
        session.run("BEGIN");
        session.run("ROLLBACK");
        session.run("START TRANSACTION READ ONLY");
        assert_eq!(session.number(&read), 1, "in a read-only transaction: {way:?}");
        session.run("COMMIT");
    }

    let mut session = Raw::app(proxy.read_write);
    assert_eq!(session.say("SELECT putting(1)"), "1");
    assert_eq!(session.number("SELECT COUNT(*) FROM t WHERE session = 101"), 1, "by a function");

    // What a statement defines is there for the next one.
    let mut session = Raw::app(proxy.read_write);
    session.run("CREATE TABLE fresh (a INT PRIMARY KEY)");
    assert_eq!(session.say("SELECT COUNT(*) FROM fresh"), "0");
    session.run("ALTER TABLE fresh ADD COLUMN b INT");
    assert_eq!(session.say("SELECT COUNT(b) FROM fresh"), "0");
    assert_eq!(session.say("SHOW TABLES LIKE 'fresh'"), "fresh");
    let id = session.prepare("SELECT b FROM fresh").unwrap();
    assert_eq!(session.execute_text(id, &[]).unwrap(), Vec::<String>::new());
    session.run("CREATE VIEW seen AS SELECT a FROM fresh");
    assert_eq!(session.say("SELECT COUNT(*) FROM seen"), "0");
    session.run("DROP VIEW seen");
    assert!(session.say("SELECT COUNT(*) FROM seen").starts_with("ERROR 1146"));
    assert_eq!(session.change("CREATE DATABASE anew").0, 1);
    session.run("USE anew");
    assert_eq!(session.say("SELECT DATABASE()"), "anew");
    session.run("CREATE TABLE here (a INT PRIMARY KEY)");
    assert_eq!(session.say("SELECT COUNT(*) FROM here"), "0");
    let fields = session.ask(Command::FieldList, b"here\0", Kind::Fields).unwrap();
    assert_eq!(fields.len(), 2, "{fields:?}");
}

fn replicas_serve_a_session_again_soon_after_its_write(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |_| ()) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT PRIMARY KEY)").unwrap();
    let proxy = Proxy::start(&cluster, "");
    let mut session = Raw::app(proxy.read_write);
    for number in 1..=20 {
        session.run(&format!("INSERT INTO t VALUES ({number})"));
        wait_for("a read on a replica after a write", Duration::from_secs(5), || {
            assert_eq!(session.number("SELECT COUNT(*) FROM t"), number);
            session.served_by() != cluster.primary().address()
        });
    }
}
