//! One connection, plain or encrypted, and the bytes received from it.
//!
//! This is the one place that knows which of the two it is: everybody else reads and writes what the two sides say.

use std::{
    future::poll_fn,
    io,
    net::Shutdown,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::Interest,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{Buffer, Liveness, Patience, tls::Records};
use crate::wire::{
    HEADER_LEN, Header,
    packet::{MAX_PAYLOAD, put_message},
};

/// The least room for one read.
pub(super) const MIN_READ: usize = 4 * 1024;
/// The most bytes that are taken from a peer only to see whether it is still there.
const READ_AHEAD: usize = 64 * 1024;
/// How often it is looked after one that has said more ahead.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Why no packet could be read.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// The peer closed, or the network failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A packet longer than this step of the protocol allows.
    #[error("a packet of {len} bytes where at most {limit} were expected")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// What was allowed.
        limit: usize,
    },
}

/// What is there to be received, most likely: who was woken finds bytes, who has just answered finds none. Whatever there is is
/// found either way, at another cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expects {
    /// Nothing yet.
    Nothing,
    /// Something.
    Bytes,
}

/// Cuts a connection from outside: whoever waits on it sees its end. Does not keep it open.
#[derive(Debug)]
pub struct Scissors(Weak<OwnedWriteHalf>);

impl Scissors {
    /// Ends the connection, in both directions.
    pub fn cut(&self) {
        if let Some(stream) = self.0.upgrade() {
            // Fails only on a connection that has ended already.
            let socket: &TcpStream = (*stream).as_ref();
            let _ = SockRef::from(socket).shutdown(Shutdown::Both);
        }
    }
}

/// A TCP connection with the bytes that have been received from it and not been consumed.
#[derive(Debug)]
pub struct PacketStream {
    pub(super) read: OwnedReadHalf,
    /// Shared with [`Scissors`], so that these need no descriptor of their own.
    pub(super) write: Arc<OwnedWriteHalf>,
    /// What the peer has said, decrypted.
    pub(super) inbox: Buffer,
    patience: Option<Box<Patience>>,
    /// None: the connection is plain.
    pub(super) tls: Option<Box<Records>>,
}

