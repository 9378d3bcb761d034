//! What a reply says: of the session, of the connection that it came on, and of what the client may ask for next.
//!
//! Knows what is to be remembered where. Must not know how a reply is relayed, nor when a connection goes back.

use std::{sync::Arc, time::Instant};

use super::{
    connections::{Side, Used},
    memory::Condition,
    order::Order,
    run::Client,
};
use crate::{
    backend::Reply,
    route::Reason,
    session::{Listener, Told, Transaction},
    sql::{Facts, Kind, details},
    topology::Seen,
    wire::{StatusFlags, gtid::GtidKind, ok::Change, server::ServerFamily},
};

impl Client {
    /// Learns what the reply said of the session and of the connection.
    pub(super) async fn learn(&mut self, side: Side, used: &mut Used, order: &Order<'_>, reply: &Reply) {
        let (connection, memory) = used.lease.parts();
        // Where the transaction is not, the status says nothing of it.
        let opens_there = reply.status.is_some_and(|status| {
            status.contains(StatusFlags::IN_TRANS) && !status.contains(StatusFlags::IN_TRANS_READONLY)
        });
        // A replica's side has read-only transactions, and those that only read so far; any other is a mistake, for the pool to
        // clean up.
        let splits = order.route.reason == Reason::SplitTransaction || self.is_split();
        let mistaken = side == Side::Replica && self.session.listener == Listener::ReadWrite && opens_there && !splits;
        let elsewhere = self.is_elsewhere(side) || mistaken;
        let view = self.proxy.topology.view();
        let gtids = match connection.family() {
            ServerFamily::MySql => GtidKind::MySql,
            ServerFamily::MariaDb => GtidKind::MariaDb,
        };
        let told = Told {
            status: reply.status.filter(|_| !elsewhere),
            error: reply.error,
            changes: &reply.changes,
            states: &reply.states,
            last_insert_id: reply.last_insert_id,
            untracked: reply.classic_eof,
            has_trackers: memory.has_trackers,
            told_late: memory.tells_late,
            gtids: Some(gtids).filter(|_| !view.is_galera()),
            names_writes: view.names_writes(),
            primary_had: view.usable_primary().map(|primary| &*primary.applied),
            may_write: order.route.commits(),
            on_primary: used.on_primary,
            now: Instant::now(),
        };
        // What belongs to the primary anyway (transactions, locking reads) binds no later read to its state.
        let shows = order.statement.is_some_and(|(statement, _)| statement.may_show_rows());
        if side == Side::Replica && shows && reply.error.is_none() {
            self.connections.seen = Some(Seen { member: used.member, at: told.now });
        }
        let pins = self.session.ledger.pins.clone();
        let insert_id_before = self.session.last_insert_id;
        let unnamed = self.session.causality.unknown();
        self.session.learn(order.statement, &told);
        drop(view);
        if self.session.causality.unknown() != unnamed {
            self.connections.wrote_at = Some(used.member);
        }
        if !elsewhere {
            let may_stand = match self.session.listener {
                Listener::ReadWrite if !splits => self.session.transaction == Transaction::ReadOnly,
                Listener::ReadWrite | Listener::ReadOnly => self.session.transaction != Transaction::None,
            };
            self.connections.transaction_on_replica = may_stand && side == Side::Replica;
        }
        let for_itself = order.statement.is_some_and(|(statement, _)| statement.has(Facts::SETS_FOR_ITSELF));
        memory.tells_late = for_itself || (memory.tells_late && !reply.changes.contains(&Change::State));
        if !Arc::ptr_eq(&memory.settings, &self.session.settings) {
            memory.settings = Arc::clone(&self.session.settings);
        }
        if order.statement.is_some_and(|(statement, _)| statement.has(Facts::SETS_TRACKING)) {
            memory.condition = Condition::Untracked;
        }
        if reply.last_insert_id != 0 && memory.told_insert_id(reply.last_insert_id) {
            self.session.insert_id_before = insert_id_before;
        }
        // What stands here is not the session's to keep on this side; nobody else may get it.
        let new_pins = self.session.ledger.pins.iter().any(|pin| !pins.contains(pin));
        memory.has_leftovers |= (new_pins && side != self.pinned_side())
            || (!self.must_hold(side)
                && (new_pins || reply.status.is_some_and(|status| status.contains(StatusFlags::IN_TRANS))));
        memory.has_leftovers |= self.leaves_untold(order, reply);
        if let Some(text) = order.prepared.filter(|_| order.executes() && reply.error.is_none()) {
            memory.has_types(text, self.registered.handle.id);
        }
        if let (Some(prepared), Some((text, _))) = (reply.prepared, order.preparing) {
            memory.remember(text, prepared.statement_id);
            if order.prepares_set {
                self.session.ledger.prepared_set(&text.sql, self.session.dialect);
            }
        }
        if let Some(id) = set_insert_id(&reply.changes) {
            self.session.last_insert_id = id;
            memory.know_insert_id(Some(id));
        }
        self.learn_previous(used, order, reply).await;
        self.note_unasked(side, used, order, reply).await;
    }
}

impl Client {
    /// Whether something may stand on the connection of which no reply and no pin tells.
    fn leaves_untold(&mut self, order: &Order<'_>, reply: &Reply) -> bool {
        let waits = self.session.ledger.take_waited_in_vain();
        let Some((statement, _)) = order.statement else {
            return waits || (reply.error.is_some() && !self.session.autocommit);
        };
        // Locks, a SET TRANSACTION, on MariaDB also `SET @@name`: what is inside has no trackers for them.
        // With autocommit off metadata locks stay although no transaction is open, behind an error or a table without
        // transactions.
        let opens = reply.error.is_some() || statement.has(Facts::READS_TABLES | Facts::CHANGES);
        let ended = self.session.transaction == Transaction::None && !statement.has(Facts::COMMITS | Facts::ENDS);
        // What was said in front for a transaction that then did not begin waits for the next one.
        let in_vain = order.preface.is_some() && ended;
        waits || in_vain || statement.runs_unseen() || (opens && ended && !self.session.autocommit)
    }

    /// Whether the member closes its connection behind this reply, as the client asked it to.
    pub(super) fn is_released(&self, order: &Order<'_>, reply: &Reply) -> bool {
        let Some((statement, sql)) = order.statement.filter(|_| reply.error.is_none()) else { return false };
        if statement.has(Facts::VERSIONED) {
            return false;
        }
        let completes = matches!(statement.kind, Kind::Commit | Kind::Rollback)
            || (statement.kind == Kind::Several && statement.has(Facts::ENDS));
        let usual = self.session.settings.variables.get(b"completion_type".as_slice());
        statement.has(Facts::RELEASE)
            || (completes
                && usual.is_some_and(|usual| usual == b"RELEASE")
                && !details::all_words(sql, statement.dialect).contains(&b"release".to_vec()))
    }
}

/// `SET last_insert_id = n`
fn set_insert_id(changes: &[Change]) -> Option<u64> {
    changes.iter().rev().find_map(|change| match change {
        Change::Variable(name, value) if name == b"last_insert_id" => std::str::from_utf8(value).ok()?.parse().ok(),
        _ => None,
    })
}
