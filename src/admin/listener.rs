//! Connections to the admin port, bounded in number and in time: whoever sends its request slowly, or never, cannot
//! keep probes and scrapes out. When all places are taken, the connection that came first makes room.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

/// Accepts so many connections at once; each lives so long, or until it must make room.
pub(super) struct BoundedListener {
    listener: TcpListener,
    places: Arc<Semaphore>,
    lifetime: Duration,
    /// Dropping one ends its connection; the oldest comes first.
    accepted: VecDeque<oneshot::Sender<()>>,
}

/// A connection that fails once its time is over.
pub(super) struct BoundedStream {
    stream: TcpStream,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Gives the place back when dropped.
    _place: Option<OwnedSemaphorePermit>,
}

impl BoundedListener {
    pub(super) fn new(listener: TcpListener, places: usize, lifetime: Duration) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(places.max(1))), lifetime, accepted: VecDeque::new() }
    }

    /// A place for a connection that was accepted.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        self.accepted.retain(|connection| !connection.is_closed());
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        drop(self.accepted.pop_front());
        // Fails only when the semaphore is closed, which nobody does.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }
}

impl Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoundedStream, SocketAddr) {
        // Errors of accept are logged and outlived there.
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        let place = self.place().await;
        let (stays, evicted) = oneshot::channel();
        self.accepted.push_back(stays);
        let end = timeout(self.lifetime, evicted);
        let end = Box::pin(async move { drop(end.await) });
        (BoundedStream { stream, end, _place: place }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl BoundedStream {
    fn stream(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream(context)?.poll_read(context, into)
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().stream(context)?.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream(context)?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream(context)?.poll_shutdown(context)
    }
}
