//! What each statement leaves behind, and when that ends.

use super::{Isolation, Ledger, PinReason, Reply};
use crate::sql::{Dialect, ServerKind, classify};

const OK: Reply<'static> = Reply {
    ok: true,
    in_transaction: false,
    state_changed: false,
    explained: false,
    told_apart: None,
    trackers_available: true,
};
const CHANGED: Reply<'static> = Reply { state_changed: true, ..OK };

fn run(ledger: &mut Ledger, sql: &str, reply: Reply<'_>) {
    ledger.after(&classify(sql.as_bytes(), &Dialect::default()), sql.as_bytes(), &reply);
}

/// The pins after each statement of the text (separated by `//`), as names.
fn pins(statements: &str) -> Vec<&'static str> {
    let mut ledger = Ledger::default();
    for sql in statements.split("//") {
        run(&mut ledger, sql.trim(), OK);
    }
    ledger.pins.iter().map(PinReason::name).collect()
}

#[test]
fn each_pin_begins_and_ends_with_its_cause() {
    let none: [&str; 0] = [];
    for (statements, held) in [
        ("CREATE TEMPORARY TABLE a (i INT)", &["temporary_table"][..]),
        ("CREATE TEMPORARY TABLE a (i INT) // DROP TABLE a", &none),
        ("CREATE TEMPORARY TABLE a (i INT) // DROP TEMPORARY TABLE IF EXISTS `A`", &none),
        ("CREATE TEMPORARY TABLE IF NOT EXISTS d.a (i INT) // DROP TABLE d . a, b", &none),
        ("CREATE TEMPORARY TABLE a (i INT) // CREATE TEMPORARY TABLE b LIKE x // DROP TABLE a", &["temporary_table"]),
        ("CREATE TEMPORARY TABLE a (i INT) // DROP TABLE other.a", &["temporary_table"]),
        ("CREATE TEMPORARY TABLE a (i INT) // USE other // DROP TABLE a", &["temporary_table"]),
        ("CREATE TEMPORARY TABLE a (i INT) // USE other // DROP TEMPORARY TABLE d.a", &none),
        ("CREATE TEMPORARY TABLE a (i INT) // ALTER TABLE a RENAME b // DROP TABLE a", &["temporary_table"]),
        ("SELECT GET_LOCK('x', 1)", &["get_lock"]),
        ("SELECT GET_LOCK('x', 1) // SELECT RELEASE_LOCK('y')", &["get_lock"]),
        ("SELECT GET_LOCK('x', 1) AS l // DO RELEASE_LOCK('x')", &none),
        ("SELECT GET_LOCK('x', 1) // SELECT GET_LOCK('x', 1) // SELECT RELEASE_LOCK('x')", &["get_lock"]),
        ("SELECT GET_LOCK(a, 1) FROM t // SELECT RELEASE_LOCK('x')", &["get_lock"]),
        ("SELECT GET_LOCK(a, 1) FROM t // SELECT RELEASE_ALL_LOCKS()", &none),
        ("PREPARE s FROM 'SELECT 1' // EXECUTE s", &["prepared_statement"]),
        ("PREPARE s FROM 'SELECT 1' // DEALLOCATE PREPARE S", &none),
        ("PREPARE s FROM 'SELECT 1' // DROP PREPARE s", &none),
        ("HANDLER t OPEN AS h // HANDLER h READ FIRST", &["handler"]),
        ("HANDLER d.t OPEN // HANDLER t CLOSE", &none),
        ("LOCK TABLES t READ", &["lock_tables"]),
        ("LOCK TABLES t READ // UNLOCK TABLES", &none),
        ("LOCK TABLES t READ // BEGIN", &none),
        ("FLUSH TABLES WITH READ LOCK // BEGIN", &["lock_tables"]),
        ("FLUSH TABLES WITH READ LOCK // UNLOCK TABLES", &none),
        ("LOCK INSTANCE FOR BACKUP", &["backup_lock"]),
        ("LOCK INSTANCE FOR BACKUP // UNLOCK INSTANCE", &none),
        ("BACKUP STAGE START // BACKUP STAGE END", &none),
        ("BACKUP LOCK t // BACKUP UNLOCK", &none),
        ("XA START 'x' // XA END 'x'", &["xa"]),
        ("XA START 'x' // XA END 'x' // XA PREPARE 'x'", &none),
        ("XA START 'x' // XA END 'x' // XA PREPARE 'x' // XA COMMIT 'x'", &none),
        ("SET @x = 1", &none),
        ("SET @x = 1 + 1", &["user_variable"]),
        ("SET @x = 1 + 1 // SET @X = 2", &none),
        ("SELECT @x := 1", &["user_variable"]),
        ("SELECT 1 INTO @x // SET @x = 5", &none),
        // Its type stands there until it has been asked for.
        ("SELECT 1 INTO @x // SET @x = NULL", &["user_variable"]),
        ("SET sql_log_bin = 0", &["session_setting"]),
        ("SET sql_log_bin = 0 // SET SESSION sql_log_bin = ON", &none),
        ("SET @@session.gtid_next = 'AUTOMATIC'", &none),
        ("SET gtid_next = 'x:1', profiling = 1 // SET profiling = 0", &["session_setting"]),
        ("SET TRANSACTION READ ONLY", &["next_transaction"]),
        ("SET TRANSACTION READ ONLY // START TRANSACTION", &none),
        ("SET TRANSACTION READ ONLY // SELECT 1", &["next_transaction"]),
        ("SET TRANSACTION READ ONLY // SELECT * FROM t", &["next_transaction"]),
        ("SET @x = 1; SET @y = f(1)", &["user_variable"]),
        ("CREATE PROCEDURE p() BEGIN SET @x = f(1); SELECT 1; END", &none),
        ("/*!40101 SET @x = 1 */", &["user_variable"]),
        ("SELECT 1", &none),
    ] {
        assert_eq!(pins(statements), held, "{statements}");
    }
}

