//! The JSON of `/api/v1/status` and `/api/v1/members`: written by the admin server, read by `mysql-proxy status` and by
//! other people's programs, so fields are added and never change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::observed::{Observed, Readiness};
use crate::metrics::{MemberRow, QueryTotals};

/// `/api/v1/status`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Of the program.
    pub version: String,
    /// Since the start.
    pub uptime_seconds: f64,
    /// `ready`, `read_only`, `no_member` or `draining`.
    pub readiness: String,
    /// Why it is no better.
    pub reason: Option<String>,
    /// Whether the proxy is going down.
    pub draining: bool,
    /// Client connections that are open.
    pub clients: usize,
    /// Statements since the start.
    pub queries: QueryReport,
    /// Sorted by name.
    pub members: Vec<MemberReport>,
}

/// Statements since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueryReport {
    /// All of them.
    pub total: u64,
    /// By where they went.
    pub by_target: BTreeMap<String, u64>,
    /// By how they ended.
    pub by_outcome: BTreeMap<String, u64>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Its name.
    pub name: String,
    /// `primary` or `replica`.
    pub role: String,
    /// Whether it answers its checks.
    pub up: bool,
    /// How far it is behind the primary, for a replica that tells.
    pub lag_seconds: Option<f64>,
    /// Connections that sessions use.
    pub in_use: usize,
    /// Connections that wait in the pool.
    pub idle: usize,
    /// Statements sent to it since the start.
    pub queries: u64,
    /// Why it does not serve, if it does not.
    pub problem: Option<String>,
    /// Whether it serves reads as a replica.
    #[serde(default)]
    pub serves_reads: bool,
    /// Why it serves no reads as a replica, in the word of the metric `mysql_proxy_member_serves_reads`.
    #[serde(default)]
    pub reason: Option<String>,
    /// What should be looked at although it serves.
    #[serde(default)]
    pub remark: Option<String>,
}

impl StatusReport {
    /// The proxy as it is now.
    pub fn of(observed: &dyn Observed) -> Self {
        let readiness = observed.readiness();
        let summary = observed.summary();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: summary.uptime.as_secs_f64(),
            readiness: readiness.name().to_owned(),
            reason: readiness.reason().map(str::to_owned),
            draining: readiness == Readiness::Draining,
            clients: summary.clients,
            queries: summary.queries.into(),
            members: MemberReport::all(observed),
        }
    }
}

impl MemberReport {
    /// The members as they are now.
    pub fn all(observed: &dyn Observed) -> Vec<Self> {
        let mut members: Vec<Self> = observed.members().into_iter().map(Self::from).collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members
    }
}

impl From<MemberRow> for MemberReport {
    fn from(row: MemberRow) -> Self {
        let MemberRow { name, role, up, why_not, lag, in_use, idle, changing: _, queries, problem, remark } = row;
        let lag_seconds = lag.map(|lag| lag.as_secs_f64());
        let (serves_reads, reason) = (why_not.is_none(), why_not.map(str::to_owned));
        Self {
            name,
            role: role.to_owned(),
            up,
            lag_seconds,
            in_use,
            idle,
            queries,
            problem,
            serves_reads,
            reason,
            remark,
        }
    }
}

impl From<QueryTotals> for QueryReport {
    fn from(totals: QueryTotals) -> Self {
        let owned =
            |counts: Vec<(&'static str, u64)>| counts.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
        Self {
            total: totals.by_outcome.iter().map(|(_, count)| count).sum(),
            by_target: owned(totals.by_target),
            by_outcome: owned(totals.by_outcome),
        }
    }
}
