//! What reading a system variable tells about: the session, the instance, or the previous statement.

mod common;
mod mariadb;
mod mysql;

use super::dialect::ServerKind;

/// Whose a variable's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    /// The session's own, or one that may be read on any member.
    Session,
    /// The instance's: a replica has another value.
    Instance,
    /// About the statement before.
    PreviousStatement,
    /// About the diagnostics of the statement before.
    Diagnostics,
    /// The connection's id.
    ConnectionId,
}

/// What `@@name` (without a scope, or with that of the session) is.
pub(super) fn read(name: &[u8], server: ServerKind) -> Variable {
    let mut buffer = [0u8; 64];
    let Some(lower) = buffer.get_mut(..name.len()) else { return Variable::Instance };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let Ok(lower) = std::str::from_utf8(lower) else { return Variable::Instance };
    match lower {
        "last_insert_id" | "identity" | "last_gtid" => Variable::PreviousStatement,
        "warning_count" | "error_count" => Variable::Diagnostics,
        "pseudo_thread_id" => Variable::ConnectionId,
        "hostname" | "server_id" | "port" => Variable::Session,
        _ if lower.starts_with("version") && !lower.starts_with("version_tokens") => Variable::Session,
        _ if has_session_scope(lower, server) => Variable::Session,
        _ => Variable::Instance,
    }
}

fn has_session_scope(name: &str, server: ServerKind) -> bool {
    let listed = |list: &[&str]| list.binary_search(&name).is_ok();
    listed(common::SESSION)
        || match server {
            ServerKind::MySql => listed(mysql::SESSION),
            ServerKind::MariaDb => listed(mariadb::SESSION),
            ServerKind::Unknown => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted() {
        for list in [common::SESSION, mysql::SESSION, mariadb::SESSION] {
            assert!(list.is_sorted());
        }
    }

    #[test]
    fn scopes() {
        assert_eq!(read(b"SQL_Mode", ServerKind::Unknown), Variable::Session);
        assert_eq!(read(b"read_only", ServerKind::Unknown), Variable::Instance);
        assert_eq!(read(b"version_comment", ServerKind::Unknown), Variable::Session);
        assert_eq!(read(b"identity", ServerKind::Unknown), Variable::PreviousStatement);
        assert_eq!(read(&[0xff; 80], ServerKind::Unknown), Variable::Instance);
    }
}
