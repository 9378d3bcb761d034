//! The conditions of a statement, kept for the client after the connection that knew them has gone back.
//!
//! Knows the columns of `SHOW WARNINGS`. Must not know who was asked.

use super::{
    questions::Conditions,
    saved_result::{RowEncoding, SavedResult},
};
use crate::wire::{Capabilities, StatusFlags, err::SqlError};

/// What `SHOW WARNINGS` said.
#[derive(Debug)]
pub struct SavedConditions {
    rows: SavedResult,
    /// `@@warning_count`, which may be more than the rows.
    pub warnings: u64,
    /// `@@error_count`
    pub errors: u64,
}

impl SavedConditions {
    /// From the reply to `SHOW WARNINGS` on a connection with these capabilities; none if it is no result.
    #[must_use]
    pub fn read(reply: &[u8], capabilities: Capabilities) -> Option<Self> {
        let rows = SavedResult::read(reply, capabilities)?;
        let warnings = rows.first_columns().count() as u64;
        let errors = rows.first_columns().filter(|level| is_error(level)).count() as u64;
        Some(SavedConditions { rows, warnings, errors })
    }

    /// The client got another error than the member's.
    pub fn replace_error(&mut self, told: &SqlError) {
        let (code, message) = (told.code.to_string(), told.message.as_bytes());
        self.rows.replace_rows(is_error, &[b"Error", code.as_bytes(), message]);
    }

    /// Writes the reply to a `SHOW WARNINGS` or `SHOW ERRORS`: those wanted, without the first `skip`, `most` at most.
    pub fn put(
        &self,
        out: &mut Vec<u8>,
        (of, skip, most): (Conditions, u64, u64),
        status: StatusFlags,
        encoding: RowEncoding,
    ) {
        let levels = self.rows.first_columns().enumerate();
        let wanted = levels.filter(|(_, level)| of == Conditions::All || is_error(level)).map(|(at, _)| at);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let wanted: Vec<usize> = wanted.skip(skip).take(most).collect();
        self.rows.put(out, 1, status, encoding, |at| wanted.binary_search(&at).is_ok());
    }
}

fn is_error(level: &[u8]) -> bool {
    level.eq_ignore_ascii_case(b"error")
}
