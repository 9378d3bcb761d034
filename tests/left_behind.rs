//! What a session leaves on a connection, and what the proxy does to a statement on its way, is nobody else's to feel:
//! one connection to each member, which two sessions use in turn.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor, Signal};
use mysql_proxy::wire::{Capabilities, Command};
use support::raw::{Raw, USUAL, Who};
use support::reply::Kind;
use support::statement::execution;
use support::{Proxy, on_both, wait_for};

on_both!(
    a_long_statement_is_never_cut_in_two,
    a_number_of_rows_stands_only_where_it_means_the_same,
    what_a_read_only_transaction_leaves_on_a_replica_is_taken_away,
    what_a_failed_procedure_leaves_is_taken_away_at_once,
    an_id_made_in_a_procedure_is_the_sessions_own,
    a_question_in_a_transaction_is_asked_in_it,
    an_id_that_a_session_gave_itself_does_not_show_anothers,
    what_can_be_asked_is_kept_when_the_connection_goes_back,
    what_a_statement_takes_away_is_found_out,
    the_first_found_rows_of_a_session_are_its_own,
    a_long_question_is_taken_whole,
    what_waited_for_a_transaction_does_not_meet_anothers,
    what_failed_with_autocommit_off_locks_no_table,
    what_cannot_be_prepared_again_loses_no_transaction,
    what_no_tracker_tells_of_meets_nobody_else,
    data_sent_ahead_end_with_the_transaction,
    a_released_connection_serves_nobody_else,
    a_database_that_is_missing_loses_no_write,
    warnings_outlive_the_reset_of_their_connection,
    a_long_variable_keeps_its_value,
    a_named_lock_ends_no_transaction,
    an_id_is_asked_for_before_its_connection_goes_back,
    a_variable_without_a_value_has_not_anothers_type,
    an_answer_from_what_was_kept_is_shown_as_the_proxys,
    conditions_that_were_taken_away_are_not_counted,
    an_id_that_was_made_is_known_behind_one_that_was_given,
    several_statements_do_not_show_anothers_conditions,
    a_string_has_the_value_that_its_session_gave_it,
    found_rows_are_known_where_conditions_were_counted,
    what_a_function_sets_for_an_old_client_is_its_own,
    a_late_answer_is_nobodys,
);

fn shared(flavor: Flavor) -> Option<(Cluster, Proxy)> {
    shared_with(flavor, "")
}

fn shared_with(flavor: Flavor, settings: &str) -> Option<(Cluster, Proxy)> {
    let cluster = support::cluster(flavor, |options| {
        options.replicas = 1;
        options.extra_cnf = "log-bin-trust-function-creators=ON\nmax-allowed-packet=16M\n".into();
    })?;
    for sql in [
        "GRANT ALL ON *.* TO app@'%'",
        "CREATE TABLE app.t (a INT AUTO_INCREMENT PRIMARY KEY, b LONGTEXT)",
        "CREATE TABLE app.log (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(40), n BIGINT)",
        "CREATE PROCEDURE app.leaves() SET @secret = 'mine'",
        "CREATE PROCEDURE app.fails() BEGIN SET @secret = 'mine'; DO GET_LOCK('kept', 0); \
         CREATE TEMPORARY TABLE app.orders (a INT); SIGNAL SQLSTATE '45000'; END",
        "CREATE PROCEDURE app.inserts() INSERT INTO app.t (b) VALUES ('made')",
        "CREATE PROCEDURE app.child() INSERT INTO app.log (n) VALUES (LAST_INSERT_ID())",
    ] {
        Raw::connect(cluster.primary().address(), &Who::named("admin")).unwrap().run(sql);
    }
    cluster.catch_up(1, Duration::from_secs(20)).unwrap();
    let proxy = Proxy::start(&cluster, &format!("pool.max_backend_connections = 1\n{settings}"));
    Some((cluster, proxy))
}

/// A session that knows how many rows it changed, on a connection that another one has used since.
fn changed_three(proxy: &Proxy) -> Raw {
    let mut session = Raw::app(proxy.read_write);
    session.run("INSERT INTO t (b) VALUES ('x'), ('y'), ('z')");
    Raw::app(proxy.read_write).run("INSERT INTO log (n) VALUES (1)");
    session
}

