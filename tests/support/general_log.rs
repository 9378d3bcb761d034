//! A member's general log, grouped by connection: what really reached which server.

use std::collections::BTreeMap;
use std::fs;

use mysql_proxy::demo::Member;

/// One command that a server got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `Query`, `Prepare`, `Execute`, `Connect`, `Init DB`, …
    pub command: String,
    /// The statement, or who connected.
    pub argument: String,
}

/// All commands in their order, by the server's connection number.
pub type Connections = BTreeMap<u64, Vec<Entry>>;

const COMMANDS: [&str; 22] = [
    "Connect",
    "Query",
    "Prepare",
    "Execute",
    "Quit",
    "Init DB",
    "Close stmt",
    "Reset stmt",
    "Reset Connection",
    "Change user",
    "Field List",
    "Ping",
    "Statistics",
    "Set option",
    "Fetch",
    "Long Data",
    "Binlog Dump",
    "Binlog Dump GTID",
    "Register Slave",
    "Register Replica",
    "Kill",
    "Debug",
];

/// Reads a member's general log; it must have been started with one.
pub fn read(member: &Member) -> Connections {
    let log = member.general_log().expect("the cluster was started with general_log");
    parse(&String::from_utf8_lossy(&fs::read(log).unwrap()))
}

/// The statements (text, prepared and executed) of the connections that an account made.
pub fn statements_of(connections: &Connections, account: &str) -> Vec<String> {
    let connected = format!("{account}@");
    let mine = |entries: &&Vec<Entry>| {
        entries
            .iter()
            .any(|entry| matches!(&*entry.command, "Connect" | "Change user") && entry.argument.starts_with(&connected))
    };
    let statements = connections.values().filter(mine).flatten();
    let statements = statements.filter(|entry| matches!(&*entry.command, "Query" | "Prepare" | "Execute"));
    statements.map(|entry| entry.argument.clone()).collect()
}

/// What an account had run, text and prepared, in which the marker stands. Prepared is not run.
pub fn run_by(member: &Member, account: &str, marker: &str) -> Vec<String> {
    let mut connections = read(member);
    for entries in connections.values_mut() {
        entries.retain(|entry| entry.command != "Prepare");
    }
    let mut statements = statements_of(&connections, account);
    statements.retain(|statement| statement.contains(marker));
    statements
}

/// Both flavors write `time TAB id command TAB argument`; `MariaDB` leaves the time out within one second, and a
/// statement of many lines goes on in lines of its own.
pub fn parse(text: &str) -> Connections {
    let mut connections = Connections::new();
    let mut latest = None;
    for line in text.lines() {
        if let Some((id, entry)) = begins(line) {
            connections.entry(id).or_default().push(entry);
            latest = Some(id);
        } else if let Some(entry) = latest.and_then(|id| connections.get_mut(&id)?.last_mut()) {
            entry.argument.push('\n');
            entry.argument.push_str(line);
        }
    }
    connections
}

fn begins(line: &str) -> Option<(u64, Entry)> {
    let fields: Vec<&str> = line.split('\t').collect();
    (1..=2).find_map(|at| {
        let time = fields[..at.min(fields.len())].concat();
        let looks_like_time = time.is_empty() || time.starts_with(|c: char| c.is_ascii_digit()) && time.contains(':');
        let (id, command) = fields.get(at)?.trim_start().split_once(' ')?;
        let known = looks_like_time && COMMANDS.contains(&command.trim());
        let id = id.parse().ok().filter(|_| known)?;
        Some((id, Entry { command: command.trim().to_owned(), argument: fields[at + 1..].join("\t") }))
    })
}
