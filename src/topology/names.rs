//! What members are called, and which of them bears the primary's name.
//!
//! PURE. Knows the shapes of pod names. Must not know DNS.

use std::cmp::Ordering;
use std::net::SocketAddr;

use super::settings::HostPort;

/// Most members that are kept.
pub const MAX_MEMBERS: usize = 64;

/// What one look at the list or at DNS found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Names and addresses; each address once.
    pub members: Vec<(String, SocketAddr)>,
    /// Whose the primary's name is, if it is anybody's.
    pub primary: Option<SocketAddr>,
    /// Why the look failed, in part or whole; what is missing is then as it was before.
    pub problem: Option<String>,
}

impl Found {
    /// Adds a member unless its address is there already or there are too many.
    pub fn add(&mut self, name: &str, address: SocketAddr) {
        if self.members.iter().any(|(_, known)| *known == address) {
            return;
        }
        if self.members.len() == MAX_MEMBERS {
            self.note(&format!("there are more than {MAX_MEMBERS} members; {name} and others are left out"));
            return;
        }
        self.members.push((name.to_owned(), address));
    }

    /// Remembers the first problem.
    pub fn note(&mut self, problem: &str) {
        self.problem.get_or_insert_with(|| problem.to_owned());
    }

    /// Whose name it is, among the names known without asking.
    #[must_use]
    pub fn bearer(&self, name: &HostPort) -> Option<SocketAddr> {
        let exactly = name.to_string();
        let is_exact = |(known, address): &&(String, SocketAddr)| {
            known.eq_ignore_ascii_case(&exactly) || address.to_string() == exactly
        };
        let mut same_host = self.members.iter().filter(|(known, _)| bears(known, &name.host));
        match self.members.iter().find(is_exact) {
            Some((_, address)) => Some(*address),
            None => same_host.next().filter(|_| same_host.next().is_none()).map(|(_, address)| *address),
        }
    }

    /// The member that bears the primary's name is reached at `address` in place of its own; one that is not there is added.
    pub fn reach_primary_at(&mut self, name: &HostPort, address: SocketAddr) {
        let own = self.bearer(name).or(self.primary);
        self.primary = Some(address);
        self.members.retain(|(_, known)| *known != address);
        match self.members.iter_mut().find(|(_, known)| Some(*known) == own) {
            Some((_, reached)) => *reached = address,
            None => self.add(&name.host, address),
        }
    }

    /// Makes `address` the primary under its name; a member without a better name takes it.
    pub fn set_primary(&mut self, name: &HostPort, address: SocketAddr) {
        self.primary = Some(address);
        match self.members.iter_mut().find(|(_, known)| *known == address) {
            Some((called, _)) if *called == address.to_string() => name.host.clone_into(called),
            Some(_) => {}
            None => self.add(&name.host, address),
        }
    }
}

/// Whether a member called `known` (`mysql-0.mysql:3306`, `mysql-0.mysql.default.svc.cluster.local`) bears the host
/// name `wanted` (`mysql-0.mysql`): the same, or the same followed by a domain.
fn bears(known: &str, wanted: &str) -> bool {
    let host = HostPort::parse(known, 0).map_or_else(|| known.to_owned(), |known| known.host).to_ascii_lowercase();
    let wanted = wanted.trim_end_matches('.').to_ascii_lowercase();
    host == wanted || host.strip_prefix(&wanted).is_some_and(|domain| domain.starts_with('.'))
}

/// What the target of an SRV record is called: up to and with the Service's name, if that is in it.
#[must_use]
pub fn pod_name(target: &str, service: &str) -> String {
    let target = target.trim_end_matches('.').to_ascii_lowercase();
    let service = service.trim_end_matches('.').to_ascii_lowercase();
    let domain = format!(".{service}.");
    match target.find(&domain) {
        Some(at) => target[..=at + service.len()].to_owned(),
        None => target,
    }
}

