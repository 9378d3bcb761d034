//! What the topology is told at its start, as plain values.
//!
//! Must not know where they come from.

use std::net::SocketAddr;
use std::time::Duration;

/// What kind of cluster it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterKind {
    /// One server if a list of exactly one member is given, else a Galera cluster if all members say so, else a primary
    /// with replicas.
    #[default]
    Auto,
    /// A primary with replicas.
    Replication,
    /// Galera: every member could take writes, and one of them does.
    Galera,
    /// One server, which is the primary whatever it says of itself.
    Single,
}

/// Where a server listens, by name or by address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name, or an address (IPv6 without brackets).
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl HostPort {
    /// Reads `host`, `host:port`, `address`, `address:port`, `[v6]` or `[v6]:port`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str, default_port: u16) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
            }
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Some(default_port), |port| port.parse().ok())?;
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port })
    }

    /// The address, if the host is one.
    #[must_use]
    pub fn literal(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.parse().ok()?, self.port))
    }
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Where the members come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberSource {
    /// A fixed list; names in it are resolved again and again.
    List(Vec<HostPort>),
    /// The name of a headless Service: SRV records, else A or AAAA records with this port.
    Service(HostPort),
}

/// Who is the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrimaryRule {
    /// The member of this name or `host:port`.
    Named(HostPort),
    /// Whoever is writable: one, and only one. In a Galera cluster the first by name of those that are fit.
    Writable,
}

/// When a member is up, down, or too far behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckSettings {
    /// Between two checks of a member.
    pub interval: Duration,
    /// For connecting, and again for asking.
    pub timeout: Duration,
    /// Failed checks before a member is down.
    pub fall: u32,
    /// Good checks before it is up again.
    pub rise: u32,
    /// A replica behind by more serves no reads.
    pub max_lag: Duration,
    /// The least time between two questions to a member for how far it is.
    pub follow_interval: Duration,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            timeout: Duration::from_millis(500),
            fall: 3,
            rise: 2,
            max_lag: Duration::from_secs(10),
            follow_interval: Duration::from_millis(1),
        }
    }
}

/// Everything the topology is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologySettings {
    /// What kind of cluster.
    pub kind: ClusterKind,
    /// Where the members come from.
    pub members: MemberSource,
    /// Who is the primary.
    pub primary: PrimaryRule,
    /// Where a named primary is reached in place of its own address: a Service whose address stays when its pod is replaced.
    pub primary_service: Option<HostPort>,
    /// Which DNS servers to ask; those of `/etc/resolv.conf` if empty.
    pub dns_servers: Vec<SocketAddr>,
    /// How members are checked.
    pub check: CheckSettings,
}

impl TopologySettings {
    /// Whether the cluster is one server.
    #[must_use]
    pub fn is_single(&self) -> bool {
        match self.kind {
            ClusterKind::Single => true,
            ClusterKind::Replication | ClusterKind::Galera => false,
            ClusterKind::Auto => matches!(&self.members, MemberSource::List(list) if list.len() == 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_read_and_printed() {
        for (text, printed) in [
            ("mysql-0.mysql", Some("mysql-0.mysql:3306")),
            ("db:3307", Some("db:3307")),
            ("10.0.0.1", Some("10.0.0.1:3306")),
            ("::1", Some("[::1]:3306")),
            ("[::1]:3307", Some("[::1]:3307")),
            ("[::1]", Some("[::1]:3306")),
            ("", None),
            (":3306", None),
            ("db:x", None),
            ("db:70000", None),
            ("[::1]3307", None),
            ("[::1", None),
        ] {
            assert_eq!(HostPort::parse(text, 3306).map(|read| read.to_string()).as_deref(), printed, "{text}");
        }
    }
}
