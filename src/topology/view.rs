//! The cluster at one moment: an immutable snapshot that every statement is routed by.
//!
//! Knows the members, their roles and their states. Must not know how they were found out, nor ever change.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use super::character::Character;
use super::member::{Member, Role};
use super::member_id::MemberId;
use super::replication::BinlogPosition;
use super::state::{BlindReason, Doubt, DownReason, Health, ServerInfo, Unfit};
use crate::wire::Capabilities;
use crate::wire::gtid::GtidSet;
use crate::wire::server::ServerFamily;

/// One member at one moment.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Who it is.
    pub member: Member,
    /// What it is for.
    pub role: Role,
    /// Whether it answers.
    pub health: Health,
    /// Why it serves no reads as a replica; `None` for one that does, and for the primary.
    pub unfit: Option<Unfit>,
    /// What its greeting told, once it was reached.
    pub server: Option<Arc<ServerInfo>>,
    /// `@@read_only` or `@@super_read_only`, when last seen.
    pub read_only: Option<bool>,
    /// It has announced that it is about to end: what runs there may come to its end, and nothing new begins.
    pub leaving: bool,
    /// How far behind the primary it was when last asked, for a replica that tells.
    pub lag: Option<Duration>,
    /// What it had executed or applied when last asked.
    pub applied: Arc<GtidSet>,
    /// It gives every transaction a GTID.
    pub names_writes: bool,
    /// The end of its binary log when last asked, where it does not.
    pub binlog_end: Option<BinlogPosition>,
    /// It is a Galera node that does not tell how far it has confirmed transactions: as long as it takes the writes, no
    /// other node can be proven to have them.
    pub hides_confirmed: bool,
    /// It has everything that the primary had executed at this instant.
    pub caught_up_to: Option<Instant>,
    /// Why it cannot be told whether it is of this cluster; it serves all the same.
    pub doubt: Option<Doubt>,
    /// The members that it copies from, as far as they can be told.
    pub sources: Vec<MemberId>,
    /// The monitor's account may not see whom it copies from: the statement that helps.
    pub hides_replication: Option<Arc<str>>,
    /// `@@max_connections`, once it was told.
    pub max_connections: Option<u64>,
}

impl MemberView {
    /// A member of which nothing is known yet.
    #[must_use]
    pub fn unseen(member: Member, role: Role) -> Self {
        let unfit = (role == Role::Replica).then_some(Unfit::Unseen);
        Self {
            member,
            role,
            health: Health::Unknown,
            unfit,
            server: None,
            read_only: None,
            leaving: false,
            lag: None,
            applied: Arc::default(),
            names_writes: false,
            binlog_end: None,
            hides_confirmed: false,
            caught_up_to: None,
            doubt: None,
            sources: Vec::new(),
            hides_replication: None,
            max_connections: None,
        }
    }

    /// Whether it answers its checks.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.health == Health::Up
    }

    /// Whether it may serve reads as a replica.
    #[must_use]
    pub fn serves_reads(&self) -> bool {
        self.role == Role::Replica && self.unfit.is_none() && self.is_up()
    }

    /// Why it serves no reads as a replica, as metrics name it; `None` for one that does.
    #[must_use]
    pub fn why_not(&self) -> Option<&'static str> {
        match (&self.health, self.role, &self.unfit) {
            (Health::Unknown, ..) => Some("unseen"),
            (Health::Down(_), ..) => Some("down"),
            (Health::Blind(_), ..) => Some("blind"),
            (Health::Up, Role::Primary, _) => Some("primary"),
            (Health::Up, Role::Replica, unfit) => unfit.as_ref().map(Unfit::reason),
        }
    }

    /// Whether connections to it are worth trying.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        matches!(self.health, Health::Up | Health::Blind(_))
    }
}

/// Why there is no primary to write to.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub enum NoPrimary {
    /// The first checks have not come back.
    #[default]
    #[error("the members have not been asked yet")]
    NotSeenYet,
    /// There is no member of the configured name.
    #[error("no member is called {0:?} (cluster.primary)")]
    NotFound(Arc<str>),
    /// `cluster.primary` is `auto` and every member is read-only or down.
    #[error("no member that answers is writable (cluster.primary is auto)")]
    NoneWritable,
    /// `cluster.primary` is `auto` and more than one is writable.
    #[error("more than one member is writable ({0}); set read_only on the replicas, or name cluster.primary")]
    Ambiguous(Arc<str>),
    /// No node of a Galera cluster can take writes.
    #[error("no node of the Galera cluster can take writes: {0}")]
    NoneFit(Arc<str>),
    /// The primary does not answer.
    #[error("the primary {0} is down: {1}")]
    Down(Arc<str>, DownReason),
    /// The primary is about to end, and takes no new work.
    #[error("the primary {0} is about to end")]
    Leaving(Arc<str>),
}

