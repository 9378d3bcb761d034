//! Who copies from whom, and whether that leads to the primary.
//!
//! PURE. Knows what the members say of themselves and of their sources. Must not know whether they keep up.
//!
//! Names and addresses differ from one place to another (DNS, a Service's address), so they are only believed where they
//! agree. What the servers tell of themselves decides: `MySQL` the UUIDs, `MariaDB` the ids, which may be the same in two
//! clusters, and therefore also the transactions and the number of replicas that the primary has. Who cannot be placed
//! serves on, with a warning; only what is proven takes a member out.

use std::net::SocketAddr;
use std::sync::Arc;

use super::member_id::MemberId;
use super::probe::Report;
use super::replication::{Channel, Replication, Source, Thread};
use super::state::{Doubt, Proof};

/// One member.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Who.
    pub id: MemberId,
    /// What people call it.
    pub name: &'a str,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it said last.
    pub report: Option<&'a Report>,
}

/// Whether a member is of this cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kinship {
    /// Its chain of sources leads to the primary.
    Kin,
    /// Nothing is proven, and nothing to be warned of either.
    Open,
    /// Nothing is proven, and it should be looked at.
    Unclear(Doubt),
    /// Its chain leads elsewhere.
    Stranger(Proof),
    /// It copies from the primary and has what that never had.
    OtherHistory(String),
    /// The same at this moment; only when that stays so it means something.
    Ahead(String),
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Who the sources are.
    Identities,
    /// The transactions as well: the primary was asked after the member had answered.
    Transactions,
}

/// Who a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identified {
    Member(MemberId),
    /// It has told who it is, and it is none of the members.
    Nobody,
    Untold,
}

/// All members at one moment.
#[derive(Debug)]
pub struct Lineage<'a> {
    nodes: &'a [Node<'a>],
    /// Whom an id means that several have.
    favoured: Option<MemberId>,
}

