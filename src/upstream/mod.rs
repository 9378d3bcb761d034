//! What is known of one connection to a member, and how it is brought to a session's state.
//!
//! Knows a connection's settings, its prepared statements, what a member is asked besides the client's statements, and what
//! members' errors mean. Must not know sessions' statements, nor which member was chosen.

mod by_id;
mod conditions;
mod member_errors;
mod questions;
mod state;
mod sync;
mod texts;
mod tidy;
mod user_variables;
mod variables;

pub use by_id::ById;
pub use conditions::{
    ASK_LIMIT, ask_conditions, ask_counts, ask_found_rows, clear, has_sentinel, multi_statements, put_sentinel,
    save_replaced, signal, within,
};
pub use member_errors::{
    Interception, is_behind, is_ended_idle, is_read_only_refusal, is_refusal, is_shutdown, is_unprepared,
};
pub use questions::{ask_collation, ask_insert_id, ask_untold, clock_runs, wait_for_the_cluster};
pub use state::{BackendState, Sync, Types};
pub use sync::{
    Held, SyncError, clean, close_statements, enter_at_login, prepared_id, reset_for_session, sync_settings,
};
pub use texts::{Counted, StatementText, StatementTexts};
pub use tidy::close_unused_statements;
pub use user_variables::{Value, read as read_user_variable};
pub use variables::{LONGEST, SYNC_WAIT, seconds, waits_for_sync};