fn a_long_statement_is_never_cut_in_two(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let mut session = changed_three(&proxy);
    // Whatever stands in the middle of it is a value, also where it looks like a packet.
    let packet = b"\x2d\0\0\0\x03INSERT INTO app.log (b) VALUES ('injected')   ";
    let value: Vec<u8> = packet.iter().copied().cycle().take(1_300_000).filter(|byte| *byte != b'\'').collect();
    let sql = [&b"INSERT INTO t (b) VALUES (CONCAT(ROW_COUNT(), _binary '"[..], &value, b"'))"].concat();
    let reply = session.ask(Command::Query, &sql, Kind::Results).unwrap();
    assert_eq!(reply[0].payload[0], 0, "{:?}", String::from_utf8_lossy(&reply[0].payload));
    assert_eq!(session.say("SELECT COUNT(*) FROM t WHERE LENGTH(b) > 1000000"), "1");
    let mut primary = Raw::connect(cluster.primary().address(), &Who::named("admin")).unwrap();
    assert_eq!(primary.say("SELECT COUNT(*) FROM app.log WHERE b = 'injected'"), "0");
}

fn a_number_of_rows_stands_only_where_it_means_the_same(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    assert_eq!(changed_three(&proxy).say("SELECT ROW_COUNT()"), "3");
    assert_eq!(changed_three(&proxy).say("SELECT CONCAT('n', ROW_COUNT(), 'n')"), "n3n");
    let mut session = changed_three(&proxy);
    session.run("INSERT INTO log (b, n) VALUES ('up', ROW_COUNT()), ('again', 5)");
    assert_eq!(session.say("SELECT n FROM log WHERE b = 'up'"), "3");
    let mut session = changed_three(&proxy);
    session.run("CREATE PROCEDURE counts() BEGIN DELETE FROM log LIMIT 1; SELECT ROW_COUNT(); END");
    assert!(session.say("CALL counts()").starts_with('1'));
}

fn what_a_read_only_transaction_leaves_on_a_replica_is_taken_away(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.run("START TRANSACTION READ ONLY");
    session.run("CALL leaves()");
    session.say("SELECT @big := REPEAT('s', 5000)");
    session.say("SELECT @`odd name` := 'mine'");
    session.run("COMMIT");
    let mut other = Raw::app(proxy.read_write);
    for _ in 0..3 {
        assert_eq!(other.say("SELECT @secret, @big, @`odd name`"), "NULL NULL NULL");
    }
    // What is prepared there serves the session behind the transaction, too.
    session.run("START TRANSACTION READ ONLY");
    session.run("PREPARE p FROM 'SELECT 5'");
    session.run("COMMIT");
    assert_eq!(session.say("EXECUTE p"), "5");
    session.run("DEALLOCATE PREPARE p");
}

fn what_a_failed_procedure_leaves_is_taken_away_at_once(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    assert!(session.say("CALL fails()").starts_with("ERROR 1644"));
    session.say("SELECT COUNT(*) FROM log");
    drop(session);
    let mut primary = Raw::connect(cluster.primary().address(), &Who::named("admin")).unwrap();
    wait_for("the lock to be free", Duration::from_secs(5), || primary.say("SELECT IS_FREE_LOCK('kept')") == "1");
    let mut other = Raw::app(proxy.read_write);
    assert!(other.say("INSERT INTO orders VALUES (1)").contains("ERROR 1146"));
    assert_eq!(other.say("/* proxy:primary */ SELECT @secret"), "NULL");
}

fn an_id_made_in_a_procedure_is_the_sessions_own(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.run("CALL inserts()");
    assert_eq!(session.say("SELECT LAST_INSERT_ID()"), "1");
    let (_, id, _) = session.change("INSERT INTO t (b) VALUES ('mine')");
    let mut other = Raw::app(proxy.read_write);
    other.run("INSERT INTO t (b) VALUES ('others')");
    session.run("CALL child()");
    assert_eq!(session.say("SELECT n FROM log ORDER BY a DESC LIMIT 1"), id.to_string());
}

