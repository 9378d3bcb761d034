//! System variables that mean something to the proxy itself.

use std::time::Duration;

use crate::session::Settings;

/// The longest time that a server knows.
pub const LONGEST: Duration = Duration::from_secs(31_536_000);

/// Whether a read waits for the writes of all nodes before it begins.
pub const SYNC_WAIT: &[u8] = b"wsrep_sync_wait";

/// The value of a timeout in seconds; 0, and what is no number, never ends.
#[must_use]
pub fn seconds(value: &[u8]) -> Duration {
    let seconds = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    if seconds == 0 { LONGEST } else { Duration::from_secs(seconds) }
}

/// Whether the session has its reads wait for the writes of all nodes of a Galera cluster.
#[must_use]
pub fn waits_for_sync(wanted: &Settings) -> bool {
    wanted.variables.get(SYNC_WAIT).is_some_and(|value| value != b"0")
}
