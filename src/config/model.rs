//! The checked configuration: plain typed values, ready for use.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::{ByteSize, MemberAddress, Network, Pin, Secret};
use crate::session::Consistency;

/// The whole configuration, checked. `Display` writes it as TOML with the secrets masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[listen]`
    pub listen: Listen,
    /// `[runtime]`
    pub runtime: Runtime,
    /// `[cluster]`
    pub cluster: Cluster,
    /// `[monitor]`
    pub monitor: Monitor,
    /// `[auth]` and `[[users]]`
    pub auth: Auth,
    /// `[routing]`
    pub routing: Routing,
    /// `[pool]`
    pub pool: Pool,
    /// `[limits]`
    pub limits: Limits,
    /// `[tls]`
    pub tls: Tls,
}

/// Where the proxy listens. Port 0 lets the system choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The port that splits reads and writes. Default `0.0.0.0:3306`.
    pub read_write: SocketAddr,
    /// The port that serves from replicas only. Default `0.0.0.0:3307`.
    pub read_only: Option<SocketAddr>,
    /// Metrics and health over HTTP. Default `0.0.0.0:9090`.
    pub admin_http: Option<SocketAddr>,
    /// The SQL admin port. Off in this version.
    pub admin_sql: Option<SocketAddr>,
    /// Networks whose connections begin with a PROXY header. Default: none.
    pub proxy_protocol_from: Vec<Network>,
}

/// The threads that do the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Worker threads as configured; 0, the default, means one for each core. See [`Runtime::worker_threads`].
    pub threads: usize,
}

impl Runtime {
    /// How many worker threads to start: as configured, else one for each core.
    #[must_use]
    pub fn worker_threads(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        NonZeroUsize::new(self.threads).unwrap_or_else(cores)
    }
}

/// The members, and how to find them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// How the members are kept alike. Default [`ClusterKind::Auto`].
    pub kind: ClusterKind,
    /// Where the list of members comes from. Default: the service `mysql`.
    pub discovery: Discovery,
    /// The members' port where none is given with a name. Default 3306.
    pub port: u16,
    /// Which member is the primary. Default: the one named `mysql-0.mysql`.
    pub primary: PrimaryRule,
    /// A Service in front of the named primary alone, whose address stays when the pod is replaced. Default: none.
    pub primary_service: Option<MemberAddress>,
    /// DNS servers to ask; empty, the default, means those of resolv.conf.
    pub dns_servers: Vec<SocketAddr>,
}

/// `cluster.kind`: how the members are kept alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterKind {
    /// To be found out.
    Auto,
    /// A primary and asynchronous or semi-synchronous replicas.
    Replication,
    /// `MariaDB` with Galera: every member could take writes, and one of them does.
    Galera,
    /// `MySQL` group replication.
    GroupReplication,
    /// One member alone.
    Single,
}

/// Where the list of members comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// A headless Service's DNS name.
    Service(String),
    /// A list that does not change; never empty, no member twice.
    Members(Vec<MemberAddress>),
}

/// `cluster.primary`: which member is the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrimaryRule {
    /// The member of this name (`host` or `host:port`, as it was written); with [`Discovery::Members`] it is one of
    /// them, see [`MemberAddress::is_called`].
    Named(String),
    /// Whoever is writable: one, and only one.
    Auto,
}

/// How members are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// The monitor's account. Default `proxy`.
    pub user: String,
    /// Its password. Default empty.
    pub password: Secret,
    /// From the beginning of one check to that of the next. Default 1 s.
    pub interval: Duration,
    /// How long one check may take; at most the interval. Default 500 ms.
    pub timeout: Duration,
    /// Checks that must fail in a row before a member is down; at least 1. Default 3.
    pub fall: u32,
    /// Checks that must succeed in a row before it is up again; at least 1. Default 2.
    pub rise: u32,
    /// A replica behind by more serves no reads. Default 10 s.
    pub max_lag: Duration,
    /// The least time between two questions to a replica for what it has applied.
    pub follow_interval: Duration,
}

/// Who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Where accounts come from. Default [`AuthSource::Auto`].
    pub source: AuthSource,
    /// How old the members' word on an account may be for a new login. Default 5 s.
    pub recheck: Duration,
    /// `[[users]]`; no name twice.
    pub users: Vec<User>,
}

