//! The lists of built-in functions and of session variables, against real servers: what is listed never reaches a stored
//! function, and what a server has is listed.
//!
//! A name that is listed wrongly sends a stored function, which may write, to a replica; one that is missing costs reads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::sql::{Arguments, BuiltIn, Dialect, Facts, Release, ServerKind, built_ins, classify};
use mysql_proxy::wire::Command;
use mysql_proxy::wire::err::SqlError;
use mysql_proxy::wire::server::read_version;
use support::on_both;
use support::raw::{Raw, Who};
use support::reply::Kind;

on_both!(listed_functions_never_reach_stored_ones, built_in_functions_are_listed, variables_have_their_scope);

/// Neither built in nor stored: 1305; stored ones are looked for, with or without a blank: 1630; found, but not with
/// so many arguments: 1318; found, but not allowed: 1370.
const STORED: [u16; 4] = [1305, 1318, 1370, 1630];
const SYNTAX: u16 = 1064;
/// What a name gives that is no function, or none for clients: 3566 are those that serve the server's own views.
const NOT_OWN: [u16; 6] = [1305, 1318, 1370, 1630, SYNTAX, 3566];
const GLOBAL_ONLY: u16 = 1238;
const UNKNOWN_VARIABLE: u16 = 1193;

/// Built in, or registered under a global name, and left to the primary because they change the server.
const LEFT_OUT: [&str; 4] = [
    "asynchronous_connection_failover_reset",
    "innodb_redo_log_archive_stop",
    "innodb_redo_log_sharp_checkpoint",
    "innodb_set_open_files_limit",
];

const ARGUMENTS: [&str; 4] = ["", "1", "1, 2", "1, 2, 3"];

const fn kind(flavor: Flavor) -> ServerKind {
    match flavor {
        Flavor::MariaDb => ServerKind::MariaDb,
        Flavor::MySql => ServerKind::MySql,
    }
}

/// The release of a server that says so in its greeting.
fn release(raw: &Raw) -> Release {
    let (_, version) = read_version(&raw.greeting.version);
    Release(version.0, version.1)
}

fn start(flavor: Flavor) -> Option<(Cluster, Raw)> {
    let cluster = support::cluster(flavor, |options| options.replicas = 0)?;
    let mut raw =
        Raw::connect(cluster.primary().address(), &Who { user: "admin", password: "admin", ..Who::named("") })
            .expect("the administrator may log in");
    raw.run("SET sql_mode = ''");
    Some((cluster, raw))
}

/// The error that a statement gives, and whether a row says 4711.
fn ask(raw: &mut Raw, sql: &str) -> (Option<u16>, bool) {
    let reply = raw.ask(Command::Query, sql.as_bytes(), Kind::Results).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let error = reply.last().and_then(|last| SqlError::parse(&last.payload)).map(|error| error.code);
    (error, reply.iter().any(|message| message.payload == b"\x044711"))
}

fn calls_a_stored_function(raw: &mut Raw, built_in: &BuiltIn, gap: &str) -> Option<String> {
    let name = built_in.name;
    let arguments = match built_in.arguments {
        Arguments::Any => &ARGUMENTS[..],
        Arguments::Some => &ARGUMENTS[1..],
        Arguments::Two => &ARGUMENTS[2..3],
    };
    arguments.iter().find_map(|arguments| {
        let sql = format!("SELECT {name}{gap}({arguments})");
        let (error, stored) = ask(raw, &sql);
        let found = stored || error.is_some_and(|code| STORED.contains(&code));
        found.then(|| format!("{sql}: {error:?}"))
    })
}

fn listed_functions_never_reach_stored_ones(flavor: Flavor) {
    let Some((_cluster, mut raw)) = start(flavor) else { return };
    raw.run("SET GLOBAL log_bin_trust_function_creators = 1");
    let listed = built_ins(kind(flavor), release(&raw));
    assert!(listed.len() > 400, "only {} names", listed.len());
    for BuiltIn { name, .. } in &listed {
        let create = format!("CREATE FUNCTION `{name}`() RETURNS INT DETERMINISTIC NO SQL RETURN 4711");
        assert_eq!(ask(&mut raw, &create).0, None, "{create}");
    }
    assert_eq!(ask(&mut raw, "SELECT app.abs()"), (None, true), "a stored function is seen when it is called");

    let mut wrong = Vec::new();
    for built_in in &listed {
        wrong.extend(calls_a_stored_function(&mut raw, built_in, ""));
        for gap in [" ", "/**/"] {
            let stored = calls_a_stored_function(&mut raw, built_in, gap);
            if built_in.adjacent && stored.is_none() {
                wrong.push(format!("{}{gap}( is built in as well", built_in.name));
            }
            wrong.extend(stored.filter(|_| !built_in.adjacent));
        }
    }
    let modes: &[&str] = match flavor {
        Flavor::MariaDb => &["IGNORE_SPACE", "ORACLE"],
        Flavor::MySql => &["IGNORE_SPACE"],
    };
    for mode in modes {
        raw.run(&format!("SET sql_mode = '{mode}'"));
        for built_in in &listed {
            wrong.extend(calls_a_stored_function(&mut raw, built_in, " \n ").map(|call| format!("{mode}: {call}")));
        }
    }
    assert!(wrong.is_empty(), "{flavor}: {}", wrong.join("\n"));
}

