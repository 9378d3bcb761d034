//! From the configuration to the rooms below.

use std::{net::SocketAddr, sync::Arc};

use aws_lc_rs::rand;
use tokio_util::sync::CancellationToken;

use super::ServerError;
use crate::{
    backend::{Account, KeyPair, Road, Secrecy},
    client::{
        Fallbacks, Policy, Proxy, accounts::Accounts, lookup::Lookups, registry::Registry, seats::Seats, seldom::Seldom,
    },
    config::{self, AuthSource, BackendTlsMode, Certificate, ClientTlsDemand, Config, Discovery, Multiplexing},
    metrics::{Metrics, RouteNames},
    net::tls::{Acceptor, Connector, Credentials, Fingerprint, Named, Trust},
    pool::{PoolSettings, Pools},
    route::{Reason, Target, TrustedFunctions},
    topology::{
        self, CheckSettings, ClusterKind, ClusterTag, HostPort, MemberSource, MonitorAccount, PrimaryRule,
        TopologySettings,
    },
};

const TARGETS: [&str; Target::ALL.len()] = {
    let mut names = [""; Target::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Target::ALL[at].name();
        at += 1;
    }
    names
};

const REASONS: [&str; Reason::ALL.len()] = {
    let mut names = [""; Reason::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Reason::ALL[at].name();
        at += 1;
    }
    names
};

/// Builds what all clients share, and starts to watch the members until `stop`.
/// `each_member`: the most connections to one.
pub(super) fn proxy(config: &Config, each_member: usize, stop: CancellationToken) -> Result<Arc<Proxy>, ServerError> {
    let keys = KeyPair::generate().map_err(|error| ServerError::Start(error.to_string()))?;
    let settings = topology_settings(config)?;
    let road = road(&config.tls.backend)?;
    Ok(Arc::new(Proxy {
        topology: topology::start(settings, monitor_account(config, Arc::clone(&road)), stop),
        pools: Pools::new(pool(&config.pool, each_member, Arc::clone(&road))),
        road,
        identities: crate::pool::Identities::default(),
        accounts: accounts(&config.auth),
        lookups: Lookups::new(account(&config.monitor.user, &config.monitor.password)),
        clear_passwords: Seldom::default(),
        abandoned: crate::client::Abandoned::default(),
        keys,
        seats: Seats::new(config.limits.max_connections_per_user),
        tls: acceptor(config.tls.client.as_ref())?,
        texts: crate::client::texts::StatementTexts::default(),
        clients: Arc::new(Registry::new(random_number()?)),
        metrics: Arc::new(Metrics::new(RouteNames { targets: &TARGETS, reasons: &REASONS })),
        pin_log: crate::client::pin_log::PinLog::default(),
        refused_logins: crate::client::Seldom::default(),
        error_log: crate::client::ErrorLog::default(),
        policy: policy(config),
        drain: CancellationToken::new(),
        hurry: CancellationToken::new(),
    }))
}

/// What clients are shown. What its files lack is told by the start.
fn acceptor(client: Option<&config::ClientTls>) -> Result<Option<Acceptor>, ServerError> {
    let Some(client) = client else { return Ok(None) };
    let credentials = match &client.certificate {
        Certificate::Auto => Credentials::SelfSigned,
        Certificate::Files { cert, key } => Credentials::Files { cert: cert.clone(), key: key.clone() },
    };
    let acceptor = Acceptor::new(credentials, client.ca.clone());
    acceptor.map(Some).map_err(|error| ServerError::Start(format!("[tls.client]: {error}")))
}

/// Tells this proxy from others.
fn random_number() -> Result<u32, ServerError> {
    let mut bytes = [0; 4];
    rand::fill(&mut bytes).map_err(|_| ServerError::Start("no randomness".to_owned()))?;
    Ok(u32::from_le_bytes(bytes))
}

/// Who watches the members.
#[must_use]
pub fn monitor_account(config: &Config, road: Arc<Road>) -> MonitorAccount {
    let monitor = &config.monitor;
    MonitorAccount { account: account(&monitor.user, &monitor.password), connect_timeout: monitor.timeout, road }
}