fn a_question_in_a_transaction_is_asked_in_it(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.say("SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1");
    session.say("SELECT FOUND_ROWS()");
    session.run("SET autocommit = 0");
    session.run("INSERT INTO t (b) VALUES ('one')");
    assert_eq!(session.say("SELECT FOUND_ROWS() >= 0, (SELECT COUNT(*) FROM t)"), "1 1");
    session.run("INSERT INTO t (b) VALUES ('two')");
    session.run("COMMIT");
    let mut primary = Raw::connect(cluster.primary().address(), &Who::named("admin")).unwrap();
    assert_eq!(primary.say("SELECT COUNT(*) FROM app.t"), "2");
    session.run("SET autocommit = 1");
    session.say("SELECT CAST('x' AS SIGNED)");
    session.run("BEGIN");
    session.run("INSERT INTO t (b) VALUES ('three')");
    session.say("SHOW WARNINGS");
    assert_eq!(session.say("SELECT FOUND_ROWS() >= 0, (SELECT COUNT(*) FROM t)"), "1 3");
    session.run("ROLLBACK");
    assert_eq!(primary.say("SELECT COUNT(*) FROM app.t"), "2");
}

fn an_id_that_a_session_gave_itself_does_not_show_anothers(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut other = Raw::app(proxy.read_write);
    other.run("INSERT INTO t (b) VALUES ('x'), ('y')");
    other.run("INSERT INTO t (b) VALUES ('z')");
    let mut session = Raw::app(proxy.read_write);
    session.run("SET autocommit = 0");
    session.run("INSERT INTO t VALUES (50, 'given')");
    session.run("INSERT INTO t VALUES (60, 'given')");
    assert_eq!(session.say("SELECT LAST_INSERT_ID()"), "0");
    let (_, id, _) = session.change("INSERT INTO t (b) VALUES ('made')");
    assert_eq!(session.say("SELECT LAST_INSERT_ID()"), id.to_string());
    session.run("ROLLBACK");
}

/// Packets of a reply, to be compared with those of one server.
fn replied(session: &mut Raw, sql: &str) -> Vec<Vec<u8>> {
    let reply = session.ask(Command::Query, sql.as_bytes(), Kind::Results).unwrap();
    reply.into_iter().map(|message| message.payload).collect()
}

fn what_can_be_asked_is_kept_when_the_connection_goes_back(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let raises = "SELECT CAST('x' AS SIGNED), CAST('y' AS SIGNED) UNION ALL SELECT 1, 2 UNION ALL SELECT 3, 4";
    for question in [
        "SHOW WARNINGS",
        "SHOW WARNINGS LIMIT 1",
        "SHOW WARNINGS LIMIT 1, 5",
        "SHOW ERRORS",
        "SHOW COUNT(*) WARNINGS",
        "SHOW COUNT(*) ERRORS",
        "SELECT @@warning_count, @@session.error_count AS e, 5",
        "SELECT FOUND_ROWS()",
        "SELECT ROW_COUNT(), FOUND_ROWS() + 1 AS n",
        "UPDATE log SET b = 'x' WHERE n = FOUND_ROWS()",
    ] {
        for first in [raises, "SELECT missing", "UPDATE log SET n = n + 1", "UPDATE log SET missing = 1"] {
            let ask = |session: &mut Raw, between: &mut dyn FnMut()| {
                session.say("SELECT ROW_COUNT()");
                session.run("DELETE FROM log");
                session.run("INSERT INTO log (n) VALUES (1), (2), (3)");
                replied(session, first);
                between();
                let answer = replied(session, question);
                // On MariaDB these leave what stands.
                (answer, replied(session, "SET @x = 1"), replied(session, "SHOW COUNT(*) WARNINGS"))
            };
            let mut alone = Raw::app(cluster.primary().address());
            let expected = ask(&mut alone, &mut || {});
            let mut session = Raw::app(proxy.read_write);
            let heard = ask(&mut session, &mut || {
                let mut other = Raw::app(proxy.read_write);
                // The only connection to each member goes to another session.
                other.run("INSERT INTO t (b) VALUES ('other')");
                other.say("SELECT COUNT(*) FROM log");
            });
            assert_eq!(heard, expected, "{question} behind {first}");
        }
    }
}

