//! What is done about a client that is not let in: it is counted, the log tells of it now and then, and one that may be
//! guessing is answered late.
//!
//! Knows errors of a login and whom they concern. Must not know how a login is judged.

use std::{io, net::SocketAddr, time::Duration};

use tokio::time::sleep;
use tracing::info;

use super::proxy::Proxy;
use crate::wire::err::SqlError;

/// How late a wrong password is answered: guesses over one connection after the other become slow, and someone who has
/// mistyped notices nothing. Nothing is held meanwhile but the client's own connection.
const DELAY: Duration = Duration::from_millis(300);

/// The longest user name that the log shows, in characters.
const SHOWN: usize = 80;

/// Says in the log who was not let in, at most once a second.
pub(super) fn note(proxy: &Proxy, user: Option<&[u8]>, peer: SocketAddr, error: &SqlError) {
    if let Some(others) = proxy.refused_logins.note() {
        let user = printable(user.unwrap_or_default());
        info!(%user, %peer, code = error.code, reason = %error.message_for_log(), others, "a client was not let in");
    }
}

/// Says in the log that a client began TLS and could not do it, at most once a second: it is told nothing that its user would
/// understand.
pub(super) fn note_tls(proxy: &Proxy, peer: SocketAddr, error: &io::Error) {
    // Who only goes away in the middle of it has no trouble with TLS.
    if error.kind() != io::ErrorKind::InvalidData {
        return;
    }
    if let Some(others) = proxy.refused_logins.note() {
        info!(
            %peer, %error, others,
            "TLS with a client failed; clients that know only TLS 1.0 and 1.1 need tls.client.cert = \"\", or to be told not \
             to use TLS"
        );
    }
}

/// Waits before a wrong password is answered.
pub(super) async fn delay(error: &SqlError) {
    if error.state == *b"28000" {
        sleep(DELAY).await;
    }
}

/// Bytes that a client has sent, for one line of the log: whatever would end the line, or move the cursor, is escaped.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_name_cannot_write_lines_of_its_own() {
        assert_eq!(printable(b"a\n2026 ERROR\x1b[2J\xff"), "a\\n2026 ERROR\\u{1b}[2J\u{fffd}");
        assert!(printable(&[b'x'; 500]).chars().count() < 100);
    }
}
