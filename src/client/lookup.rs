//! Whose turn it is to read what members have stored of accounts, and what to say when it may not be read.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::{backend::CredentialTable, wire::err::SqlError};

/// How many read at the same time.
const AT_A_TIME: usize = 4;

/// The right to read what is stored.
#[derive(Debug)]
pub struct Lookups {
    pub(super) turns: Semaphore,
    /// The log says that it may not be read.
    told: AtomicBool,
}

impl Default for Lookups {
    fn default() -> Self {
        Lookups { turns: Semaphore::new(AT_A_TIME), told: AtomicBool::new(false) }
    }
}

impl Lookups {
    /// Says once what is missing, and once that it is there again.
    pub(super) fn tell(&self, table: CredentialTable, denied: Option<(&SqlError, Option<&str>)>) {
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
