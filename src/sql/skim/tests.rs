//! Skimming gives what reading every token gives, whatever the bytes and whatever instructions the processor has.

use std::cell::Cell;

use fearless_simd::Level;
use proptest::prelude::*;

use super::super::{Dialect, Release, ServerKind, Statement, TextEncoding, classify};

thread_local! {
    static OFF: Cell<bool> = const { Cell::new(false) };
    static LEVEL: Cell<Option<Level>> = const { Cell::new(None) };
}

/// What this thread takes for the instructions of the processor.
pub(in super::super) fn level() -> Level {
    LEVEL.get().unwrap_or_else(Level::new)
}

/// The instructions of this processor, and of those that have less.
#[cfg(target_arch = "x86_64")]
pub(in super::super) fn levels() -> Vec<Level> {
    let best = Level::new();
    let sse2 = best.as_sse2().map(Level::Sse2);
    let sse4_2 = best.as_sse4_2().map(Level::Sse4_2);
    let avx2 = best.as_avx2().map(Level::Avx2);
    let avx512 = best.as_avx512().map(Level::Avx512);
    [sse2, sse4_2, avx2, avx512].into_iter().flatten().collect()
}

/// There is one alone on other processors.
#[cfg(not(target_arch = "x86_64"))]
pub(in super::super) fn levels() -> Vec<Level> {
    vec![Level::new()]
}

/// Whether this thread reads token by token.
pub(in super::super) fn is_off() -> bool {
    OFF.get()
}

fn token_by_token(sql: &[u8], dialect: Dialect) -> Statement {
    OFF.set(true);
    let statement = classify(sql, &dialect);
    OFF.set(false);
    statement
}

/// Fails unless skimming with the instructions of any processor gives what reading every token gives.
fn must_agree(sql: &[u8], dialect: Dialect) {
    let expected = token_by_token(sql, dialect);
    for level in levels() {
        LEVEL.set(Some(level));
        let statement = classify(sql, &dialect);
        LEVEL.set(None);
        assert_eq!(statement, expected, "{level:?}, {dialect:?}: {}", sql.escape_ascii());
    }
}

const HEADS: &[&str] =
    &["SELECT ", "SELECT * FROM t WHERE ", "INSERT INTO t VALUES ", "UPDATE t SET ", "WITH c (a, b) AS (", "DO "];

/// What is treacherous, and what fills the space between: places must come to stand anywhere in a block.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "a", "f", "sys", "mysql", "performance_schema", "information_schema", "PROCESSLIST", "TABLES", "columns_of_it",
    " ", "  ", "\n", "                              ", ",", ", ", "*", "(", ")", "()", "=", "<", "+", "-", "--", "-- ",
    "/", "/*", "*/", "/**/", "/* proxy:primary */", "/*!", "/*!99999 ", "#", ":", ":=", ";", ".", "..", "\\", "|",
    "'", "''", "'''", "'x'", "'a''b'", "'it\\'s'", "'a long string of forty-one characters, ended'", "\"", "\"q\"",
    "`", "`q`", "x'41'", "N'x'", "_utf8", "1", "12", "1.5", "1.", ".5", "1e5", "1e+5", "1e", "0x41", "5abc", "a1",
    "a1b2", "1.5FOR", " UPDATE ", " for update", "FOR", " SHARE", "LOCK IN SHARE MODE", " INTO ", " INTO OUTFILE 'x'",
    " FROM ", "procedure", "delete", "replace", "insert", " NEXT VALUE FOR ", "nextval", "count", "now", "IN",
    "VALUES", "CONNECTION_ID", "GET_LOCK", "last_insert_id", "json_table", " AS ", "@", "@x", "@@", "@@version",
    "@@pseudo_thread_id", "@'x'", "$", "$$", "a$b$c", "\u{a0}", "é", "\0", "word", "0123456789", "table",
    "longer_word_than_most_others_here", "SELECT ", "DELETE ", "BEGIN",
];

