//! Ends a connection's statement by another connection of the same account (`KILL`): a server notices that its peer has
//! closed only when it has something to say.
//!
//! Knows that every account may kill its own connections. Must not know why that is wanted.

use std::{sync::Arc, time::Duration};

use super::{Connection, DialError, DialOptions, QueryError};
use crate::wire::{Capabilities, Extensions};

/// Why a connection could not be killed.
#[derive(Debug, thiserror::Error)]
pub enum KillError {
    /// No second connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The member refused, or the second connection broke.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl Connection {
    /// Has the member end this connection, and the statement that runs on it.
    pub async fn kill_from_outside(&self, connect_timeout: Duration) -> Result<(), KillError> {
        let options = DialOptions {
            road: Arc::clone(&self.road),
            connect_timeout,
            capabilities: Capabilities::empty(),
            extensions: Extensions::empty(),
            collation: None,
        };
        let mut other = Connection::dial(self.address, &self.account, &options).await?;
        other.query(&format!("KILL {}", self.thread_id())).await?;
        // The next one need not wait for the farewell.
        drop(tokio::spawn(other.close()));
        Ok(())
    }
}
