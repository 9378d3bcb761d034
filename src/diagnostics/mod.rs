//! What a client may still ask of its previous statement: `ROW_COUNT()`, `FOUND_ROWS()`, `SHOW WARNINGS` and their like.
//! The servers call that the diagnostics area.
//!
//! Knows what statements and replies change there, what stands in place of a number that no connection says, and how to
//! answer from what was saved. Pure: a connection is only a name here. Must not know members, leases or sockets.

mod area;
mod changes;
mod questions;
mod saved;
mod saved_result;
mod substitutions;

pub use area::{Clearing, Conditions, DiagnosticsArea, FoundRows, ReplyFacts};
pub use changes::{Clears, CommandChanges, Text, clears_conditions, counts_all_rows, finds_rows};
pub use questions::{
    Asked, Conditions as WhichConditions, Number, ShowConditions, may_hold_numbers, numbers, reads_conditions,
    reads_diagnostics, show_conditions,
};
pub use saved::SavedConditions;
pub use saved_result::{RowEncoding, SavedResult};
pub use substitutions::Substitutions;
