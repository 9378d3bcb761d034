//! TLS over bytes in and out: what was received becomes what was said, what is said becomes what is sent.
//!
//! Owns no memory of its own for records: they are worked on in chunks of the thread's stock, which go back as soon as they
//! are empty, so that an idle encrypted connection owns its keys and nothing else.

use std::{fmt, io};

use rustls::{
    CommonState,
    client::UnbufferedClientConnection,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic},
};

use crate::net::Buffer;

/// The most that is encrypted at a time: with what two records add it fits a chunk.
const PIECE: usize = 31 * 1024;
/// Room for a record of the handshake, or of an alert; more is made where it is too little.
const SMALL: usize = 512;
/// The most that may wait to be sent to a peer that takes nothing, besides what it was told.
const MOST_UNSENT: usize = 64 * 1024;
/// What TLS may want to do before it says something.
const MOST_TURNS: usize = 8;

/// Which side of the connection the proxy is.
pub enum Side {
    /// Towards a member.
    Client(UnbufferedClientConnection),
    /// Towards a client.
    Server(UnbufferedServerConnection),
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Client(_) => "Side::Client",
            Side::Server(_) => "Side::Server",
        })
    }
}

/// How far the two sides are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// More must be received before anything can be said.
    Shaking,
    /// Both may speak.
    Open,
    /// The peer has said that it says no more.
    Ended,
}

/// One step of the work on what was received.
enum Step {
    /// There may be more to do.
    Again,
    /// There is nothing more to do now.
    Done(State),
    /// The peer will say no more.
    PeerEnded,
}

/// The encryption of one connection.
#[derive(Debug)]
pub struct Records {
    side: Side,
    /// Received, and no complete record yet.
    incoming: Buffer,
    /// Records that are to be sent.
    outgoing: Buffer,
    ended: bool,
    /// Nothing more is to be made of it.
    failed: bool,
}

impl Records {
    /// At the beginning; `received` is what has come already.
    pub fn new(side: Side, received: Buffer) -> Self {
        Records { side, incoming: received, outgoing: Buffer::default(), ended: false, failed: false }
    }

    /// What is agreed, and who the peer is.
    pub fn common(&self) -> &CommonState {
        match &self.side {
            Side::Client(connection) => connection,
            Side::Server(connection) => connection,
        }
    }

    /// Whether the peer has said that it says no more.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Where received bytes go; see [`Self::received`].
    pub fn room(&mut self, min: usize) -> &mut [u8] {
        self.incoming.room(min)
    }

    /// So many bytes of the room were received.
    pub fn received(&mut self, count: usize) {
        self.incoming.filled_more(count);
        // Gives the memory back when nothing was received.
        self.incoming.consume(0);
    }

    /// How many bytes wait for the rest of their record.
    pub const fn unfinished(&self) -> usize {
        self.incoming.len()
    }

    /// Lets what waits own no more memory than it needs.
    pub fn tighten(&mut self) {
        self.incoming.tighten();
    }

    /// Bytes of memory that it owns besides keys.
    #[cfg(test)]
    pub fn memory(&self) -> usize {
        self.incoming.memory() + self.outgoing.memory()
    }

    /// What is to be sent.
    pub fn unsent(&self) -> &[u8] {
        self.outgoing.filled()
    }

    /// So many bytes of it were sent.
    pub fn sent(&mut self, count: usize) {
        self.outgoing.consume(count);
    }

    /// Works on what was received: what the peer has said goes to `inbox`, what it is to be told is behind [`Self::unsent`].
    pub fn advance(&mut self, inbox: &mut Buffer) -> io::Result<State> {
        self.check()?;
        loop {
            let (incoming, outgoing) = (&mut self.incoming, &mut self.outgoing);
            let (discard, step) = match &mut self.side {
                Side::Client(tls) => step(tls.process_tls_records(incoming.filled_mut()), inbox, outgoing),
                Side::Server(tls) => step(tls.process_tls_records(incoming.filled_mut()), inbox, outgoing),
            };
            self.incoming.consume(discard);
            match step {
                Ok(Step::Again) => {}
                Ok(Step::Done(_)) if self.ended => return Ok(State::Ended),
                Ok(Step::Done(state)) => return Ok(state),
                Ok(Step::PeerEnded) => self.ended = true,
                Err(error) => {
                    self.take_alert();
                    return Err(error);
                }
            }
            if self.outgoing.len() > MOST_UNSENT {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it takes no answers of TLS's own"));
            }
        }
    }

    /// What the peer is told of an error, once. What was received is shown again, as pieces of a message are known by where they
    /// stand, and is not to be looked at: it would be found wrong a second time.
    fn take_alert(&mut self) {
        self.failed = true;
        if !self.common().wants_write() {
            return;
        }
        let (mut unheard, incoming, outgoing) = (Buffer::default(), self.incoming.filled_mut(), &mut self.outgoing);
        let _ = match &mut self.side {
            Side::Client(tls) => step(tls.process_tls_records(incoming), &mut unheard, outgoing),
            Side::Server(tls) => step(tls.process_tls_records(incoming), &mut unheard, outgoing),
        };
    }

