//! A small client of our own: what an application would be, with a question after each statement: where did it go?
//!
//! Knows the client's side of the protocol through [`backend`](crate::backend). Must not know the cluster.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::TourError;
use crate::backend::{Account, Connection, DialOptions, QueryError, ResultSet, Road};
use crate::wire::{Capabilities, Extensions};

/// Account and password of the demonstration's application.
pub(super) const ACCOUNT: &str = "app";

/// One session at the proxy.
#[derive(Debug)]
pub(super) struct Visitor {
    connection: Connection,
    runtime: Runtime,
}

/// What `SHOW PROXY ROUTE` told of a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Went {
    /// `primary`, `replica`, `same`, `all`, `proxy`.
    pub target: String,
    /// Why.
    pub reason: String,
    /// The member that served it.
    pub member: Option<SocketAddr>,
    /// Why that one, for a read.
    pub member_reason: Option<String>,
}

/// How a statement is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// As text (`COM_QUERY`).
    Text,
    /// Prepared and executed with these parameters (`COM_STMT_PREPARE`, `COM_STMT_EXECUTE`).
    Prepared(&'a [&'a str]),
}

impl Visitor {
    /// Logs in.
    pub(super) fn connect(address: SocketAddr) -> Result<Self, TourError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let account = Account::with_password(ACCOUNT.as_bytes(), ACCOUNT.as_bytes());
        let options = DialOptions {
            road: Road::open(),
            connect_timeout: Duration::from_secs(15),
            capabilities: Capabilities::DEPRECATE_EOF,
            extensions: Extensions::empty(),
            collation: None,
        };
        let connection = runtime
            .block_on(Connection::dial(address, &account, &options))
            .map_err(|source| TourError::Dial { address, source })?;
        Ok(Self { connection, runtime })
    }

    /// Runs a statement; gives the rows as text.
    pub(super) fn run(&mut self, sql: &str, form: Form<'_>) -> Result<Vec<Vec<String>>, TourError> {
        let connection = &mut self.connection;
        let answer = self.runtime.block_on(async {
            match form {
                Form::Text => connection.query(sql).await,
                Form::Prepared(parameters) => execute(connection, sql, parameters).await,
            }
        });
        Ok(texts(answer.map_err(|source| TourError::Statement { sql: sql.to_owned(), source })?))
    }

    /// Where the previous statement went.
    pub(super) fn went(&mut self) -> Result<Went, TourError> {
        const SQL: &str = "SHOW PROXY ROUTE";
        let answer = self.runtime.block_on(self.connection.query(SQL));
        let answer = answer.map_err(|source| TourError::Statement { sql: SQL.to_owned(), source })?;
        let text = |column| answer.value(column).map(|value| String::from_utf8_lossy(value).into_owned());
        Ok(Went {
            target: text("target").unwrap_or_default(),
            reason: text("reason").unwrap_or_default(),
            member: text("member").and_then(|address| address.parse().ok()),
            member_reason: text("member_reason"),
        })
    }

    /// Says goodbye.
    pub(super) fn leave(self) {
        self.runtime.block_on(self.connection.close());
    }
}

async fn execute(connection: &mut Connection, sql: &str, parameters: &[&str]) -> Result<ResultSet, QueryError> {
    let statement = connection.prepare(sql.as_bytes()).await?;
    let parameters: Vec<&[u8]> = parameters.iter().map(|value| value.as_bytes()).collect();
    connection.execute(statement, &parameters).await
}

fn texts(answer: ResultSet) -> Vec<Vec<String>> {
    let text = |value: Option<Vec<u8>>| {
        value.map_or_else(|| "NULL".to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    answer.rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
}
