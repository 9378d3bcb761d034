//! Whatever the bytes, they are read without a panic, and no reading is bolder than it may be.

#![allow(clippy::expect_used, clippy::panic)] // A test says so when its own table is wrong.

use mysql_proxy::explain::explain;
use mysql_proxy::route::Target;
use mysql_proxy::session::{Consistency, Ledger, Reply};
use mysql_proxy::sql::{Dialect, ServerKind, TextEncoding, classify, classify_prefix};
use proptest::prelude::*;

/// Pieces of statements that are treacherous together.
const PIECES: &[&str] = &[
    "SELECT ",
    "select",
    "1",
    "a",
    "FROM t",
    ",",
    "*",
    "(",
    ")",
    "()",
    " ",
    "/**/",
    "/* x */",
    "/*",
    "*/",
    "-- ",
    "--",
    "#",
    "\n",
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "'x'",
    "`a`",
    "now()",
    "f()",
    "FOR",
    " UPDATE ",
    "FOR UPDATE",
    "LOCK IN SHARE MODE",
    "/*!",
    "/*!50000 ",
    "/*!99999 ",
    "/*M!",
    ";",
    "DELETE FROM w",
    "INSERT INTO w VALUES (1)",
    "WITH c (a, b) AS (",
    "1.",
    "1e",
    "1e+5",
    ".5",
    "0x41",
    "@x",
    "@@sql_mode",
    "@",
    "@@",
    ":=",
    "$$",
    "db.f(",
    "SET ",
    "SET @x = ",
    "SET STATEMENT a=1 FOR ",
    "KILL ",
    "EXPLAIN ",
    "ANALYZE ",
    "SHOW ",
    "CREATE TEMPORARY TABLE ",
    "DROP TABLE ",
    "GET_LOCK('a',1)",
    "HANDLER t OPEN ",
    "BEGIN ",
    "NOT ATOMIC ",
    "XA ",
    "PREPARE s FROM ",
    "TRANSACTION ",
    "NAMES ",
    "=",
    "=1",
    "é",
    "\u{a0}",
    "\0",
];

fn dialects() -> impl Strategy<Value = Dialect> {
    let server = prop_oneof![Just(ServerKind::Unknown), Just(ServerKind::MySql), Just(ServerKind::MariaDb)];
    let encoding = prop_oneof![
        Just(TextEncoding::AsciiSafe),
        Just(TextEncoding::Latin1),
        Just(TextEncoding::Treacherous),
        Just(TextEncoding::Unknown)
    ];
    (server, encoding, any::<(bool, bool, bool, bool)>()).prop_map(|(server, encoding, modes)| Dialect {
        server,
        encoding,
        ansi_quotes: modes.0,
        no_backslash_escapes: modes.1,
        ignore_space: modes.2,
        oracle: modes.3,
        ..Dialect::default()
    })
}

fn mixtures() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat().into_bytes())
}

/// Reads, and lets the ledger learn, in the ways the proxy does.
fn exercise(sql: &[u8], dialect: Dialect) {
    let statement = classify(sql, &dialect);
    let mut ledger = Ledger::default();
    for reply in [
        Reply { ok: true, trackers_available: true, ..Reply::default() },
        Reply { ok: false, state_changed: true, ..Reply::default() },
    ] {
        ledger.after(&statement, sql, &reply);
    }
    let prefix = classify_prefix(sql, &dialect);
    ledger.after(&prefix, sql, &Reply { ok: true, ..Reply::default() });
    for span in statement.user_variables.as_slice() {
        assert!(span.end as usize <= sql.len());
    }
}

fn target(sql: &[u8]) -> Target {
    explain(sql, &[], &[], Consistency::Session, false).expect("no state").target()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_read(sql in prop::collection::vec(any::<u8>(), 0..200), dialect in dialects()) {
        exercise(&sql, dialect);
    }

    #[test]
    fn any_mixture_is_read(sql in mixtures(), dialect in dialects()) {
        exercise(&sql, dialect);
    }

    #[test]
    fn what_writes_never_goes_to_a_replica_behind_a_read(sql in mixtures()) {
        // Whatever a text is, a write behind it in a statement of its own is not sent to a replica unless the text
        // swallows it: then a closing quote or comment in front makes it one again.
        for close in ["", "'", "\"", "`", "*/", "\n"] {
            let text = [&sql[..], close.as_bytes(), b"\n; DELETE FROM w"].concat();
            let alone = [&sql[..], close.as_bytes(), b"\n; SELECT 1"].concat();
            if target(&text) == Target::Replica {
                // Swallowed: then it makes no difference what stands there.
                prop_assert_eq!(target(&alone), Target::Replica);
            }
        }
    }

    #[test]
    fn comments_and_case_do_not_matter(upper in any::<bool>(), comment in "/\\* [a-z ]{0,10}\\*/|-- [a-z]{0,5}\n|#[a-z]{0,5}\n| |\t|\n") {
        let sql = ["SELECT", "a", "FROM", "t", "FOR", "UPDATE"].join(&comment);
        let sql = if upper { sql } else { sql.to_lowercase() };
        prop_assert_eq!(target(sql.as_bytes()), Target::Primary);
    }
}

