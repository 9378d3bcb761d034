//! What a session's state changes of a statement's own route: section 2 of the routing table.

use super::answer::Answer;
use super::statement_rules::may_be_sent_to_a_replica;
use super::{Held, Leaving, Reason, Route, Standing, Target};
use crate::session::{Consistency, Isolation, PinReason, Pins, Transaction};
use crate::sql::{Facts, Hint, Kind, ServerKind, Statement};

/// The read-only listener: replicas always; what writes, locks or changes the server is refused.
pub(super) fn read_only_listener(statement: &Statement, wish: Route) -> Route {
    if is_refused(statement) {
        let mut route = Route::new(Target::Proxy, Reason::RefusedReadOnly);
        route.answer = Some(Answer::RefuseReadOnly);
        return route;
    }
    let mut route = wish;
    route.on_primary = false;
    if wish.target == Target::Primary {
        route.target = Target::Replica;
        route.reason = Reason::ReadOnlyListener;
    }
    route.opens_read_only = statement.kind == Kind::Begin && !statement.has(Facts::READ_ONLY);
    route
}

fn is_refused(statement: &Statement) -> bool {
    const REFUSED: Facts = Facts::CHANGES
        .union(Facts::LOCKS_ROWS)
        .union(Facts::INTO_FILE)
        .union(Facts::PROCEDURE)
        .union(Facts::TAKES_LOCK)
        .union(Facts::SEQUENCE);
    statement.has(REFUSED) || (statement.kind == Kind::Kill && statement.has(Facts::KILL_OTHER))
}

/// An open transaction keeps its connection.
pub(super) fn in_transaction(statement: &Statement, wish: Route, standing: &Standing<'_>) -> Route {
    if standing.transaction == Transaction::ReadOnly && standing.held == Held::Replica {
        return in_read_only_transaction(statement, wish, standing);
    }
    let reason = match standing.transaction {
        Transaction::ReadOnly => Reason::ReadOnlyTransaction,
        _ => Reason::InTransaction,
    };
    Route { target: Target::Primary, reason, ..wish }
}

/// What moves several statements in one text, and the read-only transaction with them, to the primary.
const MOVES: Facts =
    Facts::COMMITS.union(Facts::ENDS).union(Facts::BEGINS).union(Facts::SETS_GLOBAL).union(Facts::CHANGES);

const NAMED_LOCK: Facts = Facts::TAKES_LOCK.union(Facts::ASKS_LOCK);

fn in_read_only_transaction(statement: &Statement, wish: Route, standing: &Standing<'_>) -> Route {
    let stays = Route { target: Target::Replica, reason: Reason::ReadOnlyTransaction, ..wish };
    let leaves = Route { target: Target::Primary, leaves: Some(Leaving::Commits), ..wish };
    match statement.kind {
        Kind::Begin if begins_read_only(statement, standing) => stays,
        // MySQL goes on read-only where the access mode is not named; MariaDB does not.
        Kind::Begin if statement.dialect.server == ServerKind::MySql && !statement.has(Facts::READ_WRITE) => stays,
        Kind::Begin => leaves,
        Kind::Write | Kind::Load => Route { answer: Some(Answer::RefuseInReadOnlyTransaction), ..stays },
        // One server refuses both; the session's temporary tables live on the primary.
        Kind::CreateTemporary | Kind::DropTemporary => {
            Route { target: Target::Primary, answer: Some(Answer::RefuseInReadOnlyTransaction), pins: None, ..wish }
        }
        // What reads a table there opens another transaction there, in which the session would go on.
        _ if !standing.autocommit && reads_on_the_primary(statement) => leaves,
        // It commits nothing, on either family of servers.
        Kind::Set if statement.has(Facts::SETS_GLOBAL) => wish,
        // It is for what will be written, and that is not here.
        Kind::Set if statement.has(Facts::SETS_UNCARRIED | Facts::SETS_UNTOLD) => wish,
        // `COMMIT; INSERT …` in one text: what comes behind the end belongs on the primary, and a write before it gets
        // the error there that one server gives.
        Kind::Several if statement.has(MOVES) => leaves,
        // What is prepared or opened outlives the transaction, and pins stand on the primary.
        Kind::Prepare | Kind::Handler => leaves,
        _ if statement.has(Facts::COMMITS) => leaves,
        // A named lock is the primary's, and rows are not to be locked outside of the transaction.
        _ if statement.has(NAMED_LOCK) && statement.has(Facts::LOCKS_ROWS) => leaves,
        _ if statement.has(NAMED_LOCK) => wish,
        _ => stays,
    }
}

/// A transaction that has only read so far, on a replica: what is no plain read begins it on the primary first.
pub(super) fn in_split_transaction(statement: &Statement, wish: Route, standing: &Standing<'_>) -> Route {
    let stays = Route { target: Target::Replica, reason: Reason::SplitTransaction, ..wish };
    let moves = Route { target: Target::Primary, reason: Reason::InTransaction, leaves: Some(Leaving::Moves), ..wish };
    match statement.kind {
        // It is to begin there with the settings that the session has now.
        Kind::Set => Route { leaves: Some(Leaving::Moves), ..wish },
        Kind::Begin if begins_read_only(statement, standing) => Route { reason: Reason::ReadOnlyTransaction, ..stays },
        Kind::Begin if splits(statement, standing) => stays,
        Kind::Begin => Route { target: Target::Primary, leaves: Some(Leaving::Commits), ..wish },
        Kind::Commit | Kind::Rollback => stays,
        _ if matches!(wish.target, Target::Same | Target::All | Target::Proxy) => wish,
        _ if wish.target != Target::Replica => moves,
        _ if standing.hint.or(statement.hint) == Some(Hint::Primary) => Route { reason: Reason::HintPrimary, ..moves },
        _ => stays,
    }
}

