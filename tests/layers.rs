//! The rooms of the house, and who may know whom: reads every `crate::` path in `src/` against the table below.
//!
//! A pure room also keeps away from the runtime, the clock, sockets, logs, metrics and configuration. Inside a room no circle
//! of imports exists between files.

#![allow(clippy::unwrap_used)]

#[path = "layers/circles.rs"]
mod circles;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use circles::House;

/// What stands above all rooms may import anything.
const ANYTHING: &[&str] = &["*"];

/// Room → the rooms that it may import. Names are those of `ARCHITECTURE.md`; a room that is missing here is an error.
const ROOMS: [(&str, &[&str]); 18] = [
    ("wire", &[]),
    ("sql", &[]),
    ("session", &["sql", "wire"]),
    ("route", &["session", "sql"]),
    ("net", &["wire"]),
    ("backend", &["net", "wire"]),
    ("config", &["session"]),
    ("logging", &[]),
    ("metrics", &["route", "session"]),
    ("pool", &["backend", "wire", "config", "metrics"]),
    ("topology", &["backend", "net", "wire", "config", "metrics"]),
    ("client", &["session", "sql", "route", "topology", "pool", "backend", "net", "wire", "config", "metrics"]),
    (
        "admin",
        &["client", "session", "sql", "route", "topology", "pool", "backend", "wire", "config", "metrics", "explain"],
    ),
    (
        "server",
        &["admin", "client", "session", "route", "topology", "pool", "backend", "net", "wire", "config", "metrics"],
    ),
    ("check", &["server", "topology", "backend", "wire", "config"]),
    ("explain", ANYTHING),
    ("demo", ANYTHING),
    ("lib", ANYTHING),
];

/// Files of the program rather than of the library: they may import anything.
const PROGRAM: [&str; 2] = ["main", "cli"];

/// Plain values in, plain values out.
const PURE: [&str; 4] = ["wire", "sql", "session", "route"];

/// What a pure room must not name.
const IMPURE: [&str; 14] = [
    "tokio",
    "tokio_util",
    "tracing",
    "metrics",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "Instant::now",
    "std::time::Instant::now",
    "SystemTime::now",
    "std::time::SystemTime::now",
    "std::thread",
    "std::fs",
    "std::env",
];

/// Rooms that are still to be freed of circles.
const STILL_IN_CIRCLES: [&str; 9] = ["backend", "check", "client", "demo", "metrics", "pool", "server", "sql", "wire"];

#[test]
fn every_room_knows_only_those_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&source);
    assert!(files.len() > 5, "no sources under {}", source.display());
    let complaints: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let name = file.strip_prefix(&source).unwrap().to_str().unwrap();
            check(name, &fs::read_to_string(file).unwrap())
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn no_room_has_a_circle_of_imports() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |file: PathBuf| {
        let name = file.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(file).unwrap())
    };
    let is_test = |file: &PathBuf| file.to_str().unwrap().ends_with("tests.rs");
    let files: Vec<_> = rust_files(&source).into_iter().filter(|file| !is_test(file)).map(read).collect();
    let circles = House::of(&files).circles();
    let free = circles.iter().filter(|(room, _)| !STILL_IN_CIRCLES.contains(&room.as_str()));
    let complaints: Vec<String> = free.map(|(_, circle)| circle.join(" → ")).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
    let rooms: BTreeSet<&str> = circles.iter().map(|(room, _)| room.as_str()).collect();
    let known = BTreeSet::from(STILL_IN_CIRCLES);
    assert_eq!(rooms, known, "a room that has become free of circles is to be taken from the list");
}

#[test]
fn a_circle_is_found_through_names_that_are_passed_on() {
    let house = |files: &[(&str, &str)]| {
        let owned: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        House::of(&owned).circles().into_iter().map(|(_, circle)| circle.join(" → ")).collect::<Vec<_>>()
    };
    let passing =
        ("pool/mod.rs", "mod lease; mod member; pub use lease::Lease; pub(crate) use member::{Limits, Member};");
    let member = ("pool/member.rs", "use super::Lease; pub struct Member(Lease); pub struct Limits;");
    let lease = ("pool/lease.rs", "use crate::pool::{Limits}; pub struct Lease(Limits);");
    assert_eq!(house(&[passing, member, lease]), ["src/pool/lease.rs → src/pool/member.rs"]);
    let alone = ("pool/lease.rs", "pub struct Lease; #[cfg(test)] mod tests { use super::super::Member; }");
    assert_eq!(house(&[passing, member, alone]), [""; 0]);
    let parent = ("pool/mod.rs", "mod lease; use self::lease::Lease; pub struct Pool(Lease);");
    let child = ("pool/lease.rs", "use super::Pool; pub struct Lease;");
    assert_eq!(house(&[parent, child]), ["src/pool/mod.rs → src/pool/lease.rs"]);
}