/// Whether what stands is taken away is `MariaDB`'s secret, which is found out where it happens elsewhere.
fn what_a_statement_takes_away_is_found_out(flavor: Flavor) {
    // Warnings are raised on the replica although the primary has been written to.
    let Some((cluster, proxy)) = shared_with(flavor, "routing.consistency = 'eventual'") else { return };
    let lines = "CREATE DATABASE more;ALTER DATABASE more CHARACTER SET latin1;CREATE TABLE more.w (a INT);\
                 RENAME TABLE more.w TO more.x;CREATE VIEW more.v AS SELECT 1 AS a;DROP VIEW more.v;\
                 CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 5;SELECT f();DROP FUNCTION f;\
                 CREATE PROCEDURE p() SELECT COUNT(*) FROM log;CALL p();CALL leaves();SET @x = 5;BEGIN;COMMIT;\
                 CREATE USER 'u';GRANT SELECT ON more.* TO 'u';GRANT SELECT ON more.x TO 'u';DROP USER 'u';\
                 SHOW TABLES;SHOW CREATE DATABASE more;SHOW CREATE TABLE log;SHOW VARIABLES LIKE 'sql_mode';\
                 SELECT 1;SELECT * FROM (SELECT 1) AS q;SHOW PROCEDURE STATUS LIKE 'p';CHECK TABLE log;FLUSH TABLES;\
                 LOCK TABLES log READ;UNLOCK TABLES;DROP PROCEDURE p;DROP DATABASE more";
    let [mut alone, mut session] = [cluster.primary().address(), proxy.read_write].map(Raw::app);
    // Where it ran first it is gone again: both have the same server, one after the other.
    let ask = |session: &mut Raw| -> Vec<_> {
        let one = |line: &str| {
            session.say("SELECT CAST('x' AS SIGNED)");
            let kind = session.say(line).starts_with("ERROR");
            (line.to_owned(), kind, replied(session, "SHOW WARNINGS"))
        };
        lines.split(';').map(one).collect()
    };
    assert_eq!(ask(&mut session), ask(&mut alone));
}

fn the_first_found_rows_of_a_session_are_its_own(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    Raw::app(proxy.read_write).run("INSERT INTO log (n) VALUES (1), (2), (3)");
    cluster.catch_up(1, Duration::from_secs(20)).unwrap();
    for (sql, found) in [
        ("SELECT n FROM log", "3"),
        ("SELECT n FROM log LIMIT 2", "2"),
        ("SELECT SQL_CALC_FOUND_ROWS n FROM log LIMIT 1", "3"),
        ("select distinct sql_calc_found_rows n from log limit 0", "3"),
        ("SELECT n FROM log WHERE n > 5", "0"),
    ] {
        for prepared in [false, true] {
            let mut session = Raw::app(proxy.read_write);
            session.say(sql);
            for _ in 0..3 {
                let mut other = Raw::app(proxy.read_write);
                other.say("SELECT 7");
                other.run("INSERT INTO t (b) VALUES ('other')");
            }
            let said = if prepared {
                let id = session.prepare("SELECT FOUND_ROWS()").unwrap();
                let reply = session.ask(Command::StmtExecute, &execution(id, 0, &[]), Kind::Results).unwrap();
                // A zero, the bits of what is NULL, eight bytes.
                reply[reply.len() - 2].payload[2].to_string()
            } else {
                session.say("SELECT FOUND_ROWS()")
            };
            assert_eq!(said, found, "{sql}, prepared: {prepared}");
        }
    }
}

/// What the proxy answers itself must not leave the rest of a long text to be read as commands.
fn a_long_question_is_taken_whole(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let blanks = " ".repeat(1_500_000);
    for question in ["SHOW WARNINGS", "SHOW PROXY ROUTE", "SELECT CONNECTION_ID()"] {
        let mut session = Raw::app(proxy.read_write);
        session.say("SELECT CAST('x' AS SIGNED)");
        for _ in 0..3 {
            let mut other = Raw::app(proxy.read_write);
            other.say("SELECT 7");
            other.run("INSERT INTO t (b) VALUES ('other')");
        }
        session.ask(Command::Query, format!("{question}{blanks}").as_bytes(), Kind::Results).unwrap();
        assert_eq!(session.say("SELECT 5"), "5", "{question}");
    }
}

