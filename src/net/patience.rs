//! How long a peer may keep the proxy waiting in the middle of something, and how long one may be silent whose machine is gone.
//!
//! Knows sockets and durations. Must not know who the peer is, nor what it says.

use std::{future::Future, io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// How long a peer may keep us waiting in the middle of what it says or is told, and what ends such a wait at once.
#[derive(Clone, Debug)]
pub struct Patience {
    /// Without a byte from a peer that has begun to say something.
    pub read: Duration,
    /// Without a byte taken by a peer that is told something.
    pub write: Duration,
    /// Ends every such wait, and any later one: nothing that the peer does counts any more.
    pub end: CancellationToken,
}

impl Patience {
    /// What comes in time; else an error, which says whether the peer was too slow or was not to be waited for.
    pub(super) async fn bound<T>(
        &self,
        limit: Duration,
        what: &'static str,
        work: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.end.cancelled() => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it was ended")),
            () = tokio::time::sleep(limit) => Err(io::Error::new(io::ErrorKind::TimedOut, what)),
        }
    }
}

/// When the system gives a connection up whose peer answers nothing: its machine, or the way to it, is gone.
///
/// `unanswered` is also how long a peer may refuse to take what has been sent (`tcp(7)`, `TCP_USER_TIMEOUT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// After so long without a word the peer's system is asked whether it is there.
    pub idle: Duration,
    /// And then again after this time.
    pub every: Duration,
    /// The connection ends when nothing was acknowledged for so long.
    pub unanswered: Duration,
}

impl Liveness {
    /// Of members: one that waits for a row's lock in the middle of a client's file takes nothing for 50 s
    /// (`innodb_lock_wait_timeout`).
    pub const MEMBER: Liveness =
        Liveness { idle: Duration::from_secs(10), every: Duration::from_secs(5), unanswered: Duration::from_secs(60) };

    /// Of clients: one may think for a while with the rest of its reply still under way.
    pub const CLIENT: Liveness = Liveness {
        idle: Duration::from_secs(60),
        every: Duration::from_secs(20),
        unanswered: Duration::from_secs(300),
    };

    /// Tells the system. Best effort: a socket that refuses an option is noticed later, not wrong.
    pub(super) fn apply(self, stream: &TcpStream) {
        let socket = SockRef::from(stream);
        let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(self.idle).with_interval(self.every));
        let _ = socket.set_tcp_user_timeout(Some(self.unanswered));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::PacketStream;

    async fn pair() -> (PacketStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (PacketStream::new(listener.accept().await.unwrap().0), peer)
    }

    fn patience(read: u64, write: u64) -> Patience {
        let [read, write] = [read, write].map(Duration::from_millis);
        Patience { read, write, end: CancellationToken::new() }
    }

    #[tokio::test]
    async fn the_system_is_told_when_to_give_a_connection_up() {
        let (client, member) = pair().await;
        let member = PacketStream::new(member);
        for (stream, liveness) in [(client, Liveness::CLIENT), (member, Liveness::MEMBER)] {
            stream.expect_life(liveness);
            let socket = SockRef::from(stream.socket());
            assert!(socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), liveness.idle);
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), liveness.every);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(liveness.unanswered));
        }
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_waited_for_no_longer_than_allowed() {
        let (mut stream, _peer) = pair().await;
        stream.be_patient(patience(60_000, 100));
        let error = stream.write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        let (mut stream, _peer) = pair().await;
        let ends = patience(60_000, 60_000);
        stream.be_patient(ends.clone());
        let bytes = vec![0; 64 << 20];
        let (written, ()) = tokio::join!(stream.write_all(&bytes), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            ends.end.cancel();
        });
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        let (mut stream, mut peer) = pair().await;
        stream.be_patient(patience(100, 100));
        let slow = tokio::spawn(async move {
            let mut taken = 0;
            let mut some = vec![0; 1 << 20];
            while taken < 32 << 20 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                taken += tokio::io::AsyncReadExt::read(&mut peer, &mut some).await.unwrap();
            }
        });
        stream.write_all(&vec![0; 32 << 20]).await.unwrap();
        slow.await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_stops_in_the_middle_is_waited_for_no_longer_than_allowed() {
        let (mut stream, mut peer) = pair().await;
        stream.be_patient(patience(100, 60_000));
        tokio::io::AsyncWriteExt::write_all(&mut peer, b"some").await.unwrap();
        stream.fill_or_eof().await.unwrap();
        let error = stream.fill_or_eof().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }

    #[tokio::test]
    async fn who_leaves_is_noticed_behind_what_it_has_said_ahead() {
        let (mut stream, mut peer) = pair().await;
        let limit = Duration::from_millis(100);
        tokio::io::AsyncWriteExt::write_all(&mut peer, b"ahead").await.unwrap();
        assert!(tokio::time::timeout(limit, stream.departed()).await.is_err(), "it is still there");
        assert_eq!(stream.inbox(), b"ahead");
        drop(peer);
        tokio::time::timeout(Duration::from_secs(5), stream.departed()).await.unwrap();
        assert_eq!(stream.inbox(), b"ahead");
        let (mut stream, mut peer) = pair().await;
        let flood = tokio::spawn(async move {
            tokio::io::AsyncWriteExt::write_all(&mut peer, &vec![1; 100 << 10]).await.unwrap();
        });
        tokio::time::timeout(Duration::from_secs(5), stream.departed()).await.unwrap();
        flood.await.unwrap();
        assert!(stream.inbox().len() < 100 << 10, "it takes no more than it must");
    }
}
