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
    explain(sql, &[], &[], Consistency::Session).expect("no state").target()
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

/// Four times the text takes about four times as long, not sixteen times.
#[test]
fn time_is_linear() {
    for piece in [
        "f(",
        "f(a,",
        "/*",
        "/*!",
        "/*!50000 ",
        "'",
        "((",
        "@x,",
        "@@a.",
        "a.b(",
        "-- ",
        "WITH f(a) AS (",
        "SET @x=1,",
        "SELECT 1;",
        "x:",
        "1.",
        "SHOW VARIABLES ",
        ";",
        "EXPLAIN ",
    ] {
        let time = |count: usize| {
            let sql = format!("SELECT {}", piece.repeat(count));
            (0..3)
                .map(|_| {
                    let start = std::time::Instant::now();
                    std::hint::black_box(classify(sql.as_bytes(), &Dialect::default()));
                    start.elapsed()
                })
                .min()
                .unwrap_or_default()
        };
        let (short, long) = (time(4_000), time(64_000));
        assert!(long < short * 16 * 5 + std::time::Duration::from_millis(20), "{piece}: {short:?} then {long:?}");
    }
}
