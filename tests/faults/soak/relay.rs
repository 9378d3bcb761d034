//! A network between the proxy and a member that can be cut: what was sent is neither delivered nor refused.
//!
//! Knows bytes. Must not know the protocol. The kernel of this machine still acknowledges what the relay does not read,
//! so a cut shows as silence only: whoever relies on TCP's own timers does not notice it.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

const STEP: Duration = Duration::from_millis(10);

/// A listener in front of a member. It ends with the process.
pub struct Relay {
    /// Where the proxy finds the member.
    pub address: SocketAddr,
    wire: Arc<Wire>,
}

#[derive(Default)]
struct Wire {
    is_cut: AtomicBool,
    /// Connections of an earlier generation are forgotten: what comes on them is answered with a reset.
    generation: AtomicU32,
    /// Both ends of each connection, to be forgotten.
    open: Mutex<HashMap<u64, [TcpStream; 2]>>,
    next: AtomicU64,
}

/// What the network has become when it is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// What was on its way arrives late.
    Delivers,
    /// All connections of before are unknown: a machine between has lost its table.
    Forgets,
}

impl Relay {
    pub fn before(member: SocketAddr) -> Self {
        // Another loopback address than the member's, so that its port is free too.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self { address: listener.local_addr().unwrap(), wire: Arc::default() };
        let wire = Arc::clone(&relay.wire);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let wire = Arc::clone(&wire);
                thread::spawn(move || wire.join(client, member));
            }
        });
        relay
    }

    pub fn cut(&self) {
        self.wire.is_cut.store(true, Ordering::Relaxed);
    }

    pub fn mend(&self, afterwards: Afterwards) {
        if afterwards == Afterwards::Forgets {
            self.wire.generation.fetch_add(1, Ordering::Relaxed);
            for stream in self.wire.open.lock().unwrap().drain().flat_map(|(_, ends)| ends) {
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        self.wire.is_cut.store(false, Ordering::Relaxed);
    }
}

impl Wire {
    fn join(self: Arc<Self>, client: TcpStream, member: SocketAddr) {
        self.wait_while_cut();
        let Ok(server) = TcpStream::connect(member) else { return };
        let generation = self.generation.load(Ordering::Relaxed);
        let both = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
        let (Some((from_client, to_server)), Some(ends)) = (both(), both()) else { return };
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().unwrap().insert(number, ends.into());
        let other = Arc::clone(&self);
        let up = thread::spawn(move || other.pass(from_client, to_server, generation));
        self.pass(server, client, generation);
        let _ = up.join();
        // A descriptor that is left keeps the connection: a member that writes to it would wait for its room.
        self.open.lock().unwrap().remove(&number);
    }

    fn wait_while_cut(&self) {
        while self.is_cut.load(Ordering::Relaxed) {
            thread::sleep(STEP);
        }
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, generation: u32) {
        let mut buffer = vec![0; 1 << 16];
        loop {
            self.wait_while_cut();
            let read = from.read(&mut buffer).unwrap_or(0);
            // What came while the network was cut waits here.
            self.wait_while_cut();
            let is_known = generation == self.generation.load(Ordering::Relaxed);
            if read == 0 || !is_known || to.write_all(&buffer[..read]).is_err() {
                let _ = to.shutdown(Shutdown::Both);
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
        }
    }
}
