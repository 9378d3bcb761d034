//! Runs the tables in `tests/data/routing/`: where every kind of statement goes, in which session state, and why.

#![allow(clippy::expect_used, clippy::panic)] // A test says so when its own table is wrong.

mod routing_tables;

use std::collections::BTreeSet;

use mysql_proxy::explain::explain;
use mysql_proxy::route::Reason;
use mysql_proxy::session::{Consistency, PinReason};
use mysql_proxy::sql::{Dialect, Kind, classify};
use mysql_proxy::topology::PickReason;
use routing_tables::lines;

#[test]
fn every_line_of_the_tables_holds() {
    let mut wrong = Vec::new();
    for line in lines() {
        let got = match explain(&line.sql, &line.states, &["trusted_total".to_owned()], Consistency::Session, false) {
            Ok(got) => got,
            Err(error) => {
                wrong.push(format!("{}\n    {error}", line.place));
                continue;
            }
        };
        let pins_hold = line.pins.as_deref() == got.pins().map(PinReason::name);
        if got.target().name() != line.target || got.reason().name() != line.reason || !pins_hold {
            wrong.push(format!("{}\n    got {}", line.place, got.to_json()));
        }
    }
    assert!(wrong.is_empty(), "{} lines do not hold:\n{}", wrong.len(), wrong.join("\n"));
}

/// A text longer than what the proxy holds; the tables have none.
fn long(sql: &str) -> Vec<u8> {
    [sql.as_bytes(), &b" ".repeat(1 << 20)].concat()
}

#[test]
fn what_is_too_long_to_be_read_whole_goes_by_its_first_word() {
    for (sql, target, reason) in [
        ("SELECT 1", "primary", "too_long"),
        ("SHOW TABLES", "primary", "too_long"),
        ("INSERT INTO t VALUES (1)", "primary", "write"),
        ("SELECT CONNECTION_ID()", "primary", "too_long"),
        ("DELETE FROM t", "primary", "write"),
        ("SET NAMES utf8mb4", "all", "session_state"),
    ] {
        let got = explain(&long(sql), &[], &[], Consistency::Session, false).expect("no state");
        assert_eq!((got.target().name(), got.reason().name()), (target, reason), "{sql}");
    }
}

#[test]
fn every_reason_is_reached() {
    let mut reached: BTreeSet<String> = lines().into_iter().map(|line| line.reason).collect();
    let got = explain(&long("SELECT 1"), &[], &[], Consistency::Session, false).expect("no state");
    reached.insert(got.reason().name().to_owned());
    let missing: Vec<_> = Reason::ALL.map(Reason::name).into_iter().filter(|name| !reached.contains(*name)).collect();
    assert!(missing.is_empty(), "no line reaches {missing:?}");
}

/// Whether an application would call it a read.
fn reads(sql: &[u8]) -> bool {
    let kind = classify(sql, &Dialect::default()).kind;
    matches!(kind, Kind::Read | Kind::Metadata | Kind::Instance | Kind::ExplainWrite | Kind::Diagnostics)
}

#[test]
fn what_keeps_a_read_on_the_primary_has_its_heading() {
    let page = include_str!("../docs/reads-on-the-primary.md");
    let headings: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let kept = lines().into_iter().filter(|line| line.target == "same" || line.target == "primary");
    let reasons: BTreeSet<String> = kept.filter(|line| reads(&line.sql)).map(|line| line.reason).collect();
    let fallbacks = [PickReason::NotCaughtUp, PickReason::AllLagging, PickReason::NoReplica].map(PickReason::as_str);
    let missing: Vec<&str> =
        reasons.iter().map(String::as_str).chain(fallbacks).filter(|name| !headings.contains(name)).collect();
    assert!(missing.is_empty(), "no heading for {missing:?}");
    let known: BTreeSet<&str> = Reason::ALL.map(Reason::name).into_iter().chain(fallbacks).collect();
    let unknown: Vec<_> = headings.difference(&known).collect();
    assert!(unknown.is_empty(), "SHOW PROXY ROUTE never says {unknown:?}");
    for pin in PinReason::ALL {
        assert!(page.contains(&format!("`{}`", pin.name())), "the page does not name the pin {}", pin.name());
    }
}

/// Pins that no text begins: a reply does, or a command that is none of SQL.
const NOT_BY_TEXT: [PinReason; 4] =
    [PinReason::OpenCursor, PinReason::LongData, PinReason::StoredProcedure, PinReason::UnknownState];

#[test]
fn every_pin_is_begun_and_stands_in_some_line() {
    let lines = lines();
    for pin in PinReason::ALL {
        let state = format!("pin={}", pin.name());
        assert!(lines.iter().any(|line| line.states.contains(&state)), "no line has the state {state}");
        let begun = lines.iter().any(|line| line.pins.as_deref() == Some(pin.name()));
        assert_eq!(begun, !NOT_BY_TEXT.contains(&pin), "pins:{}", pin.name());
    }
}

/// Every key of `explain --state`, with every value that is a word.
const STATES: [&str; 34] = [
    "split_transactions=0",
    "split_transactions=1",
    "transaction=split",
    "transaction=read_write",
    "transaction=read_only",
    "autocommit=0",
    "autocommit=1",
    "transaction_isolation=READ-UNCOMMITTED",
    "transaction_isolation=READ-COMMITTED",
    "transaction_isolation=REPEATABLE-READ",
    "transaction_isolation=SERIALIZABLE",
    "transaction_read_only=0",
    "transaction_read_only=1",
    "transaction_read_only_next=0",
    "transaction_read_only_next=1",
    "sql_mode=ANSI_QUOTES",
    "sql_mode=NO_BACKSLASH_ESCAPES",
    "sql_mode=IGNORE_SPACE",
    "sql_mode=ORACLE",
    "character_set_client=gbk",
    "character_set_client=latin1",
    "database=mysql",
    "wrote=yes",
    "wrote=no",
    "consistency=session",
    "consistency=global",
    "consistency=eventual",
    "listener=read_write",
    "listener=read_only",
    "user_variable=@x:literal",
    "user_variable=@x:other",
    "server=mysql",
    "server=mariadb",
    "pin=temporary_table",
];

#[test]
fn every_state_is_used() {
    let used: BTreeSet<String> = lines().into_iter().flat_map(|line| line.states).collect();
    let missing: Vec<_> = STATES.into_iter().filter(|state| !used.contains(*state)).collect();
    assert!(missing.is_empty(), "no line has {missing:?}");
}

#[test]
fn there_are_enough_lines_and_none_twice() {
    let mut seen = BTreeSet::new();
    let mut twice = Vec::new();
    for line in lines() {
        if !seen.insert((line.states, line.sql)) {
            twice.push(line.place);
        }
    }
    assert!(twice.is_empty(), "{}", twice.join("\n"));
    assert!(seen.len() >= 1000, "only {} lines", seen.len());
}
