//! Commands without SQL text.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use super::{
    auth::{Denial, verify},
    bring::{BringError, bring, clean, enter_at_login, reset_for_session},
    connections::{Connections, Side, Used},
    handshake::{self, SHARED},
    incoming::Incoming,
    member_choice::Attempts,
    memory::{Condition, Memory},
    order::Order,
    previous::{ASK_LIMIT, Previous},
    refusal, refused,
    registry::ClientId,
    run::{Client, Gone, new_session},
    settle::{give_back, release},
    unasked::Unasked,
};
use crate::{
    backend::{Account, QueryError},
    pool::Lease,
    route::{Freshness, Loss, Reason, Route, Target},
    session::{Listener, PinReason, Transaction},
    sql::{ServerKind, TextEncoding},
    wire::{
        Capabilities,
        err::SqlError,
        login::Login,
        ok::{EOF, OkPacket, put_eof},
        response::Shape,
        server::knows_reset,
    },
};

/// How many changes of user may fail on a connection to `MariaDB`, which then knows the command no longer.
const MOST_FAILED_CHANGES: u8 = 3;

/// How late `MariaDB` answers each of them.
const AFTER_A_FAILED_CHANGE: Duration = Duration::from_secs(1);

/// The route of a command without SQL.
pub(super) const fn plain_route(target: Target, reason: Reason) -> Route {
    Route {
        target,
        reason,
        pins: None,
        answer: None,
        freshness: Freshness::OwnWrites,
        loss: Loss::RolledBack,
        hint_ignored: None,
        opens_read_only: false,
        leaves: None,
        on_primary: false,
    }
}

impl Client {
    /// Whether members take the account and have the database: asked before the client is told that it is in. What
    /// the login's collation means is learned here, too.
    pub(super) async fn check_login(&mut self) -> Result<(), SqlError> {
        let mut attempts = Attempts::new(Instant::now(), self.proxy.policy.acquire_timeout);
        let mut route = plain_route(Target::Replica, Reason::Metadata);
        let foreign = self.foreign_database();
        loop {
            let side = self.side(&route);
            let mut used = self.connect(side, &route, &mut attempts).await?;
            let (connection, memory) = used.lease.parts();
            let brought = async {
                bring(connection, memory, &self.session.settings, super::bring::Held::No).await?;
                match &foreign {
                    Some(name) => Ok(Some(enter_at_login(connection, memory, name).await?)),
                    None => Ok(None),
                }
            };
            match brought.await {
                Ok(entered) => {
                    if let Some(name) = entered {
                        self.session.enter_database(&name);
                    }
                    if let Some(name) = memory.baseline.get(b"character_set_client".as_slice()) {
                        self.session.dialect.encoding = TextEncoding::from_character_set(name);
                    }
                    // Nobody may have known the members when it came.
                    handshake::begin(&mut self.session, &self.proxy);
                    self.session.start_under(&memory.sql_mode);
                    self.wait_timeout = memory.wait_timeout;
                    self.session.login_collation = memory.baseline.get(b"collation_connection".as_slice()).cloned();
                    self.settle(side, used).await;
                    return Ok(());
                }
                Err(BringError::Query(QueryError::Sql(error))) if used.on_primary => {
                    used.lease.discard();
                    return Err(error);
                }
                Err(BringError::Query(QueryError::Sql(error))) if !self.proxy.topology.view().has_primary() => {
                    used.lease.discard();
                    return Err(error);
                }
                Err(BringError::Query(QueryError::Sql(_))) => {
                    // The replica may be behind; the primary knows.
                    used.lease.discard();
                    route.target = Target::Primary;
                }
                Err(error) => {
                    attempts.failed(used.member, format!("{}: {error}", used.address));
                    used.lease.discard();
                }
            }
        }
    }