impl<'a> Lineage<'a> {
    /// Of these members, one of which may be the primary.
    #[must_use]
    pub const fn new(nodes: &'a [Node<'a>], primary: Option<MemberId>) -> Self {
        Self { nodes, favoured: primary }
    }

    /// The members that this one copies from.
    #[must_use]
    pub fn sources(&self, of: MemberId) -> Vec<MemberId> {
        let Some(node) = self.node(of) else { return Vec::new() };
        let channels = node.report.map_or(&[][..], |report| report.replication.channels());
        let member = |channel| match self.identify(node, channel) {
            Identified::Member(id) => Some(id),
            Identified::Nobody | Identified::Untold => None,
        };
        channels.iter().filter_map(member).collect()
    }

    /// Whether this member belongs to the primary.
    #[must_use]
    pub fn kinship(&self, of: MemberId, primary: MemberId, evidence: Evidence) -> Kinship {
        self.trace(of, primary, evidence, 0)
    }

    /// How many of the members copy from the primary, and whether this one surely does by its source's address.
    ///
    /// More of them than the primary has replicas: some copy from another server with the same id.
    #[must_use]
    pub fn is_superfluous(&self, of: MemberId, primary: MemberId) -> bool {
        let Some(root) = self.node(primary) else { return false };
        let Some(connected) = root.report.and_then(|report| report.replicas_connected) else { return false };
        let claims: Vec<(MemberId, bool)> = self.nodes.iter().filter_map(|node| self.claim(node, root)).collect();
        let sure = claims.iter().filter(|(_, sure)| *sure).count() as u64;
        claims.len() as u64 > connected && connected <= sure && claims.contains(&(of, false))
    }

    /// A member that says it is connected to the primary, and whether also the address says so.
    fn claim(&self, node: &Node<'_>, root: &Node<'_>) -> Option<(MemberId, bool)> {
        let mut channels = node.report?.replication.channels().iter();
        let channel = channels.find(|channel| {
            channel.io == Thread::Running && self.identify(node, channel) == Identified::Member(root.id)
        })?;
        Some((node.id, is_address_of(&channel.source, root)))
    }

    fn node(&self, id: MemberId) -> Option<&Node<'a>> {
        self.nodes.iter().find(|node| node.id == id)
    }

    fn trace(&self, of: MemberId, primary: MemberId, evidence: Evidence, depth: usize) -> Kinship {
        if of == primary {
            return Kinship::Kin;
        }
        let Some((node, report)) = self.node(of).and_then(|node| Some((node, node.report?))) else {
            return Kinship::Open;
        };
        if depth > self.nodes.len() {
            return Kinship::Stranger(Proof::Circle(node.name.to_owned()));
        }
        let channels = match &report.replication {
            Replication::Channels(channels) => channels,
            Replication::None if depth > 0 => return Kinship::Stranger(Proof::Headless(node.name.to_owned())),
            Replication::None | Replication::Denied { .. } => return Kinship::Open,
        };
        let mut verdicts = channels.iter().map(|channel| {
            let alone = channels.len() == 1;
            match self.identify(node, channel) {
                Identified::Member(id) if id == primary => {
                    self.beside_primary(report, channel, primary, evidence, alone)
                }
                Identified::Member(id) => self.trace(id, primary, evidence, depth + 1),
                Identified::Nobody => self.of_nobody(report, channel, primary, evidence, alone),
                Identified::Untold => Kinship::Open,
            }
        });
        let first = verdicts.next().unwrap_or(Kinship::Open);
        verdicts.fold(first, best)
    }

    fn beside_primary(
        &self,
        report: &Report,
        channel: &Channel,
        primary: MemberId,
        evidence: Evidence,
        alone: bool,
    ) -> Kinship {
        let root = self.node(primary);
        let is_told_by_id = channel.source.uuid.is_none();
        if let Some(transactions) = self.ahead(report, primary, evidence).filter(|_| !is_told_by_id) {
            return Kinship::Ahead(transactions);
        }
        let Some(transaction) = self.missing(report, channel, primary, evidence).filter(|_| alone && is_told_by_id)
        else {
            return Kinship::Kin;
        };
        if root.is_some_and(|root| is_address_of(&channel.source, root)) {
            return Kinship::OtherHistory(transaction);
        }
        Kinship::Stranger(Proof::Unknown { source_at: channel.source.to_string(), transaction })
    }

    /// Its source is none of the members: one between them and the primary that is not listed, or a stranger.
    fn of_nobody(
        &self,
        report: &Report,
        channel: &Channel,
        primary: MemberId,
        evidence: Evidence,
        alone: bool,
    ) -> Kinship {
        let source_at = channel.source.to_string();
        if let Some(transaction) = self.missing(report, channel, primary, evidence).filter(|_| alone) {
            return Kinship::Stranger(Proof::Unknown { source_at, transaction });
        }
        let root = self.node(primary).and_then(|root| root.report);
        let executed = root.and_then(|root| root.executed.as_ref());
        let (Some(uuid), Some(root), Some(executed)) = (&channel.source.uuid, root, executed) else {
            return Kinship::Unclear(Doubt::UnknownSource(source_at));
        };
        let fetched = &channel.retrieved;
        let beyond = fetched.lost(fetched, executed);
        let primarys = root.uuid.as_deref().is_some_and(|uuid| fetched.names_server(uuid));
        if fetched.is_empty() {
            let beyond = report.applied.lost(&report.applied, executed);
            if !beyond.names_server(uuid) {
                return Kinship::Unclear(Doubt::UnknownSource(source_at));
            }
        } else if beyond.is_empty() || (primarys && !beyond.names_server(uuid)) {
            return Kinship::Kin;
        } else if primarys {
            return Kinship::Unclear(Doubt::UnknownSource(source_at));
        }
        Kinship::Stranger(Proof::Elsewhere { source_at })
    }

    /// Transactions of the primary's own that a `MySQL` replica has and the primary, which was asked later, has not. One
    /// that waits for a second replica's receipt is shown by the primary only then: see [`Kinship::Ahead`].
    fn ahead(&self, report: &Report, primary: MemberId, evidence: Evidence) -> Option<String> {
        let root = self.node(primary)?.report.filter(|_| evidence == Evidence::Transactions)?;
        let (uuid, executed) = (root.uuid.as_deref()?, root.executed.as_ref()?);
        let beyond = report.applied.lost(&report.applied, executed);
        beyond.names_server(uuid).then(|| beyond.to_string())
    }

    /// A transaction that a `MariaDB` member has and the primary never had, when it was asked later.
    fn missing(&self, report: &Report, channel: &Channel, primary: MemberId, evidence: Evidence) -> Option<String> {
        let root = self.node(primary)?.report?;
        let origins: &Arc<_> = root.origins.as_ref().filter(|_| evidence == Evidence::Transactions)?;
        if channel.io != Thread::Running && channel.source.server_id == 0 {
            return None;
        }
        origins.misses(&report.applied, channel.source.server_id)
    }

    fn identify(&self, own: &Node<'_>, channel: &Channel) -> Identified {
        let source = &channel.source;
        let others = || self.nodes.iter().filter(|node| node.id != own.id);
        let by_place = || others().find(|node| is_address_of(source, node) || is_named(source, node));
        let found = if let Some(uuid) = &source.uuid {
            let has = |node: &&Node<'_>| node.report.and_then(|report| report.uuid.as_deref()) == Some(uuid);
            others().find(has)
        } else if channel.io == Thread::Running && source.server_id != 0 {
            let has = |node: &&Node<'_>| node.report.is_some_and(|report| report.server.server_id == source.server_id);
            let favoured = || others().find(|node| self.favoured == Some(node.id) && has(node));
            by_place().filter(has).or_else(favoured).or_else(|| others().find(has))
        } else {
            return by_place().map_or(Identified::Untold, |node| Identified::Member(node.id));
        };
        match found {
            Some(node) => Identified::Member(node.id),
            // It may be one that was never reached, or a server that has told its id before it was made anew.
            None if self.nodes.iter().any(|node| node.report.is_none()) => Identified::Untold,
            None if channel.io != Thread::Running => Identified::Untold,
            None => Identified::Nobody,
        }
    }
}

/// With several sources one that leads to the primary is enough.
fn best(one: Kinship, other: Kinship) -> Kinship {
    let rank = |kinship: &Kinship| match kinship {
        Kinship::Kin => 0,
        Kinship::Open => 1,
        Kinship::Unclear(_) => 2,
        Kinship::Ahead(_) => 3,
        Kinship::OtherHistory(_) => 4,
        Kinship::Stranger(_) => 5,
    };
    if rank(&other) < rank(&one) { other } else { one }
}

fn is_address_of(source: &Source, node: &Node<'_>) -> bool {
    source.port == node.address.port() && source.host.parse() == Ok(node.address.ip())
}

/// `mysql-0.mysql` also as `mysql-0.mysql.shop.svc.cluster.local`.
fn is_named(source: &Source, node: &Node<'_>) -> bool {
    let name = node.name.rsplit_once(':').map_or(node.name, |(host, _)| host);
    let rest = source.host.strip_prefix(name);
    source.port == node.address.port() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