    /// Encrypts as much of these bytes as fits a chunk, to be sent; how much that was.
    pub fn encrypt(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        self.say(Said::Bytes(piece))?;
        Ok(piece.len())
    }

    /// Says that nothing more will be said.
    pub fn end(&mut self) -> io::Result<()> {
        self.say(Said::End)
    }

    /// What has failed is not touched again: TLS is in no state for it.
    fn check(&self) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the encryption has failed before"));
        }
        Ok(())
    }

    fn say(&mut self, what: Said<'_>) -> io::Result<()> {
        self.check()?;
        let mut unheard = Buffer::default();
        // All that was received has been worked on, but for what is no whole record yet; so the first turn is the last one.
        for _ in 0..MOST_TURNS {
            let (incoming, outgoing) = (self.incoming.filled_mut(), &mut self.outgoing);
            let (discard, step) = match &mut self.side {
                Side::Client(tls) => say(tls.process_tls_records(incoming), what, &mut unheard, outgoing),
                Side::Server(tls) => say(tls.process_tls_records(incoming), what, &mut unheard, outgoing),
            };
            self.incoming.consume(discard);
            let step = step.inspect_err(|_| self.failed = true);
            match step? {
                Saying::Said => return Ok(()),
                Saying::NotYet(Step::PeerEnded) => self.ended = true,
                Saying::NotYet(Step::Again) => {}
                Saying::NotYet(Step::Done(_)) => break,
            }
        }
        Err(io::Error::new(io::ErrorKind::NotConnected, "the encrypted connection is not open"))
    }
}

/// What the peer is told.
#[derive(Clone, Copy)]
enum Said<'a> {
    Bytes(&'a [u8]),
    /// That nothing more will be said.
    End,
}

/// Whether it was said.
enum Saying {
    Said,
    /// This was to be done first.
    NotYet(Step),
}

/// Says it, where that is possible now; else does what comes first.
fn say<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    what: Said<'_>,
    unheard: &mut Buffer,
    outgoing: &mut Buffer,
) -> (usize, io::Result<Saying>) {
    match status {
        UnbufferedStatus { discard, state: Ok(ConnectionState::WriteTraffic(mut traffic)) } => {
            (discard, encrypt(&mut traffic, what, outgoing).map(|()| Saying::Said))
        }
        status => {
            let (discard, step) = step(status, unheard, outgoing);
            // Nothing is dropped that the peer has said: there is nothing of it left when something is said.
            let lost = || io::Error::other("something was said in the middle of what was received");
            let step = if unheard.is_empty() { step } else { Err(lost()) };
            (discard, step.map(Saying::NotYet))
        }
    }
}

fn encrypt<Data>(traffic: &mut WriteTraffic<'_, Data>, what: Said<'_>, outgoing: &mut Buffer) -> io::Result<()> {
    let mut room = match what {
        Said::Bytes(bytes) => bytes.len() + SMALL,
        Said::End => SMALL,
    };
    loop {
        let out = outgoing.room(room);
        let written = match what {
            Said::Bytes(bytes) => traffic.encrypt(bytes, out),
            Said::End => traffic.queue_close_notify(out),
        };
        match written {
            Ok(count) => {
                outgoing.filled_more(count);
                outgoing.consume(0);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) if required_size > room => {
                room = required_size;
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

/// Does what the state asks for; the first number is how many received bytes are done with.
fn step<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    inbox: &mut Buffer,
    outgoing: &mut Buffer,
) -> (usize, io::Result<Step>) {
    let mut discard = status.discard;
    let step = match status.state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    inbox.extend(record.payload);
                }
                Some(Err(error)) => break Err(invalid(error)),
                None => break Ok(Step::Again),
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let mut room = SMALL;
            loop {
                match data.encode(outgoing.room(room)) {
                    Ok(count) => {
                        outgoing.filled_more(count);
                        break Ok(Step::Again);
                    }
                    Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size }))
                        if required_size > room =>
                    {
                        room = required_size;
                    }
                    Err(error) => break Err(io::Error::other(error)),
                }
            }
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // It stands behind what is to be sent, and nothing is said before it.
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Step::Done(State::Shaking)),
        Ok(ConnectionState::WriteTraffic(_)) => Ok(Step::Done(State::Open)),
        Ok(ConnectionState::PeerClosed) => Ok(Step::PeerEnded),
        Ok(ConnectionState::Closed) => Ok(Step::Done(State::Ended)),
        // Early data is never asked for, and there is nothing else.
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "TLS in a state that was not asked for")),
        Err(error) => Err(invalid(error)),
    };
    (discard, step)
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
