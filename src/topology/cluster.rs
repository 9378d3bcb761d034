//! Everything known of the cluster, from which each snapshot is made.
//!
//! PURE. Knows how addresses, checks and rules combine. Must not know tasks, sockets or DNS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::character::{Character, Word};
use super::fitness::{Circumstances, Fitness, allowed_lag, judge};
use super::galera;
use super::lineage::{Lineage, Node};
use super::member::{Member, Role};
use super::member_id::MemberId;
use super::names::Found;
use super::probe::Report;
use super::prober::Checked;
use super::progress::{PrimaryHistory, Progress};
use super::replication::Replication;
use super::roles::{self, Candidate};
use super::settings::{PrimaryRule, TopologySettings};
use super::standing::{Past, Standing};
use super::state::{Health, ServerInfo, Unfit};
use super::view::{MemberView, NoPrimary, View};
use crate::wire::gtid::GtidSet;

/// One member and what is known of it.
#[derive(Debug)]
struct Known {
    member: Member,
    health: Health,
    /// The newest answer; kept while checks fail, because the role and the version do not change by that.
    report: Option<Report>,
    /// Whether the newest check was answered: what a member had applied counts only then, because it may come back
    /// with less.
    fresh: bool,
    progress: Progress,
    standing: Standing,
    /// It was behind by more than is allowed when it was judged last.
    was_late: bool,
}

/// The members that came and went.
#[derive(Debug, Default)]
pub struct Turnover {
    /// Now there.
    pub joined: Vec<Member>,
    /// No longer there.
    pub left: Vec<MemberId>,
}

/// The cluster as known so far.
#[derive(Debug)]
pub struct Cluster {
    settings: TopologySettings,
    members: BTreeMap<MemberId, Known>,
    next_id: u32,
    character: Character,
    named_primary: Option<SocketAddr>,
    primary: Result<MemberId, NoPrimary>,
    history: PrimaryHistory,
    past: Past,
    discovery_problem: Option<Arc<str>>,
    generation: u64,
}

impl Cluster {
    /// Of which nothing is known yet.
    #[must_use]
    pub fn new(settings: TopologySettings) -> Self {
        Self {
            character: Character::at_first(settings.kind),
            settings,
            members: BTreeMap::new(),
            next_id: 0,
            named_primary: None,
            primary: Err(NoPrimary::NotSeenYet),
            history: PrimaryHistory::default(),
            past: Past::default(),
            discovery_problem: None,
            generation: 0,
        }
    }

    /// Takes over what discovery found: who is there by address; a new address is a new member.
    pub fn discovered(&mut self, found: &Found) -> Turnover {
        let mut turnover = Turnover::default();
        self.members.retain(|id, known| {
            let stays = found.members.iter().any(|(_, address)| *address == known.member.address);
            if !stays {
                turnover.left.push(*id);
            }
            stays
        });
        for (name, address) in &found.members {
            match self.members.values_mut().find(|known| known.member.address == *address) {
                Some(known) if *known.member.name == **name => {}
                Some(known) => known.member = known.member.renamed(name),
                None => turnover.joined.push(self.join(name, *address)),
            }
        }
        self.named_primary = found.primary;
        self.discovery_problem = found.problem.as_deref().map(Arc::from);
        self.assign_primary();
        turnover
    }

    /// Takes over one check. `false` if the member is gone.
    pub fn checked(&mut self, checked: Checked) -> bool {
        let Some(known) = self.members.get_mut(&checked.member) else { return false };
        known.health = checked.health;
        known.fresh = checked.report.is_some();
        if let Some(report) = checked.report {
            let before = known.report.replace(report);
            self.assign_primary();
            self.look_back(checked.member);
            self.advance(checked.member, before.as_ref());
            self.relate(checked.member);
        } else {
            known.progress = Progress::default();
            self.assign_primary();
        }
        true
    }

    /// The next snapshot.
    pub fn view(&mut self) -> View {
        self.generation += 1;
        let primary_is_up = self.primary_member().is_some_and(|known| known.health == Health::Up && known.fresh);
        let members: Vec<MemberView> = self.members.values().map(|known| self.view_of(known, primary_is_up)).collect();
        for (known, view) in self.members.values_mut().zip(&members) {
            known.was_late = matches!(view.unfit, Some(Unfit::Lag { .. }));
        }
        let mut view = View::new(self.generation, members, self.primary.clone());
        view.character = self.character;
        view.discovery_problem.clone_from(&self.discovery_problem);
        view.history = self.past.number;
        view.beginning.clone_from(&self.past.beginning);
        view
    }

