//! The decision: the statement's own route, then what the session's state makes of it.

use super::{Freshness, Leaving, Loss, Reason, Route, Standing, Target, session_rules, statement_rules};
use crate::session::{Consistency, Listener, Transaction};
use crate::sql::{Facts, Hint, Kind, Statement};

/// Where `statement` (made from `sql`) goes in a session of this standing, and why.
#[must_use]
pub fn decide(statement: &Statement, sql: &[u8], standing: &Standing<'_>) -> Route {
    let wish = statement_rules::route(statement, sql, standing);
    let mut route = in_state(statement, wish, standing);
    route.freshness = freshness(&route, standing);
    route.loss = loss(statement, &route, standing);
    route.hint_ignored = standing.hint.or(statement.hint).filter(|hint| match hint {
        Hint::Primary => route.target == Target::Replica,
        Hint::Replica => matches!(route.target, Target::Primary | Target::Proxy),
    });
    route
}

fn in_state(statement: &Statement, wish: Route, standing: &Standing<'_>) -> Route {
    if standing.has_split() {
        return session_rules::in_split_transaction(statement, wish, standing);
    }
    // These keep their word in every state, which then only decides which connection.
    if matches!(wish.target, Target::Same | Target::All | Target::Proxy) {
        return wish;
    }
    if standing.listener == Listener::ReadOnly {
        return session_rules::read_only_listener(statement, wish);
    }
    if standing.transaction != Transaction::None {
        return session_rules::in_transaction(statement, wish, standing);
    }
    let wish = if statement.kind == Kind::Begin && wish.reason == Reason::TransactionControl {
        session_rules::begin(statement, wish, standing)
    } else {
        wish
    };
    if session_rules::is_pinned(standing.pins) {
        let route = session_rules::pinned(statement, wish, standing);
        if route.reason == Reason::Pinned {
            return route;
        }
        return session_rules::settings_and_hint(statement, route, standing);
    }
    session_rules::settings_and_hint(statement, wish, standing)
}

fn freshness(route: &Route, standing: &Standing<'_>) -> Freshness {
    if !matches!(route.target, Target::Replica | Target::Same) {
        return Freshness::Any;
    }
    match standing.consistency {
        Consistency::Session if standing.wrote => Freshness::OwnWrites,
        Consistency::Eventual if standing.has_token => Freshness::OwnWrites,
        Consistency::Session | Consistency::Eventual => Freshness::Any,
        Consistency::Global => Freshness::AllWrites,
    }
}

fn loss(statement: &Statement, route: &Route, standing: &Standing<'_>) -> Loss {
    let in_transaction = standing.transaction != Transaction::None;
    if in_transaction {
        let ends = statement.kind == Kind::Commit || statement.has(Facts::COMMITS | Facts::ENDS | Facts::BEGINS);
        let has_only_read = standing.has_split() && route.leaves != Some(Leaving::Moves);
        let harmless =
            statement.kind == Kind::Rollback || standing.transaction == Transaction::ReadOnly || has_only_read;
        return if ends && !harmless { Loss::OutcomeUnknown } else { Loss::RolledBack };
    }
    if statement.has(Facts::COMMITS) {
        return Loss::OutcomeUnknown;
    }
    if route.reason == Reason::HintReplica && statement.has(Facts::UNKNOWN_FUNCTION | Facts::MANY_FUNCTIONS) {
        // The replica refuses a write, but it may be the primary that serves for want of a replica.
        return Loss::OutcomeUnknown;
    }
    let plain = matches!(route.reason, Reason::Read | Reason::Metadata | Reason::HintReplica | Reason::HintPrimary)
        || (statement.is_read() && route.reason == Reason::InstanceState);
    let opens = matches!(route.reason, Reason::ReadOnlyTransaction | Reason::SplitTransaction);
    let by_itself = !standing.autocommit && statement.is_read();
    if opens && (by_itself || statement.kind == Kind::Begin) && route.target == Target::Replica {
        // Nothing of its transaction has been seen before.
        return Loss::Repeatable;
    }
    if statement.kind == Kind::Begin && route.target == Target::Primary {
        // It has nothing in it yet, and there was none before it to be committed.
        return Loss::Repeatable;
    }
    if plain && standing.autocommit && matches!(route.target, Target::Replica | Target::Primary) {
        return Loss::Repeatable;
    }
    if standing.autocommit && route.target == Target::Primary && may_have_written(statement, route.reason) {
        return Loss::OutcomeUnknown;
    }
    Loss::RolledBack
}

