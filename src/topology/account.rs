//! The monitor's own account on real connections.
//!
//! Knows how the backend's errors read to the monitor. Must not know what is asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::ask::{Answer, Ask, AskError, Converse};
use super::state::ServerInfo;
use crate::backend::{Account, Connection, DialError, DialOptions, QueryError, Road};
use crate::wire::server::read_version;
use crate::wire::{Capabilities, Extensions, err::SqlError};

/// Asks members with an account that exists on each of them. Clones are the same account.
#[derive(Clone, Debug)]
pub struct MonitorAccount {
    login: Arc<ArcSwap<Login>>,
    road: Arc<Road>,
}

#[derive(Debug)]
struct Login {
    account: Account,
    connect_timeout: Duration,
    identity: u64,
}

impl MonitorAccount {
    /// Name and password; `connect_timeout` is for the TCP connection: a login that has begun goes on, and the monitor waits
    /// for it or lets it end by itself. `road`: how members are reached.
    #[must_use]
    pub fn new(account: Account, connect_timeout: Duration, road: Arc<Road>) -> Self {
        let login = Login { account, connect_timeout, identity: 0 };
        Self { login: Arc::new(ArcSwap::from_pointee(login)), road }
    }

    /// Connects as this one from now on, and by the road as it is now: connections of before are not used any more. One at
    /// a time may say so.
    pub fn become_as(&self, account: Account, connect_timeout: Duration) {
        let identity = self.login.load().identity + 1;
        self.login.store(Arc::new(Login { account, connect_timeout, identity }));
    }
}

impl Ask for MonitorAccount {
    type Conversation = Connection;

    fn members_are(&self, members: &[(String, SocketAddr)]) {
        self.road.lead_to(members);
    }

    fn identity(&self) -> u64 {
        self.login.load().identity
    }

    async fn connect(&self, address: SocketAddr) -> Result<Connection, AskError> {
        let login = self.login.load_full();
        let options = DialOptions {
            road: Arc::clone(&self.road),
            connect_timeout: login.connect_timeout,
            capabilities: Capabilities::empty(),
            extensions: Extensions::empty(),
            collation: None,
        };
        Connection::dial_patiently(address, &login.account, &options).await.map_err(|error| match error {
            DialError::Refused(refusal) => server_error(&refusal),
            DialError::Plugin(_) | DialError::Incapable(_) => AskError::Account(error.to_string()),
            DialError::Timeout(limit) => AskError::Timeout(limit),
            DialError::Connect(_)
            | DialError::Broken(_)
            | DialError::Tls(_)
            | DialError::Insecure(_)
            | DialError::Protocol(_) => AskError::Connect(error.to_string()),
        })
    }
}

impl Converse for Connection {
    fn server(&self) -> ServerInfo {
        let greeting = self.greeting();
        let (family, version) = read_version(&greeting.version);
        ServerInfo {
            version_text: greeting.version.clone(),
            version,
            family,
            capabilities: greeting.capabilities,
            extensions: greeting.extensions,
            collation: greeting.collation,
            plugin: greeting.plugin.clone(),
            status: greeting.status,
            autocommit: true,
            isolation: String::new(),
            server_id: 0,
        }
    }

    async fn query(&mut self, sql: &str) -> Result<Answer, AskError> {
        match Connection::query(self, sql).await {
            Ok(result) => Ok(Answer { columns: result.columns, rows: result.rows }),
            Err(QueryError::Sql(refusal)) => Err(server_error(&refusal)),
            Err(error @ (QueryError::Broken(_) | QueryError::Protocol(_))) => Err(AskError::Lost(error.to_string())),
        }
    }

    async fn close(self) {
        Connection::close(self).await;
    }
}

fn server_error(error: &SqlError) -> AskError {
    AskError::Server { code: error.code, message: error.message.clone() }
}
