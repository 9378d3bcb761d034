//! Where a statement goes in a free session: section 1 of the routing table.

use super::answer::{self, Answer};
use super::{Reason, Route, Standing, Target};
use crate::session::{PinReason, is_usual};
use crate::sql::details::{self, Assigned};
use crate::sql::{Facts, Kind, Statement, set};

/// The route that the statement alone asks for.
pub(super) fn route(statement: &Statement, sql: &[u8], standing: &Standing<'_>) -> Route {
    if statement.is_truncated() && matches!(statement.kind, Kind::Read | Kind::Metadata | Kind::Several) {
        return pinned_by_facts(Route::primary(Reason::TooLong), statement);
    }
    if statement.has(Facts::VERSIONED) {
        return pinned_by_facts(Route::primary(Reason::VersionedComment), statement);
    }
    if statement.doubt.is_some() {
        return pinned_by_facts(Route::primary(Reason::UnreadableText), statement);
    }
    if let Some(answer) = answer::of(statement, sql) {
        return proxy(answer);
    }
    match statement.kind {
        Kind::Read => read(statement, sql, standing, Reason::Read),
        Kind::Metadata => read(statement, sql, standing, Reason::Metadata),
        Kind::Diagnostics => pinned_by_facts(Route::new(Target::Same, Reason::Diagnostics), statement),
        Kind::Set => set_route(statement, sql, standing),
        Kind::Use => Route::new(Target::All, Reason::SessionState),
        kind => pinned_by_facts(pinned_by_kind(Route::primary(reason_of(kind)), statement), statement),
    }
}

fn proxy(answer: Answer) -> Route {
    let reason = match answer {
        Answer::ConnectionId { .. } => Reason::ConnectionId,
        Answer::Kill { .. } => Reason::Kill,
        Answer::ShowProxyRoute => Reason::ShowProxyRoute,
        Answer::ShowProxyToken => Reason::ShowProxyToken,
        Answer::RefuseReadOnly | Answer::RefuseInReadOnlyTransaction => Reason::RefusedReadOnly,
    };
    let mut route = Route::new(Target::Proxy, reason);
    route.answer = Some(answer);
    route
}

/// Why a statement of this kind goes to the primary.
fn reason_of(kind: Kind) -> Reason {
    match kind {
        Kind::Empty => Reason::Empty,
        Kind::Read => Reason::Read,
        Kind::Metadata => Reason::Metadata,
        Kind::Instance | Kind::ExplainConnection | Kind::Profile => Reason::InstanceState,
        Kind::ExplainWrite => Reason::ExplainWrite,
        Kind::Diagnostics => Reason::Diagnostics,
        Kind::ShowProxyRoute => Reason::ShowProxyRoute,
        Kind::ShowProxyToken => Reason::ShowProxyToken,
        Kind::Write => Reason::Write,
        Kind::Load => Reason::Load,
        Kind::Call => Reason::Call,
        Kind::Do => Reason::Do,
        Kind::Ddl | Kind::DropTable | Kind::SetAccount => Reason::Ddl,
        Kind::CreateTemporary | Kind::DropTemporary => Reason::TemporaryTable,
        Kind::Administration | Kind::Kill => Reason::Administration,
        Kind::Begin | Kind::Commit | Kind::Rollback | Kind::Savepoint | Kind::SetTransaction => {
            Reason::TransactionControl
        }
        Kind::Set | Kind::Use => Reason::SessionState,
        Kind::Prepare | Kind::Execute | Kind::Deallocate => Reason::TextPrepare,
        Kind::Handler => Reason::Handler,
        Kind::Xa => Reason::Xa,
        Kind::LockTables | Kind::UnlockTables => Reason::LockTables,
        Kind::BackupLock | Kind::BackupUnlock => Reason::BackupLock,
        Kind::Compound => Reason::Compound,
        Kind::Unknown => Reason::UnknownStatement,
        Kind::Several => Reason::Several,
    }
}

fn pinned_by_kind(route: Route, statement: &Statement) -> Route {
    let closes = statement.has(Facts::CLOSES);
    match statement.kind {
        Kind::CreateTemporary => route.pinning(PinReason::TemporaryTable),
        Kind::Prepare | Kind::Execute if !closes => route.pinning(PinReason::PreparedStatement),
        Kind::Handler if !closes => route.pinning(PinReason::Handler),
        Kind::Xa if !closes => route.pinning(PinReason::Xa),
        Kind::LockTables => route.pinning(PinReason::LockTables),
        Kind::BackupLock => route.pinning(PinReason::BackupLock),
        Kind::SetTransaction => route.pinning(PinReason::NextTransaction),
        _ => route,
    }
}

fn pinned_by_facts(route: Route, statement: &Statement) -> Route {
    if statement.has(Facts::TAKES_LOCK) {
        route.pinning(PinReason::GetLock)
    } else if statement.has(Facts::ASSIGNS | Facts::SETS_USER_EXPRESSION) {
        route.pinning(PinReason::UserVariable)
    } else {
        route
    }
}

/// Facts that keep a read off the replicas, the strongest first.
const KEPT: [(Facts, Reason); 8] = [
    (Facts::LOCKS_ROWS, Reason::LockingRead),
    (Facts::INTO_FILE, Reason::IntoFile),
    (Facts::PROCEDURE, Reason::Procedure),
    (Facts::TAKES_LOCK.union(Facts::ASKS_LOCK), Reason::NamedLock),
    (Facts::ASSIGNS, Reason::AssignsVariable),
    (Facts::SEQUENCE, Reason::Sequence),
    (Facts::SETS_INSERT_ID, Reason::SetsInsertId),
    (Facts::MANY_FUNCTIONS, Reason::UnknownFunction),
];