/// A statement that looks like a transaction of its own need not use up what waits for one.
fn what_waited_for_a_transaction_does_not_meet_anothers(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    for between in [
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT COUNT(*) FROM n",
        "SELECT COUNT(*) FROM (SELECT 1 AS one) AS d",
        "SELECT COUNT(*) FROM t",
    ] {
        let mut session = Raw::app(proxy.read_write);
        session.run("SET TRANSACTION READ ONLY");
        session.say(between);
        session.run("START TRANSACTION READ ONLY");
        session.say("SELECT COUNT(*) FROM t");
        session.run("COMMIT");
        Raw::app(proxy.read_write).run("INSERT INTO t (b) VALUES ('other')");
        drop(session);
        Raw::app(proxy.read_write).run("INSERT INTO t (b) VALUES ('other')");
    }
}

/// It holds metadata locks although no transaction is open, and nobody need want its connection for long.
fn what_failed_with_autocommit_off_locks_no_table(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.run("SET autocommit = 0");
    assert!(session.say("SELECT missing FROM t FOR UPDATE").contains("ERROR 1054"));
    drop(session);
    let mut primary = Raw::connect(cluster.primary().address(), &Who::named("admin")).unwrap();
    primary.run("SET lock_wait_timeout = 5");
    primary.run("ALTER TABLE app.t ADD COLUMN c INT");
}

/// Its database has gone since, and the connection of the transaction has yet to prepare it.
fn what_cannot_be_prepared_again_loses_no_transaction(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.run("CREATE DATABASE gone");
    session.run("USE gone");
    let id = session.prepare("SELECT 5").unwrap();
    session.run("DROP DATABASE gone");
    session.run("USE app");
    // Another session takes the connection, and leaves it without what was prepared.
    let mut other = Raw::app(proxy.read_write);
    other.run("SET SESSION sql_mode = 'ANSI_QUOTES'");
    other.run("INSERT INTO t (b) VALUES ('other')");
    session.run("BEGIN");
    session.run("INSERT INTO t (b) VALUES ('kept')");
    let said = session.execute(id, &[]);
    session.run("COMMIT");
    assert_eq!(session.say("SELECT COUNT(*) FROM t WHERE b = 'kept'"), "1", "{said:?}");
}

/// A procedure, and a text that is prepared, may do what no reply and no pin tells of.
fn what_no_tracker_tells_of_meets_nobody_else(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut first = Raw::app(proxy.read_write);
    first.run("CREATE PROCEDURE waits() SET TRANSACTION READ ONLY");
    first.run("CREATE PROCEDURE locks() DO GET_LOCK('of a procedure', 0)");
    drop(first);
    let leaves: [&[&str]; 3] = [
        &["CALL waits()"],
        &["PREPARE p FROM 'SET TRANSACTION READ ONLY'", "EXECUTE p", "DEALLOCATE PREPARE p"],
        &["CALL locks()"],
    ];
    for statements in leaves {
        let mut session = Raw::app(proxy.read_write);
        for sql in statements {
            session.run(sql);
        }
        // A pin may hold the connection until the end.
        drop(session);
        let mut other = Raw::app(proxy.read_write);
        other.run("INSERT INTO t (b) VALUES ('other')");
        assert_eq!(other.say("SELECT IS_USED_LOCK('of a procedure') IS NULL"), "1", "{statements:?}");
    }
}

/// They are nobody else's to execute with, and the client is told that they are lost.
fn data_sent_ahead_end_with_the_transaction(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.run("START TRANSACTION READ ONLY");
    session.say("SELECT COUNT(*) FROM t");
    let id = session.prepare("SELECT CONCAT(?, '') FROM (SELECT 1) AS one").unwrap();
    session.send(Command::StmtSendLongData, &[&id.to_le_bytes()[..], &[0, 0], b"secret"].concat()).unwrap();
    session.run("COMMIT");
    let mut other = Raw::app(proxy.read_write);
    let theirs = other.prepare("SELECT CONCAT(?, '') FROM (SELECT 1) AS one").unwrap();
    assert_eq!(other.execute_text(theirs, &["own"]).unwrap(), ["own"]);
    assert!(session.execute_text(id, &["own"]).is_err(), "they must be sent again");
    assert_eq!(session.execute_text(id, &["own"]).unwrap(), ["own"]);
}

