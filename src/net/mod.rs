//! Packet I/O over TCP: reads and writes of whole chunks, and buffers that only busy connections own.
//!
//! Knows sockets and packet framing. Must not know what packets mean, sessions or configuration.

mod buffer;
mod patience;
mod stock;
mod stream;

pub use buffer::Buffer;
pub use patience::{Liveness, Patience};
pub use stream::{PacketError, PacketStream, Scissors};
