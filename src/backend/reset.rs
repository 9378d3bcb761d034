//! Takes away what a session has left on a connection.
//!
//! Knows that old servers have no command for it, and what does instead. Must not know what sessions leave.

use super::{Connection, DialError, QueryError, login};
use crate::wire::{Command, command::message, response::Shape, server::knows_reset};

/// What a reset left of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// It is as it was.
    Kept,
    /// There is none.
    Left,
}

impl Connection {
    /// Makes the connection as it was after its login, but for what the member's command leaves: by
    /// `COM_RESET_CONNECTION`, or by logging in again (`COM_CHANGE_USER`) where that does not exist.
    pub async fn reset(&mut self) -> Result<Database, QueryError> {
        if knows_reset(&self.greeting.version) {
            self.ask(&message(Command::ResetConnection, &[]), Shape::Acknowledgement).await?;
            return Ok(Database::Kept);
        }
        self.begin()?;
        login::log_in_again(self).await.map_err(|error| match error {
            DialError::Broken(error) => QueryError::Broken(error),
            // After a refusal the member closes the connection: it stays in flight, and so serves nobody.
            DialError::Refused(error) => QueryError::Sql(error),
            error => QueryError::Protocol(error.to_string()),
        })?;
        self.in_flight = false;
        Ok(Database::Left)
    }
}
