//! What replies leave untold: an error's packet tells neither the status nor the changes of the session, and the EOF
//! behind rows has no room for the changes.

use super::{connections::Used, order::Order, previous::multi_statements, run::Client};
use crate::{
    backend::Reply,
    session::Transaction,
    sql::{Facts, Kind, ServerKind, Statement},
    wire::ok::Change,
};

impl Client {
    /// Asks the member how the session stands after a statement that failed, unless it cannot have changed anything. Gives
    /// whether it was asked.
    pub(super) async fn ask_after_error(&self, used: &mut Used, order: &Order<'_>, reply: &mut Reply) -> bool {
        if reply.error.is_none() || !self.may_have_left(order) {
            return false;
        }
        let (connection, memory) = used.lease.parts();
        // MySQL's trackers tell in a reply what changed before the error, but of no locks.
        memory.has_leftovers |= order.statement.is_some_and(|(statement, _)| is_opaque(statement));
        // A connection that breaks now stays in flight, and so serves nobody.
        if let Ok(standing) = Box::pin(connection.standing(multi_statements(connection, memory))).await {
            reply.status = standing.status;
            reply.changes.extend(standing.changes);
        }
        true
    }

    /// Asks what a statement has changed that ended with a classic EOF: else `MySQL` tells it with the next OK, which may be
    /// another session's. `MariaDB` says in the EOF that there was something to tell, and never what: of what is no write by
    /// its text it is taken for the session's state. Gives whether the member was asked.
    pub(super) async fn ask_after_rows(&self, used: &mut Used, order: &Order<'_>, reply: &mut Reply) -> bool {
        let Some((statement, _)) = order.statement.filter(|_| reply.classic_eof) else { return false };
        if reply.untold && !statement.has(Facts::CHANGES | Facts::SEQUENCE) {
            reply.changes.note(Change::State);
        }
        let (connection, memory) = used.lease.parts();
        let tells_late = memory.has_trackers && self.session.dialect.server == ServerKind::MySql;
        let ends_with_eof = reply.error.is_none() && reply.affected_rows.is_none();
        if !(ends_with_eof && tells_late && is_opaque(statement)) {
            return false;
        }
        if let Ok(standing) = Box::pin(connection.standing(multi_statements(connection, memory))).await {
            reply.changes.extend(standing.changes);
        }
        true
    }

    /// Whether what failed may have changed how the session stands.
    fn may_have_left(&self, order: &Order<'_>) -> bool {
        let open = self.session.transaction != Transaction::None;
        match order.statement {
            Some((it, _)) => open || !self.session.autocommit || !it.is_read() || is_opaque(it) || it.has_effects(),
            // `COM_STMT_PREPARE`, `COM_INIT_DB` and `COM_FIELD_LIST` may begin a transaction, but end none.
            None => !open && !self.session.autocommit,
        }
    }
}

/// Whether the text does not say all that the statement may have done.
fn is_opaque(statement: &Statement) -> bool {
    const FACTS: Facts = Facts::UNKNOWN_FUNCTION.union(Facts::MANY_FUNCTIONS).union(Facts::VERSIONED);
    statement.has(FACTS)
        || statement.doubt.is_some()
        || matches!(
            statement.kind,
            Kind::Call | Kind::Execute | Kind::Compound | Kind::Do | Kind::Several | Kind::Set | Kind::Unknown
        )
}
