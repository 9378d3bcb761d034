//! The short way of a plain statement: a read or write that runs as its own transaction, or one in the session's open
//! transaction, while the session has nothing else for anybody to think of. This is what nearly every statement is.
//!
//! Knows when there is nothing to ask, to wait for or to bring anywhere, and then does what `order` does without waiting for
//! anything but the reply. Nothing is decided differently: the route is `route`'s, the member `topology`'s. Until the statement
//! is sent nothing has changed, and whatever is unusual then leaves it to the long way; so does an unusual reply afterwards.
//! Must not allocate, and takes no lock that another client holds for long.

use std::{future::poll_fn, io, sync::Arc, time::Instant};

use super::{
    connections::{Side, Used},
    handle::{Begun, IfLost, Place, Running, Scope},
    incoming::Incoming,
    kept::{FoundRows, counts_all_rows},
    member_choice::Attempts,
    memory::{Memory, Types},
    order::{Finish, Order},
    registry::ClientId,
    run::{Client, Gone, Way},
    settle::{release, release_at},
    shown::LastRoute,
    statements::What,
    token::Brings,
    untold::MAY_HIDE,
};
use crate::{
    net::Expects,
    pool::Wish,
    route::{Freshness, Reason, Route, Target},
    session::Transaction,
    sql::{Facts, Kind, ServerKind, Statement, previous::Clears, previous::clears_conditions},
    topology::{Freshness as Needed, MemberId, MemberView, PickReason, Seen, View},
    wire::{
        Command, HEADER_LEN, StatusFlags,
        attributes::Layout,
        prepared::{ParameterTypes, asks_for_cursor, parameter_types, put_statement_id, statement_id},
        response::Shape,
        short_reply::{ShortReply, ShortResult},
    },
};

/// The status flags that say how the session stands.
const STANDING: StatusFlags = StatusFlags::AUTOCOMMIT
    .union(StatusFlags::IN_TRANS)
    .union(StatusFlags::IN_TRANS_READONLY)
    .union(StatusFlags::NO_BACKSLASH_ESCAPES);
/// Facts that ask for nothing but a route.
const PLAIN: Facts = Facts::READS_TABLES.union(Facts::CHANGES).union(Facts::LOCKS_ROWS);
/// A query without attributes begins with their number and that of their sets (`page_protocol_com_query`).
const NO_ATTRIBUTES: [u8; 2] = [0, 1];

/// A plain statement that is under way.
pub(super) struct Sent {
    what: Text,
    route: Route,
    side: Side,
    used: Used,
    began: Instant,
    /// How much of the command has been written.
    written: usize,
}

/// What the statement says.
enum Text {
    Query(Statement),
    Prepared { id: u32, what: Arc<What>, types: Types },
}

impl Text {
    fn statement(&self) -> &Statement {
        match self {
            Text::Query(statement) => statement,
            Text::Prepared { what, .. } => &what.statement,
        }
    }

    /// Whether it can be sent to a connection as it is.
    fn can_run(&self, memory: &Memory, client: ClientId) -> bool {
        match self {
            Text::Query(_) => true,
            Text::Prepared { what, types, .. } => memory.has_prepared(&what.text, client, *types),
        }
    }

    fn prepared(&self) -> Option<&Arc<What>> {
        match self {
            Text::Query(_) => None,
            Text::Prepared { what, .. } => Some(what),
        }
    }
}

