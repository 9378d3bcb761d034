//! From an address and an account to an authenticated connection.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use zeroize::Zeroizing;

use super::{Connection, login};
use crate::{
    net::{PacketError, PacketStream},
    wire::{Capabilities, Extensions, err::SqlError, greeting::Greeting, greeting::GreetingError},
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
#[derive(Clone)]
pub struct Account {
    /// The name, in the bytes that the client gave.
    pub user: Vec<u8>,
    /// The password.
    pub password: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({:?})", String::from_utf8_lossy(&self.user))
    }
}

/// How to connect.
#[derive(Clone, Copy, Debug)]
pub struct DialOptions {
    /// For connecting and logging in together.
    pub connect_timeout: Duration,
    /// Wanted besides what every connection has.
    pub capabilities: Capabilities,
    /// Of MariaDB's, likewise.
    pub extensions: Extensions,
    /// The collation to start with; `None`: the member's own.
    pub collation: Option<u8>,
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
    /// The bytes are not the protocol.
    #[error("not the MySQL protocol: {0}")]
    Protocol(&'static str),
}

impl Connection {
    /// Connects and logs in.
    pub async fn dial(address: SocketAddr, account: &Account, options: &DialOptions) -> Result<Self, DialError> {
        let limit = options.connect_timeout;
        timeout(limit, Self::dial_now(address, account, options)).await.unwrap_or(Err(DialError::Timeout(limit)))
    }

    async fn dial_now(address: SocketAddr, account: &Account, options: &DialOptions) -> Result<Self, DialError> {
        let mut stream = PacketStream::new(TcpStream::connect(address).await.map_err(DialError::Connect)?);
        let (seq, payload) = stream.read_packet(CONNECTION_PHASE_LIMIT).await?;
        let greeting = Greeting::parse(&payload).map_err(|error| match error {
            GreetingError::Refused(error) => DialError::Refused(error),
            GreetingError::Version(_) => DialError::Protocol("another protocol version"),
            GreetingError::Malformed => DialError::Protocol("malformed greeting"),
        })?;
        let missing = (options.capabilities & BINDING).difference(greeting.capabilities);
        if !missing.is_empty() {
            return Err(DialError::Incapable(missing));
        }
        let extensions = options.extensions;
        if !greeting.extensions.contains(extensions) {
            return Err(DialError::Protocol("the member lacks an extension of MariaDB that the client was promised"));
        }
        let mut capabilities = (ALWAYS | options.capabilities) & (greeting.capabilities | Capabilities::LONG_PASSWORD);
        // A client says by leaving this bit out that it speaks of extensions.
        capabilities.set(Capabilities::LONG_PASSWORD, extensions.is_empty());
        let collation = options.collation.unwrap_or(greeting.collation);
        login::log_in(&mut stream, seq.wrapping_add(1), &greeting, account, (capabilities, extensions), collation)
            .await?;
        let scissors = Arc::new(stream.scissors().map_err(PacketError::Io)?);
        let account = account.clone();
        Ok(Connection { stream, address, greeting, account, collation, capabilities, in_flight: false, scissors })
    }
}