/// `auth.source`: where accounts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthSource {
    /// `[[users]]` first, then what the cluster itself accepts.
    Auto,
    /// `[[users]]` only; then there is at least one.
    Config,
}

/// One of `[[users]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The account's name, at the proxy and at the members.
    pub name: String,
    /// Its password, at the proxy and at the members.
    pub password: Secret,
}

/// What decides between replicas and the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    /// Whose writes a session's reads must see. Default [`Consistency::Session`].
    pub consistency: Consistency,
    /// How long a read may wait on a replica for the session's last write; zero: not at all. Default 50 ms.
    pub causal_wait: Duration,
    /// How many reads at a time the primary may serve for want of a replica; 0, the default: any number.
    pub fallback_limit: usize,
    /// Whether transactions at `READ COMMITTED` read from a replica until they write. Default: no.
    pub split_transactions: bool,
    /// Stored functions (`f` or `db.f`) that do not write, so a SELECT that calls them may go to a replica.
    pub trusted_functions: Vec<String>,
}

/// Connections to the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// At most so many connections to each member, over all users. Default 200.
    pub max_backend_connections: usize,
    /// Whether sessions share backend connections. Default [`Multiplexing::On`].
    pub multiplexing: Multiplexing,
    /// How long a statement waits for a free connection. Default 10 s.
    pub acquire_timeout: Duration,
    /// An unused connection is closed after this time. Default 60 s.
    pub idle_timeout: Duration,
    /// How long dialling and authenticating at a member may take. Default 2 s.
    pub connect_timeout: Duration,
}

/// `pool.multiplexing`: whether sessions share backend connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multiplexing {
    /// A session borrows a connection for a statement or a transaction (`true`).
    On,
    /// A session keeps its connections until it ends (`false`).
    Off,
}

/// What is too much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At most so many clients at a time; the next gets error 1040. Default 10000.
    pub max_client_connections: usize,
    /// At most so many clients of one user at a time; the next gets error 1203. Default 0: any number.
    pub max_connections_per_user: usize,
    /// How long a client may stop in the middle of a command, or of a file that was asked for. Default 60 s.
    pub client_read_timeout: Duration,
    /// How long a client may take nothing of its reply. Default 60 s.
    pub client_write_timeout: Duration,
    /// How long a drain lets running work finish. Default 30 s.
    pub drain_timeout: Duration,
    /// The largest command that a client may send; a larger one gets error 1153. Default 1 GiB, which is also the most.
    pub max_allowed_packet: ByteSize,
}

/// Encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// What clients connect with; `None`: TLS is not offered to them.
    pub client: Option<ClientTls>,
    /// Towards the members.
    pub backend: BackendTls,
}

/// `[tls.client]`: what clients connect with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// What they are shown. Default [`Certificate::Auto`].
    pub certificate: Certificate,
    /// The authority that client certificates must come from; `None`: they are not asked for.
    pub ca: Option<PathBuf>,
    /// Whether clients must use TLS. Default [`ClientTlsDemand::Optional`].
    pub demand: ClientTlsDemand,
}

/// `tls.client.cert` and `tls.client.key`: what clients are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// One that is made at start and signed by itself (`"auto"`).
    Auto,
    /// From files, PEM.
    Files {
        /// The certificate chain.
        cert: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// `tls.client.required`: whether clients must use TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientTlsDemand {
    /// They may (`false`).
    Optional,
    /// They must (`true`).
    Required,
}

/// `[tls.backend]`: TLS towards the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendTls {
    /// How much is asked of a member. Default [`BackendTlsMode::Preferred`].
    pub mode: BackendTlsMode,
    /// The authority that members' certificates must come from.
    pub ca: Option<PathBuf>,
    /// The certificate that a member is shown which asks for one, and its key; PEM.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// Certificates of members that nobody need vouch for. Default: none.
    pub pins: Vec<Pin>,
}

/// `tls.backend.mode`, as the `MySQL` client's `--ssl-mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendTlsMode {
    /// Never.
    Disabled,
    /// When the member offers it.
    Preferred,
    /// Always, whoever the member is.
    Required,
    /// Always, with a certificate of the right authority.
    VerifyCa,
    /// Always, with a certificate of the right authority and name.
    VerifyIdentity,
}
