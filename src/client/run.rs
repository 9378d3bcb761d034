//! The loop of one client: read a command, do it, until the client leaves, is killed, or the proxy goes down.

use std::{io, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    behind::Behind,
    connections::Connections,
    handshake::{self, Authenticated, Origin, SHARED},
    idle::IdleClock,
    incoming::Incoming,
    previous::Previous,
    proxy::Proxy,
    refusal, refused,
    registry::Registered,
    shown::LastRoute,
    statements::PreparedStatements,
    unasked::Unasked,
};
use crate::{
    backend::Account,
    metrics::CountedPins,
    net::{PacketStream, Patience},
    pool::Identity,
    session::Session,
    sql::{Release, ServerKind, TextEncoding},
    wire::{
        Capabilities, Command, StatusFlags, err::SqlError, greeting::Salt, login::Login, ok::OkPacket,
        server::ServerFamily,
    },
};

/// A client that has logged in.
pub(super) struct Client {
    pub proxy: Arc<Proxy>,
    pub stream: PacketStream,
    pub login: Login,
    pub account: Account,
    pub identity: Arc<Identity>,
    pub origin: Origin,
    pub registered: Registered,
    pub session: Session,
    pub connections: Connections,
    pub prepared: PreparedStatements,
    pub last_route: LastRoute,
    /// For messages that must be changed before they are sent.
    pub scratch: Vec<u8>,
    /// Status flags of the last reply that a member gave.
    pub last_status: StatusFlags,
    /// What its last statement has left for it to ask for.
    pub previous: Previous,
    /// What a member must still be asked.
    pub unasked: Unasked,
    /// The pins that stand, as they are counted.
    pub pins: CountedPins,
    /// The connection has been asked for what it is kept for, since the last command.
    pub asked_in_vain: bool,
    /// The last command was tried more than once.
    pub retried: bool,
    /// `COMMIT RELEASE`: the connection ends with the reply.
    pub released: bool,
    /// How long it may be idle, unless its session says otherwise.
    pub wait_timeout: Duration,
    pub idle_clock: IdleClock,
    /// When it has logged in.
    pub came: Instant,
    /// Of the greeting; a change of user answers to it.
    pub salt: Salt,
    /// The collation of its first login.
    pub first_collation: u16,
    /// Changes of user that failed.
    pub failed_changes: u8,
}

/// How a command was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As a plain statement, which leaves the session as it was.
    Short,
    /// As any command.
    Long,
}

