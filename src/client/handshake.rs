//! From an accepted socket to an authenticated client. Only an [`Authenticated`] client has a `run`.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use aws_lc_rs::rand;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{
    auth::{self, Denial},
    proxy::Proxy,
    refusal, refused,
    registry::{ClientId, Registered},
};
use crate::{
    backend::Account,
    metrics::AuthFailure,
    net::{PacketError, PacketStream},
    session::{Listener, Session},
    wire::{
        Capabilities, Extensions, StatusFlags,
        auth::{CACHING_SHA2, NATIVE},
        err::SqlError,
        greeting::{Greeting, SALT_LEN, Salt},
        login::{FirstPacket, Login},
        server::{ServerFamily, Version},
    },
};

/// How long a client may take to log in.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client that does not come in is listened to after it was told.
const FAREWELL: Duration = Duration::from_millis(500);
/// The longest packet of a login, in bytes; connection attributes alone may have 64 KiB.
pub(super) const LOGIN_LIMIT: usize = 128 * 1024;

/// What the proxy offers, as far as the members have it too.
const OFFERED: Capabilities = Capabilities::LONG_PASSWORD
    .union(Capabilities::FOUND_ROWS)
    .union(Capabilities::LONG_FLAG)
    .union(Capabilities::CONNECT_WITH_DB)
    .union(Capabilities::NO_SCHEMA)
    .union(Capabilities::ODBC)
    .union(Capabilities::LOCAL_FILES)
    .union(Capabilities::IGNORE_SPACE)
    .union(Capabilities::PROTOCOL_41)
    .union(Capabilities::INTERACTIVE)
    .union(Capabilities::TRANSACTIONS)
    .union(Capabilities::SECURE_CONNECTION)
    .union(Capabilities::MULTI_STATEMENTS)
    .union(Capabilities::MULTI_RESULTS)
    .union(Capabilities::PS_MULTI_RESULTS)
    .union(Capabilities::PLUGIN_AUTH)
    .union(Capabilities::CONNECT_ATTRS)
    .union(Capabilities::PLUGIN_AUTH_LENENC_DATA)
    .union(Capabilities::SESSION_TRACK)
    .union(Capabilities::DEPRECATE_EOF)
    .union(Capabilities::QUERY_ATTRIBUTES);

/// What a member's connection must share with the client's.
pub(super) const SHARED: Capabilities = Capabilities::FOUND_ROWS
    .union(Capabilities::NO_SCHEMA)
    .union(Capabilities::ODBC)
    .union(Capabilities::LOCAL_FILES)
    .union(Capabilities::IGNORE_SPACE)
    .union(Capabilities::INTERACTIVE)
    .union(Capabilities::MULTI_STATEMENTS)
    .union(Capabilities::DEPRECATE_EOF)
    .union(Capabilities::QUERY_ATTRIBUTES);

/// What the greeting says when no member has been reached yet.
const UNKNOWN_VERSION: &str = "8.0.0-mysql-proxy";
/// `utf8mb4_general_ci`, which every member knows.
const UNKNOWN_COLLATION: u8 = 45;

/// Where a client comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Its address.
    pub peer: SocketAddr,
    /// The port it came in by.
    pub listener: Listener,
}

/// A client that has said who it is, and was believed.
pub struct Authenticated {
    pub(super) proxy: Arc<Proxy>,
    pub(super) stream: PacketStream,
    pub(super) login: Login,
    pub(super) account: Account,
    pub(super) origin: Origin,
    pub(super) registered: Registered,
    /// Of the packet that ends the login.
    pub(super) seq: u8,
    pub(super) salt: Salt,
}

/// Why a client did not come in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// It went away, or spoke nonsense.
    #[error("{0}")]
    Packet(#[from] PacketError),
    /// It asked for encryption, and there is none.
    #[error("no TLS: {0}")]
    Tls(io::Error),
    /// It was told this.
    #[error("{0}")]
    Refused(SqlError),
    /// It took longer than allowed.
    #[error("no login within {LOGIN_TIMEOUT:?}")]
    Timeout,
}