    /// `COM_INIT_DB`.
    pub(super) async fn init_db(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        let name = incoming.argument().to_vec();
        let route = plain_route(Target::All, Reason::SessionState);
        let order = Order::new(route, incoming, Shape::Acknowledgement);
        if self.run(order).await?.reply().is_some_and(|reply| reply.error.is_none())
            && self.session.settings.database.as_ref() != Some(&name)
        {
            // A server without trackers has said only OK.
            self.session.enter_database(&name);
        }
        Ok(())
    }

    /// `COM_FIELD_LIST`.
    pub(super) async fn field_list(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        // With autocommit off it may begin a transaction.
        let tied = (self.session.is_tied() || !self.session.autocommit) && !self.connections.transaction_on_replica;
        let target = if tied { Target::Primary } else { Target::Replica };
        let route = Route { loss: Loss::Repeatable, ..plain_route(target, Reason::Metadata) };
        self.run(Order::new(route, incoming, Shape::Fields)).await.map(drop)
    }

    /// `COM_STATISTICS`.
    pub(super) async fn statistics(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        let route = plain_route(Target::Primary, Reason::InstanceState);
        self.run(Order::new(route, incoming, Shape::Text)).await.map(drop)
    }

    /// `COM_SET_OPTION`: whether several statements may come in one packet.
    pub(super) async fn set_option(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        let on = match incoming.argument() {
            [0, 0] => true,
            [1, 0] => false,
            _ => return self.answer_error(incoming, &refusal::unknown_command(0x1b)).await,
        };
        Arc::make_mut(&mut self.session.settings).multi_statements = Some(on);
        self.previous.row_count = -1;
        let mut out = Vec::new();
        if self.login.capabilities.contains(Capabilities::DEPRECATE_EOF) {
            let ok = OkPacket { first: EOF, warnings: self.previous.warnings, ..OkPacket::plain(self.status()) };
            ok.put(&mut out, incoming.reply_seq(), self.login.capabilities, |_| false);
        } else {
            put_eof(&mut out, incoming.reply_seq(), self.status(), self.previous.warnings);
        }
        Ok(self.stream.write_all(&out).await?)
    }

    /// `COM_RESET_CONNECTION`: the session starts anew, but for its database.
    pub(super) async fn reset_connection(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        if self.proxy.topology.view().server().is_some_and(|server| !knows_reset(&server.version_text)) {
            return self.answer_error(incoming, &refusal::command_of_newer_servers()).await;
        }
        self.leave_connections_clean().await;
        self.prepared.clear();
        self.session.reset();
        handshake::begin(&mut self.session, &self.proxy);
        self.previous = Previous::default();
        match self.character_sets_after_reset().await {
            Ok(()) => self.acknowledge(incoming.reply_seq()).await,
            Err(error) => self.answer_error(incoming, &error).await,
        }
    }

    /// The database of the login if its name is not ASCII: what it says depends on the login's character set, which a
    /// connection that others have used may not have.
    fn foreign_database(&mut self) -> Option<Vec<u8>> {
        let is_foreign = self.session.settings.database.as_ref().is_some_and(|name| !name.is_ascii());
        if is_foreign { Arc::make_mut(&mut self.session.settings).database.take() } else { None }
    }

    /// After a reset, MySQL uses its global character sets and MariaDB those of the login: a member is asked.
    async fn character_sets_after_reset(&mut self) -> Result<(), SqlError> {
        let mut attempts = Attempts::new(Instant::now(), self.proxy.policy.acquire_timeout);
        let route = plain_route(Target::All, Reason::SessionState);
        loop {
            let side = self.side(&route);
            let mut used = self.connect(side, &route, &mut attempts).await?;
            let (connection, memory) = used.lease.parts();
            if memory.condition == Condition::Fresh
                && let Err(error) = bring(connection, memory, &self.session.settings, super::bring::Held::No).await
            {
                attempts.failed(used.member, format!("{}: {error}", used.address));
                used.lease.discard();
                continue;
            }
            match reset_for_session(connection, memory).await {
                Ok(character_sets) => {
                    for (name, value) in &character_sets {
                        if memory.baseline.get(name) != Some(value) {
                            self.session.set_variable(name, value);
                        }
                    }
                    // The connection has the global ones now; let it be reset before anybody uses it.
                    memory.condition = Condition::Tainted;
                    self.settle(side, used).await;
                    return Ok(());
                }
                Err(error) => {
                    attempts.failed(used.member, format!("{}: {error}", used.address));
                    used.lease.discard();
                }
            }
        }
    }

