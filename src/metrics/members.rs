//! What is told of the members, asked for when the text is made.

use std::collections::BTreeMap;
use std::time::Duration;

use super::text::{Kind, Text};

/// One member as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberRow {
    /// Its name in logs, metrics and `status`.
    pub name: String,
    /// The name of its role: `primary`, `replica`.
    pub role: &'static str,
    /// Whether it answers its checks.
    pub up: bool,
    /// Why it serves no reads as a replica, in one word of a fixed list; `None` for one that does.
    pub why_not: Option<&'static str>,
    /// How far it is behind the primary, for a replica that tells.
    pub lag: Option<Duration>,
    /// Connections that sessions use.
    pub in_use: usize,
    /// Connections that wait in the pool.
    pub idle: usize,
    /// Connections that are being dialled or closed.
    pub changing: usize,
    /// Statements sent to it since the start.
    pub queries: u64,
    /// Why it does not serve, in one line, if it does not; shown by `status`, no label.
    pub problem: Option<String>,
    /// What should be looked at although it serves, in one line; shown by `status`, no label.
    pub remark: Option<String>,
}

/// Who knows the members.
pub trait Scrape {
    /// The members as they are now.
    fn members(&self) -> Vec<MemberRow>;
}

/// Writes the metrics of the members. Of two rows of one name, such as a pod that has moved and its old address, the
/// one that is up counts: a series that occurs twice would spoil the whole scrape.
pub(super) fn write(text: &mut Text, rows: Vec<MemberRow>) {
    let mut by_name: BTreeMap<String, MemberRow> = BTreeMap::new();
    for row in rows {
        let known = by_name.get(&row.name);
        if known.is_none_or(|known| row.up && !known.up) {
            by_name.insert(row.name.clone(), row);
        }
    }
    let rows: Vec<MemberRow> = by_name.into_values().collect();

    let name = "mysql_proxy_member_up";
    text.head(name, Kind::Gauge, "Whether the member answers its checks");
    for row in &rows {
        text.series(name, &[("member", &row.name), ("role", row.role)], u8::from(row.up));
    }
    let name = "mysql_proxy_member_serves_reads";
    text.head(name, Kind::Gauge, "1 while the member serves reads as a replica, else 0 and why not");
    for row in &rows {
        let labels = [("member", row.name.as_str()), ("reason", row.why_not.unwrap_or_default())];
        text.series(name, &labels, u8::from(row.why_not.is_none()));
    }
    let name = "mysql_proxy_member_lag_seconds";
    text.head(name, Kind::Gauge, "How far the replica was behind the primary when last asked");
    for row in &rows {
        if let Some(lag) = row.lag {
            text.series(name, &[("member", &row.name)], lag.as_secs_f64());
        }
    }
    let name = "mysql_proxy_backend_connections";
    text.head(
        name,
        Kind::Gauge,
        "Connections to the member, used by a session, idle in the pool, or being dialled or closed",
    );
    for row in &rows {
        text.series(name, &[("member", &row.name), ("state", "in_use")], row.in_use);
        text.series(name, &[("member", &row.name), ("state", "idle")], row.idle);
        text.series(name, &[("member", &row.name), ("state", "changing")], row.changing);
    }
    let name = "mysql_proxy_member_queries_total";
    text.head(name, Kind::Counter, "Statements sent to the member");
    for row in &rows {
        text.series(name, &[("member", &row.name)], row.queries);
    }
}