impl LoginError {
    /// What the client is told; none when it is gone.
    fn answer(&self) -> Option<SqlError> {
        match self {
            LoginError::Refused(error) => Some(error.clone()),
            LoginError::Timeout => Some(refusal::login_too_slow()),
            LoginError::Packet(PacketError::TooLong { .. }) => Some(refusal::login_too_large()),
            // What can be said without encryption is what TLS itself has said.
            LoginError::Packet(PacketError::Io(_)) | LoginError::Tls(_) => None,
        }
    }
}

/// A login while it goes on: what is left of it when it fails.
struct Progress {
    stream: PacketStream,
    /// Of the last packet received or sent.
    seq: u8,
    /// Who wants to come in, once that is known.
    user: Option<Vec<u8>>,
}

/// Greets a client and lets it log in.
pub async fn welcome(proxy: Arc<Proxy>, stream: PacketStream, origin: Origin) -> Result<Authenticated, LoginError> {
    let mut progress = Progress { stream, seq: 0, user: None };
    let outcome = timeout(LOGIN_TIMEOUT, log_in(&proxy, &mut progress, origin)).await;
    let Progress { stream, seq, user } = progress;
    match outcome.unwrap_or(Err(LoginError::Timeout)) {
        Ok(Entered { login, account, registered, salt }) => {
            let seq = seq.wrapping_add(1);
            Ok(Authenticated { proxy, stream, login, account, origin, registered, seq, salt })
        }
        Err(error) => {
            if let LoginError::Tls(error) = &error {
                refused::note_tls(&proxy, origin.peer, error);
            }
            if let Some(answer) = error.answer() {
                refused::note(&proxy, user.as_deref(), origin.peer, &answer);
                refused::delay(&answer).await;
                send_away(stream, seq, &answer).await;
            }
            Err(error)
        }
    }
}

/// Who has come in.
struct Entered {
    login: Login,
    account: Account,
    registered: Registered,
    salt: Salt,
}

async fn log_in(proxy: &Arc<Proxy>, progress: &mut Progress, origin: Origin) -> Result<Entered, LoginError> {
    let id = proxy.clients.new_id();
    let greeting = greeting(proxy, id)?;
    let Progress { stream, seq, user } = progress;
    stream.write_message(0, &greeting.encode()).await.map_err(PacketError::Io)?;
    let mut login = read_login(proxy, stream, seq).await?;
    *user = Some(login.user.clone());
    if proxy.policy.tls_required && !stream.is_encrypted() {
        proxy.metrics.auth_failure(AuthFailure::TlsRequired);
        return Err(LoginError::Refused(refusal::tls_required()));
    }
    login.capabilities &= greeting.capabilities;
    login.extensions &= greeting.extensions;
    match auth::verify(proxy, stream, &login, greeting.salt, seq, origin.peer).await {
        Ok(account) => {
            let seat = proxy.seats.take(&account.user);
            let seat = seat.ok_or_else(|| LoginError::Refused(refusal::too_many_of_user(&account.user)))?;
            let registered = proxy.clients.enter(id, (&account, seat), origin.peer, proxy.drain.child_token());
            Ok(Entered { login, account, registered, salt: greeting.salt })
        }
        Err(Denial::Packet(error)) => Err(error.into()),
        Err(Denial::Refused(error)) => Err(LoginError::Refused(error)),
    }
}

/// What the client says of itself: at once, or under the encryption that it asks for first
/// (`page_protocol_connection_phase`, "SSL Exchange"; `page_protocol_connection_phase_packets_protocol_ssl_request`).
async fn read_login(proxy: &Proxy, stream: &mut PacketStream, seq: &mut u8) -> Result<Login, LoginError> {
    match first_packet(stream, seq).await? {
        FirstPacket::Login(login) => return Ok(login),
        FirstPacket::SslRequest => {}
    }
    // Who asks for what was not offered is no client.
    let Some(tls) = &proxy.tls else { return Err(LoginError::Refused(refusal::bad_handshake())) };
    let identity = tls.identity().await;
    stream.accept_tls(Arc::clone(&identity.config)).await.map_err(LoginError::Tls)?;
    match first_packet(stream, seq).await? {
        FirstPacket::Login(login) => Ok(login),
        FirstPacket::SslRequest => Err(LoginError::Refused(refusal::bad_handshake())),
    }
}

