//! What members have stored of an account, so that clients can prove themselves by `mysql_native_password`.
//!
//! Knows that the monitor's account reads it, and what to say when it may not. Keeps nothing.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{sync::Semaphore, time::timeout};
use tracing::{info, warn};

use super::{
    proxy::Proxy,
    verdict::{Patience, judges, options},
};
use crate::{
    backend::{Account, Connection, CredentialTable, DialError, DialOptions, QueryError, StoredMethod},
    wire::{Capabilities, Extensions, err::SqlError, login::Login},
};

/// How many read at the same time.
const AT_A_TIME: usize = 4;

/// The right to read what is stored.
#[derive(Debug)]
pub struct Lookups {
    reader: Account,
    turns: Semaphore,
    /// The log says that it may not be read.
    told: AtomicBool,
}

/// What was found.
#[derive(Debug)]
pub(super) enum Stored {
    /// All methods of the accounts of this name; none: there is no such account.
    Known(Vec<StoredMethod>),
    /// The cluster has no accounts that it would help to read.
    Needless,
    /// It may not be read, or nobody could be asked.
    Unknown,
}

/// Why one member did not tell.
enum Failure {
    /// The reader may not read.
    Denied(SqlError, Option<String>),
    /// There is no answer.
    Broken,
}

impl Lookups {
    /// By this account.
    #[must_use]
    pub fn new(reader: Account) -> Self {
        Lookups { reader, turns: Semaphore::new(AT_A_TIME), told: AtomicBool::new(false) }
    }

    /// Says once what is missing, and once that it is there again.
    fn tell(&self, table: CredentialTable, denied: Option<(&SqlError, Option<&str>)>) {
        let was_told = self.told.swap(denied.is_some(), Ordering::Relaxed);
        match denied {
            Some((error, account)) if !was_told => {
                let account = account.unwrap_or("<monitor.user>");
                warn!(
                    %error,
                    "clients that know only mysql_native_password are not let in unless [[users]] names them: the monitor's \
                     account may not read what the cluster has stored of accounts; on the primary: GRANT {} TO {account}",
                    table.grant(),
                );
            }
            None if was_told => info!("the monitor's account may read what the cluster has stored of accounts"),
            _ => {}
        }
    }
}

/// Reads what the primary has stored under this user's name, or a replica while the primary does not answer.
pub(super) async fn look_up(proxy: &Proxy, login: &Login, patience: Patience) -> Stored {
    let view = proxy.topology.view();
    let Some(server) = view.server() else { return Stored::Unknown };
    let Some(table) = CredentialTable::of(server.family, server.version) else { return Stored::Needless };
    let lookups = &proxy.lookups;
    let Ok(Ok(_turn)) = timeout(patience.next(), lookups.turns.acquire()).await else { return Stored::Unknown };
    for (_, address) in judges(&view) {
        // Within the member's limit, as whoever checks a password.
        let Ok(Ok(permit)) = timeout(patience.next(), proxy.pools.member(address).permit()).await else { continue };
        let limit = patience.next();
        let (capabilities, extensions) = (Capabilities::empty(), Extensions::empty());
        // The login's collation says in which character set the name is.
        let options = DialOptions { capabilities, extensions, ..options(proxy, login, limit) };
        let asked = async {
            let dialled = Connection::dial_holding(address, &lookups.reader, &options, permit).await;
            let (mut connection, _permit) = dialled?;
            let read = read(&mut connection, &login.user, limit).await;
            connection.close().await;
            read
        };
        match asked.await {
            Ok(methods) => {
                lookups.tell(table, None);
                return Stored::Known(methods);
            }
            Err(Failure::Denied(error, account)) => {
                lookups.tell(table, Some((&error, account.as_deref())));
                return Stored::Unknown;
            }
            Err(Failure::Broken) => {}
        }
    }
    Stored::Unknown
}

async fn read(connection: &mut Connection, user: &[u8], limit: Duration) -> Result<Vec<StoredMethod>, Failure> {
    match timeout(limit, connection.stored_methods(user)).await {
        Ok(Ok(methods)) => Ok(methods),
        Ok(Err(QueryError::Sql(error))) => {
            let account = timeout(limit, connection.own_account()).await;
            Err(Failure::Denied(error, account.ok().and_then(Result::ok)))
        }
        Ok(Err(QueryError::Broken(_) | QueryError::Protocol(_))) | Err(_) => Err(Failure::Broken),
    }
}

impl From<DialError> for Failure {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Refused(error) if super::verdict::is_about_the_account(&error) => Failure::Denied(error, None),
            _ => Failure::Broken,
        }
    }
}
