//! A client's command as it arrives. All of it is read before it is looked at, up to a bound; what is longer is looked
//! at by its beginning and streamed.

use std::io;

use crate::{
    net::{Buffer, PacketStream},
    wire::{
        HEADER_LEN, Header,
        packet::{MessageEnd, put_message},
    },
};

/// The most bytes of a command that are held in memory.
pub(crate) const HELD: usize = 1024 * 1024;

/// A command, or the beginning of one.
#[derive(Debug)]
pub struct Incoming {
    bytes: Buffer,
    /// Where the message ends; not done while the rest of it still comes from the client.
    pub end: MessageEnd,
    /// Offset of the SQL in the argument: query attributes may stand in front of it.
    pub sql_at: usize,
}

impl Incoming {
    /// Waits for a command. `None`: the client has closed. Cancel safe.
    pub async fn read(stream: &mut PacketStream) -> io::Result<Option<Incoming>> {
        loop {
            let have = stream.inbox().len();
            let wanted = Header::parse(stream.inbox()).map_or(HEADER_LEN, |header| header.total().min(HELD));
            if have >= wanted && have >= HEADER_LEN {
                return Ok(Some(Self::take(stream)));
            }
            let room = (wanted - have).max(4096);
            // Between commands a client may be silent for as long as it likes.
            let filled =
                if have == 0 { stream.fill_at_least(room).await? } else { stream.fill_in_the_middle(room).await? };
            if filled == 0 {
                return Ok(None);
            }
        }
    }

    /// A command of which all is here, or so much as is ever held; `None`: more must come.
    pub fn at_once(stream: &mut PacketStream) -> Option<Incoming> {
        let header = Header::parse(stream.inbox())?;
        (stream.inbox().len() >= header.total().min(HELD)).then(|| Self::take(stream))
    }

    fn take(stream: &mut PacketStream) -> Incoming {
        let mut end = MessageEnd::default();
        let count = end.advance(stream.inbox());
        Incoming { bytes: stream.take(count), end, sql_at: 0 }
    }

    /// Header and payload, as far as they are here.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.bytes.filled()
    }

    /// The same, to be changed in place.
    #[must_use]
    pub fn message_mut(&mut self) -> &mut [u8] {
        self.bytes.filled_mut()
    }

    /// The payload, as far as it is here: the command byte and its argument.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes.filled().get(HEADER_LEN..).unwrap_or_default()
    }

    /// What stands behind the command byte, as far as it is here.
    #[must_use]
    pub fn argument(&self) -> &[u8] {
        self.payload().get(1..).unwrap_or_default()
    }

    /// The SQL of a command that has some, as far as it is here.
    #[must_use]
    pub fn sql(&self) -> &[u8] {
        self.argument().get(self.sql_at..).unwrap_or_default()
    }

    /// Whether the rest must still be streamed.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        !self.end.is_done()
    }

    /// The sequence number of the first packet of the reply.
    #[must_use]
    pub const fn reply_seq(&self) -> u8 {
        self.end.next_seq()
    }

    /// Whether it is longer than a client's command may be, in bytes; of a command in several packets the first counts.
    #[must_use]
    pub fn is_too_long(&self, limit: usize) -> bool {
        Header::parse(self.message()).is_some_and(|header| header.len > limit)
    }

    /// Puts another text in the place of its SQL. All of it must be here.
    pub fn replace_sql(&mut self, sql: &[u8]) {
        let front = self.payload().get(..1 + self.sql_at).unwrap_or_default();
        let payload = [front, sql].concat();
        let mut message = Vec::with_capacity(HEADER_LEN + payload.len());
        put_message(&mut message, 0, &payload);
        self.bytes = Buffer::default();
        self.bytes.extend(&message);
        self.end = MessageEnd::default();
        self.end.advance(&message);
    }

    /// Takes the rest of the command into memory, unless it comes in several packets; whether all of it is here now.
    pub async fn complete(&mut self, stream: &mut PacketStream) -> io::Result<bool> {
        if Header::parse(self.message()).is_none_or(Header::is_continued) {
            return Ok(false);
        }
        while self.is_partial() {
            if stream.inbox().is_empty() {
                stream.fill_or_eof().await?;
            }
            let count = self.end.advance(stream.inbox());
            self.bytes.extend(&stream.inbox()[..count]);
            stream.consume(count);
        }
        Ok(true)
    }

    /// Takes the rest of the command from the client and drops it.
    pub async fn discard_rest(&mut self, stream: &mut PacketStream) -> io::Result<()> {
        while self.is_partial() {
            if stream.inbox().is_empty() {
                stream.fill_or_eof().await?;
            }
            let count = self.end.advance(stream.inbox());
            stream.consume(count);
        }
        Ok(())
    }
}