fn a_released_connection_serves_nobody_else(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let goes = |statements: &[&str], last: &str| {
        let mut session = Raw::app(proxy.read_write);
        for sql in statements {
            session.say(sql);
        }
        session.run(last);
        // Nobody may meet the member's closed connection.
        Raw::app(proxy.read_write).run("INSERT INTO log (n) VALUES (1)");
        let gone = session.ask(Command::Query, b"SELECT 1", Kind::Results).is_err();
        assert!(gone, "{statements:?} {last}");
    };
    for _ in 0..5 {
        goes(&["BEGIN", "INSERT INTO log (n) VALUES (7)"], "COMMIT RELEASE");
        goes(&[], "ROLLBACK AND NO CHAIN RELEASE");
        goes(&["START TRANSACTION READ ONLY", "SELECT COUNT(*) FROM log"], "COMMIT RELEASE");
        goes(&["SET completion_type = 2", "BEGIN", "INSERT INTO log (n) VALUES (7)"], "COMMIT AND CHAIN");
    }
    let mut session = Raw::app(proxy.read_write);
    session.run("SET completion_type = 2");
    session.run("COMMIT NO RELEASE");
    session.run("ROLLBACK AND NO CHAIN NO RELEASE");
    assert_eq!(session.say("SELECT COUNT(*) FROM log WHERE n = 7"), "10");
}

/// With autocommit off what fails may begin a transaction; one that began where the primary serves a read in a replica's
/// place would not be the one that writes.
fn a_database_that_is_missing_loses_no_write(flavor: Flavor) {
    let Some((cluster, _)) = shared(flavor) else { return };
    let proxy = Proxy::start(&cluster, "");
    cluster.set_delay(1, Duration::from_secs(3600)).unwrap();
    let mut session = Raw::app(proxy.read_write);
    session.run("INSERT INTO log (n) VALUES (1)");
    assert_eq!(session.say("SELECT n FROM log"), "1", "the primary's, as no replica has caught up");
    session.run("SET autocommit = 0");
    let reply = session.ask(Command::InitDb, b"missing", Kind::One).unwrap();
    assert_eq!(reply[0].payload[0], 0xff);
    session.run("INSERT INTO log (n) VALUES (2)");
    assert_eq!(session.say("SELECT COUNT(*) FROM log"), "2");
    session.run("COMMIT");
    assert_eq!(session.say("SELECT COUNT(*) FROM log"), "2");
}

fn warnings_outlive_the_reset_of_their_connection(flavor: Flavor) {
    if flavor != Flavor::MariaDb {
        // MySQL's statements take the warnings of the one before away.
        return;
    }
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.run("SET @y = 5");
    session.say("SELECT CAST('wrong' AS SIGNED), @y");
    // It has a value now that the connection to the replica cannot be given.
    session.say("SELECT @y := 99");
    assert!(session.say("SHOW WARNINGS").contains("'wrong'"));
    assert_eq!(session.say("SELECT @@warning_count"), "1");
}

fn a_long_variable_keeps_its_value(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.say("SELECT COUNT(*) FROM t");
    session.run(&format!("SET @a = '{}'", "x".repeat(9000)));
    assert_eq!(session.say("SELECT LENGTH(@a)"), "9000");
    session.run("SET @a = 'short'");
    session.say("SELECT COUNT(*) FROM t");
    assert_eq!(session.say("SELECT @a"), "short");
}

fn a_named_lock_ends_no_transaction(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.run("START TRANSACTION READ ONLY");
    session.say("SELECT COUNT(*) FROM t");
    session.say("DO (SELECT GET_LOCK('x', 0) FROM t WHERE a = 3 FOR UPDATE)");
    assert!(session.say("INSERT INTO t (b) VALUES ('refused')").starts_with("ERROR 1792"));
    session.run("COMMIT");
    session.run("INSERT INTO t (b) VALUES ('done')");
    session.say("SELECT RELEASE_ALL_LOCKS()");
}

/// What an execution with the cursor flag held is let go at once when it opened none, while the id is yet to be asked for.
fn an_id_is_asked_for_before_its_connection_goes_back(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut other = Raw::app(proxy.read_write);
    other.run("INSERT INTO log (n) VALUES (1)");
    let mut session = Raw::app(proxy.read_write);
    // The replica's connection lingers, as the session may ask it for its FOUND_ROWS().
    session.say("SELECT ROW_COUNT()");
    let id = session.prepare("INSERT INTO t (b) VALUES ('new')").unwrap();
    assert!(session.say("INSERT INTO log (a) VALUES (1)").starts_with("ERROR 1062"));
    let reply = session.ask(Command::StmtExecute, &execution(id, 1, &[]), Kind::Cursor).unwrap();
    assert_eq!(reply[0].payload[..3], [0, 1, 1], "one row, with the id 1");
    other.run("INSERT INTO log (n) VALUES (2), (3)");
    assert_eq!(session.say("SELECT ROW_COUNT()"), "1");
    assert_eq!(session.say("SELECT @@last_insert_id, @@identity"), "1 1");
}

