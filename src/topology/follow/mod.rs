//! Followers: how far each replica has come, known in the moment it gets there and not at the monitor's next check.
//!
//! Knows what sessions wait to see, and asks members for it while somebody waits. Must not know sessions, nor which member
//! serves a read: it only says how far each one is.
//!
//! ```text
//! a read that no replica is fresh enough for ─ Need ─▶ Board ◀─ Place ─ Follower (one a member) ◀──▶ member
//!                                  ◀─ a member has it ─┘
//! ```

mod follower;
mod question;

pub use follower::{FollowSettings, Follower};
