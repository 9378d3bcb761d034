//! Errors that the proxy itself gives to clients; all others are the members' own, unchanged.

use std::time::Duration;

use super::handle::Scope;
use crate::{sql::ServerKind, wire::err::SqlError};

/// Too many client connections.
#[must_use]
pub fn too_many_clients(limit: usize) -> SqlError {
    SqlError::proxy(1040, *b"08004", &format!("too many connections ({limit}, limits.max_client_connections)"))
}

/// Wrong password, or an account that nobody knows.
#[must_use]
pub fn access_denied(user: &[u8], host: &str, with_password: bool) -> SqlError {
    let user = String::from_utf8_lossy(user);
    let using = if with_password { "YES" } else { "NO" };
    SqlError::proxy(1045, *b"28000", &format!("Access denied for user '{user}'@'{host}' (using password: {using})"))
}

/// An account that a member lets in only by a method that is not spoken here. Trying again, or elsewhere, cannot help.
#[must_use]
pub fn unspoken_method(user: &[u8], plugin: &str) -> SqlError {
    let user = String::from_utf8_lossy(user);
    let text = format!(
        "Access denied for user '{user}': the account uses the authentication method '{plugin}', which mysql-proxy does \
         not speak to members; it speaks mysql_native_password, caching_sha2_password and sha256_password"
    );
    SqlError::proxy(1045, *b"28000", &text)
}

/// The account demands something of the client's connection that a proxy cannot show for it.
#[must_use]
pub fn particulars(user: &[u8]) -> SqlError {
    let user = String::from_utf8_lossy(user);
    let text = format!(
        "Access denied for user '{user}': the account demands a certain certificate or cipher (REQUIRE SUBJECT, ISSUER or \
         CIPHER), for which a proxy cannot vouch; REQUIRE SSL and REQUIRE X509 work"
    );
    SqlError::proxy(1045, *b"28000", &text)
}

/// The user has as many clients as it may have, in the servers' words.
#[must_use]
pub fn too_many_of_user(user: &[u8]) -> SqlError {
    let user = String::from_utf8_lossy(user);
    let text = format!("User {user} already has more than 'max_user_connections' active connections");
    SqlError::proxy(1203, *b"42000", &text)
}

/// The client can neither be asked for the account's method nor follow it.
#[must_use]
pub fn old_client() -> SqlError {
    let text = "Client does not support authentication protocol requested by server; consider upgrading MySQL client";
    SqlError { code: 1251, state: *b"08004", message: text.to_owned() }
}

/// The client took the connection for one that nobody else can read.
#[must_use]
pub fn password_in_clear() -> SqlError {
    let text = "your client sent the password in clear over a connection without TLS, and is refused for it; change the \
                password, and let the client connect with TLS (--ssl-mode=REQUIRED) or log in by mysql_native_password \
                (GRANT as the proxy's log says)";
    SqlError::proxy(3159, *b"HY000", text)
}

/// A command that does not exist, or that is not offered.
#[must_use]
pub fn unknown_command(byte: u8) -> SqlError {
    SqlError::proxy(1047, *b"08S01", &format!("unknown command 0x{byte:02x}"))
}

/// A command that the members are too old for, in their words.
#[must_use]
pub fn command_of_newer_servers() -> SqlError {
    SqlError { code: 1047, state: *b"08S01", message: "Unknown command".to_owned() }
}

/// The proxy is going down.
#[must_use]
pub fn draining() -> SqlError {
    SqlError::proxy(1053, *b"08S01", "the proxy is shutting down; connect again")
}

/// What `MySQL` says, unasked, when `wait_timeout` has passed.
#[must_use]
pub fn idle_for_too_long() -> SqlError {
    let message = "The client was disconnected by the server because of inactivity. See wait_timeout and \
                   interactive_timeout for configuring this behavior.";
    SqlError { code: 4031, state: *b"HY000", message: message.to_owned() }
}

/// A statement, or a connection with its statement, that was killed; in the words of the servers.
#[must_use]
pub fn killed_by(scope: Scope, server: ServerKind) -> SqlError {
    let (code, message) = match (scope, server) {
        (Scope::Connection, ServerKind::MariaDb) => (1927, "Connection was killed"),
        _ => (1317, "Query execution was interrupted"),
    };
    SqlError { code, state: *b"70100", message: message.to_owned() }
}

/// Nobody reads it: the client left while its statement waited for a member.
#[must_use]
pub fn client_left() -> SqlError {
    SqlError::proxy(1158, *b"08S01", "the client has left")
}

/// `KILL` of an id that nobody has, in the words of the servers.
#[must_use]
pub fn unknown_thread(id: u32) -> SqlError {
    SqlError { code: 1094, state: *b"HY000", message: format!("Unknown thread id: {id}") }
}

/// `KILL` of another account's connection without the privilege, in the words of the servers.
#[must_use]
pub fn not_owner(id: u32) -> SqlError {
    SqlError { code: 1095, state: *b"HY000", message: format!("You are not owner of thread {id}") }
}

/// A packet longer than `limits.max_allowed_packet`.
#[must_use]
pub fn packet_too_large(limit: usize) -> SqlError {
    SqlError::proxy(1153, *b"08S01", &format!("a packet larger than {limit} bytes (limits.max_allowed_packet)"))
}

