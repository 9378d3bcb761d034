//! The monitor's own account on real connections.
//!
//! Knows how the backend's errors read to the monitor. Must not know what is asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::ask::{Answer, Ask, AskError, Converse};
use super::state::ServerInfo;
use crate::backend::{Account, Connection, DialError, DialOptions, QueryError, Road};
use crate::wire::server::read_version;
use crate::wire::{Capabilities, Extensions, err::SqlError};

/// Asks members with an account that exists on each of them.
#[derive(Clone, Debug)]
pub struct MonitorAccount {
    /// Name and password.
    pub account: Account,
    /// For the TCP connection. A login that has begun goes on: the monitor waits for it, or lets it end by itself.
    pub connect_timeout: Duration,
    /// How members are reached.
    pub road: Arc<Road>,
}

impl Ask for MonitorAccount {
    type Conversation = Connection;

    fn members_are(&self, members: &[(String, SocketAddr)]) {
        self.road.lead_to(members);
    }

    async fn connect(&self, address: SocketAddr) -> Result<Connection, AskError> {
        let options = DialOptions {
            road: Arc::clone(&self.road),
            connect_timeout: self.connect_timeout,
            capabilities: Capabilities::empty(),
            extensions: Extensions::empty(),
            collation: None,
        };
        Connection::dial_patiently(address, &self.account, &options).await.map_err(|error| match error {
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