#[test]
fn a_prefix_is_never_sent_to_a_replica() {
    let statement = classify_prefix(b"SELECT * FROM t WHERE a IN (1, 2, 'unfinished", &Dialect::default());
    assert!(statement.is_truncated());
    assert_eq!(statement.kind, mysql_proxy::sql::Kind::Read);
}

/// What a text may be made of that is long and all of one kind: in front, again and again, behind.
const SHAPES: &[(&str, &str, &str)] = &[
    ("SELECT ", "f(", ""),
    ("SELECT ", "f(a,", ""),
    ("SELECT f(", "a,", "a)"),
    ("SELECT ", "point(", ""),
    ("SELECT ", "point(1,", ""),
    ("SELECT ", "json_table(", ""),
    ("SELECT ", "json_table(1, 'x' ", ""),
    ("SELECT ", "LAST_INSERT_ID(", ""),
    ("SELECT ", "CONNECTION_ID(),", "1"),
    ("SELECT ", "db.f(", ""),
    ("SELECT ", "a.b(", ""),
    ("SELECT ", "a.", "b"),
    ("SELECT ", "a1", ""),
    ("SELECT ", "a1", ".5"),
    ("SELECT ", "1a", ""),
    ("SELECT ", "word", ""),
    ("SELECT ", "`a`.", "b"),
    ("SELECT ", "information_schema.", "b"),
    ("SELECT ", "@x,", "1"),
    ("SELECT ", "@a.b.c", ""),
    ("SELECT ", "@@a.", ""),
    ("SELECT ", "@@global.", ""),
    ("SELECT ", "@@", ""),
    ("SELECT ", "((", ""),
    ("SELECT ", "1.", ""),
    ("SELECT ", "1e+", ""),
    ("SELECT ", "$", ""),
    ("SELECT ", "$a$ ", ""),
    ("SELECT ", ":=", ""),
    ("SELECT 1", " INTO @x", ""),
    ("SELECT 1", " FOR UPDATE", ""),
    ("SELECT 1", " LIMIT", ""),
    ("SELECT 1", " NEXT VALUE FOR s", ""),
    ("SELECT 1 ", "INSERT INTO ", ""),
    ("", "SELECT 1;", ""),
    ("", "SELECT CONNECTION_ID();", ""),
    ("", ";", ""),
    ("", "(", "SELECT 1"),
    ("", "/*", ""),
    ("", "/**/", "SELECT 1"),
    ("", "/*!", ""),
    ("", "/*! ", "SELECT 1"),
    ("", "/*!*/", "SELECT 1"),
    ("", "/*!50000 ", ""),
    ("", "/*!50000 a */", "SELECT 1"),
    ("", "/*!50000 /* a */ */", "SELECT 1"),
    ("", "/*M! /*", ""),
    ("", "-- \n", "SELECT 1"),
    ("", "-- ", ""),
    ("", "--", ""),
    ("", "#", ""),
    ("", "/* proxy:primary */", "SELECT 1"),
    ("", "/* proxy: */", "SELECT 1"),
    ("SELECT 1", "/* proxy:primary */", ""),
    ("SELECT 1 ", "-- proxy:primary\n", ""),
    ("", " ", "SELECT 1"),
    ("", "'", ""),
    ("", "''", "'"),
    ("SELECT ", "'", ""),
    ("SELECT ", "'a' ", ""),
    ("SELECT ", "\\", ""),
    ("SELECT '", "\\'", "'"),
    ("SELECT ", "\"", ""),
    ("SELECT ", "`", ""),
    ("SELECT ", "/", ""),
    ("SELECT ", "*", ""),
    ("SELECT /*", "*", ""),
    ("SELECT /*!", "*", ""),
    ("SELECT ", "-", ""),
    ("SELECT ", "a/*!*/", ""),
    ("SELECT ", "f/**/(", ""),
    ("SELECT ", "count (", ""),
    ("WITH ", "f(a),", "g AS (SELECT 1) SELECT 1"),
    ("", "WITH f(a) AS (", ""),
    ("WITH ", "a(a,a,", ""),
    ("WITH a(", "a,", "a) AS (SELECT 1) SELECT 1"),
    ("WITH a(", "a /* , */ , ", "a) AS (SELECT 1) SELECT 1"),
    ("WITH c AS (SELECT 1) SELECT ", "f(a),", "1"),
    ("", "x:", ""),
    ("", "SET @x=1,", "@y=2"),
    ("SET ", "@x=1,", "@y=2"),
    ("SET ", "@x=(1", ""),
    ("SET ", "sql_mode=1,", "sql_mode=2"),
    ("SET ", "@@session.", ""),
    ("SET ", "a.", "b=1"),
    ("SET ", "NAMES x,", "NAMES y"),
    ("", "SET x=1;", ""),
    ("", "SET STATEMENT a=1 FOR ", "SELECT 1"),
    ("", "SET STATEMENT a=1 FOR EXPLAIN ", "SELECT 1"),
    ("SET STATEMENT ", "a=1,", "b=1 FOR SELECT 1"),
    ("SET TRANSACTION ", "READ ", "ONLY"),
    ("START TRANSACTION ", "READ ONLY, ", ""),
    ("", "BEGIN;", ""),
    ("", "COMMIT AND CHAIN;", ""),
    ("SHOW ", "FULL ", "TABLES"),
    ("SHOW VARIABLES ", "LIKE ", ""),
    ("SHOW VARIABLES LIKE '", "transaction_read_only", "'"),
    ("SHOW VARIABLES LIKE '", "read_onl", "'"),
    ("SHOW VARIABLES LIKE '", "read\\_", "'"),
    ("", "SHOW VARIABLES;", ""),
    ("", "EXPLAIN ", "SELECT 1"),
    ("EXPLAIN ", "(", "SELECT 1"),
    ("EXPLAIN ", "ANALYZE ", "SELECT 1"),
    ("EXPLAIN ", "FORMAT=x ", "SELECT 1"),
    ("EXPLAIN ", "FOR SCHEMA s ", "SELECT 1"),
    ("EXPLAIN ", "EXTENDED ", "SELECT 1"),
    ("", "ANALYZE ", "SELECT 1"),
    ("", "EXPLAIN FOR CONNECTION 5;", ""),
    ("", "KILL 5;", ""),
    ("KILL ", "CONNECTION_ID()", ""),
    ("CREATE ", "a ", ""),
    ("CREATE OR REPLACE ", "TEMPORARY ", "TABLE t"),
    ("", "CREATE TEMPORARY TABLE t (a INT);", ""),
    ("CREATE PROCEDURE p() BEGIN ", "SELECT 1;", "END"),
    ("DROP TABLE ", "t,", "t"),
    ("", "DROP TABLE t;", ""),
    ("FLUSH TABLES ", "t,", "t WITH READ LOCK"),
    ("HANDLER ", "t ", "OPEN"),
    ("", "HANDLER t OPEN;", ""),
    ("", "PREPARE s FROM 'x';", ""),
    ("", "LOCK TABLES t READ;", ""),
    ("DO ", "GET_LOCK('a',1),", "1"),
    ("", "SELECT GET_LOCK('a',1);", ""),
    ("SELECT ", "RELEASE_LOCK('a'),", "1"),
    ("INSERT INTO t VALUES ", "(1,'a'),", "(2,'b')"),
    ("CALL p(", "@a,", "1)"),
    ("", "\0", ""),
    ("", "é", ""),
    ("SELECT ", "\u{a0}", ""),
];