/// Words that the server's program holds: the names of its functions are among them.
fn words_in_the_program(flavor: Flavor) -> BTreeSet<String> {
    let program = fs::read(flavor.find().expect("the cluster runs").server).expect("the program can be read");
    program
        .split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'))
        .filter(|word| (2..=40).contains(&word.len()) && word[0].is_ascii_alphabetic())
        .map(|word| String::from_utf8_lossy(word).to_ascii_lowercase())
        .collect()
}

/// Words that the server itself gives out.
fn words_of_the_server(cluster: &Cluster, flavor: Flavor) -> BTreeSet<String> {
    let lists: &[&str] = match flavor {
        Flavor::MariaDb => &[
            "SELECT name FROM mysql.help_topic",
            "SELECT function FROM information_schema.sql_functions",
            "SELECT word FROM information_schema.keywords",
        ],
        Flavor::MySql => &["SELECT name FROM mysql.help_topic", "SELECT word FROM information_schema.keywords"],
    };
    let rows = lists.iter().flat_map(|sql| cluster.sql(0, sql).expect(sql)).flatten();
    rows.map(|word| word.to_ascii_lowercase())
        .filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .collect()
}

/// The first call of a word that no stored function answers; the words of the program are too many to try all of them
/// with arguments, unless the grammar knows them.
fn built_in_call(raw: &mut Raw, word: &str, dialect: &Dialect, thorough: bool) -> Option<String> {
    for arguments in ARGUMENTS {
        let sql = format!("SELECT {word}({arguments})");
        if !classify(sql.as_bytes(), dialect).has(Facts::UNKNOWN_FUNCTION) {
            return None;
        }
        let (error, _) = ask(raw, &sql);
        if !error.is_some_and(|code| NOT_OWN.contains(&code)) {
            return Some(format!("{sql}: {error:?}"));
        }
        if !thorough && error != Some(SYNTAX) {
            return None;
        }
    }
    None
}

fn built_in_functions_are_listed(flavor: Flavor) {
    let Some((cluster, mut raw)) = start(flavor) else { return };
    let dialect = Dialect { server: kind(flavor), release: release(&raw), ..Dialect::default() };
    let known = words_of_the_server(&cluster, flavor);
    assert!(known.len() > 300, "only {} words", known.len());
    let program = words_in_the_program(flavor);
    let words = known.iter().map(|word| (word, true)).chain(program.difference(&known).map(|word| (word, false)));
    let missing: Vec<_> = words
        .filter(|(word, _)| !LEFT_OUT.contains(&word.as_str()))
        .filter_map(|(word, thorough)| built_in_call(&mut raw, word, &dialect, thorough))
        .collect();
    assert!(missing.is_empty(), "{flavor} has {} that are not listed:\n{}", missing.len(), missing.join("\n"));
}

/// What the routing table says of these, whatever their scope.
const NAMED: [&str; 4] = ["hostname", "port", "server_id", "pseudo_thread_id"];

fn variables_have_their_scope(flavor: Flavor) {
    let Some((cluster, mut raw)) = start(flavor) else { return };
    let names: BTreeSet<String> = ["SHOW GLOBAL VARIABLES", "SHOW SESSION VARIABLES"]
        .into_iter()
        .flat_map(|sql| cluster.sql(0, sql).expect(sql))
        .map(|row| row[0].to_ascii_lowercase())
        .collect();
    assert!(names.len() > 400, "only {} variables", names.len());
    let dialect = Dialect { server: kind(flavor), ..Dialect::default() };
    let mut wrong = Vec::new();
    for name in names.iter().filter(|name| !NAMED.contains(&name.as_str()) && !name.starts_with("version")) {
        let (error, _) = ask(&mut raw, &format!("SELECT @@session.{name}"));
        let of_session = match error {
            None => true,
            Some(GLOBAL_ONLY | UNKNOWN_VARIABLE) => false,
            Some(code) => panic!("{name}: error {code}"),
        };
        let statement = classify(format!("SELECT @@{name}").as_bytes(), &dialect);
        // The question about the previous statement is none about the instance.
        if statement.has(Facts::INSTANCE) == of_session {
            wrong.push(format!("{name}: {}", if of_session { "has a session scope" } else { "is global" }));
        }
    }
    assert!(wrong.is_empty(), "{flavor}: {}", wrong.join("\n"));
}
