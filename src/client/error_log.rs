//! Tells the operator of the errors with which the proxy itself answers statements: of each kind one line a second at most.
//!
//! Knows which of them an operator must know of. Must not know how they come about.

use super::seldom::Seldom;
use crate::wire::err::SqlError;

/// `ER_ERROR_DURING_COMMIT`
const OUTCOME_UNKNOWN: u16 = 1180;
/// `CR_SERVER_LOST`
const MEMBER_LOST: u16 = 2013;
/// The proxy's own.
const NO_MEMBER: u16 = 9001;

/// See the module.
#[derive(Debug, Default)]
pub struct ErrorLog {
    no_member: Seldom,
    outcome_unknown: Seldom,
    member_lost: Seldom,
}

impl ErrorLog {
    /// A client's statement is answered with this error.
    pub fn note(&self, error: &SqlError, client: u32, user: &[u8]) {
        let (seldom, text) = match error.code {
            NO_MEMBER => (&self.no_member, "a statement found no member that could serve it"),
            OUTCOME_UNKNOWN => (&self.outcome_unknown, "a member was lost in a commit whose outcome nobody knows"),
            MEMBER_LOST => (&self.member_lost, "a statement was lost with its member"),
            _ => return,
        };
        if let Some(others) = seldom.note() {
            let user = user.escape_ascii().to_string();
            tracing::warn!(client, user, code = error.code, reason = %error.message_for_log(), others, "{text}");
        }
    }
}
