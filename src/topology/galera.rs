//! What a member says of itself as a node of a Galera cluster, and whether that is good enough.
//!
//! PURE. Knows the names and values of the `wsrep_…` variables. Must not know how they were asked, nor other members.
//!
//! A node is at a place in the one order of the cluster's transactions, a sequence number. It says two of them, and
//! they are not the same: `wsrep_last_committed` is the newest of which everything up to it can be seen there, so it is
//! what a reader *surely has*; a transaction that a client knows to be committed may already lie beyond it, as long as
//! one before it in the same group commit has not finished. `wsrep_checkpoint_position` is the newest that the storage
//! engine has committed, so it is what a writer *may have confirmed*. Its GTIDs say nothing: without `wsrep_gtid_mode`
//! each node numbers by its own binary log, and with it the binary log runs ahead of what can be seen.

use std::fmt;
use std::time::Duration;

use super::ask::Answer;
use super::fitness::{Circumstances, Fitness};
use super::state::{Proof, Unfit};

/// A place in the order of one cluster's transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The UUID of the cluster's state; another one is another history.
    cluster: String,
    sequence: u64,
}

impl Position {
    /// Reads a UUID and a sequence number; `None` for a node that has no state yet (-1).
    #[must_use]
    pub fn new(cluster: &str, sequence: &str) -> Option<Self> {
        let sequence = sequence.trim().parse().ok()?;
        (!cluster.is_empty()).then(|| Self { cluster: cluster.to_owned(), sequence })
    }

    /// Reads what [`Display`](std::fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (cluster, sequence) = text.split_once(':')?;
        let digits = !sequence.is_empty() && sequence.bytes().all(|byte| byte.is_ascii_digit());
        let is_uuid = cluster.len() == 36 && cluster.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        Self::new(cluster, sequence).filter(|_| digits && is_uuid)
    }

    /// Whether both are of one cluster.
    #[must_use]
    pub fn is_comparable(&self, other: &Self) -> bool {
        self.cluster == other.cluster
    }

    /// Whether this is at or behind `other` in the same history.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.cluster == other.cluster && self.sequence >= other.sequence
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.cluster, self.sequence)
    }
}

/// `wsrep_local_state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It has caught up with the cluster.
    Synced,
    /// It gives its state to a joining node, or is kept out of flow control: it may fall behind.
    Donor,
    /// Joining, catching up, or without a cluster; in the server's word.
    Other(String),
}

/// What one node says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `wsrep_ready`: it takes statements.
    pub ready: bool,
    /// `wsrep_connected`: it is connected to its cluster.
    pub connected: bool,
    /// `wsrep_local_state`.
    pub state: NodeState,
    /// `wsrep_cluster_status`: whether its part of the cluster has the quorum; `Primary` if so.
    pub component: String,
    /// `wsrep_reject_queries` is not `NONE`.
    pub rejects: bool,
    /// Everything up to here can be seen there.
    pub applied: Option<Position>,
    /// Nothing beyond this was confirmed to its clients; `None` where the server does not say.
    pub confirmed: Option<Position>,
}

/// Who may take the writes, the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ability {
    /// Not this one.
    None,
    /// It would refuse them with its own error: `read_only`.
    ReadOnly,
    /// For want of a better one: it is busy giving its state to another.
    Donor,
    /// It is as it should be.
    Fit,
}

impl Node {
    /// Reads `SHOW GLOBAL VARIABLES` and `SHOW GLOBAL STATUS`, as far as they begin with `wsrep`; `None` for a server
    /// that replicates with nobody by Galera.
    #[must_use]
    pub fn read(variables: &Answer, status: &Answer) -> Option<Self> {
        if !takes_part(variables) {
            return None;
        }
        let text = |name| value(status, name).unwrap_or_default();
        let is_on = |name| text(name).eq_ignore_ascii_case("on");
        Some(Self {
            ready: is_on("wsrep_ready"),
            connected: is_on("wsrep_connected"),
            state: match text("wsrep_local_state").as_str() {
                "4" => NodeState::Synced,
                "2" => NodeState::Donor,
                _ => NodeState::Other(text("wsrep_local_state_comment")),
            },
            component: text("wsrep_cluster_status"),
            rejects: value(variables, "wsrep_reject_queries").is_some_and(|word| !word.eq_ignore_ascii_case("none")),
            confirmed: confirmed(status),
            applied: applied(status),
        })
    }

