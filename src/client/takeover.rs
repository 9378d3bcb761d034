//! When another member of a Galera cluster begins to take the writes, or a member drops out of it.
//!
//! Knows which member confirmed the session's last write, and what a node says that cannot serve. Must not know who
//! takes the writes, nor why that changed.
//!
//! A write that one node has confirmed is certain to come to every other one, but not at once. So a session that wrote
//! at one node and comes to another to read or to write on has that one wait, once, until it has applied all that was
//! in the cluster before; only then does it go on.

use std::time::Instant;

use super::{bring::BringError, connections::Used, memory::Memory, run::Client};
use crate::{
    backend::QueryError,
    sql::{Facts, Kind, Statement},
    topology::{MemberId, View},
    wire::{Command, command::message, response::Shape},
};

/// With `wsrep_sync_wait` on: returns when everything that any node has confirmed by now can be seen here; fails with error
/// 1205 after the provider's `repl.causal_read_timeout`, and at once while the nodes agree on who is left.
const WAIT: &str = "SELECT 1";

/// Whether a read waits for the writes of all nodes before it begins.
pub(super) const SYNC_WAIT: &[u8] = b"wsrep_sync_wait";

/// Whether a statement that a node refused as [unprepared](super::member_errors::is_unprepared) has certainly done nothing: it is one alone, and
/// none in whose course something may be committed. What a function in it wrote is undone with it.
pub(super) fn has_done_nothing(statement: &Statement) -> bool {
    matches!(statement.kind, Kind::Read | Kind::Metadata | Kind::Write | Kind::Ddl | Kind::DropTable | Kind::Begin)
        && statement.doubt.is_none()
        && !statement.has(Facts::SEVERAL.union(Facts::VERSIONED))
}

impl Client {
    /// Whether the newest write of the session may be missing at this member.
    pub(super) fn may_miss_own_write(&self, view: &View, member: MemberId) -> bool {
        view.is_galera() && self.connections.wrote_at.is_some_and(|wrote_at| wrote_at != member)
    }

    /// Has the member that takes the writes wait for those of the session, if another one has confirmed them.
    pub(super) async fn catch_up(&mut self, used: &mut Used) -> Result<(), BringError> {
        if !used.on_primary || used.held || !self.may_miss_own_write(&self.proxy.topology.view(), used.member) {
            return Ok(());
        }
        let (connection, memory) = used.lease.parts();
        if memory.ignores_sync_wait {
            return Err(BringError::Unreachable);
        }
        Box::pin(connection.ask_all(&wait_for_the_cluster(memory))).await.map_err(|error| match error {
            QueryError::Sql(error) => BringError::Behind(error),
            broken => broken.into(),
        })?;
        self.wrote_at(used.member);
        Ok(())
    }

    /// The member may have written for the session, by now, what no GTID names; or it has caught up with what did.
    pub(super) fn wrote_at(&mut self, member: MemberId) {
        self.session.causality.wrote_unknown(Instant::now());
        self.connections.wrote_at = Some(member);
    }
}

/// The wait, and the variable as it is on the connection. (`SET STATEMENT` would be told of with the client's own reply.)
fn wait_for_the_cluster(memory: &Memory) -> [(Vec<u8>, Shape); 3] {
    let known = memory.settings.variables.get(SYNC_WAIT).filter(|value| value.iter().all(u8::is_ascii_digit));
    let value = known.map_or(&b"DEFAULT"[..], Vec::as_slice);
    let set = |value: &[u8]| message(Command::Query, &[b"SET SESSION wsrep_sync_wait=", value].concat());
    [
        (set(b"1"), Shape::Acknowledgement),
        (message(Command::Query, WAIT.as_bytes()), Shape::Results),
        (set(value), Shape::Acknowledgement),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Dialect, classify};

    #[test]
    fn only_what_cannot_have_done_a_part_begins_anew() {
        for (sql, expected) in [
            ("INSERT INTO t VALUES (1)", true),
            ("UPDATE t SET a = NOW()", true),
            ("DELETE FROM t", true),
            ("REPLACE INTO t SELECT * FROM u", true),
            ("CREATE TABLE t (a INT)", true),
            ("DROP TABLE t", true),
            ("BEGIN", true),
            ("SELECT * FROM t FOR UPDATE", true),
            ("SELECT f(1)", true),
            ("INSERT INTO t (a) VALUES (f(1))", true),
            ("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", false),
            ("CALL p()", false),
            ("COMMIT", false),
            ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", false),
            ("EXECUTE s", false),
            ("DO f()", false),
            ("XA COMMIT 'x'", false),
            ("BEGIN NOT ATOMIC INSERT INTO t VALUES (1); END", false),
            ("/*!99999 SELECT 1; */ INSERT INTO t VALUES (1)", false),
            ("BACKUP STAGE START", false),
        ] {
            assert_eq!(has_done_nothing(&classify(sql.as_bytes(), &Dialect::default())), expected, "{sql}");
        }
    }
}