/// The member was lost while it executed what commits.
#[must_use]
pub fn outcome_unknown(member: &str, cause: &str) -> SqlError {
    let text = format!(
        "the member {member} was lost while it committed ({cause}); whether the change was made is unknown: \
         look before you repeat it"
    );
    SqlError::proxy(1180, *b"HY000", &text)
}

/// The member was lost; nothing can have been committed by this statement.
#[must_use]
pub fn member_lost(member: &str, cause: &str) -> SqlError {
    let text = format!("lost the member {member} during the statement ({cause}); an open transaction is rolled back");
    SqlError::proxy(2013, *b"HY000", &text)
}

/// Parameters that were sent ahead went down with their connection.
#[must_use]
pub fn parameters_lost() -> SqlError {
    let text = "the member that had the statement's long parameters was lost; send them again";
    SqlError::proxy(2013, *b"HY000", text)
}

/// A write on the read-only listener.
#[must_use]
pub fn read_only_listener() -> SqlError {
    SqlError::proxy(1290, *b"HY000", "this port serves reads only (listen.read_only); use the read-write port")
}

/// No member could serve.
#[must_use]
pub fn no_member(tried: &str, waited: Duration) -> SqlError {
    SqlError::proxy(
        9001,
        *b"HY000",
        &format!("no member could serve within {waited:.1?} (pool.acquire_timeout): {tried}"),
    )
}

/// TLS was to be asked for, and was not; in the servers' words.
#[must_use]
pub fn tls_required() -> SqlError {
    let text = "Connections using insecure transport are prohibited while --require_secure_transport=ON.";
    SqlError::proxy(3159, *b"HY000", text)
}

/// The bytes are not a login; in the servers' words, as all that concerns the packets of a login.
#[must_use]
pub fn bad_handshake() -> SqlError {
    SqlError { code: 1043, state: *b"08S01", message: "Bad handshake".to_owned() }
}

/// The client has not finished its login.
#[must_use]
pub fn login_too_slow() -> SqlError {
    SqlError { code: 1159, state: *b"08S01", message: "Got timeout reading communication packets".to_owned() }
}

/// A packet of a login that is longer than any.
#[must_use]
pub fn login_too_large() -> SqlError {
    let message = "Got a packet bigger than 'max_allowed_packet' bytes";
    SqlError { code: 1153, state: *b"08S01", message: message.to_owned() }
}

/// A packet of a login with a sequence number that is not its turn.
#[must_use]
pub fn out_of_order() -> SqlError {
    SqlError { code: 1156, state: *b"08S01", message: "Got packets out of order".to_owned() }
}

/// More prepared statements than there may be, in the words of the servers.
#[must_use]
pub fn too_many_prepared(limit: usize) -> SqlError {
    let message = format!("Can't create more than max_prepared_stmt_count statements (current value: {limit})");
    SqlError { code: 1461, state: *b"42000", message }
}

/// A prepared statement that this session does not have; the text is the servers' own.
#[must_use]
pub fn unknown_statement(id: u32, given_to: &str) -> SqlError {
    let message = format!("Unknown prepared statement handler ({id}) given to {given_to}");
    SqlError { code: 1243, state: *b"HY000", message }
}

/// A fetch without a cursor; the text is the servers' own, with the client's id of the statement.
#[must_use]
pub fn no_open_cursor(id: u32, server: ServerKind) -> SqlError {
    let stop = if server == ServerKind::MySql { "." } else { "" };
    SqlError { code: 1421, state: *b"HY000", message: format!("The statement ({id}) has no open cursor{stop}") }
}

/// An execution without all of its parameters, in the servers' own words.
#[must_use]
pub fn malformed_execution(server: ServerKind) -> SqlError {
    let (code, message) = match server {
        ServerKind::MySql => (1835, "Malformed communication packet."),
        _ => (1210, "Incorrect arguments to mysqld_stmt_execute"),
    };
    SqlError { code, state: *b"HY000", message: message.to_owned() }
}

/// A malformed command.
#[must_use]
pub fn malformed(what: &str) -> SqlError {
    SqlError::proxy(1835, *b"HY000", &format!("malformed communication packet: {what}"))
}

/// A token that cannot be taken: `ER_WRONG_ARGUMENTS`.
#[must_use]
pub fn bad_token(why: &str) -> SqlError {
    SqlError::proxy(1210, *b"HY000", &format!("proxy:after: {why}"))
}

/// No token can be given.
#[must_use]
pub fn no_token() -> SqlError {
    SqlError::proxy(
        9001,
        *b"HY000",
        "there is no token for what this session has written: its writes have no GTIDs, and no primary tells what it has executed",
    )
}

/// Error 1792, in the words of the servers, which differ by a full stop.
#[must_use]
pub fn in_read_only_transaction(server: ServerKind) -> SqlError {
    let stop = if server == ServerKind::MySql { "." } else { "" };
    let message = format!("Cannot execute statement in a READ ONLY transaction{stop}");
    SqlError { code: 1792, state: *b"25006", message }
}