impl PacketStream {
    /// Wraps a connected socket; switches Nagle's algorithm off.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        // Best effort: a socket that refuses the option is slower, not wrong.
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        PacketStream { read, write: Arc::new(write), inbox: Buffer::default(), patience: None, tls: None }
    }

    /// From now on the system gives the connection up when the peer's machine is gone.
    pub fn expect_life(&self, liveness: Liveness) {
        liveness.apply(self.socket());
    }

    /// From now on waits in the middle of something have an end.
    pub fn be_patient(&mut self, patience: Patience) {
        self.patience = Some(Box::new(patience));
    }

    /// What has been received and not been consumed.
    #[must_use]
    pub fn inbox(&self) -> &[u8] {
        self.inbox.filled()
    }

    /// The same, to be changed in place.
    #[must_use]
    pub fn inbox_mut(&mut self) -> &mut [u8] {
        self.inbox.filled_mut()
    }

    /// Takes bytes off the front of what has been received.
    pub fn consume(&mut self, count: usize) {
        self.inbox.consume(count);
    }

    /// Moves the first `count` received bytes out.
    #[must_use]
    pub fn take(&mut self, count: usize) -> Buffer {
        self.inbox.split_off_front(count)
    }

    /// Waits for bytes and receives them. Zero bytes: the peer has closed. Cancel safe.
    pub async fn fill(&mut self) -> io::Result<usize> {
        self.fill_at_least(MIN_READ).await
    }

    /// The same with room for at least `room` bytes.
    pub async fn fill_at_least(&mut self, room: usize) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx, room)).await
    }

    /// [`Self::poll_fill`] for whom it is known whether there are bytes, as a rule.
    pub fn poll_expected(&mut self, cx: &mut Context<'_>, room: usize, expects: Expects) -> Poll<io::Result<usize>> {
        if expects == Expects::Bytes
            && self.tls.is_none()
            && let Some(filled) = self.fill_now(room)
        {
            return Poll::Ready(filled);
        }
        self.poll_fill(cx, room)
    }

    /// Memory is taken only once the socket is readable, so a waiting connection owns none.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        if self.tls.is_some() {
            return self.poll_decrypt(cx);
        }
        loop {
            ready!(self.socket().poll_read_ready(cx))?;
            if let Some(filled) = self.fill_now(room) {
                return Poll::Ready(filled);
            }
        }
    }

    /// Receives what is there already; `None` if that is nothing.
    fn fill_now(&mut self, room: usize) -> Option<io::Result<usize>> {
        let PacketStream { read, inbox, .. } = self;
        let socket: &TcpStream = (*read).as_ref();
        let mut count = 0;
        let outcome = socket.try_io(Interest::READABLE, || {
            let room = inbox.room(room);
            count = rustix::io::retry_on_intr(|| rustix::io::read(socket, &mut *room))?;
            // Less than there is room for was all: the runtime is to wait for news before it is read again.
            if (1..room.len()).contains(&count) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        inbox.filled_more(count);
        // Consuming nothing gives the memory back when nothing was received.
        inbox.consume(0);
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Nothing is behind such an error that would have to be freed.
                std::mem::forget(error);
                (count > 0).then_some(Ok(count))
            }
            outcome => Some(outcome.map(|()| count)),
        }
    }

    /// Like [`Self::fill`] in the middle of what the peer says, with the end of the stream as an error.
    pub async fn fill_or_eof(&mut self) -> io::Result<()> {
        match self.fill_in_the_middle(MIN_READ).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Receives more of what the peer has begun to say. Cancel safe.
    pub async fn fill_in_the_middle(&mut self, room: usize) -> io::Result<usize> {
        if self.patience.is_some()
            && let Poll::Ready(filled) = poll_fn(|cx| Poll::Ready(self.poll_fill(cx, room))).await
        {
            // No clock is needed.
            return filled;
        }
        let Some(patience) = self.patience.clone() else { return self.fill_at_least(room).await };
        patience.bound(patience.read, "it stopped in the middle of what it said", self.fill_at_least(room)).await
    }

    /// Returns when the peer has closed the connection, or lost it. What it says meanwhile is kept. Cancel safe.
    pub async fn departed(&mut self) {
        loop {
            if self.inbox.filled().len() < READ_AHEAD {
                if matches!(self.fill().await, Ok(0) | Err(_)) {
                    return;
                }
            } else if self.read.ready(Interest::READABLE).await.map_or(true, tokio::io::Ready::is_read_closed) {
                return;
            } else {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// Whether nothing has happened on an idle connection: no byte, no close. Costs no system call as a rule, as the runtime
    /// has been told already if there was something; that may be late news of what has been read, so only a read tells.
    pub fn is_quiet(&mut self) -> bool {
        self.inbox.is_empty()
            && match self.tls {
                None => self.fill_now(MIN_READ).is_none(),
                Some(_) => self.poll_fill(&mut Context::from_waker(Waker::noop()), MIN_READ).is_pending(),
            }
    }

    /// Sends as much as can be sent without waiting, and says how much that was.
    pub fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.tls.is_some() {
            // What is encrypted must be sent in the end, which only who waits can promise.
            return Ok(0);
        }
        match self.write.try_write(bytes) {
            Ok(0) if !bytes.is_empty() => Err(io::ErrorKind::WriteZero.into()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
            written => written,
        }
    }

    /// Ready when [`Self::departed`] has something to do besides waiting for the peer to say more or to close.
    pub fn poll_departed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.inbox.len() < READ_AHEAD {
            if matches!(ready!(self.poll_fill(cx, MIN_READ)), Ok(0) | Err(_)) {
                break;
            }
        }
        Poll::Ready(())
    }

    /// Sends all of it. NOT cancel safe: a dropped future may have sent a part.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.tls.is_some() {
            return self.write_encrypted(bytes).await;
        }
        while !bytes.is_empty() {
            match self.write.try_write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until the peer takes more.
    pub(super) async fn writable(&self) -> io::Result<()> {
        match &self.patience {
            None => self.write.writable().await,
            // Only who does not take it is waited for by the clock.
            Some(patience) => {
                let taken = self.write.writable();
                patience.bound(patience.write, "it does not take what it is told", taken).await
            }
        }
    }

    /// Sends one message.
    pub async fn write_message(&mut self, seq: u8, payload: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(HEADER_LEN + payload.len());
        put_message(&mut out, seq, payload);
        self.write_all(&out).await
    }

    /// Receives one packet of the connection phase, at most `limit` bytes long: its sequence number and payload.
    pub async fn read_packet(&mut self, limit: usize) -> Result<(u8, Vec<u8>), PacketError> {
        let limit = limit.min(MAX_PAYLOAD - 1);
        loop {
            if let Some(header) = Header::parse(self.inbox()) {
                if header.len > limit {
                    return Err(PacketError::TooLong { len: header.len, limit });
                }
                if let Some(payload) = self.inbox().get(HEADER_LEN..header.total()) {
                    let payload = payload.to_vec();
                    self.consume(header.total());
                    return Ok((header.seq, payload));
                }
            }
            self.fill_or_eof().await?;
        }
    }

    /// A handle by which others can cut the connection while it is in use.
    #[must_use]
    pub fn scissors(&self) -> Scissors {
        Scissors(Arc::downgrade(&self.write))
    }

    pub(super) fn socket(&self) -> &TcpStream {
        self.read.as_ref()
    }

    /// Drops what still comes until the peer has closed, too, or has sent more than `limit` bytes.
    pub async fn outlast(&mut self, limit: usize) {
        let mut dropped = 0;
        while dropped <= limit {
            self.consume(self.inbox.len());
            match self.fill().await {
                Ok(0) | Err(_) => return,
                Ok(count) => dropped += count,
            }
        }
    }

    /// Closes the sending side; what was sent still arrives.
    pub fn shutdown(&mut self) {
        self.end_encryption();
        // Fails only on a connection that has ended already.
        let _ = SockRef::from(self.socket()).shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        time::{Duration, Instant},
    };

    use super::*;

    /// Answers each byte with two replies, one right behind the other.
    fn answer(listener: &std::net::TcpListener) {
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_nodelay(true).unwrap();
        let mut question = [0];
        for turn in 0.. {
            if peer.read_exact(&mut question).is_err() {
                break;
            }
            peer.write_all(b"one").unwrap();
            let then = Instant::now();
            while then.elapsed() < Duration::from_micros(turn % 40) {}
            peer.write_all(b"two").unwrap();
        }
        peer.write_all(b"more").unwrap();
    }

    async fn ask(mut stream: PacketStream) {
        for _ in 0..5_000 {
            stream.write_all(b"?").await.unwrap();
            while stream.inbox().len() < 6 {
                stream.fill_or_eof().await.unwrap();
            }
            stream.consume(6);
            tokio::task::yield_now().await;
            assert!(stream.is_quiet());
        }
        stream.shutdown();
        while stream.is_quiet() {
            tokio::task::yield_now().await;
        }
        assert_eq!(stream.inbox(), b"more");
    }

    /// The runtime may be told of a second reply after it has been read together with the first one.
    #[test]
    fn what_has_been_read_is_not_taken_for_news() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let sessions: Vec<_> = (0..6)
            .map(|_| {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                let peer = std::thread::spawn(move || answer(&listener));
                let session = async move { ask(PacketStream::new(TcpStream::connect(address).await.unwrap())).await };
                (peer, runtime.spawn(session))
            })
            .collect();
        for (peer, session) in sessions {
            runtime.block_on(session).unwrap();
            peer.join().unwrap();
        }
    }
}