/// A variable that is set to `NULL` keeps the type that it had: it must not be one that another session gave it.
fn a_variable_without_a_value_has_not_anothers_type(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let mut other = Raw::app(proxy.read_write);
    other.run("SET @y = 5");
    let mut direct = Raw::connect(cluster.primary().address(), &Who::named("app")).unwrap();
    let mut session = Raw::app(proxy.read_write);
    for nothing in ["NULL", "(NULL)"] {
        direct.run(&format!("SET @y = {nothing}"));
        session.run(&format!("SET @y = {nothing}"));
        assert_eq!(other.say("SELECT @y"), "5");
        assert_eq!(replied(&mut session, "SELECT @y"), replied(&mut direct, "SELECT @y"), "{nothing}");
    }
}

fn an_answer_from_what_was_kept_is_shown_as_the_proxys(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.say("SELECT CAST('wrong' AS SIGNED)");
    // The only connection to each member goes to another session.
    let mut other = Raw::app(proxy.read_write);
    other.run("INSERT INTO log (n) VALUES (1)");
    other.say("SELECT COUNT(*) FROM log");
    assert!(session.say("SHOW WARNINGS").contains("'wrong'"));
    let route = session.say("SHOW PROXY ROUTE");
    assert!(route.starts_with("proxy ") && route.contains(" diagnostics "), "{route}");
}

fn conditions_that_were_taken_away_are_not_counted(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.say("SELECT ROW_COUNT()");
    session.say("INSERT IGNORE INTO log (n) VALUES ('wrong')");
    // On MariaDB its text does not tell that it takes them away; it runs where they are, so nothing needs to be found out.
    session.say("INSERT INTO log (n) VALUES (1); INSERT INTO log (n) VALUES (2)");
    // The only connection to each member goes to another session.
    Raw::app(proxy.read_write).run("INSERT INTO log (n) VALUES (1)");
    assert_eq!(session.say("SHOW COUNT(*) WARNINGS"), "0");
}

fn an_id_that_was_made_is_known_behind_one_that_was_given(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    let (_, id, _) = session.change("INSERT INTO t VALUES (NULL, 'made')");
    session.run("INSERT INTO t VALUES (100, 'given')");
    assert_eq!(session.say("SELECT LAST_INSERT_ID()"), id.to_string());
}

fn several_statements_do_not_show_anothers_conditions(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    for question in ["SHOW WARNINGS; SELECT 1", "SHOW ERRORS; DO 1", "GET DIAGNOSTICS @n = NUMBER; SELECT @n"] {
        let mut session = Raw::app(proxy.read_write);
        {
            // It does not ask, and leaves.
            let mut other = Raw::app(proxy.read_write);
            replied(&mut other, "INSERT INTO log (missing) VALUES ('secret')");
        }
        wait_for("the connection is back", Duration::from_secs(10), || proxy.metric("mysql_proxy_clients") < 2.0);
        let heard = replied(&mut session, question).concat();
        assert!(!String::from_utf8_lossy(&heard).contains("missing"), "{question}: {}", heard.escape_ascii());
        if question.starts_with("GET") {
            assert_eq!(session.say("SELECT @n"), "0");
        }
    }
}

