//! What members say of an account: whether they let it in.

use crate::{backend::Demand, wire::err::SqlError};

/// Who has judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// The primary.
    Primary,
    /// A replica, since the primary gave no answer.
    Replica,
}

/// What members say of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may come in by a connection that is as the account demands.
    Accepted(Judge, Demand),
    /// It may not, in the member's own words.
    Refused(SqlError),
    /// The account wants this method, which the proxy does not speak.
    Unspoken(String),
    /// Nobody could be asked: which members were tried, and why each gave no answer.
    Unreachable(String),
}

/// 1115 and 1231: a character set that no client may have, such as `ucs2`. It says nothing of the account.
pub(super) const fn is_about_the_character_set(error: &SqlError) -> bool {
    matches!(error.code, 1115 | 1231)
}

/// Whether a member refuses the account, and not the proxy's host or any connection. Beside those of class 28000: 1044 no
/// right to the database, 1130 host not allowed, 1251 not by this method, 1820 and 1862 password expired, 3118, 3955, 4150
/// and 4151 locked.
pub(super) fn is_about_the_account(error: &SqlError) -> bool {
    error.state == *b"28000" || matches!(error.code, 1044 | 1130 | 1251 | 1820 | 1862 | 3118 | 3955 | 4150 | 4151)
}
