//! Packet I/O over TCP, plain or encrypted: reads and writes of whole chunks, and buffers that only busy connections own.
//!
//! Knows sockets, packet framing and TLS. Must not know what packets mean, sessions or configuration.

mod buffer;
mod encrypted;
mod patience;
mod stock;
mod stream;
pub mod tls;

pub use buffer::Buffer;
pub use patience::{Liveness, Patience};
pub use stream::{Expects, PacketError, PacketStream, Scissors};
