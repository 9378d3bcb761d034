//! Waiting for members, for as long as anybody wants the statement: not once it was killed, nor long after its client has
//! left.
//!
//! Knows the client's socket and its kills. Must not know what is waited for.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use tokio::time::sleep_until;

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

/// What the work gives, if the statement is wanted as long as it takes. Cancel safe if the work is. `left_at` outlives it:
/// many short waits are one.
pub(super) async fn while_wanted<T>(
    client: &mut PacketStream,
    handle: &Handle,
    left_at: &mut Option<Instant>,
    work: impl Future<Output = T>,
) -> Result<T, Unwanted> {
    let left = async {
        if left_at.is_none() {
            client.departed().await;
        }
        let since = *left_at.get_or_insert_with(Instant::now);
        sleep_until((since + FAREWELL).into()).await;
    };
    tokio::select! {
        biased;
        done = work => Ok(done),
        scope = handle.unwanted() => Err(Unwanted::Killed(scope)),
        () = left => Err(Unwanted::Left),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::{backend::Account, client::handle::ClientId};

    #[tokio::test]
    async fn many_short_waits_are_one_for_a_client_that_has_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (here, peer) = listener.accept().await.unwrap();
        let (owner, stop) = (Account::with_password(b"app", b""), tokio_util::sync::CancellationToken::new());
        let handle = Handle::new(ClientId::from_number(1), &owner, peer, stop);
        handle.command_begins();
        let (mut client, mut left_at) = (PacketStream::new(here), None);
        let short = || tokio::time::sleep(Duration::from_millis(20));
        assert_eq!(while_wanted(&mut client, &handle, &mut left_at, short()).await, Ok(()));
        assert_eq!(left_at, None);
        drop(there);
        let begun = Instant::now();
        let ended = loop {
            if let Err(unwanted) = while_wanted(&mut client, &handle, &mut left_at, short()).await {
                break unwanted;
            }
            assert!(begun.elapsed() < FAREWELL * 3, "nobody notices");
        };
        assert_eq!(ended, Unwanted::Left);
        assert!(begun.elapsed() >= FAREWELL, "it may still listen");
    }
}
