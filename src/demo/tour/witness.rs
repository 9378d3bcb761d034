//! A member's general log as a witness: what really reached this server since we looked last.
//!
//! Knows how both flavors write that log. Must not know the proxy's word about it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Reads one member's log as it grows.
#[derive(Debug)]
pub(super) struct Witness {
    log: PathBuf,
    read: u64,
    /// Connections of the account that we follow.
    ours: BTreeSet<u64>,
    account: String,
}

/// How a statement reached the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// As text.
    Query,
    /// Executed, with its parameters filled in.
    Execute,
}

/// A statement that the member was sent by the account that we follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// How.
    pub means: Means,
    /// What.
    pub sql: String,
}

impl Witness {
    /// Follows what `account` does at the member with this log.
    pub(super) fn new(log: PathBuf, account: &str) -> Self {
        Self { log, read: 0, ours: BTreeSet::new(), account: format!("{account}@") }
    }

    /// What was written since the last look.
    pub(super) fn look(&mut self) -> io::Result<Vec<Seen>> {
        let mut file = File::open(&self.log)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.read += complete as u64;
        Ok(self.read_lines(&String::from_utf8_lossy(&text[..complete])))
    }

    fn read_lines(&mut self, text: &str) -> Vec<Seen> {
        text.lines().filter_map(|line| self.read_line(line)).collect()
    }

    fn read_line(&mut self, line: &str) -> Option<Seen> {
        let (id, command, argument) = entry(line)?;
        let means = match command {
            "Connect" | "Change user" => {
                // Ids begin anew when a server starts again.
                if argument.starts_with(&self.account) {
                    self.ours.insert(id)
                } else {
                    self.ours.remove(&id)
                };
                return None;
            }
            "Query" => Means::Query,
            "Execute" => Means::Execute,
            _ => return None,
        };
        self.ours.contains(&id).then(|| Seen { means, sql: argument.to_owned() })
    }
}

/// `time TAB id command TAB argument`; `MariaDB` leaves the time out within one second and writes a tab in its place.
fn entry(line: &str) -> Option<(u64, &str, &str)> {
    let (head, argument) = line.trim_start_matches('\t').split_once('\t').map(|(first, rest)| {
        let has_time = first.contains(':');
        if has_time { rest.split_once('\t').unwrap_or((rest, "")) } else { (first, rest) }
    })?;
    let (id, command) = head.trim_start().split_once(' ')?;
    Some((id.parse().ok()?, command.trim(), argument))
}

#[cfg(test)]
mod tests {
    use super::{Means, Seen, Witness};

    fn seen(means: Means, sql: &str) -> Seen {
        Seen { means, sql: sql.to_owned() }
    }

    #[test]
    fn only_the_statements_of_the_account_count() {
        let mut witness = Witness::new("log".into(), "app");
        let mariadb = "251120 12:00:00\t     3 Connect\tapp@127.0.0.1 on  using TCP/IP\n\
                       \t\t     4 Connect\tproxy@127.0.0.1 on  using TCP/IP\n\
                       \t\t     3 Query\tSELECT 1\n\
                       \t\t     4 Query\tSELECT 2\n\
                       251120 12:00:01\t     3 Prepare\tSELECT ?\n\
                       \t\t     3 Execute\tSELECT 'x:\ty'\n";
        let both = [seen(Means::Query, "SELECT 1"), seen(Means::Execute, "SELECT 'x:\ty'")];
        assert_eq!(witness.read_lines(mariadb), both);
        let again = "\t\t     3 Connect\tproxy@127.0.0.1 on\n\t\t     3 Query\tSELECT 3\n";
        assert_eq!(witness.read_lines(again), []);
    }

    #[test]
    fn mysql_writes_the_time_always() {
        let mut witness = Witness::new("log".into(), "app");
        let log = "2025-11-20T12:00:00.123456Z\t   10 Connect\tapp@localhost on app using TCP/IP\n\
                   2025-11-20T12:00:00.123456Z\t   10 Query\tSELECT 1\n";
        assert_eq!(witness.read_lines(log), [seen(Means::Query, "SELECT 1")]);
    }
}