/// The cluster at one moment.
#[derive(Debug)]
pub struct View {
    /// Counts the snapshots; greater is newer.
    pub generation: u64,
    /// All members, sorted by id.
    pub members: Vec<MemberView>,
    /// Who takes the writes, whether or not it answers now, or why nobody does.
    pub assigned_primary: Result<MemberId, NoPrimary>,
    /// How the members are kept alike.
    pub character: Character,
    /// Counts the histories of the primary that have ended (a reset binary log, a server made anew): GTIDs that were told
    /// in one mean nothing in the next.
    pub history: u64,
    /// Why the newest history began; `None` for the first.
    pub beginning: Option<Arc<str>>,
    /// Why the newest look at DNS failed; the members are then the last known ones.
    pub discovery_problem: Option<Arc<str>>,
    /// How many times a member was chosen among equals.
    pub(super) turns: AtomicUsize,
}

impl Default for View {
    fn default() -> Self {
        Self::new(0, Vec::new(), Err(NoPrimary::NotSeenYet))
    }
}

impl View {
    /// A snapshot; sorts the members.
    #[must_use]
    pub fn new(generation: u64, mut members: Vec<MemberView>, assigned_primary: Result<MemberId, NoPrimary>) -> Self {
        members.sort_by_key(|view| view.member.id);
        Self {
            generation,
            members,
            assigned_primary,
            character: Character::default(),
            history: 0,
            beginning: None,
            discovery_problem: None,
            turns: AtomicUsize::new(0),
        }
    }

    /// The member of this id, unless it is gone.
    #[must_use]
    pub fn member(&self, id: MemberId) -> Option<&MemberView> {
        let at = self.members.binary_search_by_key(&id, |view| view.member.id).ok()?;
        self.members.get(at)
    }

    /// Who takes the writes now, or why nobody does.
    pub fn primary(&self) -> Result<&MemberView, NoPrimary> {
        let id = self.assigned_primary.clone()?;
        let primary = self.member(id).ok_or(NoPrimary::NotSeenYet)?;
        match &primary.health {
            Health::Up | Health::Blind(_) => Ok(primary),
            Health::Unknown => Err(NoPrimary::NotSeenYet),
            Health::Down(reason) => Err(NoPrimary::Down(primary.member.name.clone(), reason.clone())),
        }
    }

    /// The primary, if new work may begin there, or why not.
    pub fn open_primary(&self) -> Result<&MemberView, NoPrimary> {
        let primary = self.primary()?;
        if primary.leaving { Err(NoPrimary::Leaving(primary.member.name.clone())) } else { Ok(primary) }
    }

    /// Whether a statement could be served: by the primary, or at least reads by a replica.
    #[must_use]
    pub fn can_serve(&self) -> bool {
        self.has_primary() || self.members.iter().any(MemberView::serves_reads)
    }

    /// Whether there is a primary that answers. Allocates nothing.
    #[must_use]
    pub fn has_primary(&self) -> bool {
        self.usable_primary().is_some()
    }

    /// Like [`View::primary`] for who does not ask why. Allocates nothing.
    #[must_use]
    pub fn usable_primary(&self) -> Option<&MemberView> {
        let id = *self.assigned_primary.as_ref().ok()?;
        self.member(id).filter(|primary| primary.is_usable())
    }

    /// The primary, if it answers and tells what it has executed in words that mean the same to other members.
    #[must_use]
    pub fn primary_that_tells(&self) -> Option<MemberId> {
        let primary = self.usable_primary()?;
        let by_name_or_place = primary.names_writes || primary.binlog_end.is_some();
        let tells = if self.is_galera() { !primary.hides_confirmed } else { by_name_or_place };
        tells.then_some(primary.member.id)
    }

    /// Whether the primary's transactions have GTIDs, all of them, as far as is known.
    #[must_use]
    pub fn names_writes(&self) -> bool {
        self.usable_primary().is_some_and(|primary| primary.names_writes)
    }

    /// Whether it is a Galera cluster: every member takes writes, and the GTIDs of one mean nothing to another.
    #[must_use]
    pub fn is_galera(&self) -> bool {
        self.character == Character::Galera
    }

    /// Whether every member that was reached speaks of query attributes (MySQL, from 8.0.23 on): they change the bytes of
    /// commands, so a client that has agreed on them cannot be served by a member without.
    #[must_use]
    pub fn speak_query_attributes(&self) -> bool {
        let mut known = self.members.iter().filter_map(|view| view.server.as_ref()).peekable();
        known.peek().is_some()
            && known.all(|server| {
                server.family == ServerFamily::MySql && server.capabilities.contains(Capabilities::QUERY_ATTRIBUTES)
            })
    }

    /// What the primary's greeting told, else that of any member that was reached.
    #[must_use]
    pub fn server(&self) -> Option<&Arc<ServerInfo>> {
        let primary = self.assigned_primary.as_ref().ok().and_then(|id| self.member(*id));
        primary.into_iter().chain(&self.members).find_map(|view| view.server.as_ref())
    }
}

impl MemberView {
    /// Why the member is not up, if it lives but does not let the monitor look.
    #[must_use]
    pub fn blind(&self) -> Option<&BlindReason> {
        match &self.health {
            Health::Blind(reason) => Some(reason),
            _ => None,
        }
    }
}
