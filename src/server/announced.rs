//! Clients that a load balancer announces in front of the MySQL protocol.
//!
//! Knows how long that may take. Must not know whose headers are believed.

use std::{io, net::SocketAddr, time::Duration};

use tokio::time::timeout;

use crate::{net::PacketStream, wire::announcement};

/// How long a load balancer may take to say for whom it comes.
const LIMIT: Duration = Duration::from_secs(5);

/// Who is behind the connection; none where the load balancer speaks for itself.
pub(super) async fn source(stream: &mut PacketStream) -> io::Result<Option<SocketAddr>> {
    let reading = async {
        loop {
            let parsed = announcement::parse(stream.inbox());
            if let Some((source, length)) = parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
                stream.consume(length);
                return Ok(source);
            }
            stream.fill_or_eof().await?;
        }
    };
    let slow = || io::Error::new(io::ErrorKind::TimedOut, "no PROXY header");
    timeout(LIMIT, reading).await.unwrap_or_else(|_| Err(slow()))
}
