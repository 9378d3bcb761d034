//! The short exchange: a command goes out at once, its reply comes at once and says nothing but its result.
//!
//! Knows when that is so. Whatever takes longer or is unusual is [`Connection::relay`]'s, which goes on from any point here.

use std::{
    io,
    task::{Context, Poll},
};

use super::Connection;
use crate::{
    net::{Expects, PacketStream},
    wire::short_reply::ShortReply,
};

/// The least room for a reply.
const ROOM: usize = 4 * 1024;

impl Connection {
    /// Sends as much of a command as can be sent without waiting, and says how much that was.
    pub fn send_now(&mut self, message: &[u8]) -> io::Result<usize> {
        self.in_flight = true;
        self.stream.write_now(message)
    }

    /// Waits for the reply to begin: gives how much has come, or `None` when the client has left before.
    pub fn poll_reply(
        &mut self,
        client: &mut PacketStream,
        cx: &mut Context<'_>,
        expects: Expects,
    ) -> Poll<Option<io::Result<usize>>> {
        if let Poll::Ready(filled) = self.stream.poll_expected(cx, ROOM, expects) {
            return Poll::Ready(Some(filled));
        }
        client.poll_departed(cx).map(|()| None)
    }

    /// What has come of the reply, if that is all of it and a short one.
    #[must_use]
    pub fn short_reply(&self) -> Option<ShortReply> {
        ShortReply::read(self.stream.inbox(), self.capabilities)
    }

    /// What has come of the reply.
    #[must_use]
    pub fn reply_so_far(&self) -> &[u8] {
        self.stream.inbox()
    }

    /// The client has the whole reply, which was [short](Self::short_reply).
    pub fn short_reply_has_passed(&mut self) {
        let all = self.stream.inbox().len();
        self.stream.consume(all);
        self.in_flight = false;
    }
}
