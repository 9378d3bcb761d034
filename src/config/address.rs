//! A member's address as it is written in the configuration.

use std::fmt;
use std::net::Ipv6Addr;

/// Where a member listens: a host name or an IP address, and a port. An IPv6 address is kept without brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberAddress {
    /// A host name or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl MemberAddress {
    /// Reads `host:port`, `host` (then with `default_port`), `[v6]:port` or `[v6]`.
    pub(super) fn parse(text: &str, default_port: u16) -> Option<MemberAddress> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                host.parse::<Ipv6Addr>().ok()?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
            }
            None => match text.split_once(':') {
                Some((host, port)) => (is_host(host).then_some(host)?, Some(port)),
                None => (is_host(text).then_some(text)?, None),
            },
        };
        let port = port.map_or(Some(default_port), |port| port.parse().ok()).filter(|port| *port != 0)?;
        Some(MemberAddress { host: host.to_owned(), port })
    }

    /// Whether `name`, written as `host` or `host:port`, means this member.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        self.host.eq_ignore_ascii_case(bare) || self.to_string().eq_ignore_ascii_case(name)
    }
}

impl fmt::Display for MemberAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MemberAddress { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// What may stand as a host: letters, digits, `-`, `_` and dots. DNS itself says the rest.
pub(super) fn is_host(text: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    text.len() <= 254 && text.strip_suffix('.').unwrap_or(text).split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::MemberAddress;

    #[test]
    fn reads_hosts_and_ports() {
        for (text, shown) in [
            ("mysql-0.mysql", "mysql-0.mysql:3306"),
            ("mysql-0.mysql:3307", "mysql-0.mysql:3307"),
            ("10.0.0.1:1", "10.0.0.1:1"),
            ("[::1]:4000", "[::1]:4000"),
            ("[::1]", "[::1]:3306"),
            ("db.example.", "db.example.:3306"),
        ] {
            assert_eq!(MemberAddress::parse(text, 3306).map(|a| a.to_string()).as_deref(), Some(shown), "{text}");
        }
        for text in ["", ":3306", "a:", "a:0", "a:65536", "a b", "::1", "[::1", "[::1]x", "[a]:1", "a..b", "a:1:2"] {
            assert_eq!(MemberAddress::parse(text, 3306), None, "{text}");
        }
    }

    #[test]
    fn goes_by_its_name() {
        let member = MemberAddress { host: "mysql-0.mysql".into(), port: 3306 };
        assert!(member.is_called("mysql-0.mysql") && member.is_called("MYSQL-0.mysql:3306"));
        assert!(!member.is_called("mysql-0") && !member.is_called("mysql-0.mysql:3307"));
        assert!(MemberAddress { host: "::1".into(), port: 1 }.is_called("[::1]"));
    }
}
