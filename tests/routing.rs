//! Runs the tables in `tests/data/routing/`: where every kind of statement goes, in which session state, and why.
//!
//! A line is `state | statement | target | reason`; state is a list of `KEY=VALUE` as `mysql-proxy explain --state` takes
//! them, separated by `;`, or empty; `pins:REASON` behind the reason says what the statement pins. `\n`, `\t`, `\xNN`
//! and `\\` stand for bytes, `\|` for a bar.

#![allow(clippy::expect_used, clippy::panic)] // A test says so when its own table is wrong.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mysql_proxy::explain::explain;
use mysql_proxy::route::Reason;
use mysql_proxy::session::Consistency;

struct Line {
    place: String,
    states: Vec<String>,
    sql: Vec<u8>,
    target: String,
    reason: String,
    pins: Option<String>,
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'x') => {
                let digits = [rest.next().expect("\\xNN"), rest.next().expect("\\xNN")];
                let digits = std::str::from_utf8(&digits).expect("ASCII");
                bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
            }
            Some(other) => bytes.push(other),
            None => panic!("a backslash ends {text:?}"),
        }
    }
    bytes
}

/// Splits at bars that have no backslash in front.
fn columns(line: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut escaped = false;
    for letter in line.chars() {
        if letter == '|' && !escaped {
            columns.push(String::new());
            continue;
        }
        escaped = letter == '\\' && !escaped;
        columns.last_mut().expect("one at least").push(letter);
    }
    columns
}

fn lines() -> Vec<Line> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/routing");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("UTF-8");
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with("##") {
                continue;
            }
            let place = format!("{name}:{}: {line}", number + 1);
            let columns = columns(line);
            let [state, sql, target, reason] = columns.as_slice() else { panic!("four columns: {place}") };
            let mut reason = reason.split_whitespace();
            lines.push(Line {
                states: state.split(';').map(str::trim).filter(|state| !state.is_empty()).map(String::from).collect(),
                sql: unescape(sql.strip_prefix(' ').unwrap_or(sql).strip_suffix(' ').unwrap_or(sql)),
                target: target.trim().to_owned(),
                reason: reason.next().expect("a reason").to_owned(),
                pins: reason.next().map(|pins| pins.strip_prefix("pins:").expect("pins:REASON").to_owned()),
                place,
            });
        }
    }
    lines
}

#[test]
fn every_line_of_the_tables_holds() {
    let mut wrong = Vec::new();
    for line in lines() {
        let got = match explain(&line.sql, &line.states, &["trusted_total".to_owned()], Consistency::Session) {
            Ok(got) => got,
            Err(error) => {
                wrong.push(format!("{}\n    {error}", line.place));
                continue;
            }
        };
        let pins_hold =
            line.pins.is_none() || line.pins.as_deref() == got.pins().map(mysql_proxy::session::PinReason::name);
        if got.target().name() != line.target || got.reason().name() != line.reason || !pins_hold {
            wrong.push(format!("{}\n    got {}", line.place, got.to_json()));
        }
    }
    assert!(wrong.is_empty(), "{} lines do not hold:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_reason_is_reached() {
    let reached: BTreeSet<String> = lines().into_iter().map(|line| line.reason).collect();
    // Only a text longer than what is kept in memory is too long; `classify_prefix` is tested beside it.
    let missing: Vec<_> = Reason::ALL
        .map(Reason::name)
        .into_iter()
        .filter(|name| *name != "too_long" && !reached.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no line reaches {missing:?}");
}
