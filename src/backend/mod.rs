//! One connection to a member: dial, authenticate, ask, exchange.
//!
//! Knows the connection phase and how to relay a command and its reply by peeking at packet headers. Must not know
//! sessions, routing, the pool or configuration.

mod acknowledged;
mod changes;
mod connection;
mod demand;
mod dial;
mod exchange;
mod kill;
mod login;
mod query;
mod reset;
mod rsa;
mod secrecy;
mod short;
mod stored;
mod translation;
mod walk;

pub use acknowledged::{MultiStatements, set_option};
pub use connection::Connection;
pub use demand::Demand;
pub use dial::{Account, DialError, DialOptions};
pub use exchange::{Exchange, ExchangeError, MadeUp, MemberFault, Progress, SendError};
pub use kill::KillError;
pub use query::{QueryError, ResultSet};
pub use reset::Database;
pub use rsa::{KeyError, KeyPair, encrypt_password};
pub use secrecy::{Insecure, Road, Secrecy};
pub use stored::{CredentialTable, StoredMethod};
pub use translation::Translation;
pub use walk::Reply;
