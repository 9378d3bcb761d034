//! Relays one command and its reply: bytes go over chunk by chunk, so memory stays constant for a result of any size
//! and a slow client slows down its own query only.

use std::{io, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Connection, Reply, Translation,
    walk::{Rewrite, Step, Walk},
};
use crate::{
    net::PacketStream,
    wire::{
        Capabilities, HEADER_LEN, Header, StatusFlags,
        err::SqlError,
        ok::Change,
        packet::MessageEnd,
        response::{ProtocolViolation, Shape},
    },
};

/// How long a statement may go on whose client has closed its connection: some say nothing more but still listen.
const FAREWELL: Duration = Duration::from_secs(1);
/// The same where others wait for the connection: a crowd that leaves in the middle of long statements must not hold all of
/// a member's connections from those who are still here.
const SHORT_FAREWELL: Duration = Duration::from_millis(100);

/// A variable that does not exist, of which the client is told as if its statement had changed it: its value, from what
/// the reply has told by now.
#[derive(Clone, Copy)]
pub struct MadeUp<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Asked when the reply has told a GTID; `None`: the client is not told.
    pub value: &'a (dyn Fn(&[Change]) -> Option<Vec<u8>> + Sync),
}

impl std::fmt::Debug for MadeUp<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeUp").field("name", &self.name.escape_ascii()).finish_non_exhaustive()
    }
}

/// How the reply to a command goes to the client.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    /// What kind of reply comes.
    pub shape: Shape,
    /// What the client agreed on.
    pub client: Capabilities,
    /// The client's id of the statement that is prepared, or fetched from.
    pub statement_id: Option<u32>,
    /// Status flags that the client's session has beyond what this member knows.
    pub status: StatusFlags,
    /// Errors at the beginning of the reply that are not passed on but given back, as the statement will be tried
    /// elsewhere.
    pub intercept: &'a (dyn Fn(u16) -> bool + Sync),
    /// The error that the client gets in place of the member's, if another; with the client's id of the statement.
    pub replace_error: fn(&SqlError, Option<u32>) -> Option<SqlError>,
    /// What the client is told besides.
    pub made_up: Option<MadeUp<'a>>,
    /// Whether others wait for the connection.
    pub is_wanted: &'a (dyn Fn() -> bool + Sync),
}

/// A command could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The client went away in the middle of its command.
    #[error("the client went away: {0}")]
    Client(io::Error),
    /// The member did.
    #[error("the member was lost: {0}")]
    Member(io::Error),
    /// The command is longer than allowed; the client has sent only a part of it yet.
    #[error("the command is longer than {0} bytes")]
    TooLong(usize),
}

/// A reply could not be relayed.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The client went away; the reply is not complete.
    #[error("the client went away: {0}")]
    Client(io::Error),
    /// The member was lost, or spoke nonsense.
    #[error("the member was lost: {cause}")]
    Member {
        /// What happened.
        cause: MemberFault,
        /// How far the reply had come to the client.
        progress: Progress,
    },
    /// The reply begins with an error that [`Exchange::intercept`] keeps from the client. The connection is clean.
    #[error("intercepted error {0}")]
    Intercepted(u16),
}

/// What a member did wrong.
#[derive(Debug, thiserror::Error)]
pub enum MemberFault {
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The bytes are not a reply.
    #[error("{0}")]
    Protocol(#[from] ProtocolViolation),
}

/// How much of a reply the client has when the member is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing.
    Nothing,
    /// Whole packets; an error packet with this sequence number may follow.
    Packets(u8),
    /// A part of a packet; nothing sensible can follow.
    MidPacket,
}

