//! Accepts clients, within the limit, to the end: also while the proxy drains a balancer may send one that it has not yet
//! forgotten to send elsewhere, and a port that is closed would be an error of the application's.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::announced;
use crate::{
    client::{LoginError, Origin, Proxy, Seldom, refusal, welcome},
    metrics::ClientOutcome,
    net::{Liveness, PacketStream},
    session::Listener,
};

/// Pause after the system refused to accept, for want of file descriptors mostly.
const PAUSE: Duration = Duration::from_millis(50);
/// The least time between two complaints of that.
const QUIET: Duration = Duration::from_secs(10);

/// Accepts until the proxy stops, which it does when it has drained.
pub(super) async fn accept(
    proxy: Arc<Proxy>,
    listener: TcpListener,
    kind: Listener,
    clients: TaskTracker,
    limit: usize,
    stop: CancellationToken,
) {
    let mut complained: Option<Instant> = None;
    let turned_away = Seldom::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) if clients.len() >= limit => {
                proxy.metrics.client(ClientOutcome::TooMany);
                clients.spawn(turn_away(stream, limit));
                if let Some(others) = turned_away.note() {
                    warn!(%peer, limit, others, "a client was turned away: there are too many (limits.max_client_connections)");
                }
            }
            Ok((stream, peer)) => {
                clients.spawn(serve(Arc::clone(&proxy), stream, Origin { peer, listener: kind }));
            }
            Err(error) => {
                if complained.is_none_or(|at| at.elapsed() >= QUIET) {
                    complained = Some(Instant::now());
                    warn!(%error, "cannot accept a client; is the limit of open files (ulimit -n) too low?");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn turn_away(stream: TcpStream, limit: usize) {
    let mut out = Vec::new();
    refusal::too_many_clients(limit).put(&mut out, 0);
    let mut stream = PacketStream::new(stream);
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(&out)).await;
    stream.shutdown();
}

/// Where the client comes from: the connection's own peer, or whom a load balancer announces. None when that says nothing
/// of use.
async fn behind(proxy: &Proxy, stream: &mut PacketStream, origin: Origin) -> Option<Origin> {
    if !proxy.policy.announced_from.iter().any(|network| network.contains(origin.peer.ip())) {
        return Some(origin);
    }
    match announced::source(stream).await {
        Ok(Some(peer)) => Some(Origin { peer, ..origin }),
        Ok(None) => Some(origin),
        Err(error) => {
            proxy.metrics.client(ClientOutcome::Failed);
            debug!(peer = %origin.peer, %error, "no PROXY header");
            None
        }
    }
}

async fn serve(proxy: Arc<Proxy>, stream: TcpStream, origin: Origin) {
    let _open = proxy.metrics.client_opened();
    let mut stream = PacketStream::new(stream);
    stream.expect_life(Liveness::CLIENT);
    // What is needed until the client is in is gone then.
    let Some(origin) = Box::pin(behind(&proxy, &mut stream, origin)).await else { return };
    let peer: SocketAddr = origin.peer;
    match Box::pin(welcome(Arc::clone(&proxy), stream, origin)).await {
        Ok(client) => {
            proxy.metrics.client(ClientOutcome::Accepted);
            if let Err(error) = client.run().await {
                debug!(%peer, %error, "client gone");
            }
        }
        Err(error) => {
            let outcome = match &error {
                LoginError::Refused(refused) if refused.code == 9001 => ClientOutcome::NoMember,
                LoginError::Refused(_) => ClientOutcome::Denied,
                LoginError::Packet(_) | LoginError::Tls(_) | LoginError::Timeout => ClientOutcome::Failed,
            };
            proxy.metrics.client(outcome);
            debug!(%peer, %error, "no login");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In bytes.
    fn size_of_future<A, B, C, F: Future>(_: impl FnOnce(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_client_is_served_by_a_small_task() {
        let size = size_of_future(serve);
        assert!(size <= 1_536, "{size} bytes for each client, however idle");
    }
}
