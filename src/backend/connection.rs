//! The connection itself: an authenticated stream and whether a reply is outstanding on it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{Account, QueryError, Road};
use crate::{
    net::{PacketError, PacketStream, Scissors},
    wire::{Capabilities, greeting::Greeting, server::ServerFamily},
};

/// How long a member gets to close its side of a connection.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// The most that is still taken from a member that is sending when its connection is closed, in bytes.
const MAX_UNREAD: usize = 1024 * 1024;

/// An authenticated connection to a member.
///
/// Invariant: `in_flight` is set before the first byte of a command is written and cleared only when its reply is
/// complete; a connection that is in flight must never serve anybody else.
#[derive(Debug)]
pub struct Connection {
    pub(super) stream: PacketStream,
    pub(super) address: SocketAddr,
    pub(super) greeting: Greeting,
    /// Read from the greeting once: each reply is read by it.
    pub(super) family: ServerFamily,
    /// Who has logged in, and with which collation: to do it again.
    pub(super) account: Account,
    pub(super) collation: u16,
    pub(super) capabilities: Capabilities,
    pub(super) in_flight: bool,
    pub(super) scissors: Arc<Scissors>,
    /// How this member is reached, to do it again.
    pub(super) road: Arc<Road>,
}

impl Connection {
    /// The member's address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the member said of itself.
    #[must_use]
    pub const fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Which kind of server it is.
    #[must_use]
    pub const fn family(&self) -> ServerFamily {
        self.family
    }

    /// What both sides agreed on.
    #[must_use]
    pub const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Whether what is said can be read by the two sides only.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.stream.is_encrypted()
    }

    /// The member's id of this connection, for `KILL`.
    #[must_use]
    pub const fn thread_id(&self) -> u32 {
        self.greeting.thread_id
    }

    /// A handle by which others can cut the connection while a statement runs on it.
    #[must_use]
    pub const fn scissors(&self) -> &Arc<Scissors> {
        &self.scissors
    }

    /// Whether a command was begun whose reply is not complete.
    #[must_use]
    pub const fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// Whether an idle connection is fit for use: no reply outstanding, nothing received, not closed by the member.
    pub fn is_usable(&mut self) -> bool {
        !self.in_flight && self.stream.is_quiet()
    }

    /// To be called before a question of the proxy's own.
    ///
    /// # Errors
    /// When the answer to an earlier one is still to come: it would be taken for this one's.
    pub(super) fn begin(&mut self) -> Result<(), QueryError> {
        self.check_free()?;
        self.in_flight = true;
        Ok(())
    }

    /// Whether a command may be sent: on a connection that must be kept, too, an answer may still be to come for which the
    /// proxy waits no longer.
    ///
    /// # Errors
    /// When it is.
    pub fn check_free(&self) -> Result<(), QueryError> {
        if self.in_flight {
            let late = io::Error::new(io::ErrorKind::TimedOut, "an answer did not come in time");
            return Err(QueryError::Broken(PacketError::Io(late)));
        }
        Ok(())
    }

    /// The command that was sent has no reply.
    pub const fn expect_nothing(&mut self) {
        self.in_flight = false;
    }

    /// Says goodbye (`COM_QUIT`), or breaks off what is in flight, and closes. Ends when the member has let the connection
    /// go, or has not done so for two seconds.
    pub async fn close(mut self) {
        let goodbye = async {
            if !self.in_flight {
                let _ = self.stream.write_message(0, &[crate::wire::Command::Quit as u8]).await;
            }
            self.stream.shutdown();
            self.stream.outlast(MAX_UNREAD).await;
        };
        let _ = timeout(CLOSE_LIMIT, goodbye).await;
    }
}
