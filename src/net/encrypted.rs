//! The encrypted side of a connection: the same reads and writes through TLS, and the way there from a plain one.
//!
//! Knows the socket and TLS's records. Must not know who the peer is, nor what it says.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustls::{
    ClientConfig, ProtocolVersion, ServerConfig,
    client::UnbufferedClientConnection,
    pki_types::{CertificateDer, ServerName},
    server::UnbufferedServerConnection,
};
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    PacketStream,
    stream::MIN_READ,
    tls::{Records, Side, State},
};

/// The most bytes of a handshake that wait for their rest. A client's longest message is its certificates.
const CLIENT_HANDSHAKE: usize = 24 * 1024;
/// The same of members, whose certificates may be many.
const MEMBER_HANDSHAKE: usize = 64 * 1024;

impl PacketStream {
    /// Lets the client begin TLS; what it has sent ahead belongs to it.
    pub async fn accept_tls(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        let side = Side::Server(UnbufferedServerConnection::new(config).map_err(io::Error::other)?);
        self.begin_tls(side);
        self.shake_hands(CLIENT_HANDSHAKE).await
    }

    /// Begins TLS with a member.
    pub async fn connect_tls(&mut self, config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<()> {
        if !self.inbox().is_empty() {
            // It would be taken for what is said under encryption.
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it has spoken in clear where TLS begins"));
        }
        let side = Side::Client(UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?);
        self.begin_tls(side);
        self.shake_hands(MEMBER_HANDSHAKE).await
    }

    /// Whether what is said can be read by the two sides only.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// The protocol's version, where there is TLS.
    #[must_use]
    pub fn tls_version(&self) -> Option<ProtocolVersion> {
        self.tls.as_ref().and_then(|tls| tls.common().protocol_version())
    }

    /// The certificate that the peer has shown, and proven to be its own.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.tls.as_ref()?.common().peer_certificates()?.first()
    }

    fn begin_tls(&mut self, side: Side) {
        let received = self.take(self.inbox().len());
        self.tls = Some(Box::new(Records::new(side, received)));
    }

    async fn shake_hands(&mut self, limit: usize) -> io::Result<()> {
        loop {
            let state = self.advance();
            // An alert, if it failed.
            let flushed = self.flush().await;
            match state? {
                State::Open => return flushed,
                State::Ended => return Err(io::ErrorKind::UnexpectedEof.into()),
                State::Shaking => flushed?,
            }
            let Some(tls) = &mut self.tls else { return Err(io::ErrorKind::NotConnected.into()) };
            if tls.unfinished() > limit {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of TLS's handshake is too long"));
            }
            tls.tighten();
            if self.receive().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn advance(&mut self) -> io::Result<State> {
        match &mut self.tls {
            Some(tls) => tls.advance(&mut self.inbox),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Receives bytes of TLS's. Zero: the peer has closed. Cancel safe.
    async fn receive(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// Memory is taken only once the socket is readable.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.socket().poll_read_ready(cx))?;
        let Some(tls) = &mut self.tls else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let mut buf = ReadBuf::new(tls.room(MIN_READ));
        let result = Pin::new(&mut self.read).poll_read(cx, &mut buf);
        let count = buf.filled().len();
        tls.received(count);
        result.map_ok(|()| count)
    }

    /// Receives what the peer says, decrypted. As [`PacketStream::fill`].
    #[inline(never)]
    pub(super) fn poll_decrypt(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let before = self.inbox().len();
        while self.tls.as_ref().is_some_and(|tls| !tls.has_ended()) {
            if ready!(self.poll_receive(cx))? == 0 {
                break;
            }
            let advanced = self.advance();
            // TLS's own answers; what is not taken now goes in front of what is said next.
            let _ = self.try_flush();
            advanced?;
            let more = self.inbox().len() - before;
            if more > 0 {
                return Poll::Ready(Ok(more));
            }
        }
        Poll::Ready(Ok(0))
    }

    /// Sends all of it, encrypted. As [`PacketStream::write_all`].
    pub(super) async fn write_encrypted(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let Some(tls) = &mut self.tls else { return Err(io::ErrorKind::NotConnected.into()) };
            let count = tls.encrypt(bytes)?;
            bytes = &bytes[count..];
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends what is encrypted.
    async fn flush(&mut self) -> io::Result<()> {
        while !self.try_flush()? {
            self.writable().await?;
        }
        Ok(())
    }

    /// Sends what is taken at once; whether that was all.
    fn try_flush(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(true) };
        while !tls.unsent().is_empty() {
            match self.write.try_write(tls.unsent()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => tls.sent(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Says that nothing more will be said, if that is taken at once: nobody is waited for at the end.
    pub(super) fn end_encryption(&mut self) {
        if let Some(tls) = &mut self.tls
            && tls.end().is_ok()
        {
            let _ = self.try_flush();
        }
    }
}
