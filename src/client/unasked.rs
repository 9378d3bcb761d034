//! What a member must be asked after a statement because no reply tells it: the collation that `SET NAMES` brought, what
//! `LAST_INSERT_ID()` is now, the values of user variables that were assigned away from where the session's pins stand.
//!
//! Knows how to ask without being in the way of what the client may ask next: at once where the question changes
//! nothing that the client can see, else before the session's next statement.

use std::sync::Arc;

use tokio::time::timeout;

use super::{
    bring::{ask_collation, ask_insert_id, clock_runs},
    connections::{Side, Used},
    memory::Memory,
    order::Order,
    previous::{ASK_LIMIT, multi_statements},
    run::Client,
    values::{self, Value},
};
use crate::{
    backend::Reply,
    sql::{Facts, Kind, ServerKind, Statement, details},
    wire::ok::Change,
};

/// The most user variables whose values are asked for at once.
const MOST_VARIABLES: usize = 64;

/// Questions that wait. While there are any the connection that can answer them lingers.
#[derive(Debug, Default)]
pub(super) struct Unasked {
    collation: bool,
    insert_id: bool,
    /// User variables as they were written, with their signs.
    variables: Vec<Vec<u8>>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Question {
    Collation,
    InsertId,
    Variable(Vec<u8>),
}

impl Unasked {
    /// The one to be asked next. It waits until it is [answered](Self::answered).
    fn first(&self) -> Option<Question> {
        match self {
            Unasked { collation: true, .. } => Some(Question::Collation),
            Unasked { insert_id: true, .. } => Some(Question::InsertId),
            Unasked { variables, .. } => variables.first().cloned().map(Question::Variable),
        }
    }

    /// Nobody waits for its answer any more.
    fn answered(&mut self, question: &Question) {
        match question {
            Question::Collation => self.collation = false,
            Question::InsertId => self.insert_id = false,
            Question::Variable(name) => self.variables.retain(|waiting| waiting != name),
        }
    }

    /// Whether what `LAST_INSERT_ID()` is must still be asked.
    pub const fn awaits_insert_id(&self) -> bool {
        self.insert_id
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        !self.collation && !self.insert_id && self.variables.is_empty()
    }
}

impl Client {
    /// Notes what the reply does not tell, and asks for it where that disturbs nobody.
    pub(super) async fn note_unasked(&mut self, side: Side, used: &mut Used, order: &Order<'_>, reply: &Reply) {
        self.unasked.collation |= changes_collation(&reply.changes);
        let sets_insert_id = order.statement.is_some_and(|(statement, _)| sets_insert_id(statement));
        if sets_insert_id {
            let memory = used.lease.parts().1;
            memory.know_insert_id(memory.insert_id);
        }
        // The id in an OK may be one that the statement itself gave, which is not `LAST_INSERT_ID()`.
        let asked_before = self.previous.asked_insert_id || self.previous.asked_before;
        let doubtful = asked_before && reply.last_insert_id != 0;
        // Rows (`RETURNING`) end without an OK; among several statements only the last one shows in the reply.
        let returning = reply.error.is_none()
            && order.statement.is_some_and(|(statement, _)| match statement.kind {
                Kind::Ddl => false,
                Kind::Several => statement.has(Facts::CHANGES) && reply.rows.is_some(),
                _ => statement.has(Facts::CHANGES) && reply.affected_rows.is_none(),
            });
        // The rows before the one that failed have had their ids.
        let failed = asked_before
            && reply.error.is_some()
            && order
                .statement
                .is_some_and(|(it, _)| matches!(it.kind, Kind::Write | Kind::Load | Kind::Several | Kind::Execute));
        self.unasked.insert_id |= doubtful || failed || returning || (reply.last_insert_id == 0 && sets_insert_id);
        if let Some((statement, sql)) = order.statement
            && side != self.pinned_side()
            && assigns_unseen(statement, reply)
        {
            for name in details::user_variables(sql, statement.dialect) {
                let name = name.of(sql).to_vec();
                if self.unasked.variables.len() < MOST_VARIABLES && !self.unasked.variables.contains(&name) {
                    self.unasked.variables.push(name);
                }
            }
        }
        for name in self.session.ledger.user_variables.unread() {
            if self.unasked.variables.len() < MOST_VARIABLES && !self.unasked.variables.contains(&name) {
                self.unasked.variables.push(name);
            }
        }
        if sets_timestamp(&reply.changes) && Box::pin(self.clock_runs_again(used, order)).await {
            // The tracker tells the value that has just ended.
            self.session.forget_variable(b"timestamp");
            used.lease.parts().1.settings = Arc::clone(&self.session.settings);
        }
        let conditions = reply.raised || self.previous.has_diagnostics_on(used.lease.id());
        let unseen = !conditions && matches!(self.previous.row_count, -1 | 0);
        if unseen && self.unasked.variables.is_empty() && !self.unasked.is_empty() {
            Box::pin(self.ask(used)).await;
        }
    }

