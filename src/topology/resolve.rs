//! Questions to DNS: addresses of a name, pods of a Service.
//!
//! Knows hickory-resolver, `/etc/resolv.conf` and times to live. Must not know members.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::system_conf::read_system_conf;

/// For one try at one DNS server.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// Tries of one question.
const TRIES: usize = 2;

/// Why DNS gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// No DNS server to ask.
    #[error("DNS cannot be used: {0}; set cluster.dns_servers")]
    NoResolver(String),
    /// The name does not exist, or has no address.
    #[error("DNS has no address for {0}")]
    NoSuchName(String),
    /// No answer, or none of use.
    #[error("DNS does not answer for {name}: {why}")]
    NoAnswer {
        /// What was asked.
        name: String,
        /// What happened.
        why: String,
    },
}

/// An answer and until when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved<T> {
    /// What was found; never empty.
    pub found: Vec<T>,
    /// By its time to live.
    pub valid_until: Instant,
}

/// One pod behind a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The target of its SRV record.
    pub target: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Asks DNS; remembers no answer.
pub struct Resolver {
    dns: TokioResolver,
    /// By which whole name a name was found among Kubernetes' Services. From then on that one alone is asked, and its "there is none"
    /// is final: the search list ends outside of the cluster, where a failure would say nothing of a pod.
    whole: Mutex<HashMap<String, Name>>,
}

/// The domains in which short names are looked up, as `/etc/resolv.conf` says.
#[must_use]
pub fn search_domains() -> Vec<String> {
    let Ok((config, _)) = read_system_conf() else { return Vec::new() };
    let (_, search, _) = config.into_parts();
    search.iter().map(|domain| domain.to_ascii().trim_end_matches('.').to_owned()).collect()
}

impl Resolver {
    /// With the servers given, else those of `/etc/resolv.conf`; with its search list either way.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, DiscoveryError> {
        let (config, options) = match (read_system_conf(), servers) {
            (Ok((config, options)), []) => (config, options),
            (Err(error), []) => return Err(unusable(&error)),
            (Ok((config, options)), servers) => {
                let (domain, search, _) = config.into_parts();
                (ResolverConfig::from_parts(domain, search, name_servers(servers)), options)
            }
            (Err(_), servers) => (ResolverConfig::from_name_servers(name_servers(servers)), ResolverOpts::default()),
        };
        Self::of(config, options)
    }

    pub(super) fn of(config: ResolverConfig, mut options: ResolverOpts) -> Result<Self, DiscoveryError> {
        options.cache_size = 0;
        options.timeout = TRY_TIMEOUT;
        options.attempts = TRIES;
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        let dns = builder.build().map_err(|error| unusable(&error))?;
        Ok(Self { dns, whole: Mutex::default() })
    }

    /// The addresses of a host name: IPv4, or IPv6 if there are none of those (both addresses of a dual-stack pod would
    /// look like two members). No answer about the first is not taken for a no.
    pub async fn addresses(&self, name: &str) -> Result<Resolved<IpAddr>, DiscoveryError> {
        let answer = match self.look_up(name, RecordType::A).await {
            Err(error) if error.is_no_records_found() => self.look_up(name, RecordType::AAAA).await,
            answer => answer,
        };
        let answer = answer.map_err(|error| explain(name, &error))?;
        let ip = |record: &Record| record.data.ip_addr();
        let mut found: Vec<IpAddr> = answer.answers().iter().filter_map(ip).collect();
        found.sort_unstable();
        found.dedup();
        some(name, Resolved { found, valid_until: answer.valid_until() })
    }

    /// The pods behind a Service by its SRV records: those of the port named `mysql`, else those with this number.
    pub async fn pods(&self, service: &str, port: u16) -> Result<Resolved<Pod>, DiscoveryError> {
        if service.starts_with('_') {
            return self.targets(service, None).await;
        }
        match self.targets(&format!("_mysql._tcp.{service}"), None).await {
            Err(DiscoveryError::NoSuchName(_)) => self.targets(service, Some(port)).await,
            answer => answer,
        }
    }

    async fn look_up(&self, name: &str, kind: RecordType) -> Result<Lookup, NetError> {
        let whole = self.whole().get(name).cloned();
        if let Some(whole) = whole {
            return self.dns.lookup(whole, kind).await;
        }
        let answer = self.dns.lookup(name, kind).await?;
        let whole = answer.query().name();
        if is_of_services(&whole.to_ascii(), name) {
            self.whole().insert(name.to_owned(), whole.clone());
        }
        Ok(answer)
    }

    fn whole(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn targets(&self, name: &str, port: Option<u16>) -> Result<Resolved<Pod>, DiscoveryError> {
        let answer = self.look_up(name, RecordType::SRV).await.map_err(|error| explain(name, &error))?;
        let mut all = Resolved { found: Vec::new(), valid_until: answer.valid_until() };
        for record in answer.answers() {
            let RData::SRV(srv) = &record.data else { continue };
            if port.is_some_and(|port| port != srv.port) || all.found.len() > super::names::MAX_MEMBERS {
                continue;
            }
            let target = srv.target.to_ascii();
            let ip = match address_beside(answer.additionals(), &target) {
                Some(ip) => ip,
                None => match self.addresses(&target).await {
                    Ok(resolved) => {
                        all.valid_until = all.valid_until.min(resolved.valid_until);
                        resolved.found[0]
                    }
                    // The pod has gone since the SRV records were made.
                    Err(DiscoveryError::NoSuchName(_)) => continue,
                    Err(error) => return Err(error),
                },
            };
            all.found.push(Pod { target, address: SocketAddr::new(ip, srv.port) });
        }
        all.found.sort_unstable_by(|a, b| (&a.target, a.address).cmp(&(&b.target, b.address)));
        some(name, all)
    }
}

/// Whether this is the name with `NAMESPACE.svc.CLUSTER-DOMAIN.`, or a part of that, behind it: neither where an alias leads to, nor
/// what another domain of the search list happens to have.
fn is_of_services(whole: &str, name: &str) -> bool {
    let suffix = whole.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
    suffix.is_some_and(|suffix| suffix.starts_with("svc.") || suffix.contains(".svc."))
}

fn unusable(error: &NetError) -> DiscoveryError {
    DiscoveryError::NoResolver(error.to_string())
}

fn name_servers(servers: &[SocketAddr]) -> Vec<NameServerConfig> {
    let with_port = |server: &SocketAddr| {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        config
    };
    servers.iter().map(with_port).collect()
}

/// The address that came along with the SRV records.
fn address_beside(additionals: &[Record], target: &str) -> Option<IpAddr> {
    additionals.iter().filter(|record| record.name.to_ascii() == target).find_map(|record| match &record.data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        _ => None,
    })
}

fn some<T>(name: &str, resolved: Resolved<T>) -> Result<Resolved<T>, DiscoveryError> {
    if resolved.found.is_empty() { Err(DiscoveryError::NoSuchName(name.to_owned())) } else { Ok(resolved) }
}

fn explain(name: &str, error: &NetError) -> DiscoveryError {
    if error.is_nx_domain() || error.is_no_records_found() {
        DiscoveryError::NoSuchName(name.to_owned())
    } else {
        DiscoveryError::NoAnswer { name: name.to_owned(), why: error.to_string() }
    }
}
