//! PURE. The MySQL client/server protocol: headers, capabilities, commands, the connection phase, and the state of a
//! reply.
//!
//! Knows bytes and what the protocol manual says of them (<https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>,
//! cited below by page name). Must not know sockets, sessions, SQL or configuration; imports nothing of this crate.

pub mod announcement;
pub mod attributes;
pub mod auth;
pub mod capabilities;
pub mod command;
pub mod err;
pub mod greeting;
pub mod gtid;
pub mod id_columns;
pub mod kept_result;
pub mod login;
pub mod ok;
pub mod packet;
pub mod parameters;
pub mod prepared;
pub mod reader;
pub mod response;
pub mod resultset;
pub mod server;
pub mod short_reply;
pub mod strangers;

pub use capabilities::{Capabilities, Extensions, StatusFlags};
pub use command::Command;
pub use packet::{HEADER_LEN, Header, MAX_PAYLOAD};