impl Connection {
    /// Sends a command that is complete in memory.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.in_flight = true;
        self.stream.write_all(message).await.map_err(SendError::Member)
    }

    /// Sends the rest of a command, of which `end` has seen the beginning, as it comes from the client. When the
    /// member stops listening the rest is still taken from the client, because the member's error may be waiting.
    /// `limit` is the longest payload, in bytes.
    pub async fn send_rest(
        &mut self,
        client: &mut PacketStream,
        end: &mut MessageEnd,
        limit: usize,
    ) -> Result<(), SendError> {
        let mut listening = true;
        while !end.is_done() {
            if end.payload() > limit {
                return Err(SendError::TooLong(limit));
            }
            if client.inbox().is_empty() {
                client.fill_or_eof().await.map_err(SendError::Client)?;
            }
            let count = end.advance(client.inbox());
            if listening {
                listening = self.stream.write_all(&client.inbox()[..count]).await.is_ok();
            }
            client.consume(count);
        }
        Ok(())
    }

    /// Relays the reply to the command that was sent, of which some may have arrived already.
    /// With a translation its rows are shown with other connections' ids.
    pub async fn relay(
        &mut self,
        client: &mut PacketStream,
        exchange: Exchange<'_>,
        mut translation: Option<&mut Translation>,
        mut arrived: Option<io::Result<usize>>,
    ) -> Result<Reply, ExchangeError> {
        let Exchange { client: agreed, statement_id, status, replace_error, made_up, .. } = exchange;
        let member = self.capabilities;
        let rewrite = Rewrite { client: agreed, member, statement_id, status, replace_error, made_up };
        let mut walk = Walk::new(exchange.shape, rewrite);
        let mut progress = Progress::Nothing;
        let mut left = None;
        loop {
            let wanted = translation.as_ref().map_or(walk.wanted, |translation| translation.wanted);
            let room = wanted.saturating_sub(self.stream.inbox().len()).max(4096);
            let filled = match arrived.take() {
                Some(filled) => filled,
                None => self.next_of_reply(client, exchange.is_wanted, &mut left, room).await?,
            };
            match filled {
                Ok(0) => return Err(lost(io::Error::from(io::ErrorKind::UnexpectedEof), progress)),
                Ok(_) => {}
                Err(error) => return Err(lost(error, progress)),
            }
            if let Some(code) = walk.first_error(self.stream.inbox()).filter(|code| (exchange.intercept)(*code)) {
                self.drop_first_packet();
                return Err(ExchangeError::Intercepted(code));
            }
            let step = match &mut translation {
                None => walk.step(self.stream.inbox_mut()),
                Some(translation) => translation.step(&mut walk, self.stream.inbox_mut()),
            };
            let step = step.map_err(|error| lost(error, progress))?;
            let taken = match &step {
                Step::Pass(taken) => {
                    client.write_all(&self.stream.inbox()[..*taken]).await.map_err(ExchangeError::Client)?;
                    *taken
                }
                Step::Replace(taken, bytes) => {
                    client.write_all(bytes).await.map_err(ExchangeError::Client)?;
                    *taken
                }
            };
            self.stream.consume(taken);
            walk.reply.received += taken;
            walk.reply.sent += match &step {
                Step::Pass(taken) => *taken,
                Step::Replace(_, bytes) => bytes.len(),
            };
            if taken > 0 {
                progress = if walk.is_mid_packet() { Progress::MidPacket } else { Progress::Packets(walk.next_seq) };
            }
            if walk.is_done() {
                return Ok(self.complete(walk));
            }
            if walk.wants_file() {
                Box::pin(self.relay_file(client)).await?;
                walk.file_sent();
            }
        }
    }

    /// Waits for more of the reply, but not for longer than its client does: `left` is when that was seen to have left.
    async fn next_of_reply(
        &mut self,
        client: &mut PacketStream,
        is_wanted: &(dyn Fn() -> bool + Sync),
        left: &mut Option<Instant>,
        room: usize,
    ) -> Result<io::Result<usize>, ExchangeError> {
        if left.is_none() {
            tokio::select! {
                biased;
                filled = self.stream.fill_at_least(room) => return Ok(filled),
                () = client.departed() => *left = Some(Instant::now()),
            }
        }
        let left = left.unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            filled = self.stream.fill_at_least(room) => Ok(filled),
            () = farewell(left, is_wanted) => {
                let gone = io::Error::new(io::ErrorKind::ConnectionAborted, "it left before its statement had ended");
                Err(ExchangeError::Client(gone))
            }
        }
    }

    /// A byte behind the reply's end means that the two sides no longer agree; such a connection stays in flight and
    /// so serves nobody else, but the client has its whole reply.
    fn complete(&mut self, walk: Walk<'_>) -> Reply {
        self.in_flight = !self.stream.inbox().is_empty();
        walk.into_reply()
    }

    fn drop_first_packet(&mut self) {
        if let Some(header) = Header::parse(self.stream.inbox()) {
            self.stream.consume(header.total());
            self.in_flight = !self.stream.inbox().is_empty();
        }
    }

    /// The client's file for `LOAD DATA LOCAL`: packets up to an empty one
    /// (`page_protocol_com_query_response_local_infile_request`).
    async fn relay_file(&mut self, client: &mut PacketStream) -> Result<(), ExchangeError> {
        loop {
            while client.inbox().len() < HEADER_LEN {
                client.fill_or_eof().await.map_err(ExchangeError::Client)?;
            }
            let is_last = Header::parse(client.inbox()).is_some_and(|header| header.len == 0);
            let mut end = MessageEnd::default();
            match self.send_rest(client, &mut end, usize::MAX).await {
                Ok(()) if is_last => return Ok(()),
                Ok(()) => {}
                Err(SendError::Client(error)) => return Err(ExchangeError::Client(error)),
                Err(SendError::Member(error)) => return Err(lost(error, Progress::MidPacket)),
                Err(SendError::TooLong(_)) => {
                    return Err(lost(io::Error::from(io::ErrorKind::InvalidInput), Progress::MidPacket));
                }
            }
        }
    }
}

/// Ends when a statement may go on no longer whose client has left.
async fn farewell(left: Instant, is_wanted: &(dyn Fn() -> bool + Sync)) {
    sleep_until(left + SHORT_FAREWELL).await;
    while !is_wanted() && left.elapsed() < FAREWELL {
        sleep(SHORT_FAREWELL).await;
    }
}

fn lost(cause: impl Into<MemberFault>, progress: Progress) -> ExchangeError {
    ExchangeError::Member { cause: cause.into(), progress }
}
