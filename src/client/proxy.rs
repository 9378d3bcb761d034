//! What all clients share.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    abandon::Abandoned, accounts::Accounts, error_log::ErrorLog, fallback::Fallbacks, lookup::Lookups, memory::Memory,
    pin_log::PinLog, registry::Registry, seats::Seats, seldom::Seldom, texts::StatementTexts,
};
use crate::{
    backend::{KeyPair, Road},
    config::Network,
    metrics::Metrics,
    net::tls::Acceptor,
    pool::{Identities, Pools},
    route::TrustedFunctions,
    session::Consistency,
    topology::{ClusterTag, Topology},
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
    /// Who may come in.
    pub accounts: Accounts,
    /// Reads what members have stored of others.
    pub lookups: Lookups,
    /// For the warning of passwords that were sent in clear.
    pub clear_passwords: Seldom,
    /// Of statements that nobody waits for any more.
    pub abandoned: Abandoned,
    /// For clients that send their password encrypted.
    pub keys: KeyPair,
    /// For clients that encrypt everything; none: that is not offered.
    pub tls: Option<Acceptor>,
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
    /// How statements are routed.
    pub policy: Policy,
    /// Cancelled when the proxy begins to go down.
    pub drain: CancellationToken,
    /// Cancelled when it no longer waits for a moment in which a client is idle.
    pub hurry: CancellationToken,
}

/// What the configuration says of routing and limits.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How fresh reads must be.
    pub consistency: Consistency,
    /// How long a read may wait for a replica to have what it must see, before the primary serves it.
    pub causal_wait: Duration,
    /// How many reads at a time the primary may serve in a replica's place.
    pub fallbacks: Fallbacks,
    /// Whether the reads of transactions run on replicas until they write.
    pub split_transactions: bool,
    /// What tokens of this cluster begin with.
    pub cluster: ClusterTag,
    /// Functions that are known not to write.
    pub trusted: TrustedFunctions,
    /// Whether sessions share connections.
    pub multiplexing: bool,
    /// The longest command of a client, in bytes.
    pub max_allowed_packet: usize,
    /// How long a statement waits for a member that can serve it.
    pub acquire_timeout: Duration,
    /// How long dialling and authenticating at a member may take.
    pub connect_timeout: Duration,
    /// Networks whose connections begin with a PROXY header.
    pub announced_from: Vec<Network>,
    /// Whether clients must use TLS.
    pub tls_required: bool,
    /// How old the members' word on an account may be for a new login.
    pub auth_recheck: Duration,
    /// How long a client may stop in the middle of what it says.
    pub client_read_timeout: Duration,
    /// How long a client may take nothing of what it is told.
    pub client_write_timeout: Duration,
}
