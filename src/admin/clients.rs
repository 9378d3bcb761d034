//! Who is connected: the JSON of `/api/v1/clients`, with a filter and a limit, so that ten thousand slow nobody.
//!
//! Knows rows and words to look for. Must not know how a client is served.

use std::time::Duration;

use serde::Serialize;

/// One client, as the running proxy sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRow {
    /// What its greeting said, and `CONNECTION_ID()` says.
    pub id: u32,
    /// The account's name.
    pub user: String,
    /// Where it comes from.
    pub address: String,
    /// Its database, if it has one.
    pub database: Option<String>,
    /// What it does.
    pub state: &'static str,
    /// Since its last statement began; before the first, since its login.
    pub since: Duration,
    /// Since its login.
    pub connected: Duration,
    /// Commands since its login.
    pub statements: u64,
    /// The member that runs its statement, or has run the last one.
    pub member: Option<String>,
    /// Why it keeps its connection, and what avoids it.
    pub pins: Vec<(&'static str, &'static str)>,
}

/// `/api/v1/clients`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClientsReport {
    /// How many there are that fit the filter.
    pub total: usize,
    /// The first of them, by id.
    pub clients: Vec<ClientReport>,
}

/// One client in the JSON. Fields are added and never change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClientReport {
    id: u32,
    user: String,
    address: String,
    database: Option<String>,
    state: &'static str,
    since_seconds: f64,
    connected_seconds: f64,
    statements: u64,
    member: Option<String>,
    pins: Vec<PinReport>,
}

/// Why a session keeps its connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct PinReport {
    reason: &'static str,
    advice: &'static str,
}

impl ClientsReport {
    /// The first `limit` of those in which this word occurs (any case; empty: all of them).
    pub fn of(rows: Vec<ClientRow>, word: &str, limit: usize) -> Self {
        let word = word.to_lowercase();
        let mut fitting: Vec<ClientRow> = rows.into_iter().filter(|row| word.is_empty() || row.has(&word)).collect();
        let total = fitting.len();
        fitting.truncate(limit);
        Self { total, clients: fitting.into_iter().map(ClientReport::from).collect() }
    }
}

impl ClientRow {
    fn has(&self, word: &str) -> bool {
        let optional = |text: &Option<String>| text.as_deref().is_some_and(|text| text.to_lowercase().contains(word));
        self.id.to_string().contains(word)
            || [&self.user, &self.address].iter().any(|text| text.to_lowercase().contains(word))
            || optional(&self.database)
            || optional(&self.member)
            || self.state.contains(word)
            || self.pins.iter().any(|(reason, _)| reason.contains(word))
    }
}

impl From<ClientRow> for ClientReport {
    fn from(row: ClientRow) -> Self {
        let ClientRow { id, user, address, database, state, since, connected, statements, member, pins } = row;
        let pins = pins.into_iter().map(|(reason, advice)| PinReport { reason, advice }).collect();
        let (since_seconds, connected_seconds) = (since.as_secs_f64(), connected.as_secs_f64());
        Self { id, user, address, database, state, since_seconds, connected_seconds, statements, member, pins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u32, user: &str, pins: Vec<(&'static str, &'static str)>) -> ClientRow {
        ClientRow {
            id,
            user: user.to_owned(),
            address: "10.0.0.1:5000".to_owned(),
            database: Some("Shop".to_owned()),
            state: "idle",
            since: Duration::from_secs(2),
            connected: Duration::from_secs(9),
            statements: 3,
            member: None,
            pins,
        }
    }

    #[test]
    fn a_word_finds_clients_and_a_limit_leaves_the_count() {
        let rows = vec![
            row(1, "app", Vec::new()),
            row(2, "App2", vec![("get_lock", "release it")]),
            row(3, "batch", Vec::new()),
        ];
        let ids = |word: &str, limit| {
            let report = ClientsReport::of(rows.clone(), word, limit);
            (report.total, report.clients.iter().map(|client| client.id).collect::<Vec<_>>())
        };
        assert_eq!(ids("", 10), (3, vec![1, 2, 3]));
        assert_eq!(ids("app", 10), (2, vec![1, 2]));
        assert_eq!(ids("SHOP", 1), (3, vec![1]));
        assert_eq!(ids("get_lock", 10), (1, vec![2]));
        assert_eq!(ids("missing", 10), (0, vec![]));
    }
}