    /// Asks what waits, on the connection that can answer. To be called before the next statement is decided on, unless
    /// that one asks for counts or warnings.
    pub(super) async fn ask_what_waits(&mut self) {
        if !self.unasked.is_empty() {
            Box::pin(self.ask_all_that_waits()).await;
        }
    }

    async fn ask_all_that_waits(&mut self) {
        let side = self.connections.last;
        let Some(mut used) = self.connections.take(side) else {
            for name in std::mem::take(&mut self.unasked).variables {
                self.session.ledger.user_variables.cannot_be_read(&name);
            }
            return;
        };
        if self.session.dialect.server == ServerKind::MySql && self.previous.has_diagnostics_on(used.lease.id()) {
            // Asking takes them away.
            self.keep_answers(&mut used).await;
        }
        if used.held {
            // What stands on it must not be lost unseen.
            self.ask(&mut used).await;
        } else {
            // A connection that hangs stays in flight: whoever takes it up again finds out.
            let _ = timeout(ASK_LIMIT, self.ask(&mut used)).await;
        }
        self.connections.keep(side, used);
    }

    /// A connection that breaks here stays in flight, and so serves nobody: the next statement finds out. Cancel safe: what has
    /// not been answered still waits.
    async fn ask(&mut self, used: &mut Used) {
        let (connection, memory) = used.lease.parts();
        while let Some(question) = self.unasked.first() {
            match &question {
                Question::Collation => {
                    if let Ok(Some(value)) = ask_collation(connection).await {
                        memory.row_count = Some(0);
                        self.session.set_variable(b"collation_connection", &value);
                    }
                }
                Question::InsertId => {
                    let then = (self.previous.row_count == -1).then(|| multi_statements(connection, memory));
                    if let Ok(Some(id)) = ask_insert_id(connection, then).await {
                        memory.row_count = Some(if then.is_some() { -1 } else { 0 });
                        self.learn_insert_id(memory, id);
                    }
                }
                Question::Variable(name) => {
                    memory.row_count = Some(-1);
                    match values::read(connection, name).await {
                        Ok(Value::Literal(literal)) => self.session.know_user_variable(name, literal),
                        Ok(Value::Absent) => self.session.miss_user_variable(name),
                        Ok(Value::Unreadable) | Err(_) => self.session.ledger.user_variables.cannot_be_read(name),
                    }
                }
            }
            self.unasked.answered(&question);
        }
        if !Arc::ptr_eq(&memory.settings, &self.session.settings) {
            memory.settings = Arc::clone(&self.session.settings);
        }
    }

    /// A member has said what `LAST_INSERT_ID()` is on its connection. If that is no id that an OK told, the statements had
    /// given theirs themselves; and where another session has left its own, it is what it was before.
    pub(super) fn learn_insert_id(&mut self, memory: &mut Memory, id: u64) {
        let is_anothers = memory.insert_id_is_unsure && !memory.told_insert_ids.contains(&id);
        self.session.last_insert_id = if is_anothers { self.session.insert_id_before } else { id };
        memory.know_insert_id(Some(id));
    }