fn dialects() -> impl Strategy<Value = Dialect> {
    let server = prop_oneof![Just(ServerKind::Unknown), Just(ServerKind::MySql), Just(ServerKind::MariaDb)];
    let encoding = prop_oneof![
        4 => Just(TextEncoding::AsciiSafe),
        2 => Just(TextEncoding::Latin1),
        1 => Just(TextEncoding::Treacherous),
        1 => Just(TextEncoding::Unknown)
    ];
    let release = prop::sample::select(&[Release::UNKNOWN, Release(8, 4), Release(9, 7), Release(10, 11)][..]);
    (server, release, encoding, any::<(bool, bool, bool, bool)>()).prop_map(|(server, release, encoding, modes)| {
        Dialect {
            server,
            release,
            encoding,
            ansi_quotes: modes.0,
            no_backslash_escapes: modes.1,
            ignore_space: modes.2,
            oracle: modes.3,
        }
    })
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(PIECES).prop_map(|piece| match piece {
        "\u{a0}" => b"\xa0".to_vec(),
        _ => piece.as_bytes().to_vec(),
    })
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(HEADS), prop::collection::vec(pieces(), 0..60))
        .prop_map(|(head, pieces)| [head.as_bytes(), &pieces.concat()].concat())
}

/// What says nothing when it is repeated, unless a quote in it or before it changes what is a string.
const FILLERS: &[&str] = &[
    "(1, 2), ",
    "(12,'abc'),",
    "(-1,NULL),",
    "'it''s', ",
    "'é\u{4e9c}', ",
    "'; -- /* \" ` @x f(', ",
    "'\\\\', ",
    "\\'",
    "''",
    "'",
    " ",
    "17, ",
    "x.y + ",
    "word ",
    "longer_word_than_most",
    "a1",
];

/// Long quiet stretches with something treacherous between.
fn long_texts() -> impl Strategy<Value = Vec<u8>> {
    let filler = (prop::sample::select(FILLERS), 0..60usize).prop_map(|(filler, times)| filler.repeat(times));
    let quiet = (filler, prop::collection::vec(pieces(), 0..3))
        .prop_map(|(filler, pieces)| [filler.as_bytes(), &pieces.concat()].concat());
    (prop::sample::select(HEADS), prop::collection::vec(quiet, 1..8))
        .prop_map(|(head, quiet)| [head.as_bytes(), &quiet.concat()].concat())
}

#[test]
fn white_space_of_latin1_is_seen_in_quiet_blocks() {
    let dialect = Dialect { encoding: TextEncoding::Latin1, ..Dialect::default() };
    for count in 0..140 {
        let sql = [b"SELECT ", &b"1, ".repeat(count)[..], b"b FOR\xa0UPDATE\xa0", &b", 1".repeat(100)].concat();
        must_agree(&sql, dialect);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn it_agrees_in_long_texts(sql in long_texts(), dialect in dialects()) {
        must_agree(&sql, dialect);
    }

    #[test]
    fn it_agrees_with_reading_every_token(sql in texts(), dialect in dialects()) {
        must_agree(&sql, dialect);
    }
}

#[test]
fn places_are_found_wherever_they_stand_in_a_block() {
    let places = [
        "FOR UPDATE",
        ", f(1)",
        ", @x",
        ", 'it\\'s' FOR SHARE",
        ", mysql.x",
        ", 1.5FROM",
        "; DELETE",
        ", a := 1",
        "-- x",
    ];
    for place in places {
        for filler in ["a, ", "'text', ", "17, ", "x.y + ", "longer_word_than_most, "] {
            let counts = |bytes: std::ops::Range<usize>| bytes.start / filler.len()..bytes.end / filler.len();
            // In a short text, and in one that goes on for long behind blocks without a place.
            let behind = ", 1".repeat(100);
            for (count, behind) in
                counts(0..140).map(|count| (count, "")).chain(counts(160..300).map(|count| (count, &*behind)))
            {
                for spaces in 0..filler.len() {
                    let sql = format!("SELECT {}{}b {place} c{behind}", filler.repeat(count), " ".repeat(spaces));
                    must_agree(sql.as_bytes(), Dialect::default());
                }
            }
        }
    }
}