    fn join(&mut self, name: &str, address: SocketAddr) -> Member {
        let member = Member::new(MemberId(self.next_id), name, address);
        self.next_id = self.next_id.wrapping_add(1);
        let known = Known {
            member: member.clone(),
            health: Health::Unknown,
            report: None,
            fresh: false,
            progress: Progress::default(),
            standing: Standing::default(),
            was_late: false,
        };
        self.members.insert(member.id, known);
        member
    }

    fn primary_member(&self) -> Option<&Known> {
        self.members.get(self.primary.as_ref().ok()?)
    }

    /// What kind of cluster it is and who its primary is; what was proven counts no longer when either changes.
    fn assign_primary(&mut self) {
        let previous = self.primary.as_ref().ok().copied();
        let before = self.character;
        if !self.settings.is_single() {
            self.character = before.after(self.settings.kind, self.members.values().map(Known::word));
        }
        let candidates: Vec<Candidate<'_>> = self.members.values().map(Known::candidate).collect();
        let bearer = candidates.iter().find(|one| Some(one.member.address) == self.named_primary);
        let bearer = bearer.map(|one| one.member.id);
        let assigned = match &self.settings.primary {
            _ if self.settings.is_single() => roles::single(&candidates),
            _ if candidates.is_empty() || self.character == Character::Suspense => Err(NoPrimary::NotSeenYet),
            _ if self.character == Character::Galera => roles::galera(&candidates, bearer, previous),
            PrimaryRule::Named(name) => roles::named(&name.host, bearer),
            PrimaryRule::Writable => roles::writable(&candidates, previous),
        };
        let next = assigned.as_ref().ok().copied();
        if (next.is_some() && next != previous) || self.character != before {
            self.begin_history(next);
        }
        self.primary = assigned;
    }

    /// What was proven against one primary says nothing about another.
    fn begin_history(&mut self, primary: Option<MemberId>) {
        self.history = PrimaryHistory::default();
        for known in self.members.values_mut() {
            known.progress = Progress::default();
        }
        let report = primary.and_then(|id| self.members.get(&id)).and_then(|known| known.report.as_ref());
        if let Some(report) = report {
            self.history.record(report, self.character);
        }
    }

    /// Begins a new history where the primary's report shows that the one before has ended.
    fn look_back(&mut self, id: MemberId) {
        if self.primary != Ok(id) || self.character == Character::Galera {
            return;
        }
        let Some(report) = self.members.get(&id).and_then(|known| known.report.clone()) else { return };
        if self.past.follow(&report) {
            self.begin_history(Some(id));
            for known in self.members.values_mut().filter(|known| known.member.id != id) {
                known.standing.judge_history(known.report.as_ref(), &self.past, &report);
            }
        }
    }

    /// Follows who belongs to the primary. Transactions can be compared when the primary was asked last.
    fn relate(&mut self, id: MemberId) {
        let Some(primary) = self.primary.as_ref().ok().copied().filter(|_| self.character != Character::Galera) else {
            return;
        };
        let nodes: Vec<Node<'_>> = self.members.values().map(Known::node).collect();
        let lineage = Lineage::new(&nodes, Some(primary));
        let root = self.members.get(&primary).filter(|root| root.fresh).and_then(|root| root.report.as_ref());
        let mut standings: Vec<(MemberId, Standing)> = Vec::new();
        for known in self.members.values().filter(|known| known.member.id != primary) {
            let Some(report) = known.report.as_ref().filter(|_| known.fresh) else { continue };
            let mut standing = known.standing.clone();
            match root {
                Some(root) if id == primary && report.finished < root.begun => {
                    standing.compare(report, root, known.member.id, primary, &lineage, &self.past);
                }
                _ if id == known.member.id => standing.identify(report, id, primary, &lineage, root.is_some()),
                _ => continue,
            }
            standings.push((known.member.id, standing));
        }
        for (id, standing) in standings {
            if let Some(known) = self.members.get_mut(&id) {
                known.standing = standing;
            }
        }
    }

    /// Follows one member's new report: a primary's moves the mark for all, a replica's shows how far it is.
    fn advance(&mut self, id: MemberId, before: Option<&Report>) {
        if self.primary == Ok(id) {
            if let Some(report) = self.members.get(&id).and_then(|known| known.report.as_ref()) {
                self.history.record(report, self.character);
            }
            return self.advance_replicas();
        }
        if let Some(known) = self.members.get_mut(&id)
            && let Some(now) = &known.report
        {
            known.progress = known.progress.after(&self.history, before, now);
        }
    }

