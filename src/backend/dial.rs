//! From an address and an account to an authenticated connection.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpStream, sync::oneshot, time::timeout};

use super::{Connection, Insecure, Road, login};
use crate::{
    net::{Liveness, PacketError, PacketStream},
    wire::{
        Capabilities, Extensions, auth::Secret, err::SqlError, greeting::Greeting, greeting::GreetingError,
        server::read_version,
    },
};

/// The longest packet that a member may send before the login is complete, in bytes.
pub(super) const CONNECTION_PHASE_LIMIT: usize = 64 * 1024;

/// What every connection to a member asks for.
const ALWAYS: Capabilities = Capabilities::LONG_PASSWORD
    .union(Capabilities::LONG_FLAG)
    .union(Capabilities::PROTOCOL_41)
    .union(Capabilities::TRANSACTIONS)
    .union(Capabilities::SECURE_CONNECTION)
    .union(Capabilities::MULTI_RESULTS)
    .union(Capabilities::PS_MULTI_RESULTS)
    .union(Capabilities::PLUGIN_AUTH)
    .union(Capabilities::CONNECT_ATTRS)
    .union(Capabilities::SESSION_TRACK);

/// What may not be missing at the member when it is wanted: it changes the bytes or the meaning of commands or replies.
const BINDING: Capabilities = Capabilities::FOUND_ROWS
    .union(Capabilities::DEPRECATE_EOF)
    .union(Capabilities::MULTI_STATEMENTS)
    .union(Capabilities::IGNORE_SPACE)
    .union(Capabilities::LOCAL_FILES)
    .union(Capabilities::QUERY_ATTRIBUTES);

/// Who logs in.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name, in the bytes that the client gave.
    pub user: Vec<u8>,
    /// What proves it.
    pub secret: Secret,
}

impl Account {
    /// An account whose password is known.
    #[must_use]
    pub fn with_password(user: &[u8], password: &[u8]) -> Self {
        Account { user: user.to_vec(), secret: Secret::Password(password.to_vec().into()) }
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({:?})", String::from_utf8_lossy(&self.user))
    }
}

/// How to connect.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// Plain, or through TLS.
    pub road: Arc<Road>,
    /// For connecting and logging in together.
    pub connect_timeout: Duration,
    /// Wanted besides what every connection has.
    pub capabilities: Capabilities,
    /// Of MariaDB's, likewise.
    pub extensions: Extensions,
    /// The collation to start with; `None`: the member's own.
    pub collation: Option<u16>,
}

