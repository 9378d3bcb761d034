//! What the configuration says of clients, and the one place where that is replaced while they are served.
//!
//! Knows values, and how many times they were replaced. Must not know files, nor why somebody replaces them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};

use super::{accounts::Users, fallback::Fallbacks};
use crate::{
    backend::Account,
    config::{Config, Network},
    net::tls::Acceptor,
    route::TrustedFunctions,
    session::Consistency,
    topology::ClusterTag,
};

/// What the configuration says of routing, logins and limits.
#[derive(Debug)]
pub struct Policy {
    /// Counts what was in force; greater is newer. Set by who publishes it.
    pub generation: u64,
    /// The configuration that all of this is made of, as it is in force.
    pub config: Arc<Config>,
    /// Who may come in by the configuration's word.
    pub users: Users,
    /// For clients that encrypt everything; none: that is not offered.
    pub tls: Option<Arc<Acceptor>>,
    /// The monitor's account, which reads what members have stored of others.
    pub reader: Account,
    /// At most so many clients at a time.
    pub max_clients: usize,
    /// At most so many clients of one user; 0: any number.
    pub max_clients_of_user: usize,
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

/// The policy in force: sessions keep it and look at its number, everybody else loads it.
#[derive(Debug)]
pub struct Policies {
    current: ArcSwap<Policy>,
    generation: AtomicU64,
}

impl Policies {
    /// Begins with this one.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Policies { generation: AtomicU64::new(policy.generation), current: ArcSwap::from_pointee(policy) }
    }

    /// The one in force, for one decision.
    #[must_use]
    pub fn now(&self) -> Guard<Arc<Policy>> {
        self.current.load()
    }

    /// The same, to be kept.
    #[must_use]
    pub fn keep(&self) -> Arc<Policy> {
        self.current.load_full()
    }

    /// Its number: one load, and nothing is counted.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// From now on this one counts. One at a time may do so.
    pub fn publish(&self, mut policy: Policy) {
        let next = self.generation() + 1;
        policy.generation = next;
        self.current.store(Arc::new(policy));
        self.generation.store(next, Ordering::Release);
    }
}