/// Everything that makes a read something else than a plain one.
const REMARKABLE: Facts = Facts::LOCKS_ROWS
    .union(Facts::INTO_FILE)
    .union(Facts::PROCEDURE)
    .union(Facts::TAKES_LOCK)
    .union(Facts::ASKS_LOCK)
    .union(Facts::ASSIGNS)
    .union(Facts::SEQUENCE)
    .union(Facts::SETS_INSERT_ID)
    .union(Facts::UNKNOWN_FUNCTION)
    .union(Facts::MANY_FUNCTIONS)
    .union(Facts::MANY_VARIABLES)
    .union(Facts::PREVIOUS)
    .union(Facts::DIAGNOSTICS)
    .union(Facts::INSTANCE)
    .union(Facts::MANY_IDS);

fn read(statement: &Statement, sql: &[u8], standing: &Standing<'_>, reason: Reason) -> Route {
    let plain = !statement.has(REMARKABLE) && statement.user_variables.as_slice().is_empty();
    if plain && !standing.in_system_schema {
        return Route::replica(reason);
    }
    for (fact, reason) in KEPT {
        if statement.has(fact) {
            return pinned_by_facts(Route::primary(reason), statement);
        }
    }
    if statement.has(Facts::UNKNOWN_FUNCTION) && !all_trusted(statement, sql, standing) {
        return Route::primary(Reason::UnknownFunction);
    }
    if !variables_are_replayable(statement, sql, standing) {
        return Route::primary(Reason::UserVariable).pinning(PinReason::UserVariable);
    }
    if statement.has(Facts::PREVIOUS | Facts::DIAGNOSTICS) {
        return previous(statement);
    }
    if statement.has(Facts::INSTANCE | Facts::MANY_IDS)
        || (standing.in_system_schema && statement.has(Facts::READS_TABLES))
    {
        return Route::primary(Reason::InstanceState);
    }
    Route::replica(reason)
}

fn previous(statement: &Statement) -> Route {
    let asks = if statement.has(Facts::PREVIOUS) { Reason::PreviousStatement } else { Reason::Diagnostics };
    Route::new(Target::Same, asks)
}

fn all_trusted(statement: &Statement, sql: &[u8], standing: &Standing<'_>) -> bool {
    statement.functions.as_slice().iter().all(|function| standing.trusted.contains(*function, sql))
}

fn variables_are_replayable(statement: &Statement, sql: &[u8], standing: &Standing<'_>) -> bool {
    if statement.has(Facts::MANY_VARIABLES) {
        return standing.user_variables.is_empty();
    }
    statement.user_variables.as_slice().iter().all(|span| standing.user_variables.is_replayable(span.of(sql)))
}

fn set_route(statement: &Statement, sql: &[u8], standing: &Standing<'_>) -> Route {
    if statement.has(Facts::SETS_GLOBAL) {
        return pinned_by_facts(Route::primary(Reason::GlobalSetting), statement);
    }
    if statement.has(Facts::SETS_USER_EXPRESSION | Facts::ASSIGNS) {
        return Route::primary(Reason::AssignsVariable).pinning(PinReason::UserVariable);
    }
    if statement.has(Facts::TAKES_LOCK) {
        return Route::primary(Reason::NamedLock).pinning(PinReason::GetLock);
    }
    if statement.has(Facts::SETS_UNCARRIED | Facts::SETS_UNTOLD) {
        let route = Route::primary(Reason::UncarriedSetting);
        return if leaves_usual_values(statement, sql) { route } else { route.pinning(PinReason::SessionSetting) };
    }
    if statement.has(Facts::SETS_NEXT_TRANSACTION) {
        return Route::primary(Reason::TransactionControl).pinning(PinReason::NextTransaction);
    }
    if statement.has(Facts::SETS_EXPRESSION) {
        let mut route = Route::new(Target::All, Reason::SessionExpression);
        route.on_primary = true;
        return route;
    }
    let mut route = Route::new(Target::All, Reason::SessionState);
    // What cannot be carried stays on its connection, which is the primary's.
    route.on_primary = statement.has(Facts::SETS_USER) && !standing.user_variables.has_room(sql);
    route
}

/// Whether every setting that must not be carried gets the value that it has in a fresh session.
fn leaves_usual_values(statement: &Statement, sql: &[u8]) -> bool {
    if statement.has(Facts::SETS_UNTOLD) {
        return false;
    }
    details::assignments(sql, statement.dialect).iter().all(|assignment| match assignment.assigned {
        Assigned::Session(name) | Assigned::Bare(name) if set::is_uncarried(name.of(sql)) => {
            assignment.literal && is_usual(name.of(sql), assignment.value.of(sql))
        }
        _ => true,
    })
}

/// Whether a hint may send it to a replica although it would go to the primary: it neither writes nor locks, nor leaves
/// anything behind, nor needs one connection.
pub(super) fn may_be_sent_to_a_replica(statement: &Statement, route: &Route) -> bool {
    let kind = statement.is_read() || matches!(statement.kind, Kind::Instance | Kind::ExplainWrite);
    let reason = matches!(
        route.reason,
        Reason::Read
            | Reason::Metadata
            | Reason::InstanceState
            | Reason::ExplainWrite
            | Reason::UnknownFunction
            | Reason::Serializable
    );
    kind && reason && route.pins.is_none()
}