/// Why a member could not be reached or would not let us in.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No TCP connection.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// Not connected and logged in within this time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The member said no, with this error.
    #[error("refused: {0}")]
    Refused(SqlError),
    /// The connection broke during the login.
    #[error("the connection broke during the login: {0}")]
    Broken(#[from] PacketError),
    /// The member asks for an authentication method that is not spoken here.
    #[error("the account uses the authentication plugin {0:?}, which is not supported")]
    Plugin(String),
    /// The member cannot do what the client was promised.
    #[error("the member lacks the capabilities {0:?}")]
    Incapable(Capabilities),
    /// No TLS with a member that offers it.
    #[error("no TLS with the member: {0}")]
    Tls(io::Error),
    /// It was told nothing.
    #[error("the member is not to be trusted: {0}")]
    Insecure(#[from] Insecure),
    /// The bytes are not the protocol.
    #[error("not the MySQL protocol: {0}")]
    Protocol(&'static str),
}

/// How long a handshake goes on that nobody waits for any more. A member that is frozen counts a hang-up in the middle
/// of it against our host once it thaws, and blocks the host after `max_connect_errors` (100) of them (error 1129).
const ABANDONED_LIMIT: Duration = Duration::from_secs(600);

impl Connection {
    /// Connects and logs in. Cancel safe, as [`Connection::dial_holding`].
    pub async fn dial(address: SocketAddr, account: &Account, options: &DialOptions) -> Result<Self, DialError> {
        Self::dial_holding(address, account, options, ()).await.map(|(connection, ())| connection)
    }

    /// The same with something to hold for as long as there is a connection: a permit, say. It comes back with the
    /// connection. When the caller waits no longer, the handshake is brought to its end by itself, the connection
    /// closed, and only then what is held let go.
    pub async fn dial_holding<T: Send + 'static>(
        address: SocketAddr,
        account: &Account,
        options: &DialOptions,
        held: T,
    ) -> Result<(Self, T), DialError> {
        let limit = options.connect_timeout;
        let dialling = async {
            let stream = TcpStream::connect(address).await.map_err(DialError::Connect)?;
            log_in_apart(stream, address, account, options, held).await
        };
        timeout(limit, dialling).await.unwrap_or(Err(DialError::Timeout(limit)))
    }

    /// The same, but the limit is for the TCP connection alone, which a member that is frozen still accepts. Whoever waits
    /// no longer for its login drops this.
    pub async fn dial_patiently(
        address: SocketAddr,
        account: &Account,
        options: &DialOptions,
    ) -> Result<Self, DialError> {
        let limit = options.connect_timeout;
        let connecting = timeout(limit, TcpStream::connect(address)).await.map_err(|_| DialError::Timeout(limit))?;
        let stream = connecting.map_err(DialError::Connect)?;
        log_in_apart(stream, address, account, options, ()).await.map(|(connection, ())| connection)
    }

    async fn log_in(
        stream: TcpStream,
        address: SocketAddr,
        account: &Account,
        options: &DialOptions,
    ) -> Result<Self, DialError> {
        let mut stream = PacketStream::new(stream);
        stream.expect_life(Liveness::MEMBER);
        let (seq, payload) = stream.read_packet(CONNECTION_PHASE_LIMIT).await?;
        let greeting = Greeting::parse(&payload).map_err(|error| match error {
            GreetingError::Refused(error) => DialError::Refused(error),
            GreetingError::Version(_) => DialError::Protocol("another protocol version"),
            GreetingError::Malformed => DialError::Protocol("malformed greeting"),
        })?;
        let mut capabilities = (ALWAYS | options.capabilities) & (greeting.capabilities | Capabilities::LONG_PASSWORD);
        // A client says by leaving this bit out that it speaks of extensions.
        let extensions = options.extensions & greeting.extensions;
        capabilities.set(Capabilities::LONG_PASSWORD, extensions.is_empty());
        let collation = options.collation.unwrap_or(u16::from(greeting.collation));
        // A login has no room for a greater one: it begins with the member's own, and is said again.
        let first = u8::try_from(collation).unwrap_or(greeting.collation);
        let mut login = login::nobody((capabilities, extensions), first.into());
        let road = &options.road;
        let (seq, secure) =
            road.secure(&mut stream, (address, greeting.capabilities), seq.wrapping_add(1), &mut login).await?;
        if let Err(why) = secure {
            return Err(login::leave(&mut stream, seq, &login, why.into()).await);
        }
        let capabilities = login.capabilities;
        login::log_in(&mut stream, seq, &greeting, account, login).await?;
        let scissors = Arc::new(stream.scissors());
        let account = account.clone();
        let (family, _) = read_version(&greeting.version);
        let mut connection = Connection {
            stream,
            address,
            greeting,
            family,
            account,
            collation,
            capabilities,
            in_flight: false,
            scissors,
            road: Arc::clone(road),
        };
        if collation != u16::from(first) {
            login::log_in_again(&mut connection).await?;
        }
        Ok(connection)
    }

    /// Whether the member has what the client was promised. Looked at behind the login only: there is no other way to
    /// end a handshake that the member does not take for a failure of our host.
    async fn with_what_was_promised(self, options: &DialOptions) -> Result<Self, DialError> {
        let missing = (options.capabilities & BINDING).difference(self.greeting.capabilities);
        if !missing.is_empty() {
            self.close().await;
            return Err(DialError::Incapable(missing));
        }
        if !self.greeting.extensions.contains(options.extensions) {
            self.close().await;
            return Err(DialError::Protocol("the member lacks an extension of MariaDB that the client was promised"));
        }
        Ok(self)
    }
}

/// Logs in as a task of its own, which ends by the protocol, whether or not anybody waits for it.
async fn log_in_apart<T: Send + 'static>(
    stream: TcpStream,
    address: SocketAddr,
    account: &Account,
    options: &DialOptions,
    held: T,
) -> Result<(Connection, T), DialError> {
    let (tell, told) = oneshot::channel();
    let (account, options) = (account.clone(), options.clone());
    tokio::spawn(async move {
        let logging_in = async {
            let connection = Connection::log_in(stream, address, &account, &options).await?;
            connection.with_what_was_promised(&options).await
        };
        let ended = timeout(ABANDONED_LIMIT, logging_in).await.unwrap_or(Err(DialError::Timeout(ABANDONED_LIMIT)));
        if let Err(Ok((connection, held))) = tell.send(ended.map(|connection| (connection, held))) {
            connection.close().await;
            drop(held);
        }
    });
    // The task ends without a word only when the program does.
    told.await.unwrap_or(Err(DialError::Timeout(ABANDONED_LIMIT)))
}