#[test]
fn literals_are_kept_for_replay() {
    let mut ledger = Ledger::default();
    run(&mut ledger, "SET @a = _utf8mb4'x' COLLATE utf8mb4_bin, @`B c` := -1.5", OK);
    let literals: Vec<_> = ledger.user_variables.literals().collect();
    let kept: [(&[u8], &[u8]); 2] = [(b"a", b"_utf8mb4'x' COLLATE utf8mb4_bin"), (b"B c", b"-1.5")];
    assert_eq!(literals, kept);
}

#[test]
fn what_the_text_does_not_tell_pins() {
    let pinned = |sql: &str, reply: Reply| {
        let mut ledger = Ledger::default();
        run(&mut ledger, sql, reply);
        ledger.pins.iter().map(PinReason::name).collect::<Vec<_>>()
    };
    assert_eq!(pinned("CALL p()", OK), Vec::<&str>::new());
    assert_eq!(pinned("CALL p()", CHANGED), ["stored_procedure"]);
    assert_eq!(pinned("CALL p()", Reply { trackers_available: false, ..OK }), ["stored_procedure"]);
    assert_eq!(pinned("SELECT f()", CHANGED), ["unknown_state"]);
    let explained = Reply { explained: true, ..CHANGED };
    assert_eq!(pinned("INSERT INTO t VALUES (1)", explained), Vec::<&str>::new());
    assert_eq!(pinned("SELECT f()", explained), ["unknown_state"], "it may have set user variables besides");
    assert_eq!(pinned("SET @x = 1; SELECT 2", CHANGED), Vec::<&str>::new());
    for hidden in ["SELECT f()", "SELECT a FROM v", "CALL p(@a)", "SET @y = f()"] {
        let pins = pinned(&format!("SET @x = 1; {hidden}"), CHANGED);
        assert!(pins.contains(&"unknown_state"), "{hidden}: {pins:?}");
    }
    assert_eq!(pinned("INSERT INTO t VALUES (@x); CALL p()", CHANGED), ["unknown_state"]);
    assert_eq!(pinned("SET sql_mode = ''", CHANGED), Vec::<&str>::new());
}

#[test]
fn what_is_set_for_one_read_is_over_with_it() {
    let pinned = |sql: &str| {
        let mut ledger = Ledger::default();
        let dialect = Dialect { server: ServerKind::MariaDb, ..Dialect::default() };
        ledger.after(&classify(sql.as_bytes(), &dialect), sql.as_bytes(), &CHANGED);
        ledger.pins.iter().map(PinReason::name).collect::<Vec<_>>()
    };
    for sql in ["SELECT a FROM t", "SHOW TABLES", "SELECT a FROM t FOR UPDATE"] {
        assert_eq!(pinned(&format!("SET STATEMENT max_statement_time = 1 FOR {sql}")), Vec::<&str>::new(), "{sql}");
    }
    for sql in ["SELECT f()", "INSERT INTO t VALUES (1)"] {
        assert_eq!(pinned(&format!("SET STATEMENT max_statement_time = 1 FOR {sql}")), ["unknown_state"], "{sql}");
    }
}

