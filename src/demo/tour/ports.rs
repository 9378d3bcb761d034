//! Ports on loopback for the proxy, kept from others until it takes them.
//!
//! Must not know what listens there.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::TourError;

/// Where the search for free ports begins: easy to type, and below those that the kernel hands out by itself.
const FIRST: u16 = 4006;
const LAST: u16 = 4999;

/// Three reserved ports. Dropping the value frees them.
#[derive(Debug)]
pub(super) struct Ports {
    listeners: [(TcpListener, SocketAddr); 3],
}

impl Ports {
    /// Reserves the wanted port, or one that is free, and two more.
    pub(super) fn reserve(wanted: Option<u16>) -> Result<Self, TourError> {
        let mut free = (FIRST..=LAST).filter(|port| Some(*port) != wanted);
        let first = match wanted {
            Some(port) => listen(port)?,
            None => next_free(&mut free)?,
        };
        Ok(Self { listeners: [first, next_free(&mut free)?, next_free(&mut free)?] })
    }

    /// The addresses.
    pub(super) fn addresses(&self) -> [SocketAddr; 3] {
        self.listeners.each_ref().map(|(_, address)| *address)
    }
}

fn next_free(ports: &mut impl Iterator<Item = u16>) -> Result<(TcpListener, SocketAddr), TourError> {
    ports.find_map(|port| listen(port).ok()).map_or_else(|| listen(0), Ok)
}

fn listen(port: u16) -> Result<(TcpListener, SocketAddr), TourError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let bound = TcpListener::bind(address).and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|source| TourError::Port { address, source })
}

#[cfg(test)]
mod tests {
    use super::{Ports, TourError};

    #[test]
    fn reserved_ports_are_not_given_twice() {
        let (one, other) = (Ports::reserve(None).unwrap(), Ports::reserve(None).unwrap());
        let mut all = [one.addresses(), other.addresses()].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
        let taken = one.addresses()[0].port();
        assert!(matches!(Ports::reserve(Some(taken)), Err(TourError::Port { .. })));
        drop(one);
        assert_eq!(Ports::reserve(Some(taken)).unwrap().addresses()[0].port(), taken);
    }
}
