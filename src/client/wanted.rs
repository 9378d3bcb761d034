//! Waiting for members, for as long as anybody wants the statement: not once it was killed, nor long after its client has
//! left.
//!
//! Knows the client's socket and its kills. Must not know what is waited for.

use std::{future::Future, time::Duration};

use tokio::time::sleep;

use super::handle::{Handle, Scope};
use crate::net::PacketStream;

/// A client may close its half of the connection and still listen.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why nobody wants the statement any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwanted {
    /// It was killed.
    Killed(Scope),
    /// Its client has left.
    Left,
}

/// What the work gives, if the statement is wanted as long as it takes. Cancel safe if the work is.
pub(super) async fn while_wanted<T>(
    client: &mut PacketStream,
    handle: &Handle,
    work: impl Future<Output = T>,
) -> Result<T, Unwanted> {
    let left = async {
        client.departed().await;
        sleep(FAREWELL).await;
    };
    tokio::select! {
        biased;
        done = work => Ok(done),
        scope = handle.unwanted() => Err(Unwanted::Killed(scope)),
        () = left => Err(Unwanted::Left),
    }
}