/// Whether a statement that runs as its own transaction may have left something that lasts.
fn may_have_written(statement: &Statement, reason: Reason) -> bool {
    statement.has(Facts::CHANGES | Facts::SETS_GLOBAL | Facts::UNKNOWN_FUNCTION | Facts::SEQUENCE | Facts::INTO_FILE)
        || matches!(
            reason,
            Reason::Call
                | Reason::Do
                | Reason::TextPrepare
                | Reason::UnreadableText
                | Reason::TooLong
                | Reason::Several
                | Reason::VersionedComment
                | Reason::UnknownStatement
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Held, TrustedFunctions};
    use crate::session::{Isolation, NextTransaction, Pins, UserVariables};
    use crate::sql::{Dialect, classify};

    fn loss_of(sql: &str) -> Loss {
        loss_in(sql, |_| {})
    }

    fn loss_in(sql: &str, state: impl FnOnce(&mut Standing<'_>)) -> Loss {
        let (pins, user_variables, trusted) = (Pins::default(), UserVariables::default(), TrustedFunctions::default());
        let mut standing = Standing {
            listener: Listener::ReadWrite,
            consistency: Consistency::Session,
            transaction: Transaction::None,
            autocommit: true,
            isolation: Isolation::RepeatableRead,
            transaction_read_only: false,
            next_transaction: NextTransaction::default(),
            pins: &pins,
            held: Held::Primary,
            user_variables: &user_variables,
            wrote: false,
            in_system_schema: false,
            splits: false,
            trusted: &trusted,
            hint: None,
            has_token: false,
        };
        state(&mut standing);
        decide(&classify(sql.as_bytes(), &Dialect::default()), sql.as_bytes(), &standing).loss
    }

    #[test]
    fn what_may_write_is_not_repeated_because_of_a_hint() {
        assert_eq!(loss_of("/* proxy:replica */ SELECT 1"), Loss::Repeatable);
        assert_eq!(loss_of("/* proxy:replica */ SELECT f(1)"), Loss::OutcomeUnknown);
        assert_eq!(loss_of("SELECT f(1)"), Loss::OutcomeUnknown);
    }

    #[test]
    fn a_transaction_that_begins_is_begun_again_unless_it_commits_another() {
        let open = |standing: &mut Standing<'_>| standing.transaction = Transaction::ReadWrite;
        for begin in ["BEGIN", "START TRANSACTION", "START TRANSACTION WITH CONSISTENT SNAPSHOT"] {
            assert_eq!(loss_of(begin), Loss::Repeatable, "{begin}");
            assert_eq!(loss_in(begin, |standing| standing.autocommit = false), Loss::Repeatable, "{begin}");
            assert_eq!(loss_in(begin, open), Loss::OutcomeUnknown, "{begin}");
        }
    }

    #[test]
    fn a_read_that_opens_a_read_only_transaction_is_repeated_and_no_later_one() {
        let off = |standing: &mut Standing<'_>| standing.autocommit = false;
        let read_only =
            |standing: &mut Standing<'_>| (standing.autocommit, standing.transaction_read_only) = (false, true);
        let open = |standing: &mut Standing<'_>| {
            read_only(standing);
            (standing.transaction, standing.held) = (Transaction::ReadOnly, Held::Replica);
        };
        assert_eq!(loss_in("SELECT a FROM t", off), Loss::RolledBack);
        assert_eq!(loss_in("SELECT a FROM t", read_only), Loss::Repeatable);
        assert_eq!(loss_in("SELECT a FROM t", open), Loss::RolledBack);
        assert_eq!(loss_in("SELECT a FROM t FOR UPDATE", read_only), Loss::RolledBack);
    }
}
