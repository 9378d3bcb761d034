//! The connections of one session: those it must keep, and which it would like to have again.

use std::{net::SocketAddr, time::Instant};

use super::memory::Memory;
use crate::{
    pool::{BackendId, Lease},
    topology::{InFlight, MemberId, Seen},
};

/// For what a session uses a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// What goes to the primary.
    #[default]
    Primary,
    /// What a replica may serve, even when the primary serves it.
    Replica,
}

/// A connection in use and the member it leads to.
#[derive(Debug)]
pub struct Used {
    /// The connection.
    pub lease: Lease<Memory>,
    /// The member.
    pub member: MemberId,
    /// Its address.
    pub address: SocketAddr,
    /// Whether the member is the primary, whatever the connection is used for.
    pub on_primary: bool,
    /// The session must keep it; it stands for state on the member.
    pub held: bool,
    /// Counts as load of the member while a statement runs.
    pub in_flight: Option<InFlight>,
}

/// What a session keeps for one side.
#[derive(Debug, Default)]
struct Kept {
    used: Option<Used>,
    last: Option<(MemberId, BackendId)>,
}

/// The connections of a session.
#[derive(Debug, Default)]
pub struct Connections {
    primary: Kept,
    replica: Kept,
    /// Where the previous statement went.
    pub last: Side,
    /// The member that confirmed the session's newest write that no GTID names.
    pub wrote_at: Option<MemberId>,
    /// The history of the primary in which the session's writes have their names.
    pub history: u64,
    /// Where and when the session read last.
    pub seen: Option<Seen>,
    /// When the session last looked for another replica than its own: in turn, or because its own is busier than others.
    pub waited_to_move: Option<Instant>,
    /// The open transaction is on the replica's side: a read-only one, or one that has only read so far.
    pub transaction_on_replica: bool,
}

impl Connections {
    /// Whether the session holds a connection on this side.
    #[must_use]
    pub fn holds(&self, side: Side) -> bool {
        self.kept(side).used.as_ref().is_some_and(|used| used.held)
    }

    /// The member of the connection that the session must keep on this side.
    #[must_use]
    pub fn held_on(&self, side: Side) -> Option<MemberId> {
        self.kept(side).used.as_ref().filter(|used| used.held).map(|used| used.member)
    }

    /// Whether the session keeps any connection, for whatever reason.
    #[must_use]
    pub const fn keeps_any(&self) -> bool {
        self.primary.used.is_some() || self.replica.used.is_some()
    }

    /// Whether the session keeps none but perhaps that of this side.
    #[must_use]
    pub const fn keeps_only(&self, side: Side) -> bool {
        match side {
            Side::Primary => self.replica.used.is_none(),
            Side::Replica => self.primary.used.is_none(),
        }
    }

    /// Takes the connection that was kept for this side.
    pub fn take(&mut self, side: Side) -> Option<Used> {
        self.kept_mut(side).used.take()
    }

    /// The connection that is kept for this side, to look at.
    pub const fn at(&mut self, side: Side) -> Option<&mut Used> {
        self.kept_mut(side).used.as_mut()
    }

    /// Keeps a connection for this side.
    pub fn keep(&mut self, side: Side, used: Used) {
        self.remember(side, &used);
        self.kept_mut(side).used = Some(used);
    }

    /// Remembers which connection was used, to ask the pool for it again.
    pub fn remember(&mut self, side: Side, used: &Used) {
        self.last = side;
        self.kept_mut(side).last = Some((used.member, used.lease.id()));
    }

    /// The member and the connection that were used last on this side.
    #[must_use]
    pub fn last_used(&self, side: Side) -> Option<(MemberId, BackendId)> {
        self.kept(side).last
    }

    /// For which side this connection is kept, if it is.
    #[must_use]
    pub fn side_of(&self, id: BackendId) -> Option<Side> {
        let is_kept = |side: &Side| self.kept(*side).used.as_ref().is_some_and(|used| used.lease.id() == id);
        [Side::Primary, Side::Replica].into_iter().find(is_kept)
    }

    /// Connections that are kept although the session need not hold them.
    pub fn lingering(&self) -> impl Iterator<Item = &Used> {
        let kept = [&self.primary, &self.replica].into_iter();
        kept.filter_map(|kept| kept.used.as_ref()).filter(|used| !used.held)
    }

    const fn kept(&self, side: Side) -> &Kept {
        match side {
            Side::Primary => &self.primary,
            Side::Replica => &self.replica,
        }
    }

    const fn kept_mut(&mut self, side: Side) -> &mut Kept {
        match side {
            Side::Primary => &mut self.primary,
            Side::Replica => &mut self.replica,
        }
    }
}
