//! The members of the cluster: who they are, what role each has, and what may be asked of it now.
//!
//! Knows DNS, the members' own answers about their role and replication, and what follows from them. Publishes one
//! immutable [`View`] after the other; whoever routes a statement only reads the newest. Must not know sessions,
//! statements, clients or the configuration file.
//!
//! ```text
//! discovery ─ addresses ─▶ monitor ─▶ cluster ─ View ─▶ everybody
//! prober (one a member) ─ reports ─▶ │          │
//! follower (one a member) ─ place ─▶ board ─▶ reads that wait
//!   probe, health                    │        character, roles, lineage, history, progress, fitness, galera
//! ```

mod account;
mod announce;
mod ask;
mod board;
mod character;
mod cluster;
mod discovery;
#[cfg(test)]
#[allow(clippy::unwrap_used, missing_docs)]
mod fake;
mod fitness;
mod follow;
mod galera;
mod grants;
mod health;
mod history;
mod lineage;
mod member;
mod member_id;
mod monitor;
mod names;
mod pick;
mod place;
mod probe;
mod prober;
mod progress;
mod published;
mod replication;
mod resolve;
mod roles;
mod settings;
mod standing;
mod state;
mod token;
mod view;

pub use account::MonitorAccount;
pub use ask::{Answer, Ask, AskError, Converse};
pub use board::{Board, Wait};
pub use character::Character;
pub use member::{InFlight, Member, Role};
pub use member_id::MemberId;
pub use monitor::start;
pub use pick::{Freshness, NoMember, Pick, PickReason};
pub use place::{Mark, Need, Place, Seen};
pub use published::Topology;
pub use resolve::{DiscoveryError, search_domains};
pub use settings::{CheckSettings, ClusterKind, HostPort, MemberSource, PrimaryRule, TopologySettings};
pub use state::{BlindReason, Doubt, DownReason, Health, Proof, ServerInfo, Unfit};
pub use token::{ClusterTag, Token, TokenError};
pub use view::{MemberView, NoPrimary, View};
