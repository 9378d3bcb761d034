//! What the monitor needs of a connection to a member, and nothing more.
//!
//! Knows questions and rows of text. Must not know sockets or the protocol: a test answers with a table.

use std::future::Future;
use std::net::SocketAddr;

use super::state::ServerInfo;

/// Opens connections with the monitor's account.
pub trait Ask: Send + Sync + 'static {
    /// What it opens.
    type Conversation: Converse;

    /// These are the members from now on, and what each is called.
    fn members_are(&self, members: &[(String, SocketAddr)]) {
        let _ = members;
    }

    /// Connects and logs in.
    fn connect(&self, address: SocketAddr) -> impl Future<Output = Result<Self::Conversation, AskError>> + Send;
}

/// One connection, used for one question after the other. After an error other than [`AskError::Server`] it is dropped.
pub trait Converse: Send + 'static {
    /// What the greeting told.
    fn server(&self) -> ServerInfo;

    /// Asks, and reads the whole answer.
    fn query(&mut self, sql: &str) -> impl Future<Output = Result<Answer, AskError>> + Send;

    /// Says goodbye: a server complains in its log of a connection that just breaks.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No connection could be made.
    #[error("{0}")]
    Connect(String),
    /// No connection and no answer within this time.
    #[error("no answer within {0:?}")]
    Timeout(std::time::Duration),
    /// The account cannot be used from here, for a reason on our side.
    #[error("{0}")]
    Account(String),
    /// The connection broke.
    #[error("{0}")]
    Lost(String),
    /// The server answered with an error.
    #[error("{code}: {message}")]
    Server {
        /// Its number.
        code: u16,
        /// Its text.
        message: String,
    },
}

/// Rows of text with the names of their columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The names.
    pub columns: Vec<String>,
    /// The rows; `None` is NULL.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
}

impl Answer {
    /// The rows, each with its columns' names.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|values| Row { columns: &self.columns, values })
    }

    /// The first row.
    #[must_use]
    pub fn first(&self) -> Option<Row<'_>> {
        self.rows().next()
    }
}

/// One row, read by the names of its columns.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [String],
    values: &'a [Option<Vec<u8>>],
}

impl<'a> Row<'a> {
    /// The value of the first of these columns that exists; `None` also for NULL.
    #[must_use]
    pub fn bytes(&self, names: &[&str]) -> Option<&'a [u8]> {
        let wanted = |column: &String| names.iter().any(|name| column.eq_ignore_ascii_case(name));
        self.values.get(self.columns.iter().position(wanted)?)?.as_deref()
    }

    /// The same as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self, names: &[&str]) -> Option<String> {
        self.bytes(names).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// The same as a number, if it is one.
    #[must_use]
    pub fn number(&self, names: &[&str]) -> Option<u64> {
        std::str::from_utf8(self.bytes(names)?).ok()?.trim().parse().ok()
    }
}