impl Client {
    /// Sends a plain statement. `None`: it must go the long way, and nothing has been done.
    pub(super) fn send_plain(&mut self, incoming: &mut Incoming) -> Option<Sent> {
        let is_whole = !incoming.is_partial() && !incoming.is_too_long(self.proxy.policy.max_allowed_packet);
        if !is_whole || !self.stands_plainly() {
            return None;
        }
        let what = self.plain_text(incoming)?;
        let sql = what.prepared().map_or_else(|| incoming.sql(), |what| what.text.sql.as_slice());
        if !is_plain(what.statement(), sql) {
            return None;
        }
        let writes = what.statement().kind == Kind::Write;
        if writes && self.previous.asked_insert_id {
            return None;
        }
        let route = self.decide_asked(what.statement(), sql, None, Brings::Nothing);
        let began = Instant::now();
        let (side, mut used) = self.plain_connection(&route, &what, began)?;
        self.forget_what_others_took(&mut used);
        let (connection, memory) = used.lease.parts();
        let me = Some(self.registered.handle.id);
        if memory.last_user != me {
            memory.know_insert_id(None);
            memory.row_count = None;
            memory.last_user = me;
        }
        let if_lost = if route.is_repeatable() && !used.held { IfLost::Repeated } else { IfLost::Ended };
        let place = Place { address: used.address, thread_id: connection.thread_id() };
        let running = Running { place, began, scissors: Some(Arc::clone(connection.scissors())), if_lost };
        if let Begun::Killed(_) = self.registered.handle.begin(running) {
            self.put_back_unused(side, used);
            return None;
        }
        if let Text::Prepared { what, types, .. } = &what
            && let Some(id) = memory.prepared_for(&what.text, self.registered.handle.id, *types)
        {
            put_statement_id(&mut incoming.message_mut()[HEADER_LEN..], id);
        }
        // One that fails is found out by the reply: the member may have said why.
        let written = connection.send_now(incoming.message()).unwrap_or(incoming.message().len());
        used.lease.count_exchange();
        self.proxy.metrics.proxy_overhead(Instant::now().duration_since(began));
        self.last_route.decided = Some((route.target, route.reason));
        Some(Sent { what, route, side, used, began, written })
    }

    /// Whether nothing in the session's state asks for anything besides a statement's own route.
    fn stands_plainly(&self) -> bool {
        let free = match self.session.transaction {
            Transaction::None => self.session.autocommit && !self.connections.keeps_any(),
            Transaction::ReadOnly | Transaction::ReadWrite => {
                !self.connections.transaction_on_replica && self.connections.keeps_only(Side::Primary)
            }
        };
        free && self.proxy.policy.multiplexing
            && self.unasked.is_empty()
            && self.previous.leaves_nothing()
            && self.session.ledger.is_clear()
            && !self.session.in_system_schema
    }

    /// Reads the command, if it is one that can be plain.
    fn plain_text(&mut self, incoming: &mut Incoming) -> Option<Text> {
        let layout = Layout::of(self.login.capabilities);
        match Command::from_byte(*incoming.payload().first()?)? {
            Command::Query => {
                if layout == Layout::Named {
                    incoming.argument().starts_with(&NO_ATTRIBUTES).then_some(())?;
                    incoming.sql_at = NO_ATTRIBUTES.len();
                }
                Some(Text::Query(self.classify(incoming.sql(), false)))
            }
            Command::StmtExecute if layout == Layout::Plain && !asks_for_cursor(incoming.payload()) => {
                let id = statement_id(incoming.payload())?;
                let prepared = self.prepared.get(id).filter(|prepared| prepared.stands().nothing())?;
                let types = match parameter_types(incoming.payload(), prepared.what.params, layout)? {
                    ParameterTypes::None => Types::None,
                    ParameterTypes::Sent(types) if prepared.types == *types => Types::Sent,
                    ParameterTypes::LeftOut { .. } if !prepared.types.is_empty() => Types::LeftOut,
                    ParameterTypes::Sent(_) | ParameterTypes::LeftOut { .. } => return None,
                };
                Some(Text::Prepared { id, what: Arc::clone(&prepared.what), types })
            }
            _ => None,
        }
    }

