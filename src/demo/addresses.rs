//! Loopback addresses that nobody uses.
//!
//! Knows which addresses and ports are safe to take on a machine where others take theirs at the same time. Must not
//! know who will listen there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use super::error::ClusterError;
use super::folder::random;

/// As many addresses as wanted, all with one port, as pods have. The port lies below those that the kernel hands out by
/// itself, so that an address stays free while its owner is down.
pub fn free_addresses(count: usize) -> Result<Vec<SocketAddr>, ClusterError> {
    for _ in 0..50 {
        let addresses = draw(count);
        if addresses.len() == count && addresses.iter().all(|address| TcpListener::bind(address).is_ok()) {
            return Ok(addresses);
        }
    }
    Err(ClusterError::NoAddress { wanted: count })
}

fn draw(count: usize) -> Vec<SocketAddr> {
    let [network, group, high, low, ..] = random().to_le_bytes();
    let port = 10_000 + u16::from_le_bytes([high, low]) % 20_000;
    let address = |host| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 64 + network % 128, group, host)), port);
    (1..u8::MAX).take(count).map(address).collect()
}