fn a_string_has_the_value_that_its_session_gave_it(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    let mut other = Raw::app(proxy.read_write);
    other.run("SET NAMES latin1");
    other.run("SET @t = 'é'");
    assert_eq!(other.say("SELECT CHAR_LENGTH(@t) FROM (SELECT 1) AS one"), "2");
    session.run("BEGIN");
    session.run("SET @t = 'é'");
    session.run("COMMIT");
    assert_eq!(session.say("SELECT CHAR_LENGTH(@t), CHARSET(@t) FROM (SELECT 1) AS one"), "1 utf8mb4");
    // A statement that was prepared under other character sets says nothing in them but itself.
    let mut session = Raw::app(proxy.read_write);
    session.run("SET NAMES latin1");
    let id = session.prepare("SELECT CONCAT(CHAR_LENGTH(@t)) FROM (SELECT 1) AS one").unwrap();
    session.run("SET NAMES utf8mb4");
    session.run("SET @t = 'é'");
    assert_eq!(session.execute_text(id, &[]).unwrap(), ["1"]);
    session.run("BEGIN");
    assert_eq!(session.execute_text(id, &[]).unwrap(), ["1"]);
    assert_eq!(session.say("SELECT CHAR_LENGTH(@t), CHARSET(@t)"), "1 utf8mb4");
}

fn found_rows_are_known_where_conditions_were_counted(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.say("SELECT ROW_COUNT()");
    session.run("INSERT INTO log (b) VALUES ('a'), ('b'), ('c'), ('d')");
    // On MariaDB what runs behind the first takes the conditions away that it raised.
    session.run("SET max_error_count = 1");
    for finds in [
        "SELECT SQL_CALC_FOUND_ROWS CAST(b AS SIGNED) FROM log LIMIT 3",
        "SELECT CAST('x' AS SIGNED); SELECT SQL_CALC_FOUND_ROWS b FROM log LIMIT 3",
    ] {
        session.say(finds);
        // The only connection to each member goes to another session.
        let mut other = Raw::app(proxy.read_write);
        other.run("INSERT INTO t (b) VALUES ('other')");
        other.say("SELECT COUNT(*) FROM log");
        assert_eq!(session.say("SELECT FOUND_ROWS()"), "4", "{finds}");
    }
    session.say("SELECT CAST('x' AS SIGNED)");
    session.say("SHOW COUNT(*) WARNINGS");
    assert_eq!(session.say("SELECT FOUND_ROWS()"), "1", "of the question");
}

/// The EOF behind its rows has no room for what a function has set.
fn what_a_function_sets_for_an_old_client_is_its_own(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let sets = "CREATE FUNCTION app.puts() RETURNS INT NO SQL BEGIN SET @secret = 42; SET time_zone = '+05:00'; \
                RETURN 1; END";
    Raw::connect(cluster.primary().address(), &Who::named("admin")).unwrap().run(sets);
    cluster.catch_up(1, Duration::from_secs(20)).unwrap();
    let old = Who { capabilities: USUAL - Capabilities::DEPRECATE_EOF, ..Who::named("app") };
    let seen = "SELECT COALESCE(@secret, 0), @@time_zone FROM (SELECT 1) AS one";
    let mut session = Raw::connect(proxy.read_write, &old).unwrap();
    session.say("SELECT puts()");
    // Until then the primary serves its reads, on the connection that it has just used.
    cluster.catch_up(1, Duration::from_secs(20)).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(session.say(seen), "42 +05:00");
    drop(session);
    let mut other = Raw::connect(proxy.read_write, &old).unwrap();
    other.run("BEGIN");
    other.run("INSERT INTO log (n) VALUES (1)");
    assert_eq!(other.say(seen), "0 SYSTEM");
    other.run("COMMIT");
    assert_eq!(other.say(seen), "0 SYSTEM");
}

/// The proxy waits two seconds for what it asks on its own account.
fn a_late_answer_is_nobodys(flavor: Flavor) {
    // MariaDB keeps its warnings where they are, and is not asked.
    let Some((mut cluster, proxy)) = shared(flavor).filter(|_| flavor == Flavor::MySql) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.run("BEGIN");
    session.run("INSERT INTO log (n) VALUES (1)");
    session.run("SET @s = 'abc'");
    // It warns, and what the string means must be asked.
    session.run("SET sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_DATE'");
    cluster.signal(0, Signal::Stop).unwrap();
    let heard = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(4));
            cluster.signal(0, Signal::Continue).unwrap();
        });
        session.say("INSERT INTO log (n) VALUES (2)")
    });
    assert!(heard.contains("did not come in time"), "{heard}");
    wait_for("the transaction is gone", Duration::from_secs(20), || {
        session.try_say("SELECT COUNT(*) FROM log FOR SHARE").is_ok_and(|said| said == "0")
    });
}
