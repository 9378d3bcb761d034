//! The tables in `tests/data/routing/`, line by line.
//!
//! A line is `state | statement | target | reason`; state is a list of `KEY=VALUE` as `mysql-proxy explain --state` takes
//! them, separated by `;`, or empty; `pins:REASON` behind the reason says what the statement pins. `\n`, `\r`, `\t`, `\xNN`
//! and `\\` stand for bytes, `\|` for a bar.

// Each test program uses its own part of this.
#![allow(dead_code, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

/// One line.
pub struct Line {
    /// Where it stands.
    pub place: String,
    /// `KEY=VALUE`
    pub states: Vec<String>,
    /// The statement's bytes.
    pub sql: Vec<u8>,
    /// Where it goes.
    pub target: String,
    /// Why.
    pub reason: String,
    /// What it pins, if the line says so.
    pub pins: Option<String>,
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
            Some(b'r') => bytes.push(b'\r'),
            Some(b'x') => {
                let digits = [rest.next().expect("\\xNN"), rest.next().expect("\\xNN")];
                let digits = std::str::from_utf8(&digits).expect("ASCII");
                bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
            }
            Some(other @ (b'\\' | b'|')) => bytes.push(other),
            Some(other) => panic!("\\{} means nothing in {text:?}", other.escape_ascii()),
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

/// Every line of every table.
pub fn lines() -> Vec<Line> {
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
