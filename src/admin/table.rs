//! The status as a table for people.

use std::fmt::Write;

use super::report::{MemberReport, StatusReport};

const COLUMNS: [&str; 9] = ["MEMBER", "ROLE", "STATE", "LAG", "IN USE", "IDLE", "QUERIES", "QPS", "PROBLEM"];

/// The whole table; rates are those since `before`, else since the proxy's start.
pub(super) fn table(now: &StatusReport, before: Option<&StatusReport>) -> String {
    // A smaller uptime is another process, whose counters began anew.
    let before = before.filter(|before| before.uptime_seconds < now.uptime_seconds);
    let seconds = now.uptime_seconds - before.map_or(0.0, |before| before.uptime_seconds);
    let mut text = headline(now, before, seconds);
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    rows.extend(now.members.iter().map(|member| {
        let earlier = before.and_then(|before| before.members.iter().find(|it| it.name == member.name));
        row(member, earlier, seconds)
    }));
    for line in aligned(&rows) {
        let _ = writeln!(text, "{line}");
    }
    if now.members.is_empty() {
        let _ = writeln!(text, "(no members)");
    }
    text
}

fn headline(now: &StatusReport, before: Option<&StatusReport>, seconds: f64) -> String {
    let qps = rate(now.queries.total, before.map(|before| before.queries.total), seconds);
    let mut text =
        format!("mysql-proxy {}, up {}, {}", printable(&now.version), uptime(now.uptime_seconds), state(now));
    if let Some(reason) = &now.reason {
        let _ = write!(text, " ({})", printable(reason));
    }
    let since = if before.is_some() { "" } else { " since the start" };
    let _ = writeln!(text, "\n{} clients, {qps} QPS{since}, {} statements\n", now.clients, now.queries.total);
    text
}

fn state(now: &StatusReport) -> String {
    match now.readiness.as_str() {
        "read_only" => "reads only".to_owned(),
        "no_member" => "not ready".to_owned(),
        other => printable(other),
    }
}

fn row(member: &MemberReport, earlier: Option<&MemberReport>, seconds: f64) -> [String; COLUMNS.len()] {
    [
        printable(&member.name),
        printable(&member.role),
        if member.up { "up" } else { "down" }.to_owned(),
        member.lag_seconds.map_or_else(|| "-".to_owned(), |lag| format!("{lag:.1}s")),
        member.in_use.to_string(),
        member.idle.to_string(),
        member.queries.to_string(),
        rate(member.queries, earlier.map(|it| it.queries), seconds),
        member.problem.as_deref().or(member.remark.as_deref()).map_or_else(String::new, printable),
    ]
}

/// A rate a second; a counter that fell began anew.
fn rate(now: u64, before: Option<u64>, seconds: f64) -> String {
    let more = now.checked_sub(before.unwrap_or(0)).unwrap_or(now);
    // Exact up to 2^53, which is far above any rate that is shown.
    #[allow(clippy::cast_precision_loss)]
    let rate = if seconds > 0.0 { more as f64 / seconds } else { 0.0 };
    if rate > 0.0 && rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

fn uptime(seconds: f64) -> String {
    // A negative or absurd number from elsewhere saturates.
    #[allow(clippy::cast_sign_loss)]
    let seconds = seconds as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// Columns two blanks apart; numbers to the right.
fn aligned(rows: &[[String; COLUMNS.len()]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(width);
    let line = |row: &[String; COLUMNS.len()]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            3..=7 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// What comes from elsewhere must not steer the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::report::QueryReport;
    use super::*;

    fn member(name: &str, role: &str, queries: u64) -> MemberReport {
        let (name, role) = (name.to_owned(), role.to_owned());
        MemberReport {
            name,
            role,
            up: true,
            lag_seconds: None,
            in_use: 3,
            idle: 12,
            queries,
            problem: None,
            serves_reads: true,
            reason: None,
            remark: None,
        }
    }

    fn report(uptime_seconds: f64, total: u64) -> StatusReport {
        StatusReport {
            version: "1.2.3".to_owned(),
            uptime_seconds,
            readiness: "ready".to_owned(),
            reason: None,
            draining: false,
            clients: 7,
            queries: QueryReport { total, ..QueryReport::default() },
            members: vec![member("mysql-0", "primary", total / 4), member("mysql-1", "replica", total / 2)],
        }
    }

    #[test]
    fn the_first_table_shows_rates_since_the_start() {
        let mut now = report(100.0, 4000);
        now.members[1] = MemberReport {
            up: false,
            lag_seconds: Some(12.34),
            problem: Some("connection\u{1b} refused".to_owned()),
            ..now.members[1].clone()
        };
        let expected = "mysql-proxy 1.2.3, up 1m 40s, ready
7 clients, 40 QPS since the start, 4000 statements

MEMBER   ROLE     STATE    LAG  IN USE  IDLE  QUERIES  QPS  PROBLEM
mysql-0  primary  up         -       3    12     1000   10
mysql-1  replica  down   12.3s       3    12     2000   20  connection? refused
";
        assert_eq!(table(&now, None), expected);
    }

    #[test]
    fn later_ones_show_rates_since_the_one_before() {
        let shown = table(&report(102.0, 4400), Some(&report(100.0, 4000)));
        assert!(shown.contains("7 clients, 200 QPS, 4400 statements"), "{shown}");
        assert!(shown.contains("1100   50\n"), "{shown}");
    }

    #[test]
    fn a_proxy_that_was_restarted_counts_anew() {
        let shown = table(&report(2.0, 40), Some(&report(100.0, 4000)));
        assert!(shown.contains("20 QPS since the start"), "{shown}");
    }

    #[test]
    fn states_and_times() {
        let now = StatusReport {
            readiness: "read_only".to_owned(),
            reason: Some("the primary is down".to_owned()),
            members: Vec::new(),
            ..report(0.0, 0)
        };
        let shown = table(&now, None);
        assert!(shown.starts_with("mysql-proxy 1.2.3, up 0s, reads only (the primary is down)\n"), "{shown}");
        assert!(shown.contains("(no members)"));
        assert_eq!([59.9, 61.0, 7300.0, 200_000.0].map(uptime), ["59s", "1m 1s", "2h 1m", "2d 7h"]);
    }
}
