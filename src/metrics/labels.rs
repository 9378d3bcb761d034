//! The values of the labels. Each is an enum whose names are the contract with dashboards and alerts.

use crate::session::PinReason;

/// A label with a fixed set of values.
pub trait Label: Copy + 'static {
    /// Every value, in the order of [`Label::index`].
    const ALL: &'static [Self];

    /// Its place in [`Label::ALL`].
    fn index(self) -> usize;

    /// Its text in the metrics.
    fn name(self) -> &'static str;
}

macro_rules! labels {
    ($(#[$about:meta])* $label:ident { $($(#[$meaning:meta])* $value:ident = $name:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $label {
            $($(#[$meaning])* $value,)+
        }

        impl Label for $label {
            const ALL: &'static [Self] = &[$($label::$value,)+];

            fn index(self) -> usize {
                self as usize
            }

            fn name(self) -> &'static str {
                match self {
                    $($label::$value => $name,)+
                }
            }
        }
    };
}

labels! {
    /// How a statement ended.
    Outcome {
        /// The reply was no error.
        Ok = "ok",
        /// A member answered with an error.
        Error = "error",
        /// It was repeated on another member after one was lost, and was answered.
        Retried = "retried",
        /// The member was lost and the client was told.
        Lost = "lost",
        /// The proxy answered with an error of its own: no member could serve, a write on the read-only port.
        Refused = "refused",
        /// The client went away before the reply was complete.
        Abandoned = "abandoned",
    }
}

labels! {
    /// What became of a client connection's login.
    ClientOutcome {
        /// It logged in.
        Accepted = "accepted",
        /// Its account or password was refused.
        Denied = "denied",
        /// There were `limits.max_client_connections` already.
        TooMany = "too_many",
        /// The proxy was draining.
        Draining = "draining",
        /// No member could be reached that was needed for the login.
        NoMember = "no_member",
        /// It went away, took too long, or spoke something else.
        Failed = "failed",
    }
}

labels! {
    /// Why a login was refused.
    AuthFailure {
        /// The password is wrong.
        WrongPassword = "wrong_password",
        /// There is no such account.
        UnknownUser = "unknown_user",
        /// The proxy knows the account and a member refuses it.
        RefusedByMember = "refused_by_member",
        /// The client and the account have no method in common.
        Method = "method",
        /// The client sent its password in clear over a connection without TLS.
        ClearPassword = "clear_password",
        /// TLS is required and was not used.
        TlsRequired = "tls_required",
    }
}

labels! {
    /// How a read came to see the writes that it must see.
    CausalRead {
        /// A replica was already known to have applied them.
        Applied = "applied",
        /// It waited until a replica had them.
        Waited = "waited",
        /// The primary served it, since no replica had them in time.
        Primary = "primary",
    }
}

labels! {
    /// A hint that could not be followed.
    IgnoredHint {
        /// `proxy:primary`
        Primary = "primary",
        /// `proxy:replica`
        Replica = "replica",
    }
}

labels! {
    /// What is done about a statement whose member was lost.
    RetryVerdict {
        /// It is repeated on another member.
        Retried = "retried",
        /// It was to be repeated and no member was left, or too little time.
        Exhausted = "exhausted",
        /// Part of the reply had reached the client.
        ReplyBegun = "reply_begun",
        /// It ran in a transaction, which is undone.
        InTransaction = "in_transaction",
        /// The session had state that was lost with the connection.
        Pinned = "pinned",
        /// It may have changed data.
        MayHaveWritten = "may_have_written",
        /// It was a COMMIT, or commits by itself; the client is told that its outcome is unknown.
        OutcomeUnknown = "outcome_unknown",
    }
}

labels! {
    /// What became of a configuration that was read again.
    ReloadOutcome {
        /// It is in effect.
        Applied = "applied",
        /// It has an error; the one before stays.
        Refused = "refused",
    }
}

labels! {
    /// Which of the proxy's two sides a byte passed.
    Side {
        /// Between client and proxy.
        Client = "client",
        /// Between proxy and member.
        Backend = "backend",
    }
}

labels! {
    /// Which way a byte went, seen from the proxy.
    Direction {
        /// The proxy received it.
        In = "in",
        /// The proxy sent it.
        Out = "out",
    }
}

impl Label for PinReason {
    const ALL: &'static [Self] = &PinReason::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        PinReason::name(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn in_order<L: Label>() {
        let names: BTreeSet<&str> = L::ALL.iter().map(|value| value.name()).collect();
        assert_eq!(names.len(), L::ALL.len());
        assert!(L::ALL.iter().enumerate().all(|(at, value)| value.index() == at));
    }

    #[test]
    fn every_value_stands_where_its_index_says_and_has_a_name_of_its_own() {
        in_order::<Outcome>();
        in_order::<ClientOutcome>();
        in_order::<AuthFailure>();
        in_order::<CausalRead>();
        in_order::<IgnoredHint>();
        in_order::<RetryVerdict>();
        in_order::<ReloadOutcome>();
        in_order::<Side>();
        in_order::<Direction>();
        in_order::<PinReason>();
    }
}