    /// `COM_CHANGE_USER`: a login on the same connection. False when the client is sent away.
    pub(super) async fn change_user(&mut self, incoming: &mut Incoming) -> Result<bool, Gone> {
        let Some(mut login) = Login::parse_change_user(incoming.argument(), &self.login) else {
            self.answer_error(incoming, &refusal::malformed("COM_CHANGE_USER")).await?;
            return Ok(false);
        };
        self.leave_connections_clean().await;
        self.prepared.clear();
        login.capabilities = self.login.capabilities;
        let user = login.user.clone();
        let mut seq = incoming.reply_seq().wrapping_sub(1);
        let proxy = Arc::clone(&self.proxy);
        let changed = if self.failed_changes < MOST_FAILED_CHANGES {
            match verify(&proxy, &mut self.stream, &login, self.salt, &mut seq, self.origin.peer).await {
                Ok(account) => match proxy.seats.take(&account.user) {
                    Some(seat) => {
                        let became = self.become_user(account, login).await;
                        if became.is_ok() {
                            self.registered.seat = seat;
                        }
                        became
                    }
                    None => Err(refusal::too_many_of_user(&account.user)),
                },
                Err(Denial::Packet(_)) => return Ok(false),
                Err(Denial::Refused(error)) => Err(error),
            }
        } else {
            Err(refusal::command_of_newer_servers())
        };
        match changed {
            Ok(()) => {
                self.registered.handle.belongs_to(&self.account);
                self.acknowledge_login(seq.wrapping_add(1)).await.map(|()| true)
            }
            Err(error) => self.stay_who_it_was(seq.wrapping_add(1), &user, &error).await,
        }
    }

    /// The session begins anew as another user's, if members let that one in; otherwise all is as it was.
    async fn become_user(&mut self, account: Account, login: Login) -> Result<(), SqlError> {
        let proxy = Arc::clone(&self.proxy);
        let agreed = (login.capabilities & SHARED, login.extensions);
        let identity = proxy.identities.intern(&account, agreed, login.collation);
        let mut session = new_session(&proxy, &self.origin, &login);
        Arc::make_mut(&mut session.settings).multi_statements = self.session.settings.multi_statements;
        let before = (
            std::mem::replace(&mut self.identity, identity),
            std::mem::replace(&mut self.account, account),
            std::mem::replace(&mut self.session, session),
            std::mem::replace(&mut self.login, login),
        );
        let entered = self.check_login().await;
        if entered.is_ok() {
            // Another account, but the same application: it has seen its own writes.
            self.session.causality = before.2.causality;
            self.previous = Previous::default();
        } else {
            for used in self.let_connections_go() {
                used.lease.discard();
            }
            (self.identity, self.account, self.session, self.login) = before;
        }
        entered
    }

    /// A change of user that failed. MySQL ends the connection. MariaDB goes on with the user before, whose session has
    /// lost what it had set and has the collation of its first login, and lets nobody guess for long.
    async fn stay_who_it_was(&mut self, seq: u8, user: &[u8], error: &SqlError) -> Result<bool, Gone> {
        refused::note(&self.proxy, Some(user), self.origin.peer, error);
        if self.session.dialect.server != ServerKind::MariaDb {
            refused::delay(error).await;
            return self.refuse(seq, error).await.map(|()| false);
        }
        self.failed_changes = self.failed_changes.saturating_add(1);
        self.begin_anew().await;
        sleep(AFTER_A_FAILED_CHANGE).await;
        self.refuse(seq, error).await.map(|()| true)
    }