async fn first_packet(stream: &mut PacketStream, seq: &mut u8) -> Result<FirstPacket, LoginError> {
    let (next, payload) = stream.read_packet(LOGIN_LIMIT).await?;
    let payload = Zeroizing::new(payload);
    if next != seq.wrapping_add(1) {
        return Err(LoginError::Refused(refusal::out_of_order()));
    }
    *seq = next;
    FirstPacket::parse(&payload).map_err(|_| LoginError::Refused(refusal::bad_handshake()))
}

/// The greeting is the cluster's own as far as possible: drivers choose their behaviour by the version.
fn greeting(proxy: &Proxy, id: ClientId) -> Result<Greeting, LoginError> {
    let view = proxy.topology.view();
    let server = view.server();
    let extensions = server.map_or(Extensions::empty(), |server| server.extensions);
    let mut capabilities =
        server.map_or(OFFERED, |server| OFFERED & (server.capabilities | Capabilities::LONG_PASSWORD));
    if !view.speak_query_attributes() {
        capabilities.remove(Capabilities::QUERY_ATTRIBUTES);
    }
    capabilities.set(Capabilities::SSL, proxy.tls.is_some());
    // As MariaDB does, to say that it has extensions.
    capabilities.set(Capabilities::LONG_PASSWORD, extensions.is_empty());
    Ok(Greeting {
        version: server.map_or_else(|| UNKNOWN_VERSION.to_owned(), |server| server.version_text.clone()),
        thread_id: id.get(),
        salt: new_salt()?,
        capabilities,
        extensions,
        collation: server.map_or(UNKNOWN_COLLATION, |server| server.collation),
        status: server.map_or(StatusFlags::AUTOCOMMIT, |server| server.status),
        plugin: login_method(proxy).to_owned(),
    })
}

/// The authentication method that suits the cluster: what members greet with, if it is one of ours.
pub(super) fn login_method(proxy: &Proxy) -> &'static str {
    let view = proxy.topology.view();
    let Some(server) = view.server() else { return CACHING_SHA2 };
    match server.plugin.as_str() {
        NATIVE => NATIVE,
        CACHING_SHA2 => CACHING_SHA2,
        _ if server.family == ServerFamily::MariaDb || server.version < Version(8, 0, 0) => NATIVE,
        _ => CACHING_SHA2,
    }
}

/// A session begins with what the members' settings say.
pub(super) fn begin(session: &mut Session, proxy: &Proxy) {
    let view = proxy.topology.view();
    let Some(server) = view.server() else { return };
    session.begin_with(server.autocommit);
    session.begin_at(&server.isolation, proxy.policy.split_transactions);
}

/// Random, without the bytes that would end the text or start a plugin's name.
pub(super) fn new_salt() -> Result<Salt, LoginError> {
    let mut salt = [0; SALT_LEN];
    rand::fill(&mut salt).map_err(|_| PacketError::Io(std::io::Error::other("no randomness")))?;
    Ok(salt.map(|byte| (byte % 94) + 33))
}

/// Tells a client why it does not come in. What it still sends is taken for a moment: a socket that is closed with
/// unread bytes takes the answer back.
async fn send_away(mut stream: PacketStream, seq: u8, error: &SqlError) {
    let mut out = Vec::new();
    error.put(&mut out, seq.wrapping_add(1));
    let saying = async {
        let _ = stream.write_all(&out).await;
        stream.shutdown();
        while stream.fill().await.is_ok_and(|count| count > 0) {
            stream.consume(stream.inbox().len());
        }
    };
    let _ = timeout(FAREWELL, saying).await;
}