/// Whether the reads of the transaction that the statement opens may run on a replica until it writes. At other isolation
/// levels than `READ COMMITTED` they would not fit what it reads afterwards; what everybody has written each of them would have to
/// ask for.
fn splits(statement: &Statement, standing: &Standing<'_>) -> bool {
    standing.splits
        && standing.consistency != Consistency::Global
        && standing.isolation == Isolation::ReadCommitted
        && standing.next_transaction.is_empty()
        && !statement.has(Facts::READ_WRITE)
}

/// Whether a statement that has to run on the primary reads tables there.
fn reads_on_the_primary(statement: &Statement) -> bool {
    const AWAY: Facts = NAMED_LOCK.union(Facts::SETS_GLOBAL).union(Facts::SETS_UNCARRIED).union(Facts::SETS_UNTOLD);
    const READS: Facts = Facts::READS_TABLES.union(Facts::UNKNOWN_FUNCTION).union(Facts::MANY_FUNCTIONS);
    statement.has(AWAY) && statement.has(READS)
}

/// Whether `BEGIN` or `START TRANSACTION`, or with autocommit off any first statement, opens a read-only transaction.
pub(super) fn begins_read_only(statement: &Statement, standing: &Standing<'_>) -> bool {
    if statement.has(Facts::READ_ONLY | Facts::READ_WRITE) {
        return statement.has(Facts::READ_ONLY);
    }
    standing.next_transaction.read_only.unwrap_or(standing.transaction_read_only)
}

fn isolation(standing: &Standing<'_>) -> Isolation {
    standing.next_transaction.isolation.unwrap_or(standing.isolation)
}

/// `BEGIN`, `START TRANSACTION` outside of a transaction.
pub(super) fn begin(statement: &Statement, wish: Route, standing: &Standing<'_>) -> Route {
    if !begins_read_only(statement, standing) {
        let split = Route { target: Target::Replica, reason: Reason::SplitTransaction, ..wish };
        return if splits(statement, standing) { split } else { wish };
    }
    if isolation(standing) == Isolation::Serializable {
        return Route { reason: Reason::Serializable, ..wish };
    }
    // What waits on the primary's connection is said again on the replica's, and must not stand there any longer.
    let opens_read_only = !statement.has(Facts::READ_ONLY) || !standing.next_transaction.is_empty();
    Route { target: Target::Replica, reason: Reason::ReadOnlyTransaction, opens_read_only, ..wish }
}

/// A read with autocommit off, which opens the transaction that it belongs to. Of a read-only one a replica is the place.
fn opens_by_itself(statement: &Statement, wish: Route, standing: &Standing<'_>) -> Route {
    if !begins_read_only(statement, standing) {
        let (target, reason) = if splits(statement, standing) {
            (Target::Replica, Reason::SplitTransaction)
        } else {
            (Target::Primary, Reason::AutocommitOff)
        };
        return Route { target, reason, ..wish };
    }
    if isolation(standing) == Isolation::Serializable {
        return Route { target: Target::Primary, reason: Reason::Serializable, ..wish };
    }
    let opens_read_only = !standing.next_transaction.is_empty();
    Route { target: Target::Replica, reason: Reason::ReadOnlyTransaction, opens_read_only, ..wish }
}

/// Whether a statement surely opens the transaction for which a `SET TRANSACTION` waits. A read of no table leaves it waiting.
fn uses_up_what_waits(statement: &Statement, standing: &Standing<'_>) -> bool {
    let by_itself = !standing.autocommit && statement.is_read() && statement.has(Facts::READS_TABLES);
    !standing.next_transaction.doubted && (statement.kind == Kind::Begin || by_itself)
}

/// A pin keeps its connection. A waiting `SET TRANSACTION` alone can be said again where a read-only transaction opens, if
/// it surely waits.
pub(super) fn pinned(statement: &Statement, wish: Route, standing: &Standing<'_>) -> Route {
    let waiting = standing.pins.iter().all(|pin| pin == PinReason::NextTransaction);
    if waiting && uses_up_what_waits(statement, standing) {
        return wish;
    }
    match standing.held {
        Held::Primary => Route { target: Target::Primary, reason: Reason::Pinned, opens_read_only: false, ..wish },
        Held::Replica if statement.has(Facts::CHANGES | Facts::LOCKS_ROWS | Facts::TAKES_LOCK) => wish,
        Held::Replica => Route { target: Target::Replica, reason: Reason::Pinned, ..wish },
    }
}

/// Whether any pin holds.
pub(super) fn is_pinned(pins: &Pins) -> bool {
    !pins.is_empty()
}

/// The settings that keep reads on the primary, and the client's wish.
pub(super) fn settings_and_hint(statement: &Statement, wish: Route, standing: &Standing<'_>) -> Route {
    let opens_by_itself = wish.target == Target::Replica && !standing.autocommit && statement.is_read();
    let wish = if opens_by_itself { self::opens_by_itself(statement, wish, standing) } else { wish };
    let serializable = wish.target == Target::Replica
        && wish.reason != Reason::ReadOnlyTransaction
        && isolation(standing) == Isolation::Serializable;
    let route =
        if serializable { Route { target: Target::Primary, reason: Reason::Serializable, ..wish } } else { wish };
    match standing.hint.or(statement.hint) {
        Some(Hint::Primary) if route.target == Target::Replica => {
            Route { target: Target::Primary, reason: Reason::HintPrimary, opens_read_only: false, ..route }
        }
        Some(Hint::Replica)
            if route.target == Target::Primary
                && standing.autocommit
                && may_be_sent_to_a_replica(statement, &route) =>
        {
            Route { target: Target::Replica, reason: Reason::HintReplica, ..route }
        }
        _ => route,
    }
}