/// Why a client's loop ends before the client says goodbye.
#[derive(Debug, thiserror::Error)]
pub enum Gone {
    /// The client's connection broke.
    #[error("the client's connection broke: {0}")]
    Client(#[from] io::Error),
    /// A member was lost in the middle of a packet; nothing sensible can follow on the client's connection.
    #[error("a member was lost in the middle of a packet of its reply")]
    MidPacket,
    /// The client's bytes are not the protocol.
    #[error("the client does not speak the protocol: {0}")]
    Protocol(&'static str),
}

impl Authenticated {
    /// Serves the client until it leaves.
    pub fn run(self) -> impl Future<Output = Result<(), Gone>> + Send {
        let seq = self.seq;
        // Made before anything is waited for, so that the task keeps nothing of the login.
        let mut client = Box::new(self.into_client());
        async move {
            let result = client.serve(seq).await;
            if let Err(Gone::Client(error)) = &result {
                client.note_impatience(error);
            }
            client.leave_connections();
            result
        }
    }

    fn into_client(self) -> Client {
        let Authenticated { proxy, mut stream, login, account, origin, registered, salt, .. } = self;
        let identity =
            proxy.identities.intern(&account, (login.capabilities & SHARED, login.extensions), login.collation);
        let session = new_session(&proxy, &origin, &login);
        stream.be_patient(Patience {
            read: proxy.policy.client_read_timeout,
            write: proxy.policy.client_write_timeout,
            end: registered.handle.kill.clone(),
        });
        let pins = CountedPins::new(Arc::clone(&proxy.metrics));
        let first_collation = login.collation;
        Client {
            proxy,
            stream,
            login,
            account,
            identity,
            origin,
            registered,
            session,
            connections: Connections::default(),
            prepared: PreparedStatements::default(),
            last_route: LastRoute::default(),
            scratch: Vec::new(),
            last_status: StatusFlags::empty(),
            previous: Previous::default(),
            unasked: Unasked::default(),
            pins,
            asked_in_vain: false,
            retried: false,
            released: false,
            wait_timeout: Duration::MAX,
            idle_clock: IdleClock::default(),
            came: Instant::now(),
            salt,
            failed_changes: 0,
            first_collation,
        }
    }
}

/// A session with the settings of its login.
pub(super) fn new_session(proxy: &Proxy, origin: &Origin, login: &Login) -> Session {
    let view = proxy.topology.view();
    let (server, release) = view.server().map_or((ServerKind::Unknown, Release::UNKNOWN), |server| {
        let kind = match server.family {
            ServerFamily::MySql => ServerKind::MySql,
            ServerFamily::MariaDb => ServerKind::MariaDb,
        };
        (kind, Release(server.version.0, server.version.1))
    });
    // Known once a member has said what the collation of the login means.
    let mut session = Session::new(origin.listener, proxy.policy.consistency, server, TextEncoding::Unknown);
    session.start_in(login.database.clone());
    session.dialect.release = release;
    handshake::begin(&mut session, proxy);
    session.dialect.ignore_space = login.capabilities.contains(Capabilities::IGNORE_SPACE);
    session
}

impl Client {
    async fn serve(&mut self, seq: u8) -> Result<(), Gone> {
        // Apart, as what it needs is needed once.
        if !Box::pin(self.enter(seq)).await? {
            return Ok(());
        }
        let mut way = Way::Long;
        while let Some(mut incoming) = self.next_command(way).await? {
            self.registered.handle.command_begins();
            self.asked_in_vain = false;
            let mut sent = self.send_plain(&mut incoming);
            let stays = if sent.is_some() {
                way = self.end_plain(&mut sent, &incoming).await?;
                self.idle_clock.behind = Behind::Statement;
                true
            } else {
                way = Way::Long;
                self.idle_clock.behind = Behind::Something;
                Box::pin(self.obey(&mut incoming)).await?
            };
            self.count_pins();
            self.registered.handle.command_ends();
            if !stays || self.released || self.registered.handle.is_doomed() {
                break;
            }
        }
        self.stream.shutdown();
        Ok(())
    }

    /// Answers the login; false when the client was turned away.
    async fn enter(&mut self, seq: u8) -> Result<bool, Gone> {
        let Err(error) = self.check_login().await else {
            return self.acknowledge_login(seq).await.map(|()| true);
        };
        refused::note(&self.proxy, Some(&self.login.user), self.origin.peer, &error);
        refused::delay(&error).await;
        self.refuse(seq, &error).await?;
        self.stream.shutdown();
        Ok(false)
    }

    /// Does what a command says; false when the client leaves.
    async fn obey(&mut self, incoming: &mut Incoming) -> Result<bool, Gone> {
        let Some(&byte) = incoming.payload().first() else {
            return self.answer_error(incoming, &refusal::malformed("an empty packet")).await.map(|()| true);
        };
        if incoming.is_too_long(self.proxy.policy.max_allowed_packet) {
            let error = refusal::packet_too_large(self.proxy.policy.max_allowed_packet);
            self.refuse(incoming.reply_seq(), &error).await?;
            return Ok(false);
        }
        let command = Command::from_byte(byte);
        if !matches!(
            command,
            // Those with SQL look for themselves; the others leave what the client may ask for.
            Some(
                Command::Query
                    | Command::StmtPrepare
                    | Command::StmtExecute
                    | Command::Ping
                    | Command::StmtSendLongData
                    | Command::StmtClose
            )
        ) {
            self.ask_what_waits().await;
        }
        match command {
            Some(Command::Quit) => return Ok(false),
            Some(Command::Query) => self.query(incoming).await?,
            Some(Command::StmtPrepare) => Box::pin(self.prepare(incoming)).await?,
            Some(Command::StmtExecute) => self.execute(incoming).await?,
            Some(Command::StmtClose) => Box::pin(self.close_statement(incoming)).await?,
            Some(Command::StmtReset) => Box::pin(self.reset_statement(incoming)).await?,
            Some(Command::StmtSendLongData) => Box::pin(self.send_long_data(incoming)).await?,
            Some(Command::StmtFetch) => Box::pin(self.fetch(incoming)).await?,
            Some(Command::InitDb) => Box::pin(self.init_db(incoming)).await?,
            Some(Command::FieldList) => Box::pin(self.field_list(incoming)).await?,
            Some(Command::Statistics) => Box::pin(self.statistics(incoming)).await?,
            Some(Command::Ping) => self.pong(incoming.reply_seq()).await?,
            Some(Command::SetOption) => Box::pin(self.set_option(incoming)).await?,
            Some(Command::ProcessKill) => Box::pin(self.process_kill(incoming)).await?,
            Some(Command::ResetConnection) => Box::pin(self.reset_connection(incoming)).await?,
            Some(Command::ChangeUser) => return Box::pin(self.change_user(incoming)).await,
            None => self.answer_error(incoming, &refusal::unknown_command(byte)).await?,
        }
        Ok(true)
    }

    /// What the status flags of the proxy's own answers say.
    pub(super) fn status(&self) -> StatusFlags {
        let mut status = StatusFlags::empty();
        status.set(StatusFlags::AUTOCOMMIT, self.session.autocommit);
        status.set(StatusFlags::IN_TRANS, self.session.transaction != crate::session::Transaction::None);
        status.set(StatusFlags::IN_TRANS_READONLY, self.session.transaction == crate::session::Transaction::ReadOnly);
        status.set(StatusFlags::NO_BACKSLASH_ESCAPES, self.session.dialect.no_backslash_escapes);
        let tells_quotes = self.session.dialect.server == ServerKind::MariaDb;
        status.set(StatusFlags::ANSI_QUOTES, tells_quotes && self.session.dialect.ansi_quotes);
        status
    }

    /// The answer to `COM_PING`, which leaves warnings as they are.
    async fn pong(&mut self, seq: u8) -> Result<(), Gone> {
        let mut out = Vec::new();
        let ok = OkPacket { warnings: self.previous.warnings, ..OkPacket::plain(self.status()) };
        ok.put(&mut out, seq, self.login.capabilities, |_| false);
        self.previous.row_count = 0;
        Ok(self.stream.write_all(&out).await?)
    }

    /// An OK of the proxy's own.
    pub(super) async fn acknowledge(&mut self, seq: u8) -> Result<(), Gone> {
        let mut out = Vec::new();
        OkPacket::plain(self.status()).put(&mut out, seq, self.login.capabilities, |_| false);
        self.previous.row_count = 0;
        Ok(self.stream.write_all(&out).await?)
    }

    /// The OK to a login. MySQL says `autocommit` there whatever its global one is.
    pub(super) async fn acknowledge_login(&mut self, seq: u8) -> Result<(), Gone> {
        let mut status = self.status();
        if let Some(server) = self.proxy.topology.view().server() {
            status.set(StatusFlags::AUTOCOMMIT, server.status.contains(StatusFlags::AUTOCOMMIT));
        }
        let mut out = Vec::new();
        OkPacket::plain(status).put(&mut out, seq, self.login.capabilities, |_| false);
        self.previous.row_count = 0;
        Ok(self.stream.write_all(&out).await?)
    }

    /// An error packet.
    pub(super) async fn refuse(&mut self, seq: u8, error: &SqlError) -> Result<(), Gone> {
        self.proxy.error_log.note(error, self.registered.handle.id.get(), &self.account.user);
        let mut out = Vec::new();
        error.put(&mut out, seq);
        self.previous.refused(error);
        self.previous.warnings = u16::from(self.session.dialect.server == ServerKind::MySql);
        Ok(self.stream.write_all(&out).await?)
    }

    /// An error in answer to a command, the rest of which is taken from the client first.
    pub(super) async fn answer_error(&mut self, incoming: &mut Incoming, error: &SqlError) -> Result<(), Gone> {
        incoming.discard_rest(&mut self.stream).await?;
        self.refuse(incoming.reply_seq(), error).await
    }
}