    /// A connection that can serve at once and needs nothing to be said to it before.
    fn plain_connection(&mut self, route: &Route, what: &Text, began: Instant) -> Option<(Side, Used)> {
        let side = match route.target {
            Target::Primary => Side::Primary,
            Target::Replica => Side::Replica,
            Target::Same | Target::All | Target::Proxy => return None,
        };
        let asks_more = route.answer.is_some()
            || route.leaves.is_some()
            || route.pins.is_some()
            || route.hint_ignored.is_some()
            || route.opens_read_only;
        match route.reason {
            _ if asks_more => None,
            Reason::InTransaction if side == Side::Primary => self.plain_connection_of_transaction(what),
            Reason::Read | Reason::Write | Reason::LockingRead | Reason::ReadOnlyListener
                if self.session.transaction == Transaction::None =>
            {
                self.plain_lease(side, route, what, began).map(|used| (side, used))
            }
            _ => None,
        }
    }

    /// The one on which the transaction is open.
    fn plain_connection_of_transaction(&mut self, what: &Text) -> Option<(Side, Used)> {
        let used = self.connections.at(Side::Primary).filter(|used| used.held)?;
        let (connection, memory) = used.lease.parts();
        let me = self.registered.handle.id;
        let is_ready = memory.is_ready(&self.session.settings) && what.can_run(memory, me);
        if connection.is_in_flight() || !is_ready || memory.last_user != Some(me) {
            return None;
        }
        self.last_route = LastRoute { member: Some(used.address), ..LastRoute::default() };
        self.connections.take(Side::Primary).map(|used| (Side::Primary, used))
    }

    /// An idle one of the pool's, the session's last one above all.
    fn plain_lease(&mut self, side: Side, route: &Route, what: &Text, began: Instant) -> Option<Used> {
        let view = self.proxy.topology.view();
        if self.connections.history != view.history {
            return None;
        }
        let (member, because) = self.plain_member(&view, side, route, began)?;
        let on_primary = because.is_none_or(PickReason::is_fallback);
        if on_primary && self.may_miss_own_write(&view, member.member.id) {
            return None;
        }
        let (settings, me) = (&self.session.settings, self.registered.handle.id);
        let can = |memory: &Memory| {
            let may_hide = memory.may_hide && memory.last_user != Some(me);
            memory.is_ready(settings) && !may_hide && what.can_run(memory, me)
        };
        let last = self.last_backend_at(member.member.id, side, on_primary);
        let pool = self.proxy.pools.member(member.member.address);
        let lease = pool.lease_now(&self.identity, &Wish { can, last, fits: |_: &Memory| true }, began)?;
        let used = Used {
            lease,
            member: member.member.id,
            address: member.member.address,
            on_primary,
            held: false,
            in_flight: Some(member.member.begin()),
        };
        let lag = because.and(member.lag);
        let sees_own_writes = self.awaits_gtid(side, route);
        drop(view);
        self.count_causal_read(side, route, because, None);
        let member = Some(used.address);
        self.last_route = LastRoute { member, because, lag, sees_own_writes, ..LastRoute::default() };
        Some(used)
    }