#[test]
fn a_wrong_edge_is_found() {
    let bad = "
        //! Comments such as crate::pool do not count.
        use crate::pool::Guard;
        use crate::{sql::Statement, net::{Reader, Writer}, wire};
        use std::{fmt, time::{Duration, Instant}}; fn now() -> Instant { Instant::now() }
        fn f(text: &str) -> bool { text == \"crate::admin\" || '\"' == 'x' }
        pub(in crate::sql) fn g() { crate::metrics::count(); tokio::spawn(async {}); let x = std::time::Duration::ZERO; }
        #[cfg(test)]
        mod tests { use crate::client::Client; use std::time::Instant; }
    ";
    let expected = [
        "src/sql/lexer.rs: sql must not know metrics",
        "src/sql/lexer.rs: sql must not know net",
        "src/sql/lexer.rs: sql must not know pool",
        "src/sql/lexer.rs: sql must not know wire",
        "src/sql/lexer.rs: sql is pure and must not name Instant::now",
        "src/sql/lexer.rs: sql is pure and must not name tokio",
    ];
    assert_eq!(check("sql/lexer.rs", bad), expected);
}

#[test]
fn a_right_edge_is_let_through() {
    assert_eq!(check("session/pins.rs", "use crate::sql::Dialect; use crate::session::Pins;"), [""; 0]);
    assert_eq!(check("session.rs", "use crate::wire; use std::net::SocketAddr; use std::time::Duration;"), [""; 0]);
    assert_eq!(check("backend/dial.rs", "use crate::net::Stream; use tokio::net::TcpStream;"), [""; 0]);
    assert_eq!(check("main.rs", "use crate::cli::Cli;"), [""; 0]);
}

#[test]
fn a_room_that_is_not_in_the_table_is_found() {
    assert_eq!(check("attic/mod.rs", ""), ["src/attic/mod.rs: the room attic is not in the table of tests/layers.rs"]);
    assert_eq!(check("config/mod.rs", "use super::attic;"), ["src/config/mod.rs: config must not know attic"]);
    assert_eq!(
        check("config/a/b.rs", "use super::super::super::attic;"),
        ["src/config/a/b.rs: config must not know attic"]
    );
    assert_eq!(check("config/mod.rs", "use crate::attic;"), ["src/config/mod.rs: config must not know attic"]);
}

/// The complaints about one file; `name` is its path below `src/`.
fn check(name: &str, text: &str) -> Vec<String> {
    let room = name.split('/').next().unwrap().trim_end_matches(".rs");
    if PROGRAM.contains(&room) || name.ends_with("/tests.rs") {
        return Vec::new();
    }
    let Some((_, allowed)) = ROOMS.iter().find(|(known, _)| *known == room) else {
        return vec![format!("src/{name}: the room {room} is not in the table of tests/layers.rs")];
    };
    let paths: Vec<String> = paths(&code_alone(text)).into_iter().map(|path| from_the_root(path, name)).collect();
    let known: BTreeSet<&str> = paths.iter().filter_map(|path| path.strip_prefix("crate::")).map(first).collect();
    let mut complaints: Vec<String> = known
        .into_iter()
        .filter(|other| *other != room && *allowed != ANYTHING && !allowed.contains(other))
        .map(|other| format!("src/{name}: {room} must not know {other}"))
        .collect();
    if PURE.contains(&room) {
        let named = |impure: &&str| paths.iter().any(|path| path == impure || path.starts_with(&format!("{impure}::")));
        let mut impure: Vec<&str> = IMPURE.into_iter().filter(|impure| named(impure)).collect();
        impure.sort_unstable();
        complaints.extend(impure.iter().map(|it| format!("src/{name}: {room} is pure and must not name {it}")));
    }
    complaints
}

/// `super::super::pool` in `session/pins.rs` is `crate::pool`.
fn from_the_root(path: String, file: &str) -> String {
    let depth = file.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count();
    match path.strip_prefix(&"super::".repeat(depth)) {
        Some(rest) => format!("crate::{rest}"),
        None => path,
    }
}

fn first(path: &str) -> &str {
    path.split("::").next().unwrap()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The code without comments, literals and the tests at its end.
fn code_alone(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => string_end(rest),
            'r' => raw_string_end(&code, rest).unwrap_or(0),
            '\'' => character_end(rest),
            '#' if starts_tests(rest) => break,
            _ => 0,
        };
        if skipped == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

/// `#[cfg(test)]` and then a module with its body: by this house's habit, the end of the file.
fn starts_tests(rest: &str) -> bool {
    let body = rest.strip_prefix("#[cfg(test)]").map(str::trim_start).and_then(|rest| rest.strip_prefix("mod "));
    body.is_some_and(|body| body.find(['{', ';']).is_some_and(|at| body[at..].starts_with('{')))
}

fn string_end(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string_end(before: &str, rest: &str) -> Option<usize> {
    let in_a_word = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() && c != 'b' || c == '_');
    let hashes = rest[1..].bytes().take_while(|b| *b == b'#').count();
    if in_a_word || !rest[1 + hashes..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    Some(rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len()))
}

/// `'x'`, `'\n'`, `'\''`, `'\u{..}'`; a lifetime is no literal.
fn character_end(rest: &str) -> usize {
    let body = &rest[1..];
    if let Some(escape) = body.strip_prefix('\\') {
        return escape.char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 3);
    }
    let mut chars = body.chars();
    match (chars.next(), chars.next()) {
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

/// Every path in the code, with the groups of `use` spread out: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut prefixes: Vec<String> = Vec::new();
    let mut path = String::new();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let mut step = c.len_utf8();
        if rest.starts_with("::") {
            path.push_str("::");
            step = 2;
        } else if c.is_alphanumeric() || c == '_' {
            path.push(c);
        } else if c == '{' && (path.ends_with("::") || !prefixes.is_empty()) {
            prefixes.push(format!("{}{path}", prefixes.last().map_or("", String::as_str)));
            path.clear();
        } else if !c.is_whitespace() || !path.ends_with("::") {
            if path.contains("::") || !prefixes.is_empty() && !path.is_empty() {
                paths.push(format!("{}{path}", prefixes.last().map_or("", String::as_str)));
            }
            path.clear();
            if c == '}' {
                prefixes.pop();
            }
            if c == ';' {
                prefixes.clear();
            }
        }
        rest = &rest[step..];
    }
    paths
}