    /// Why it must not be asked now.
    #[must_use]
    pub fn complaint(&self) -> Option<Unfit> {
        if !self.connected {
            return Some(Unfit::Disconnected);
        }
        if !self.component.eq_ignore_ascii_case("primary") {
            return Some(Unfit::NoQuorum { component: self.component.clone() });
        }
        if self.rejects {
            return Some(Unfit::RejectsQueries);
        }
        match &self.state {
            NodeState::Other(state) => Some(Unfit::NotSynced { state: state.clone() }),
            NodeState::Synced | NodeState::Donor if !self.ready => Some(Unfit::NotReady),
            NodeState::Donor => Some(Unfit::Donor),
            NodeState::Synced => None,
        }
    }

    /// Whether it may take the writes.
    #[must_use]
    pub fn ability(&self, read_only: bool) -> Ability {
        match self.complaint() {
            None if read_only => Ability::ReadOnly,
            None => Ability::Fit,
            Some(Unfit::Donor) if !read_only => Ability::Donor,
            Some(_) => Ability::None,
        }
    }
}

/// Whether the server replicates by Galera, as it is configured.
#[must_use]
pub fn takes_part(variables: &Answer) -> bool {
    let on = value(variables, "wsrep_on").is_some_and(|word| word.eq_ignore_ascii_case("on") || word == "1");
    let provider = value(variables, "wsrep_provider").unwrap_or_default();
    on && !provider.is_empty() && !provider.eq_ignore_ascii_case("none")
}

/// Judges a reader. What it lacks of the writer's newest state counts as lag, as far as it can be told; a node that
/// tells nothing of it serves those who wrote nothing.
#[must_use]
pub fn judge(node: Option<&Node>, primary: Option<&Node>, around: &Circumstances) -> Fitness {
    let Some(node) = node else { return Fitness { lag: None, unfit: Some(Unfit::NoGalera) } };
    let lag: Option<Duration> = if around.primary_is_up { around.staleness } else { None };
    let too_late = lag.filter(|lag| *lag > around.max_lag).map(|lag| Unfit::Lag { lag, max: around.max_lag });
    let stranger = || Some(Unfit::Stranger { proof: other_cluster(node, primary?)? });
    Fitness { lag, unfit: node.complaint().or_else(stranger).or(too_late) }
}

/// The UUID of the state is the cluster's, and comes to each node that joins.
fn other_cluster(node: &Node, primary: &Node) -> Option<Proof> {
    let (own, primary) = (&node.applied.as_ref()?.cluster, &primary.applied.as_ref()?.cluster);
    (own != primary).then(|| Proof::Galera { own: own.clone(), primary: primary.clone() })
}

/// What a node surely has, by its status.
#[must_use]
pub fn applied(status: &Answer) -> Option<Position> {
    Position::new(&value(status, "wsrep_local_state_uuid")?, &value(status, "wsrep_last_committed")?)
}

/// What a node may have confirmed to its clients, by its status; `None` where it does not say.
#[must_use]
pub fn confirmed(status: &Answer) -> Option<Position> {
    let checkpoint = value(status, "wsrep_checkpoint_position")?;
    let (cluster, sequence) = checkpoint.split_once(':')?;
    Some(newest(Position::new(cluster, sequence)?, applied(status).as_ref()))
}

/// The later of two in one history; of two histories the first.
fn newest(checkpoint: Position, applied: Option<&Position>) -> Position {
    applied.filter(|applied| applied.covers(&checkpoint)).cloned().unwrap_or(checkpoint)
}

/// The value in a row of two columns, a name and a value.
fn value(answer: &Answer, name: &str) -> Option<String> {
    let named = |row: &&Vec<Option<Vec<u8>>>| {
        row.first().and_then(Option::as_deref).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
    };
    let bytes = answer.rows.iter().find(named)?.get(1)?.as_deref()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
#[path = "galera_tests.rs"]
mod tests;