    /// Whether `timestamp` follows the clock again: `SET timestamp = DEFAULT` or `= 0`.
    async fn clock_runs_again(&self, used: &mut Used, order: &Order<'_>) -> bool {
        let said = order.statement.and_then(|(statement, sql)| timestamp_said(statement, sql));
        match said {
            Some(Clock::Runs) => true,
            Some(Clock::Stands) => false,
            None => clock_runs(used.lease.parts().0).await.unwrap_or(false),
        }
    }
}

/// What a `SET timestamp` makes of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Runs,
    Stands,
}

/// Whether user variables may have values now that the text does not show: of expressions, of an assignment behind or in
/// front of what failed, or in a text that cannot be read with certainty.
fn assigns_unseen(statement: &Statement, reply: &Reply) -> bool {
    let untold = reply.error.is_some() || !statement.has_readable_parts();
    statement.has(Facts::ASSIGNS | Facts::SETS_USER_EXPRESSION) || (untold && statement.has(Facts::SETS_USER))
}

/// What the text says of the clock; none where it does not tell (an expression, a procedure, a parameter).
fn timestamp_said(statement: &Statement, sql: &[u8]) -> Option<Clock> {
    if statement.kind != Kind::Set || statement.has(Facts::SEVERAL) {
        return None;
    }
    let all = details::assignments(sql, statement.dialect);
    let last = all.iter().rev().find(|one| match one.assigned {
        details::Assigned::Session(name) | details::Assigned::Bare(name) => {
            name.of(sql).eq_ignore_ascii_case(b"timestamp")
        }
        _ => false,
    })?;
    let value = last.value.of(sql);
    match value {
        _ if value.eq_ignore_ascii_case(b"default") => Some(Clock::Runs),
        _ if value.iter().all(|byte| matches!(byte, b'0' | b'.')) => Some(Clock::Runs),
        _ if value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') => Some(Clock::Stands),
        _ => None,
    }
}

/// What gives `LAST_INSERT_ID()` a value that no reply tells.
fn sets_insert_id(statement: &Statement) -> bool {
    statement.has(Facts::SETS_INSERT_ID) || matches!(statement.kind, Kind::Call | Kind::Compound)
}

fn sets_timestamp(changes: &[Change]) -> bool {
    changes.iter().any(|change| matches!(change, Change::Variable(name, _) if name == b"timestamp"))
}

/// `SET NAMES` and what else changes `character_set_connection` change the collation too, and no tracker tells to which.
fn changes_collation(changes: &[Change]) -> bool {
    let named = |wanted: &[u8]| changes.iter().any(|it| matches!(it, Change::Variable(name, _) if name == wanted));
    named(b"character_set_connection") && !named(b"collation_connection")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Dialect, classify};

    #[test]
    fn a_question_waits_until_it_is_answered() {
        let variables = vec![b"@`a`".to_vec(), b"@`b`".to_vec()];
        let mut unasked = Unasked { collation: true, insert_id: true, variables };
        let mut asked = Vec::new();
        while let Some(question) = unasked.first() {
            // The first time the member hangs, and the asking is given up.
            assert_eq!(unasked.first().as_ref(), Some(&question));
            unasked.answered(&question);
            asked.push(question);
        }
        let variable = |name: &[u8]| Question::Variable(name.to_vec());
        assert_eq!(asked, [Question::Collation, Question::InsertId, variable(b"@`a`"), variable(b"@`b`")]);
        assert!(unasked.is_empty());
    }

    #[test]
    fn the_text_says_whether_the_clock_runs() {
        let said = |sql: &str| timestamp_said(&classify(sql.as_bytes(), &Dialect::default()), sql.as_bytes());
        assert_eq!(said("SET timestamp = DEFAULT"), Some(Clock::Runs));
        assert_eq!(said("SET @@timestamp=0, sql_mode=''"), Some(Clock::Runs));
        assert_eq!(said("SET timestamp = 0, timestamp = 1000000000.5"), Some(Clock::Stands));
        assert_eq!(said("SET timestamp = UNIX_TIMESTAMP()"), None);
        assert_eq!(said("CALL p()"), None);
    }
}