/// Reads, decides and lets the ledger learn, once.
fn read_whole(sql: &[u8], dialect: Dialect) {
    let statement = classify(sql, &dialect);
    Ledger::default().after(&statement, sql, &Reply { ok: true, trackers_available: true, ..Reply::default() });
    let _ = target(sql);
}

/// Sixteen times the text takes about sixteen times as long, not two hundred times; and no more stack.
#[test]
fn time_is_linear_and_the_stack_is_bounded() {
    const STACK: usize = 512 * 1024;
    let (few, many) = (1 << 16, 1 << 20);
    let dialect = Dialect { server: ServerKind::MariaDb, ignore_space: true, ..Dialect::default() };
    let slow_shapes = move || {
        let mut slow = Vec::new();
        for (front, piece, behind) in SHAPES {
            let time = |bytes: usize, attempts: usize| {
                let sql = [*front, &piece.repeat(bytes / piece.len()), behind].concat();
                let once = |_| {
                    let start = std::time::Instant::now();
                    read_whole(std::hint::black_box(sql.as_bytes()), dialect);
                    start.elapsed()
                };
                (0..attempts).map(once).min().unwrap_or_default()
            };
            let limit = |short: std::time::Duration| short * 16 * 3 + std::time::Duration::from_millis(50);
            let (mut short, mut long) = (time(few, 1), time(many, 1));
            // The machine may have been busy with something else: again, and the best of several.
            if long > limit(short) {
                (short, long) = (time(few, 4), time(many, 4));
            }
            if long > limit(short) {
                slow.push(format!("{front}{piece}…{behind}: {short:?}, then {long:?}"));
            }
        }
        slow
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(slow_shapes).expect("a thread");
    let slow = thread.join().expect("no panic");
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}