    /// The same user's session begins anew, in the same database.
    async fn begin_anew(&mut self) {
        let proxy = Arc::clone(&self.proxy);
        let collation = self.first_collation;
        let login = Login { collation, database: None, ..self.login.clone() };
        let agreed = (login.capabilities & SHARED, login.extensions);
        self.identity = proxy.identities.intern(&self.account, agreed, collation);
        let session = new_session(&proxy, &self.origin, &login);
        let before = std::mem::replace(&mut self.session, session);
        self.session.causality = before.causality;
        self.previous = Previous::default();
        self.login = login;
        // Should nobody serve now, the next statement says so.
        let _ = self.check_login().await;
        if let Some(name) = &before.settings.database {
            self.session.enter_database(name);
        }
        let settings = Arc::make_mut(&mut self.session.settings);
        settings.role.clone_from(&before.settings.role);
        settings.multi_statements = before.settings.multi_statements;
    }

    /// Gives all connections back. What stands on one that is held (a transaction, locks, temporary tables) ends at
    /// once, not when somebody needs the connection.
    pub(super) fn leave_connections(&mut self) {
        for used in self.let_connections_go() {
            drop(tokio::spawn(clean_up(used)));
        }
    }

    /// The same for a session that goes on: when it is told so, its locks are free and its transaction has ended.
    async fn leave_connections_clean(&mut self) {
        for used in self.let_connections_go() {
            // One that hangs is in flight, and is closed.
            let _ = timeout(ASK_LIMIT, clean_up(used)).await;
        }
    }

    /// Gives connections back; those that were held must be cleaned up.
    fn let_connections_go(&mut self) -> Vec<Used> {
        // Seen on MariaDB 10.11: a reset leaves what XA has prepared on the connection, and InnoDB refuses all that follows.
        let xa = self.session.ledger.pins.contains(PinReason::Xa);
        let mut held = Vec::new();
        for side in [Side::Primary, Side::Replica] {
            match self.connections.take(side) {
                Some(used) if used.held && xa && side == self.pinned_side() => used.lease.discard(),
                Some(used) if used.held => held.push(used),
                Some(used) => give_back(used),
                None => {}
            }
        }
        self.connections = Connections::default();
        self.unasked = Unasked::default();
        self.session.ledger.reset();
        self.session.transaction = Transaction::None;
        held
    }

    /// A connection that was held for this side is lost, and with it what stood there: a read-only transaction may be
    /// open on a replica while pins stand on the primary.
    pub(super) fn lose_what_stood(&mut self, side: Side) {
        let transaction_side = if self.connections.transaction_on_replica { Side::Replica } else { Side::Primary };
        if side == transaction_side {
            self.session.transaction = Transaction::None;
            self.connections.transaction_on_replica = false;
        }
        if side == self.pinned_side() {
            self.session.ledger.reset();
        }
    }

    /// On which side pins hold the session's connection.
    pub(super) const fn pinned_side(&self) -> Side {
        match self.session.listener {
            Listener::ReadWrite => Side::Primary,
            Listener::ReadOnly => Side::Replica,
        }
    }

    /// The thread of the primary that runs the statement of the client with the id that stands in a text.
    pub(super) fn member_thread(&self, written: &[u8]) -> Option<u32> {
        let number = std::str::from_utf8(written).ok()?.parse().ok()?;
        let handle = self.proxy.clients.find(ClientId::from_number(number))?;
        let primary = self.proxy.topology.view().usable_primary()?.member.address;
        handle.running().filter(|place| place.address == primary).map(|place| place.thread_id)
    }
}

/// Takes everything away that stands on a connection.
pub(super) async fn clean_up(used: Used) {
    let mut lease: Lease<Memory> = used.lease;
    let (connection, memory) = lease.parts();
    memory.condition = Condition::Tainted;
    match clean(connection, memory).await {
        Ok(()) => release(lease),
        Err(_) => lease.discard(),
    }
}
