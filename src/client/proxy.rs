//! What all clients share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{
    abandon::Abandoned, accounts::Accounts, error_log::ErrorLog, lookup::Lookups, memory::Memory, pin_log::PinLog,
    policy::Policies, registry::Registry, seats::Seats, seldom::Seldom, texts::StatementTexts,
};
use crate::{
    backend::{KeyPair, Road},
    metrics::Metrics,
    pool::{Identities, Pools},
    topology::Topology,
};

/// The proxy as its clients see it.
#[derive(Debug)]
pub struct Proxy {
    /// Members, roles, health.
    pub topology: Arc<Topology>,
    /// Connections to members.
    pub pools: Pools<Memory>,
    /// How members are reached.
    pub road: Arc<Road>,
    /// Who is connected to members, and how.
    pub identities: Identities,
    /// Who has come in by the cluster's word.
    pub accounts: Accounts,
    /// Reads what members have stored of others.
    pub lookups: Lookups,
    /// For the warning of passwords that were sent in clear.
    pub clear_passwords: Seldom,
    /// Of statements that nobody waits for any more.
    pub abandoned: Abandoned,
    /// For clients that send their password encrypted.
    pub keys: KeyPair,
    /// Texts of prepared statements.
    pub texts: StatementTexts,
    /// How many clients each user may have.
    pub seats: Arc<Seats>,
    /// The clients that are connected.
    pub clients: Arc<Registry>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What was told of sessions that keep their connections.
    pub pin_log: PinLog,
    /// What the log was told of errors that the proxy itself has given.
    pub error_log: ErrorLog,
    /// How often the log tells of clients that were not let in.
    pub refused_logins: Seldom,
    /// How clients are let in and statements are routed.
    pub policy: Policies,
    /// Cancelled when the proxy begins to go down.
    pub drain: CancellationToken,
    /// Cancelled when it no longer waits for a moment in which a client is idle.
    pub hurry: CancellationToken,
}