/// The order of members by name, numbers by their value: `mysql-2` comes before `mysql-10`. The same everywhere, so that
/// all who know the same members choose the same one.
#[must_use]
pub fn in_order(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        let order = match (number(one), number(other)) {
            (Some((a, after_a)), Some((b, after_b))) => {
                (one, other) = (after_a, after_b);
                (a.len(), a).cmp(&(b.len(), b))
            }
            _ => match (one.split_first(), other.split_first()) {
                (Some((a, after_a)), Some((b, after_b))) => {
                    (one, other) = (after_a, after_b);
                    a.cmp(b)
                }
                (a, b) => return a.is_some().cmp(&b.is_some()),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The digits that a text begins with, without leading zeros, and what comes after them.
fn number(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (digits, rest) = text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (!digits.is_empty()).then_some((&digits[zeros..], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_an_order() {
        let mut names = ["mysql-10.mysql", "b", "mysql-2.mysql", "10.0.0.10:3306", "mysql-2", "a", "10.0.0.9:3306"];
        names.sort_by(|one, other| in_order(one, other));
        assert_eq!(names, ["10.0.0.9:3306", "10.0.0.10:3306", "a", "b", "mysql-2", "mysql-2.mysql", "mysql-10.mysql"]);
        assert_eq!((in_order("a-01", "a-1"), in_order("", "")), (Ordering::Equal, Ordering::Equal));
    }

    #[test]
    fn a_primary_is_reached_by_its_service() {
        let name = HostPort::parse("mysql-0.mysql", 3306).unwrap();
        let at = |last| SocketAddr::from(([10, 0, 0, last], 3306));
        let known = |members: &[(&str, u8)]| Found {
            members: members.iter().map(|(name, last)| ((*name).to_owned(), at(*last))).collect(),
            ..Found::default()
        };
        for (before, primary, after) in [
            (
                &[("mysql-0.mysql", 1), ("mysql-1.mysql", 2)][..],
                None,
                &[("mysql-0.mysql", 9), ("mysql-1.mysql", 2)][..],
            ),
            (&[("mysql-1.mysql", 2)], None, &[("mysql-1.mysql", 2), ("mysql-0.mysql", 9)]),
            (&[("10.0.0.1:3306", 1), ("10.0.0.2:3306", 2)], Some(1), &[("10.0.0.1:3306", 9), ("10.0.0.2:3306", 2)]),
            (&[("mysql-0.mysql", 9)], Some(9), &[("mysql-0.mysql", 9)]),
            (&[], None, &[("mysql-0.mysql", 9)]),
        ] {
            let mut found = Found { primary: primary.map(at), ..known(before) };
            found.reach_primary_at(&name, at(9));
            assert_eq!(found, Found { primary: Some(at(9)), ..known(after) });
        }
    }

    #[test]
    fn pods_are_called_by_their_short_names() {
        for (target, service, name) in [
            ("mysql-0.mysql.default.svc.cluster.local.", "mysql", "mysql-0.mysql"),
            ("mysql-0.mysql.default.svc.cluster.local.", "mysql.default", "mysql-0.mysql.default"),
            ("mysql-0.mysql.", "mysql", "mysql-0.mysql"),
            ("db7.example.org.", "mysql", "db7.example.org"),
            ("10-0-0-1.mysql.default.svc.cluster.local", "mysql", "10-0-0-1.mysql"),
        ] {
            assert_eq!(pod_name(target, service), name);
        }
    }

    #[test]
    fn the_bearer_of_a_name() {
        let address = |last: u8, port| SocketAddr::from(([10, 0, 0, last], port));
        let mut found = Found::default();
        for (name, last, port) in [
            ("mysql-0.mysql.default.svc.cluster.local", 1, 3306),
            ("db1:3306", 2, 3306),
            ("db1:3307", 2, 3307),
            ("10.0.0.4:3306", 4, 3306),
            ("mysql-1", 5, 3306),
            ("mysql-10", 6, 3306),
        ] {
            found.add(name, address(last, port));
        }
        for (wanted, bearer) in [
            ("mysql-0.mysql", Some(address(1, 3306))),
            ("MySQL-0.mysql", Some(address(1, 3306))),
            ("mysql-0.mysql.", Some(address(1, 3306))),
            ("mysql-0.my", None),
            ("mysql-1", Some(address(5, 3306))),
            ("db1:3307", Some(address(2, 3307))),
            ("db1", Some(address(2, 3306))),
            ("db1:9", None),
            ("10.0.0.4", Some(address(4, 3306))),
            ("10.0.0.5:3306", Some(address(5, 3306))),
            ("nobody", None),
        ] {
            let name = HostPort::parse(wanted, 3306).unwrap();
            assert_eq!(found.bearer(&name), bearer, "{wanted}");
        }
    }

    #[test]
    fn the_primary_is_added_or_named() {
        let name = HostPort::parse("mysql-0.mysql", 3306).unwrap();
        let address = SocketAddr::from(([10, 0, 0, 1], 3306));
        let mut found = Found::default();
        found.add("10.0.0.1:3306", address);
        found.set_primary(&name, address);
        assert_eq!(found.members, [("mysql-0.mysql".to_owned(), address)]);
        let mut found = Found::default();
        found.set_primary(&name, address);
        assert_eq!(found.members, [("mysql-0.mysql".to_owned(), address)]);
    }

    #[test]
    fn members_are_bounded() {
        let mut found = Found::default();
        for last in 0..=MAX_MEMBERS {
            found.add("x", SocketAddr::from(([10, 0, 0, last as u8], 3306)));
        }
        assert_eq!(found.members.len(), MAX_MEMBERS);
        assert!(found.problem.is_some());
    }
}