    /// A replica polled a moment before the primary may have everything already.
    fn advance_replicas(&mut self) {
        for known in self.members.values_mut().filter(|known| known.fresh) {
            if let Some(report) = &known.report {
                known.progress = known.progress.after(&self.history, Some(report), report);
            }
        }
    }

    fn view_of(&self, known: &Known, primary_is_up: bool) -> MemberView {
        let is_primary = self.primary == Ok(known.member.id);
        let role = if is_primary { Role::Primary } else { Role::Replica };
        let Some(report) = &known.report else {
            return MemberView { health: known.health.clone(), ..MemberView::unseen(known.member.clone(), role) };
        };
        // The GTIDs of one Galera node mean nothing to another.
        let names_writes = self.character != Character::Galera;
        let believed = is_primary || known.standing.is_believed();
        // What a primary had that does not answer is still what it must have: with less it begins a new history.
        let counts = names_writes && believed && (known.fresh || is_primary);
        let fitness =
            if is_primary { Fitness { lag: None, unfit: None } } else { self.fitness(known, report, primary_is_up) };
        MemberView {
            member: known.member.clone(),
            role,
            health: known.health.clone(),
            unfit: fitness.unfit.or_else(|| (report.leaving && !is_primary).then_some(Unfit::Leaving)),
            server: Some(Arc::clone(&report.server) as Arc<ServerInfo>),
            read_only: Some(report.read_only),
            leaving: report.leaving,
            lag: fitness.lag,
            applied: if counts { known.applied(is_primary) } else { Arc::default() },
            names_writes: names_writes && report.executed.is_some(),
            binlog_end: report.binlog_end.clone().filter(|_| names_writes),
            hides_confirmed: report.galera.as_ref().is_some_and(|node| node.confirmed.is_none()),
            caught_up_to: known.progress.caught_up_to.filter(|_| known.fresh && !is_primary && believed),
            doubt: known.standing.doubt().filter(|_| !is_primary).cloned(),
            sources: self.sources(known),
            hides_replication: match &report.replication {
                Replication::Denied { grant } => Some(grant.as_str().into()),
                _ => None,
            },
            max_connections: Some(report.max_connections).filter(|limit| *limit > 0),
        }
    }

    fn fitness(&self, known: &Known, report: &Report, primary_is_up: bool) -> Fitness {
        if known.health != Health::Up {
            return Fitness { lag: None, unfit: Some(Unfit::Unseen) };
        }
        let staleness = known.progress.staleness(report);
        let cut_off_for = known.standing.cut_off_for(report);
        let max_lag = allowed_lag(self.settings.check.max_lag, known.was_late);
        let around = Circumstances { primary_is_up, staleness, cut_off_for, max_lag };
        let root = self.primary_member().and_then(|root| root.report.as_ref());
        if self.character == Character::Galera {
            let of_primary = root.and_then(|root| root.galera.as_ref());
            return galera::judge(report.galera.as_ref(), of_primary, &around);
        }
        let fitness = judge(&report.replication, &around);
        let other = root
            .filter(|root| root.server.family != report.server.family)
            .map(|root| Unfit::OtherFamily { own: report.server.family, primary: root.server.family });
        match other.or_else(|| known.standing.complaint()) {
            Some(unfit) if fitness.unfit != Some(Unfit::NoReplication) => Fitness { lag: None, unfit: Some(unfit) },
            _ => fitness,
        }
    }

    fn sources(&self, known: &Known) -> Vec<MemberId> {
        let nodes: Vec<Node<'_>> = self.members.values().map(Known::node).collect();
        Lineage::new(&nodes, self.primary.as_ref().ok().copied()).sources(known.member.id)
    }
}

impl Known {
    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            member: &self.member,
            health: &self.health,
            read_only: self.report.as_ref().map(|report| report.read_only),
            leaving: self.report.as_ref().is_some_and(|report| report.leaving),
            galera: self.report.as_ref().and_then(|report| report.galera.as_ref()),
        }
    }

    fn node(&self) -> Node<'_> {
        let Member { id, name, address, .. } = &self.member;
        Node { id: *id, name, address: *address, report: self.report.as_ref() }
    }

    fn word(&self) -> Word {
        match &self.report {
            Some(Report { galera: Some(_), .. }) => Word::Galera,
            Some(_) => Word::Other,
            None if self.health == Health::Unknown => Word::NotAsked,
            None => Word::Silence,
        }
    }

    fn applied(&self, is_primary: bool) -> Arc<GtidSet> {
        let Some(report) = &self.report else { return Arc::default() };
        match &report.executed {
            Some(executed) if is_primary => Arc::clone(executed),
            _ => Arc::clone(&report.applied),
        }
    }
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
