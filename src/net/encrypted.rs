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

    /// The certificate that the peer has shown, and those that vouch for it.
    #[must_use]
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.tls.as_ref()?.common().peer_certificates()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::net::tls::{Acceptor, Connector, Credentials, Trust};

    const SOON: Duration = Duration::from_secs(10);

    async fn plain() -> (PacketStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (PacketStream::new(listener.accept().await.unwrap().0), there)
    }

    async fn identity() -> Arc<ServerConfig> {
        Arc::clone(&Acceptor::new(Credentials::SelfSigned, None).unwrap().identity().await.config)
    }

    /// The proxy's two sides, one speaking to the other.
    async fn pair() -> (PacketStream, PacketStream) {
        let (mut client, there) = plain().await;
        let mut member = PacketStream::new(there);
        let terms = Connector::new(Trust::Anybody, None).unwrap().terms().await;
        let name = ServerName::try_from("localhost").unwrap();
        let (one, other) =
            tokio::join!(client.accept_tls(identity().await), member.connect_tls(Arc::clone(&terms.config), name));
        one.unwrap();
        other.unwrap();
        (client, member)
    }

    #[tokio::test]
    async fn what_one_side_says_the_other_hears() {
        let (mut client, mut member) = pair().await;
        assert!(client.is_encrypted() && client.tls_version() == member.tls_version());
        assert_eq!(member.peer_certificates().unwrap().len(), 1);
        hears(&mut client, &mut member).await;
        hears(&mut member, &mut client).await;
    }

    async fn hears(from: &mut PacketStream, to: &mut PacketStream) {
        let said: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
        let (written, ()) = tokio::join!(from.write_all(&said), async {
            while to.inbox().len() < said.len() {
                to.fill_or_eof().await.unwrap();
            }
        });
        written.unwrap();
        assert_eq!(to.inbox(), said);
        to.consume(said.len());
        assert!(to.is_quiet());
    }

    #[tokio::test]
    async fn an_idle_connection_owns_no_memory_but_its_keys() {
        let (mut client, mut member) = pair().await;
        client.write_all(b"hello").await.unwrap();
        member.fill_or_eof().await.unwrap();
        member.consume(5);
        // The ticket of the handshake is read while nothing is said.
        assert!(member.is_quiet() && client.is_quiet());
        for side in [client, member] {
            let tls = side.tls.as_ref().unwrap();
            assert_eq!((tls.unfinished(), tls.unsent().len(), side.inbox.memory(), tls.memory()), (0, 0, 0, 0));
        }
    }

    #[tokio::test]
    async fn who_leaves_is_noticed() {
        let (mut client, mut member) = pair().await;
        member.write_all(b"ahead").await.unwrap();
        member.shutdown();
        tokio::time::timeout(SOON, client.departed()).await.unwrap();
        assert_eq!(client.inbox(), b"ahead");
        assert_eq!(client.fill().await.unwrap(), 0, "and again");
        // It has closed its half, and still listens.
        client.write_all(b"farewell").await.unwrap();
        member.fill_or_eof().await.unwrap();
        assert_eq!(member.inbox(), b"farewell");
        let (mut client, member) = pair().await;
        drop(member);
        tokio::time::timeout(SOON, client.departed()).await.unwrap();
    }

    #[tokio::test]
    async fn others_cut_an_encrypted_connection_too() {
        let (mut client, mut member) = pair().await;
        let scissors = client.scissors();
        let (waited, ()) = tokio::join!(tokio::time::timeout(SOON, client.departed()), async { scissors.cut() });
        waited.unwrap();
        tokio::time::timeout(SOON, member.departed()).await.unwrap();
    }

    /// What is no handshake is told so by TLS, and costs no more memory than a handshake may need.
    #[tokio::test]
    async fn what_is_no_handshake_is_turned_away() {
        let garbage = vec![0x47; 1 << 20];
        // A message of 64 KiB that is sent in whole records, and never ends.
        let record = [&[22, 3, 1, 0x40, 0][..], &[1, 0, 0xff, 0xf0], &[0; 0x4000 - 4]].concat();
        let more = [&[22, 3, 1, 0x40, 0][..], &[0; 0x4000]].concat();
        let endless = [record, more.repeat(3)].concat();
        for bytes in [garbage, endless] {
            let (mut client, mut there) = plain().await;
            let peer = tokio::spawn(async move {
                let _ = there.write_all(&bytes).await;
                let mut alert = Vec::new();
                let _ = there.read_to_end(&mut alert).await;
            });
            let error = tokio::time::timeout(SOON, client.accept_tls(identity().await)).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
            let tls = client.tls.as_ref().unwrap();
            assert!(tls.memory() <= 64 << 10, "{}", tls.memory());
            drop(client);
            peer.await.unwrap();
        }
    }

    #[tokio::test]
    async fn who_stops_in_the_middle_of_a_handshake_owns_what_it_has_sent() {
        let (mut client, mut there) = plain().await;
        there.write_all(&[22, 3, 1, 2, 0, 1, 0, 1]).await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(50), client.accept_tls(identity().await)).await;
        assert!(waiting.is_err(), "it waits for the rest");
        assert_eq!(client.tls.as_ref().unwrap().memory(), 8);
    }

    #[tokio::test]
    async fn what_is_said_in_clear_before_a_member_answers_ends_it() {
        let (mut proxy, mut there) = plain().await;
        there.write_all(b"said ahead").await.unwrap();
        proxy.fill_or_eof().await.unwrap();
        let terms = Connector::new(Trust::Anybody, None).unwrap().terms().await;
        let name = ServerName::try_from("localhost").unwrap();
        assert!(proxy.connect_tls(Arc::clone(&terms.config), name).await.is_err());
    }
}
