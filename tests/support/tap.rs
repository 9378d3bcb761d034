//! A way to a server on which everything is recorded.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes bytes on, both ways, and keeps them.
pub struct Tap {
    /// Where it listens.
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// On the way to this server.
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let all = Arc::clone(&heard);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let ways =
                    [(&client, &server), (&server, &client)].map(|(from, to)| (from.try_clone(), to.try_clone()));
                for (from, to) in ways {
                    let (Ok(from), Ok(to), all) = (from, to, Arc::clone(&all)) else { continue };
                    thread::spawn(move || pass(from, to, &all));
                }
            }
        });
        Tap { address, heard }
    }

    /// All that went over it.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, heard: &Mutex<Vec<u8>>) {
    let mut some = vec![0; 1 << 14];
    while let Ok(count @ 1..) = from.read(&mut some) {
        heard.lock().unwrap().extend_from_slice(&some[..count]);
        if to.write_all(&some[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
