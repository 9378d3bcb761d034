//! One client connection: handshake, the loop, and the replies that the proxy gives itself.
//!
//! Knows how to turn a client's command into one exchange with one member. Must not know how members are found or
//! checked (topology), how connections are kept (pool), or what bytes mean (wire, sql).

mod abandon;
pub mod accounts;
mod aftermath;
mod answers;
mod auth;
mod behind;
mod causal_wait;
mod commands;
mod connections;
mod count;
mod error_log;
mod fallback;
mod handle;
mod handshake;
mod idle;
mod ids;
mod incoming;
mod kept;
mod kill;
mod kill_among;
mod learn;
pub mod lookup;
mod member_choice;
mod order;
pub mod pin_log;
mod plain;
mod policy;
mod prepared;
mod previous;
mod proxy;
mod query;
mod ready;
pub mod refusal;
mod refused;
pub mod registry;
mod run;
pub mod seats;
pub mod seldom;
mod setbacks;
mod settle;
mod shown;
mod split;
mod statements;
mod takeover;
mod token;
mod token_tracker;
mod unasked;
mod unpin;
mod untold;
pub mod verdict;
mod wanted;

pub use abandon::Abandoned;
pub use error_log::ErrorLog;
pub use fallback::Fallbacks;
pub use handshake::{Authenticated, LoginError, Origin, welcome};
pub use idle::LAST_WORD;
pub(crate) use incoming::HELD;
pub use policy::{Policies, Policy};
pub use proxy::Proxy;
pub use run::Gone;
pub use seldom::Seldom;