#[test]
fn the_next_transaction_is_remembered() {
    let mut ledger = Ledger::default();
    run(&mut ledger, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY", OK);
    assert_eq!(ledger.next_transaction.isolation, Some(Isolation::ReadCommitted));
    assert_eq!(ledger.next_transaction.read_only, Some(true));
    run(&mut ledger, "SET @@transaction_isolation = 'SERIALIZABLE'", OK);
    assert_eq!(ledger.next_transaction.isolation, Some(Isolation::Serializable));
    ledger.reset();
    assert!(ledger.next_transaction.is_empty() && ledger.pins.is_empty());
}

#[test]
fn memory_is_bounded() {
    let mut ledger = Ledger::default();
    for i in 0..10_000 {
        run(&mut ledger, &format!("CREATE TEMPORARY TABLE t{i} (a INT)"), OK);
        run(&mut ledger, &format!("SET @v{i} = 1"), OK);
    }
    assert!(ledger.pins.contains(PinReason::UnknownState));
    assert!(ledger.pins.contains(PinReason::TemporaryTable));
}

#[test]
fn what_waits_for_the_next_transaction_is_in_doubt_when_its_text_failed() {
    let mut ledger = Ledger::default();
    run(&mut ledger, "SET TRANSACTION READ ONLY", OK);
    assert!(!ledger.next_transaction.doubted);
    run(&mut ledger, "COMMIT", OK);
    run(&mut ledger, "UPDATE t SET nothing = 1; SET TRANSACTION READ ONLY", Reply { ok: false, ..OK });
    assert!(ledger.next_transaction.doubted && ledger.pins.contains(PinReason::NextTransaction));
}

#[test]
fn what_a_prepared_set_makes_is_asked_for() {
    let mut ledger = Ledger::default();
    run(&mut ledger, "PREPARE q FROM 'SET @z = 5'", OK);
    run(&mut ledger, "PREPARE r FROM 'SELECT 1, @x = 5'", OK);
    assert_eq!(ledger.user_variables.unread().collect::<Vec<_>>(), [b"@`z`"]);
}

#[test]
fn a_set_transaction_is_read_without_its_comments() {
    let mut ledger = Ledger::default();
    run(&mut ledger, "SET TRANSACTION ISOLATION LEVEL READ /* c */ COMMITTED /* not read-only */", OK);
    assert_eq!(ledger.next_transaction.isolation, Some(Isolation::ReadCommitted));
    assert_eq!(ledger.next_transaction.read_only, None);
    run(&mut ledger, "SET SESSION TRANSACTION READ WRITE", OK);
    assert!(ledger.next_transaction.doubted, "it overwrites what waits");
    run(&mut ledger, "DELETE FROM t", OK);
    assert!(ledger.next_transaction.is_empty() && ledger.take_waited_in_vain() && !ledger.take_waited_in_vain());
}

#[test]
fn of_several_results_each_is_explained_by_its_own_statement() {
    use crate::wire::ok::StateTold;
    let by = |first, last, named| StateTold { first, last, named };
    let pinned = |sql: &str, states: Option<&[StateTold]>| {
        let mut ledger = Ledger::default();
        run(&mut ledger, sql, Reply { told_apart: states, explained: true, ..CHANGED });
        ledger.pins.contains(PinReason::UnknownState)
    };
    let save = "SET autocommit = 1; INSERT INTO t VALUES (1); SELECT a FROM t";
    for (sql, states, expected) in [
        (save, Some(&[by(0, 0, true)][..]), false),
        (save, Some(&[by(0, 0, true), by(1, 1, true)]), false),
        (save, None, true),
        (save, Some(&[by(0, 0, true), by(1, 1, false)]), true),
        (save, Some(&[by(0, 0, true), by(2, 2, false)]), true),
        (save, Some(&[by(0, 1, true)]), true),
        (save, Some(&[by(0, 3, true)]), true),
        ("SET a = 1; SELECT f()", Some(&[by(0, 0, true), by(1, 1, true)]), true),
        ("SET a = 1; SELECT f()", Some(&[by(0, 0, true)]), false),
        ("SET a = 1; CALL p()", Some(&[by(0, 0, true)]), true),
    ] {
        assert_eq!(pinned(sql, states), expected, "{sql} {states:?}");
    }
}
