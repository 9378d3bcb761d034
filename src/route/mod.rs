//! PURE. Where a statement goes, and why: from a [`Statement`](crate::sql::Statement) and a view of the session to a
//! [`Route`].
//!
//! Knows the routing table of the design. Must not know members, pools or sockets: "a replica" here is a wish.

mod answer;
mod decide;
mod reason;
mod session_rules;
mod standing;
mod statement_rules;
mod trusted;

pub use answer::{Answer, KillId, KillMeans};
pub use decide::decide;
pub use reason::Reason;
pub use standing::{Held, Standing};
pub use trusted::TrustedFunctions;

use crate::session::PinReason;
use crate::sql::Hint;

/// Where a statement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Target {
    /// The primary.
    Primary,
    /// A healthy replica, or the primary if there is none.
    Replica,
    /// The connection that served the previous statement.
    Same,
    /// A change of session state: run once, replayed elsewhere.
    All,
    /// Answered by the proxy.
    Proxy,
}

impl Target {
    /// Every target, in the order of its discriminant.
    pub const ALL: [Target; 5] = [Target::Primary, Target::Replica, Target::Same, Target::All, Target::Proxy];

    /// The name in metrics, logs and `explain`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Target::Primary => "primary",
            Target::Replica => "replica",
            Target::Same => "same",
            Target::All => "all",
            Target::Proxy => "proxy",
        }
    }
}

/// How new the data must be that a read on a replica sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// Any replica within the allowed lag.
    #[default]
    Any,
    /// At least this session's own last write.
    OwnWrites,
    /// At least everybody's newest write.
    AllWrites,
}

/// What becomes of the outcome when the connection is lost while the statement runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// A plain read outside of a transaction: it may be repeated on another member.
    Repeatable,
    /// It may have been done, and nothing is known of it: error 1180. A `COMMIT`, or a statement that commits by itself.
    OutcomeUnknown,
    /// A statement within a transaction, which is undone with the connection; or one whose loss changes nothing.
    #[default]
    RolledBack,
}

/// What becomes of the transaction that is open on a replica when a statement must run on the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// The statement commits it implicitly: `COMMIT` there first.
    Commits,
    /// It has only read so far: it begins on the primary, and goes on there.
    Moves,
}

/// The decision about one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it goes.
    pub target: Target,
    /// Why.
    pub reason: Reason,
    /// By what the statement, when it succeeds, ties the session to its connection.
    pub pins: Option<PinReason>,
    /// What the proxy answers itself. With another target than [`Target::Proxy`] too: an error that one server would
    /// have given before it ran the statement.
    pub answer: Option<Answer>,
    /// How new the data must be, for [`Target::Replica`].
    pub freshness: Freshness,
    /// What the loss of the connection means.
    pub loss: Loss,
    /// The client's hint, which could not be followed.
    pub hint_ignored: Option<Hint>,
    /// `BEGIN` on the read-only listener, or one made read-only by the session: the transaction that it opens must be
    /// read-only (`START TRANSACTION READ ONLY`) on a replica.
    pub opens_read_only: bool,
    /// A transaction is open on a replica, and cannot stay there.
    pub leaves: Option<Leaving>,
    /// With [`Target::All`]: the value is an expression, so the primary computes it.
    pub on_primary: bool,
}

impl Route {
    fn new(target: Target, reason: Reason) -> Route {
        Route {
            target,
            reason,
            pins: None,
            answer: None,
            freshness: Freshness::Any,
            loss: Loss::RolledBack,
            hint_ignored: None,
            opens_read_only: false,
            leaves: None,
            on_primary: false,
        }
    }

    fn primary(reason: Reason) -> Route {
        Route::new(Target::Primary, reason)
    }

    fn replica(reason: Reason) -> Route {
        Route::new(Target::Replica, reason)
    }

    fn pinning(mut self, pin: PinReason) -> Route {
        self.pins = Some(pin);
        self
    }

    /// Whether the statement may be run again on another member when the connection was lost before its reply began.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.loss == Loss::Repeatable
    }

    /// Whether a lost connection leaves it open if the statement has happened: error 1180.
    #[must_use]
    pub fn commits(&self) -> bool {
        self.loss == Loss::OutcomeUnknown
    }
}