/// How members are reached.
pub fn road(backend: &config::BackendTls) -> Result<Arc<Road>, ServerError> {
    let named = if backend.mode == BackendTlsMode::VerifyIdentity { Named::Yes } else { Named::No };
    let pins: Vec<_> = backend.pins.iter().map(|pin| Fingerprint(pin.0)).collect();
    let trust = match backend.mode {
        BackendTlsMode::Disabled => return Ok(Arc::new(Road::new(Secrecy::None, Vec::new()))),
        BackendTlsMode::Preferred => Trust::Anybody,
        BackendTlsMode::Required if pins.is_empty() => Trust::Anybody,
        BackendTlsMode::Required => Trust::Proven { pins, ca: None, named },
        BackendTlsMode::VerifyCa | BackendTlsMode::VerifyIdentity => {
            Trust::Proven { pins, ca: backend.ca.clone(), named }
        }
    };
    let connector = Connector::new(trust, backend.pair.clone())
        .map_err(|error| ServerError::Start(format!("[tls.backend]: {error}")))?;
    let secrecy = match backend.mode {
        BackendTlsMode::Preferred => Secrecy::Preferred(connector),
        _ => Secrecy::Required(connector),
    };
    Ok(Arc::new(Road::new(secrecy, topology::search_domains())))
}

/// An account of the configuration.
#[must_use]
pub fn account(user: &str, secret: &config::Secret) -> Account {
    Account::with_password(user.as_bytes(), secret.expose().as_bytes())
}

fn accounts(auth: &config::Auth) -> Accounts {
    let users = auth.users.iter().map(|user| account(&user.name, &user.password));
    Accounts::new(users, auth.source == AuthSource::Auto)
}

const fn pool(pool: &config::Pool, max_backend_connections: usize, road: Arc<Road>) -> PoolSettings {
    PoolSettings {
        road,
        max_backend_connections,
        acquire_timeout: pool.acquire_timeout,
        connect_timeout: pool.connect_timeout,
        idle_timeout: pool.idle_timeout,
    }
}

fn policy(config: &Config) -> Policy {
    Policy {
        consistency: config.routing.consistency,
        fallbacks: Fallbacks::new(config.routing.fallback_limit),
        split_transactions: config.routing.split_transactions,
        cluster: cluster_tag(&config.cluster),
        causal_wait: config.routing.causal_wait,
        trusted: TrustedFunctions::new(&config.routing.trusted_functions),
        multiplexing: config.pool.multiplexing == Multiplexing::On,
        max_allowed_packet: config.limits.max_allowed_packet.bytes() as usize,
        acquire_timeout: config.pool.acquire_timeout,
        connect_timeout: config.pool.connect_timeout,
        announced_from: config.listen.proxy_protocol_from.clone(),
        tls_required: config.tls.client.as_ref().is_some_and(|tls| tls.demand == ClientTlsDemand::Required),
        auth_recheck: config.auth.recheck,
        client_read_timeout: config.limits.client_read_timeout,
        client_write_timeout: config.limits.client_write_timeout,
    }
}

/// What proxies in front of one cluster have in common.
fn cluster_tag(cluster: &config::Cluster) -> ClusterTag {
    ClusterTag::of(match &cluster.discovery {
        Discovery::Service(name) => vec![format!("{name}:{}", cluster.port)],
        Discovery::Members(list) => list.iter().map(ToString::to_string).collect(),
    })
}

/// What the topology is told.
pub fn topology_settings(config: &Config) -> Result<TopologySettings, ServerError> {
    let cluster = &config.cluster;
    let host_port = |text: &str| {
        HostPort::parse(text, cluster.port).ok_or_else(|| ServerError::Start(format!("not a host: {text:?}")))
    };
    let kind = match cluster.kind {
        config::ClusterKind::Replication => ClusterKind::Replication,
        config::ClusterKind::Single => ClusterKind::Single,
        config::ClusterKind::Galera => ClusterKind::Galera,
        // The configuration refuses the kind that is not offered yet.
        config::ClusterKind::Auto | config::ClusterKind::GroupReplication => ClusterKind::Auto,
    };
    let members = match &cluster.discovery {
        Discovery::Service(name) => MemberSource::Service(host_port(name)?),
        Discovery::Members(list) => {
            MemberSource::List(list.iter().map(|member| host_port(&member.to_string())).collect::<Result<_, _>>()?)
        }
    };
    let primary = match &cluster.primary {
        config::PrimaryRule::Named(name) => PrimaryRule::Named(host_port(name)?),
        config::PrimaryRule::Auto => PrimaryRule::Writable,
    };
    let primary_service = cluster.primary_service.as_ref().map(|at| host_port(&at.to_string())).transpose()?;
    let monitor = &config.monitor;
    let dns_servers: Vec<SocketAddr> = cluster.dns_servers.clone();
    let check = CheckSettings {
        interval: monitor.interval,
        timeout: monitor.timeout,
        fall: monitor.fall,
        rise: monitor.rise,
        max_lag: monitor.max_lag,
        follow_interval: monitor.follow_interval,
    };
    Ok(TopologySettings { kind, members, primary, primary_service, dns_servers, check })
}