    /// Who serves, where there is no doubt about it.
    fn plain_member<'a>(
        &self,
        view: &'a View,
        side: Side,
        route: &Route,
        began: Instant,
    ) -> Option<(&'a MemberView, Option<PickReason>)> {
        if side == Side::Primary {
            return view.usable_primary().filter(|primary| !primary.leaving).map(|primary| (primary, None));
        }
        // Once a second it goes on to the next replica, or waits for that.
        if self.may_move(began) {
            return None;
        }
        let causality = &self.session.causality;
        let own = route.freshness == Freshness::OwnWrites;
        let needed = match route.freshness {
            Freshness::AllWrites => return None,
            Freshness::OwnWrites | Freshness::Any => causality.unknown().filter(|_| own),
        };
        let gtids = Some(causality.gtids()).filter(|gtids| own && !gtids.is_empty());
        let needed = match (gtids, needed) {
            (None, None) => Needed::Any,
            (None, Some(instant)) => Needed::After(instant),
            (Some(gtids), None) => Needed::Gtid(gtids),
            (Some(gtids), Some(instant)) => Needed::GtidAfter(gtids, instant),
        };
        let written_elsewhere = |primary: &MemberId| self.may_miss_own_write(view, *primary);
        if own && view.assigned_primary.as_ref().is_ok_and(written_elsewhere) {
            return None;
        }
        let prefer = self.connections.last_used(Side::Replica).map(|(member, _)| member);
        let pick = view.pick_replica(&needed, self.seen(), prefer, &[]).ok()?;
        let waits = matches!(pick.because, PickReason::NotCaughtUp | PickReason::Overloaded | PickReason::Outstayed);
        let takes_turns =
            pick.because.is_fallback() && self.proxy.policy.fallbacks.are_limited() && view.members.len() > 1;
        (!waits && !takes_turns).then_some((pick.member, Some(pick.because)))
    }

    /// Back to where it came from: nothing was sent.
    fn put_back_unused(&mut self, side: Side, used: Used) {
        if used.held {
            self.connections.keep(side, used);
        } else {
            release(used.lease);
        }
    }

    /// Waits for the reply to a plain statement and passes it on.
    pub(super) async fn end_plain(&mut self, sent: &mut Option<Sent>, incoming: &Incoming) -> Result<Way, Gone> {
        let Some(under_way) = sent else { return Ok(Way::Long) };
        if let Some(rest) = incoming.message().get(under_way.written..).filter(|rest| !rest.is_empty()) {
            // The reply tells what is wrong if that fails.
            let _ = Box::pin(under_way.used.lease.parts().0.send(rest)).await;
        }
        let mut expects = Expects::Nothing;
        let arrived = poll_fn(|cx| {
            let polled = under_way.used.lease.parts().0.poll_reply(&mut self.stream, cx, expects);
            expects = Expects::Bytes;
            polled
        })
        .await;
        let Some(reply) = self.plain_reply(under_way, arrived.as_ref()) else {
            let Some(sent) = sent.take() else { return Ok(Way::Long) };
            return Box::pin(self.end_at_length(sent, incoming, arrived)).await.map(|()| Way::Long);
        };
        let bytes = under_way.used.lease.parts().0.reply_so_far();
        let received = bytes.len();
        let mut passed = self.stream.write_now(bytes);
        if let Ok(count) = passed
            && count < received
        {
            passed = Box::pin(self.stream.write_all(&bytes[count..])).await.map(|()| received);
        }
        under_way.used.lease.parts().0.short_reply_has_passed();
        let killed = match self.registered.handle.try_end() {
            Some(killed) => killed,
            None => Box::pin(self.registered.handle.end()).await,
        };
        if let Err(error) = passed {
            self.count_abandoned(&under_way.route);
            return Err(error.into());
        }
        let now = Instant::now();
        self.learn_plain(under_way, reply, now);
        self.count_plain(under_way, incoming.message().len(), received, now);
        if let Some(sent) = sent.take() {
            self.settle_plain(sent, killed, now);
        }
        self.idle_clock.rest_since(now);
        Ok(Way::Short)
    }

    /// Its connection stays with the session, or is anybody's again.
    fn settle_plain(&mut self, sent: Sent, killed: Option<Scope>, now: Instant) {
        let Sent { side, mut used, .. } = sent;
        used.in_flight = None;
        if used.held {
            self.connections.keep(side, used);
        } else if killed.is_some() {
            used.lease.discard();
        } else {
            self.connections.remember(side, &used);
            release_at(used.lease, now);
        }
    }

    /// The reply, if it says nothing but its result and that the session stands as before.
    fn plain_reply(&self, sent: &mut Sent, arrived: Option<&io::Result<usize>>) -> Option<ShortReply> {
        arrived?.as_ref().ok().filter(|count| **count > 0)?;
        let reply = sent.used.lease.parts().0.short_reply()?;
        let as_before = reply.status & STANDING == self.status() & STANDING;
        let rows = matches!(reply.result, ShortResult::Rows(_));
        let as_expected = rows == (sent.what.statement().kind == Kind::Read);
        (as_before && as_expected).then_some(reply)
    }

    /// What a plain reply leaves to remember.
    fn learn_plain(&mut self, sent: &mut Sent, reply: ShortReply, now: Instant) {
        let id = sent.used.lease.id();
        let statement = sent.what.statement();
        let server = self.session.dialect.server;
        let (_, memory) = sent.used.lease.parts();
        self.retried = false;
        self.last_status = reply.status;
        if server == ServerKind::MySql {
            self.previous.warnings = 0;
        }
        if memory.has_diagnostics {
            let surely = server == ServerKind::MySql || statement.kind == Kind::Write;
            memory.has_diagnostics = !(surely && clears_conditions(statement, server) == Clears::Surely);
        }
        match reply.result {
            ShortResult::Rows(rows) => {
                if sent.side == Side::Replica && statement.may_show_rows() {
                    self.connections.seen = Some(Seen { member: sent.used.member, at: now });
                }
                self.previous.found_rows = FoundRows::On(id, rows);
                self.previous.row_count = -1;
            }
            ShortResult::Done { affected_rows, last_insert_id } => {
                self.previous.row_count = affected_rows.cast_signed();
                if last_insert_id != 0 {
                    let before = std::mem::replace(&mut self.session.last_insert_id, last_insert_id);
                    if memory.told_insert_id(last_insert_id) {
                        self.session.insert_id_before = before;
                    }
                }
            }
        }
        memory.row_count = Some(self.previous.row_count);
        // Where nothing is told of the session, what runs inside may have changed it unseen.
        memory.may_hide |= !memory.has_trackers && statement.has(MAY_HIDE);
        let may_have_written = statement.kind == Kind::Write || sent.route.commits();
        let tells_writes = memory.has_trackers && matches!(reply.result, ShortResult::Done { .. });
        if may_have_written && sent.used.on_primary && !(tells_writes && self.proxy.topology.view().names_writes()) {
            self.session.causality.wrote_unknown(now);
            self.connections.wrote_at = Some(sent.used.member);
        }
    }

    fn count_plain(&self, sent: &Sent, command: usize, reply: usize, now: Instant) {
        let (target, reason) = (sent.route.target as usize, sent.route.reason as usize);
        self.proxy.metrics.answered(target, reason, now.duration_since(sent.began), (command, reply));
    }

    /// The reply is not plain: the long way goes on from here.
    async fn end_at_length(
        &mut self,
        sent: Sent,
        incoming: &Incoming,
        arrived: Option<io::Result<usize>>,
    ) -> Result<(), Gone> {
        let Sent { what, route, side, used, began, .. } = sent;
        let prepared = what.prepared();
        let sql = prepared.map_or_else(|| incoming.sql(), |what| what.text.sql.as_slice());
        let mut order = Order::new(route, incoming, Shape::Results);
        order.statement = Some((what.statement(), sql));
        order.prepared = prepared.map(|what| &what.text);
        let attempts = Attempts::new(began, self.proxy.policy.acquire_timeout);
        let finish = match self.run_on(order, attempts, (side, used), arrived).await {
            Ok(finish) => finish,
            Err(gone) => {
                self.count_abandoned(&route);
                return Err(gone);
            }
        };
        self.count(&route, &finish, began.elapsed());
        if let Text::Prepared { id, .. } = what {
            let done = matches!(&finish, Finish::Replied(reply) if reply.error.is_none());
            self.after_plain_execute(id, done).await;
        }
        Ok(())
    }
}

/// Whether a statement leaves nothing but its result, and whatever it changes in tables.
fn is_plain(statement: &Statement, sql: &[u8]) -> bool {
    let Statement { kind, facts, doubt, hint, after, user_variables, .. } = statement;
    matches!(kind, Kind::Read | Kind::Write)
        && PLAIN.contains(*facts)
        && (*kind == Kind::Write || !facts.contains(Facts::CHANGES))
        && doubt.is_none()
        && hint.is_none()
        && after.is_none()
        && user_variables.as_slice().is_empty()
        && !(*kind == Kind::Read && counts_all_rows(sql))
}
