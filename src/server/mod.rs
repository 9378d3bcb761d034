//! The running proxy: listeners, accept, limits, drain.
//!
//! Knows how to build the rooms below from the configuration, and their life from start to end. Must not know what a
//! client says.

mod accept;
mod announced;
mod assemble;
mod descriptors;
mod observe;
mod runtime;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

pub use assemble::{account, monitor_account, road, topology_settings};
pub use runtime::runtime;

use crate::{
    client::{LAST_WORD, Proxy, close_unused_statements},
    config::Config,
    session::Listener,
    topology::{Health, MemberView},
};

/// How often idle connections are looked through, and members that are gone are forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// How long clients that are ended may take for it.
const ENDING: Duration = Duration::from_millis(500);

/// For how long a drain waits for moments in which busy clients are idle: at most, and as a part of the deadline.
const UNHURRIED: (Duration, u32) = (Duration::from_secs(5), 4);

/// Why the proxy cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A port cannot be opened.
    #[error("cannot listen on {address} ({key}): {cause}; is another program using the port?")]
    Listen {
        /// The configuration's key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// A part of the program cannot be made.
    #[error("cannot start: {0}")]
    Start(String),
    /// Signals cannot be waited for.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
}

/// Runs the proxy until it is told to stop and has drained.
pub async fn run(config: &Config) -> Result<(), ServerError> {
    let mut signals = Signals::new().map_err(ServerError::Signals)?;
    let listeners = listeners(config)?;
    let shares = descriptors::shares(config);
    let stop = CancellationToken::new();
    let proxy = assemble::proxy(config, shares.each_member, stop.clone())?;
    let tasks = TaskTracker::new();
    let admin = observe::start(config, &proxy, shares.admin, stop.clone())?;
    tasks.spawn(housekeeping(Arc::clone(&proxy), stop.clone()));
    let clients = TaskTracker::new();
    for (listener, kind) in listeners {
        info!(address = %listener.local_addr().map_err(ServerError::Signals)?, ?kind, "listening");
        let clients = clients.clone();
        tasks.spawn(accept::accept(Arc::clone(&proxy), listener, kind, clients, shares.clients, stop.clone()));
    }
    signals.wait_for_end().await;
    tokio::select! {
        () = drain(&proxy, &clients, config.limits.drain_timeout) => {}
        () = signals.wait_for_end() => {
            warn!(clients = proxy.clients.len(), "a second signal while draining; closing what is left");
        }
    }
    stop.cancel();
    tasks.close();
    let _ = tokio::time::timeout(Duration::from_secs(1), tasks.wait()).await;
    if let Some(admin) = admin {
        let _ = tokio::time::timeout(Duration::from_secs(1), admin).await;
    }
    info!("stopped");
    Ok(())
}

fn listeners(config: &Config) -> Result<Vec<(TcpListener, Listener)>, ServerError> {
    let mut listeners = vec![(bind("listen.read_write", config.listen.read_write)?, Listener::ReadWrite)];
    if let Some(address) = config.listen.read_only {
        listeners.push((bind("listen.read_only", address)?, Listener::ReadOnly));
    }
    Ok(listeners)
}

/// Opens a port.
pub(crate) fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, ServerError> {
    let open = || {
        let domain = if address.is_ipv4() { socket2::Domain::IPV4 } else { socket2::Domain::IPV6 };
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|cause| ServerError::Listen { key, address, cause })
}

/// Lets what runs come to its end: idle clients are sent away, then the others between two statements, until the deadline.
async fn drain(proxy: &Proxy, clients: &TaskTracker, deadline: Duration) {
    info!(clients = proxy.clients.len(), ?deadline, "draining: idle clients are sent away");
    proxy.drain.cancel();
    clients.close();
    let unhurried = UNHURRIED.0.min(deadline / UNHURRIED.1);
    if tokio::time::timeout(unhurried, clients.wait()).await.is_ok() {
        return;
    }
    info!(clients = proxy.clients.len(), "draining: clients are sent away behind their statements and transactions");
    proxy.hurry.cancel();
    if tokio::time::timeout(deadline.saturating_sub(unhurried), clients.wait()).await.is_err() {
        warn!(clients = proxy.clients.len(), "the drain's deadline has passed; closing what is left");
        proxy.clients.expire();
        let _ = tokio::time::timeout(LAST_WORD + ENDING, clients.wait()).await;
    }
}

/// Closes idle connections that are old or dead, forgets the pools of members that are gone, and takes statements away from
/// members that are down: a member that hangs, or whose machine is gone, does not close its connections.
async fn housekeeping(proxy: Arc<Proxy>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(HOUSEKEEPING);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => return,
        }
        let view = proxy.topology.view();
        let addresses = |members: &mut dyn Iterator<Item = &MemberView>| -> Vec<SocketAddr> {
            members.map(|member| member.member.address).collect()
        };
        proxy.pools.retain(&addresses(&mut view.members.iter()));
        let lost = addresses(&mut view.members.iter().filter(|member| matches!(member.health, Health::Down(_))));
        if !lost.is_empty() {
            let (repeated, ended) = proxy.clients.cut_from(&lost);
            if repeated + ended > 0 {
                warn!(repeated, ended, members = ?lost, "repeating or ending the statements that wait for members which are down");
            }
            proxy.pools.clear(&lost);
        }
        proxy.pools.trim();
        close_unused_statements(&proxy);
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn wait_for_end(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {
                    warn!("SIGHUP: this version does not read its configuration again; restart to change it");
                }
            }
        }
    }
}
