//! MySQL 5.6: no session trackers, no `COM_RESET_CONNECTION`, `mysql_native_password` alone. Sessions through the proxy are
//! none the worse for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::format_push_string)]

#[path = "mysql56/servers.rs"]
mod servers;
mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use mysql_proxy::wire::login::Login;
use mysql_proxy::wire::{Capabilities, Command, Extensions, auth};
use servers::Servers;
use support::raw::{Raw, USUAL, Who, greeted};
use support::reply::Kind;
use support::{Proxy, wait_for};

const SOON: Duration = Duration::from_secs(20);
/// Two connections to each member, so that sessions share them all the time.
const NARROW: &str = "[pool]\nmax_backend_connections = 2\n";

fn before(servers: &Servers, adjust: &str) -> Proxy {
    let mut proxy = Proxy::launch_before(servers.addresses(), adjust);
    proxy.wait_until_ready();
    proxy
}

fn reason(session: &mut Raw) -> String {
    session.say("SHOW PROXY ROUTE").split(' ').nth(2).unwrap().to_owned()
}

/// A login to a server itself.
fn direct(address: SocketAddr) -> Raw {
    Raw::connect(address, &Who::named("app")).unwrap()
}

/// Every session variable.
fn variables(session: &mut Raw, hint: &str) -> BTreeMap<String, String> {
    let said = session.say(&format!("{hint}SHOW SESSION VARIABLES"));
    assert!(!said.starts_with("ERROR"), "{said}");
    said.split('|').filter_map(|row| row.split_once(' ')).map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn reads_are_split_from_writes_and_transactions() {
    let Some(servers) = Servers::start() else { return };
    let proxy = before(&servers, "");
    let primary = servers.addresses()[0];
    let mut session = Raw::app(proxy.read_write);
    for (absent, name) in [(Capabilities::SESSION_TRACK, "trackers"), (Capabilities::DEPRECATE_EOF, "no EOF")] {
        assert!(!session.greeting.capabilities.contains(absent), "{name}");
    }
    assert!(session.greeting.version.starts_with("5.6."), "{}", session.greeting.version);
    assert_eq!(session.say("SELECT 'first read'"), "first read");
    assert_ne!(session.served_by(), primary);
    session.run("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(20)) ENGINE=InnoDB");
    assert_eq!(session.change("INSERT INTO t (b) VALUES ('one'), ('two')"), (2, 1, 0));
    assert_eq!(session.served_by(), primary);
    assert_eq!(session.say("SELECT LAST_INSERT_ID()"), "1");
    wait_for("a read on a replica", SOON, || {
        assert_eq!(session.say("SELECT b FROM t"), "one|two");
        session.served_by() != primary
    });
    // Transactions are seen by the status flags.
    session.run("BEGIN");
    assert_eq!(session.say("SELECT 'in a transaction'"), "in a transaction");
    assert_eq!(reason(&mut session), "in_transaction");
    session.run("COMMIT");
    session.run("SET autocommit = 0");
    assert_eq!(session.say("SELECT 'without autocommit'"), "without autocommit");
    assert_eq!(reason(&mut session), "autocommit_off");
    session.run("ROLLBACK");
    session.run("SET autocommit = 1");
    let mut reader = Raw::app(proxy.read_write);
    reader.run("START TRANSACTION READ ONLY");
    assert_eq!(reader.say("SELECT 'read only'"), "read only");
    assert_eq!(reason(&mut reader), "read_only_transaction");
    assert_eq!(reader.say("DELETE FROM t").split(':').next(), Some("ERROR 1792 (25006)"));
    reader.run("COMMIT");
    // The first read of a read-only session opens such a transaction.
    reader.run("SET autocommit = 0");
    for (begin, end) in [
        ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE"),
        ("SET SESSION tx_read_only = 1", "SET SESSION tx_read_only = 0"),
        ("SET TRANSACTION READ ONLY", "DO 0"),
    ] {
        reader.run(begin);
        reader.say("SELECT 'read only', b FROM t");
        assert_eq!(reason(&mut reader), "read_only_transaction", "{begin}");
        assert_ne!(reader.served_by(), primary, "{begin}");
        assert_eq!(reader.say("DELETE FROM t").split(':').next(), Some("ERROR 1792 (25006)"), "{begin}");
        reader.run("COMMIT");
        reader.run(end);
        reader.say("SELECT 'read and write', b FROM t");
        assert_eq!(reason(&mut reader), "autocommit_off", "{begin}");
        reader.run("COMMIT");
    }
    // Prepared statements.
    let insert = session.prepare("INSERT INTO t (b) VALUES (?)").unwrap();
    let select = session.prepare("SELECT b FROM t WHERE b = ?").unwrap();
    drop(session.execute_text(insert, &["three"]).unwrap());
    assert_eq!(session.execute_text(select, &["three"]).unwrap(), ["three"]);
    // The members' own logs say the same.
    let ran = |marker: &str| [0, 1, 2].map(|index| servers.run_by_app(index, marker).len());
    let [on_primary, one, other] = ran("first read");
    assert_eq!((on_primary, one + other), (0, 1));
    assert_eq!(ran("in a transaction"), [1, 0, 0]);
    assert_eq!(ran("without autocommit"), [1, 0, 0]);
    assert_eq!(ran("read only'")[0], 0);
}

/// What sessions set, in every form.
const SETTINGS: &[&str] = &[
    "SET NAMES latin1",
    "SET NAMES 'utf8'",
    "SET NAMES utf8 COLLATE utf8_bin",
    "SET NAMES utf8mb4 COLLATE 'utf8mb4_unicode_ci'",
    "SET NAMES DEFAULT",
    "SET CHARACTER SET latin1",
    "SET CHARSET utf8",
    "SET CHARACTER SET DEFAULT",
    "SET character_set_results = NULL",
    "SET character_set_results = latin1, character_set_client = 'utf8'",
    "SET character_set_connection = 'latin1'",
    "SET collation_connection = 'latin1_german1_ci'",
    "SET @@collation_connection = utf8_general_ci",
    "SET collation_server = 'latin1_danish_ci', character_set_database = cp1251",
    "SET time_zone = '+05:00'",
    "SET SESSION time_zone = \"-03:30\"",
    "SET @@session.time_zone := 'SYSTEM'",
    "SET @@time_zone = '+01:00', SESSION sql_mode = '', LOCAL sort_buffer_size = 100000",
    "SET sql_mode = 'ANSI'",
    "SET sql_mode = ANSI_QUOTES",
    "SET sql_mode = 4",
    "SET sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')",
    "SET @@SESSION.sql_mode = DEFAULT",
    "SET sort_buffer_size = 1024 * 1024 * 2",
    "SET sort_buffer_size = 1",
    "SET sort_buffer_size = 0x100000",
    "SET sort_buffer_size = DEFAULT",
    "SET max_join_size = 1000",
    "SET max_join_size = DEFAULT, sql_big_selects = 0",
    "SET sql_auto_is_null = 1, unique_checks = OFF, foreign_key_checks = false",
    "SET sql_safe_updates = 'ON'",
    "SET SESSION long_query_time = 0.25",
    "SET wait_timeout = 1000, interactive_timeout = (SELECT 2000)",
    "SET storage_engine = MyISAM",
    "SET default_storage_engine = 'MEMORY'",
    "SET storage_engine = MEMORY, default_storage_engine = MyISAM",
    "SET lc_time_names = 'de_DE'",
    "SET lc_time_names = 3",
    "SET optimizer_switch = 'mrr=off,semijoin=off'",
    "SET group_concat_max_len = 18446744073709551615",
    "SET div_precision_increment = @@div_precision_increment + 2",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE",
    "SET tx_isolation = 'READ-UNCOMMITTED'",
    "SET SESSION tx_read_only = 1",
    "SET autocommit = 0",
    "SET completion_type = CHAIN",
    "SET SESSION innodb_lock_wait_timeout = 7",
    "SET @@innodb_lock_wait_timeout = 8",
    "SET `innodb_lock_wait_timeout` = 9",
    "/*!40101 SET time_zone = '+02:00' */",
    "SET /*!50000 SESSION */ time_zone = '+03:00'",
    "SET SQL_QUOTE_SHOW_CREATE = 0; SET low_priority_updates = 1, @x = 5; DO 1",
    "SET time_zone = '+04:00', sort_buffer_size = 'nonsense'",
    "SET time_zone = '+06:00'; SELECT nonsense",
    "SET query_alloc_block_size = 4096, tmp_table_size = 2097152, max_heap_table_size = 2097152",
    "USE mysql",
    "USE `mysql` ; SET time_zone = '+09:00'",
];

#[test]
fn every_setting_is_carried_and_nobody_elses_is() {
    let Some(servers) = Servers::start() else { return };
    let proxy = before(&servers, NARROW);
    let [primary, replica, _] = *servers.addresses() else { panic!() };
    // What is not the session's own: two fresh sessions on two servers differ in it, or it is the connection's.
    let fresh = variables(&mut direct(primary), "");
    let elsewhere = variables(&mut direct(replica), "");
    let counts = |name: &&String| {
        fresh.get(*name) == elsewhere.get(*name)
            && !["timestamp", "rand_seed1", "rand_seed2", "pseudo_thread_id"].contains(&name.as_str())
    };
    let names: Vec<&String> = fresh.keys().filter(counts).collect();
    let differences = |seen: &BTreeMap<String, String>, expected: &BTreeMap<String, String>| -> Vec<String> {
        let differs = |name: &&&String| seen.get(**name) != expected.get(**name);
        let show = |name: &&String| format!("{name}: {:?}, expected {:?}", seen.get(*name), expected.get(*name));
        names.iter().filter(differs).map(show).collect()
    };
    let mut other = Raw::app(proxy.read_write);
    for sql in SETTINGS {
        let mut here = direct(primary);
        let mut through = Raw::app(proxy.read_write);
        assert_eq!(through.say(sql), here.say(sql), "{sql}");
        let warnings = "SHOW WARNINGS";
        assert_eq!(through.say(warnings), here.say(warnings), "{sql}");
        let expected = variables(&mut here, "");
        let free = !sql.contains("autocommit") && !sql.contains("SERIALIZABLE");
        for hint in ["", "/* proxy:primary */ ", ""] {
            // What may have written is served by the primary until a replica is known to have it.
            wait_for("a read on a replica", SOON, || {
                drop(through.say("SELECT 1"));
                !free || through.served_by() != primary
            });
            let differs = differences(&variables(&mut through, hint), &expected);
            let on_primary = through.served_by() == primary;
            assert_eq!(on_primary, !free || !hint.is_empty(), "{sql}, {hint}: {}", through.say("SHOW PROXY ROUTE"));
            assert!(differs.is_empty(), "{sql}, {hint}: {differs:?} at {}", through.say("SHOW PROXY ROUTE"));
            // Another session on the same connections has nothing of it.
            let theirs = differences(&variables(&mut other, hint), &fresh);
            assert!(theirs.is_empty(), "seen by another session after {sql}: {theirs:?}");
        }
        assert_eq!(through.say("SELECT DATABASE()"), here.say("SELECT DATABASE()"), "{sql}");
        let route = through.say("SHOW PROXY ROUTE");
        assert_eq!(route.starts_with("replica "), free, "{sql}: {route}");
    }
}

#[test]
fn what_cannot_be_told_keeps_its_connection_as_long_as_it_lasts() {
    let Some(servers) = Servers::start() else { return };
    servers.sql(
        0,
        "DELIMITER //
         CREATE PROCEDURE app.sets() BEGIN SET @left = 1; SET SESSION sort_buffer_size = 333333; END//
         CREATE PROCEDURE app.fails() BEGIN CALL app.sets(); SIGNAL SQLSTATE '45000'; END//
         CREATE FUNCTION app.setting() RETURNS INT NO SQL BEGIN SET @left = 2; SET SESSION sort_buffer_size = 444444; \
         RETURN 1; END//
         CREATE TABLE app.triggering (a INT)//
         CREATE TRIGGER app.triggered BEFORE INSERT ON app.triggering FOR EACH ROW \
         BEGIN SET @left = 3; SET SESSION sort_buffer_size = 555555; END//",
    );
    servers.catch_up();
    let proxy = before(&servers, NARROW);
    let pinned = |session: &mut Raw| {
        drop(session.say("SELECT 1"));
        reason(session) == "pinned"
    };
    let usual = direct(servers.addresses()[0]).say("SELECT @left, @@sort_buffer_size");

    let mut session = Raw::app(proxy.read_write);
    session.run("CALL sets()");
    assert!(pinned(&mut session));
    assert_eq!(session.say("SELECT @left, @@sort_buffer_size"), "1 333333");
    session.change_user(&Who::named("app")).unwrap();
    assert!(!pinned(&mut session));
    assert_eq!(session.say("/* proxy:primary */ SELECT @left, @@sort_buffer_size"), usual);

    for sql in [
        "CALL sets()",
        "SELECT 1; CALL sets()",
        "CALL fails()",
        "SELECT setting()",
        "DO setting()",
        "INSERT INTO triggering VALUES (1)",
        "SELECT 1; INSERT INTO triggering VALUES (1)",
    ] {
        drop(Raw::app(proxy.read_write).say(sql));
        for _ in 0..3 {
            let mut other = Raw::app(proxy.read_write);
            assert_eq!(other.say("/* proxy:primary */ SELECT @left, @@sort_buffer_size"), usual, "after {sql}");
        }
    }

    let mut session = Raw::app(proxy.read_write);
    for (begins, ends) in [
        ("SET @x = 1 + 1", "SET @x = 3"),
        ("SET profiling = 1", "SET profiling = 0"),
        ("CREATE TEMPORARY TABLE temporary (a INT)", "DROP TEMPORARY TABLE temporary"),
        ("SELECT GET_LOCK('mine', 0)", "SELECT RELEASE_LOCK('mine')"),
        ("PREPARE s FROM 'SELECT 1'", "DEALLOCATE PREPARE s"),
        ("LOCK TABLES mysql.user READ", "UNLOCK TABLES"),
    ] {
        assert!(!session.say(begins).starts_with("ERROR"), "{begins}");
        assert!(pinned(&mut session) || begins.starts_with("LOCK"), "{begins}");
        assert!(!session.say(ends).starts_with("ERROR"), "{ends}");
        assert!(!pinned(&mut session), "{ends}");
    }
    assert_eq!(session.say("SELECT @x"), "3");
}

#[test]
fn a_reset_is_what_the_server_makes_of_it() {
    let Some(servers) = Servers::start() else { return };
    let proxy = before(&servers, NARROW);
    let mut through = Raw::app(proxy.read_write);
    let mut here = direct(servers.addresses()[0]);
    let reset = |session: &mut Raw| session.ask(Command::ResetConnection, b"", Kind::One).unwrap();
    through.run("SET time_zone = '+05:00'");
    assert_eq!(reset(&mut through), reset(&mut here));
    assert_eq!(through.say("SELECT @@time_zone, DATABASE()"), "+05:00 app");
    // The pool resets connections in its own way; the database goes with it.
    for round in 0..6 {
        let database = if round % 2 == 0 { Some("mysql") } else { None };
        let mut other = Raw::connect(proxy.read_write, &Who { database, ..Who::named("app") }).unwrap();
        assert_eq!(other.say("SELECT DATABASE(), @@time_zone"), format!("{} SYSTEM", database.unwrap_or("NULL")));
        other.run("SET @left = 5");
        assert_eq!(through.say("SELECT @@time_zone, DATABASE(), @left"), "+05:00 app NULL");
    }
    // A database that is dropped is left.
    through.run("CREATE DATABASE gone");
    assert!(through.say("USE gone").starts_with("OK"));
    through.run("DROP DATABASE gone");
    servers.catch_up();
    assert_eq!(through.say("SELECT DATABASE()"), "NULL");
    assert_eq!(through.say("/* proxy:primary */ SELECT DATABASE()"), "NULL");
    drop(through.ask(Command::InitDb, b"app", Kind::One).unwrap());
    assert_eq!(through.say("SELECT DATABASE()"), "app");
}

#[test]
fn questions_about_the_statement_before_are_answered_as_by_one_server() {
    let Some(servers) = Servers::start() else { return };
    servers.sql(
        0,
        "CREATE TABLE app.pets (a INT PRIMARY KEY AUTO_INCREMENT, b INT); INSERT INTO app.pets (b) VALUES (1), (2)",
    );
    servers.catch_up();
    let proxy = before(&servers, NARROW);
    for before in [
        "SET time_zone = '+05:00'",
        "SET NAMES latin1",
        "SET sql_mode = CONCAT(@@sql_mode, ',ANSI')",
        "USE app",
        "SET nonsense = 1",
        "SELECT a FROM pets",
        "UPDATE pets SET b = b + 1",
        "SELECT LAST_INSERT_ID(7)",
        "INSERT INTO pets (b) VALUES (3)",
    ] {
        for question in ["SELECT ROW_COUNT()", "SHOW WARNINGS", "SELECT LAST_INSERT_ID()"] {
            let mut through = Raw::app(proxy.read_write);
            let mut here = direct(servers.addresses()[0]);
            // A table for each, as both write.
            here.run("CREATE TEMPORARY TABLE copy LIKE pets");
            here.run("INSERT INTO copy SELECT * FROM pets");
            drop((here.say(&before.replace("pets", "copy")), through.say(before)));
            let (expected, heard) = (here.say(question), through.say(question));
            assert_eq!(heard, expected, "{question} behind {before}");
        }
    }
}

#[test]
fn no_session_misses_its_own_writes_on_replicas_2_s_late() {
    let Some(servers) = Servers::start() else { return };
    servers.sql(
        0,
        "CREATE TABLE app.t (a INT PRIMARY KEY); CREATE TRIGGER app.more BEFORE DELETE ON app.t FOR EACH ROW \
                    SET @deleted = OLD.a; CREATE PROCEDURE app.put(n INT) INSERT INTO app.t VALUES (n)",
    );
    servers.catch_up();
    servers.delay(Duration::from_secs(2));
    let proxy = before(&servers, "");
    let primary = servers.addresses()[0];
    let mut session = Raw::app(proxy.read_write);
    let insert = session.prepare("INSERT INTO t VALUES (?)").unwrap();
    for number in 1..=40_u64 {
        let sql = format!("INSERT INTO t VALUES ({number})");
        match number % 4 {
            0 => session.run(&sql),
            1 => {
                for sql in ["BEGIN", &sql, "COMMIT"] {
                    session.run(sql);
                }
            }
            2 => assert_eq!(session.say(&format!("SET autocommit = 0; {sql}; SET autocommit = 1")), "OK;OK;OK"),
            _ => drop(session.execute_text(insert, &[&number.to_string()]).unwrap()),
        }
        assert_eq!(session.number("SELECT COUNT(*) FROM t"), number, "{}", session.say("SHOW PROXY ROUTE"));
    }
    session.run("CALL put(41)");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 41);
    session.change_user(&Who::named("app")).unwrap();
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 41, "after a change of user");
    let mut session = Raw::app(proxy.read_write);
    for number in 100..130_u64 {
        session.run(&format!("INSERT INTO t VALUES ({number})"));
        assert_eq!(session.number(&format!("SELECT COUNT(*) FROM t WHERE a = {number}")), 1);
    }
    // The replicas are late indeed, and serve the session again when they have caught up.
    let mut bystander = Raw::app(proxy.read_write);
    let seen = bystander.number("SELECT COUNT(*) FROM t WHERE a >= 100");
    assert!(bystander.served_by() != primary && seen < 30, "{seen}");
    wait_for("a read on a replica", SOON, || {
        assert_eq!(session.number("SELECT COUNT(*) FROM t WHERE a >= 100"), 30);
        session.served_by() != primary
    });
}

