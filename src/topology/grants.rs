//! What the monitor's account must be granted, as a statement that can be pasted.
//!
//! PURE. Knows the privileges' names in each version. Must not know what they are needed for at the moment.

use super::state::ServerInfo;
use crate::wire::server::{ServerFamily, Version};

/// Lets the account see the state of replication.
#[must_use]
pub fn replication(server: &ServerInfo, account: &str) -> String {
    let privilege = match server.family {
        ServerFamily::MariaDb if server.version >= Version(10, 5, 2) => "BINLOG MONITOR, SLAVE MONITOR",
        ServerFamily::MariaDb | ServerFamily::MySql => "REPLICATION CLIENT",
    };
    format!("GRANT {privilege} ON *.* TO {}", quoted(account))
}

/// `name@host` of `CURRENT_USER()` as it is written in statements. The host never holds an `@`, the name may.
fn quoted(account: &str) -> String {
    let (name, host) = account.rsplit_once('@').unwrap_or((account, "%"));
    let quote = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    format!("{}@{}", quote(name), quote(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_quoted_as_statements_want_them() {
        for (account, written) in [
            ("proxy@%", "'proxy'@'%'"),
            ("proxy@10.0.0.%", "'proxy'@'10.0.0.%'"),
            ("a@b@%", "'a@b'@'%'"),
            ("o'neil@%", "'o''neil'@'%'"),
            ("proxy", "'proxy'@'%'"),
        ] {
            assert_eq!(quoted(account), written);
        }
    }
}