#[test]
fn clients_that_know_no_newer_method_come_in() {
    let Some(servers) = Servers::start() else { return };
    let proxy = before(&servers, "");
    for (password, comes_in) in [("app", true), ("wrong", false)] {
        let mut client = greeted(proxy.read_write).unwrap().unwrap();
        // The libraries of that time answer to the one method that they know, which is what the greeting names.
        assert_eq!(client.greeting.plugin, "mysql_native_password");
        let login = Login {
            capabilities: USUAL,
            extensions: Extensions::empty(),
            max_packet: 1 << 24,
            collation: 33,
            user: b"app".to_vec(),
            response: auth::native(password.as_bytes(), &client.greeting.salt),
            database: None,
            plugin: Some("mysql_native_password".to_owned()),
            attributes: None,
        };
        client.capabilities &= USUAL;
        client.write(1, &login.encode()).unwrap();
        let salt = client.greeting.salt;
        match client.prove(password, salt).unwrap() {
            Ok(()) if comes_in => assert_eq!(client.say("SELECT @@collation_connection"), "utf8_general_ci"),
            Err(error) if !comes_in => assert_eq!(error.code, 1045),
            other => panic!("{password}: {other:?}"),
        }
    }
}

#[test]
fn a_password_of_the_old_format_is_refused_clearly() {
    let Some(servers) = Servers::start() else { return };
    servers.sql(
        0,
        "SET GLOBAL secure_auth = 0; CREATE USER old@'%' IDENTIFIED WITH mysql_old_password; SET old_passwords = 1; \
         SET PASSWORD FOR old@'%' = OLD_PASSWORD('old')",
    );
    let proxy = before(&servers, "[pool]\nacquire_timeout = '1s'\n");
    let error = Raw::connect(proxy.read_write, &Who::named("old")).err().unwrap().to_string();
    assert!(
        error.contains(
            "the account uses the authentication method 'mysql_old_password', which mysql-proxy does not speak"
        ),
        "{error}"
    );
}
