//! The server's greeting (`page_protocol_connection_phase_packets_protocol_handshake_v10`).

use super::{Capabilities, Extensions, StatusFlags, reader::Reader};

/// Bytes of the salt that every authentication method here uses.
pub const SALT_LEN: usize = 20;

/// The salt of one connection.
pub type Salt = [u8; SALT_LEN];

/// What a server says of itself before the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// As sent, with `MariaDB`'s `5.5.5-` prefix if there is one.
    pub version: String,
    /// The server's id of the connection.
    pub thread_id: u32,
    /// For the authentication response.
    pub salt: Salt,
    /// What the server can do.
    pub capabilities: Capabilities,
    /// What a MariaDB server can do besides; empty unless [`Capabilities::LONG_PASSWORD`] is missing.
    pub extensions: Extensions,
    /// Low byte of the server's default collation.
    pub collation: u8,
    /// Status at the start.
    pub status: StatusFlags,
    /// The default authentication plugin.
    pub plugin: String,
}

/// Why a greeting could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GreetingError {
    /// The server refused the connection at once.
    #[error("{0}")]
    Refused(super::err::SqlError),
    /// A protocol other than version 10.
    #[error("protocol version {0} is not spoken here")]
    Version(u8),
    /// The packet is too short or malformed.
    #[error("malformed greeting")]
    Malformed,
}

impl Greeting {
    /// Reads the payload of the server's first packet.
    pub fn parse(payload: &[u8]) -> Result<Self, GreetingError> {
        match payload.first() {
            Some(10) => Self::parse_v10(&payload[1..]).ok_or(GreetingError::Malformed),
            Some(&super::err::ERR) => match super::err::SqlError::parse(payload) {
                Some(error) => Err(GreetingError::Refused(error)),
                None => Err(GreetingError::Malformed),
            },
            Some(&other) => Err(GreetingError::Version(other)),
            None => Err(GreetingError::Malformed),
        }
    }

    fn parse_v10(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let version = String::from_utf8_lossy(reader.nul_bytes()?).into_owned();
        let thread_id = reader.u32()?;
        let mut salt = [0; SALT_LEN];
        salt[..8].copy_from_slice(reader.bytes(8)?);
        reader.u8()?;
        let low = reader.u16()?;
        let collation = reader.u8()?;
        let status = StatusFlags::from_bits_retain(reader.u16()?);
        let high = reader.u16()?;
        let capabilities = Capabilities::from_bits_retain(u32::from(low) | u32::from(high) << 16);
        let salt_len = usize::from(reader.u8()?);
        reader.bytes(6)?;
        let extended = Extensions::from_bits_truncate(reader.u32()?);
        let is_mariadb = !capabilities.contains(Capabilities::LONG_PASSWORD);
        let extensions = if is_mariadb { extended } else { Extensions::empty() };
        let second = reader.bytes(salt_len.saturating_sub(8).max(13))?;
        salt[8..].copy_from_slice(second.get(..12)?);
        // Some servers end the plugin's name with NUL, some with the packet.
        let plugin = match reader.nul_bytes() {
            Some(name) => name,
            None => reader.rest(),
        };
        let plugin = String::from_utf8_lossy(plugin).into_owned();
        Some(Greeting { version, thread_id, salt, capabilities, extensions, collation, status, plugin })
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let bits = self.capabilities.bits();
        let mut out = vec![10];
        out.extend_from_slice(self.version.as_bytes());
        out.push(0);
        out.extend_from_slice(&self.thread_id.to_le_bytes());
        out.extend_from_slice(&self.salt[..8]);
        out.push(0);
        out.extend_from_slice(&(bits as u16).to_le_bytes());
        out.push(self.collation);
        out.extend_from_slice(&self.status.bits().to_le_bytes());
        out.extend_from_slice(&((bits >> 16) as u16).to_le_bytes());
        out.push(SALT_LEN as u8 + 1);
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&self.extensions.bits().to_le_bytes());
        out.extend_from_slice(&self.salt[8..]);
        out.push(0);
        out.extend_from_slice(self.plugin.as_bytes());
        out.push(0);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_greeting_round_trips() {
        let greeting = Greeting {
            version: "5.5.5-10.11.19-MariaDB".into(),
            thread_id: 77,
            salt: *b"12345678abcdefghijkl",
            capabilities: Capabilities::all().difference(Capabilities::LONG_PASSWORD),
            extensions: Extensions::EXTENDED_METADATA,
            collation: 45,
            status: StatusFlags::AUTOCOMMIT,
            plugin: "caching_sha2_password".into(),
        };
        assert_eq!(Greeting::parse(&greeting.encode()), Ok(greeting));
    }

    #[test]
    fn a_refusal_in_place_of_a_greeting_is_read() {
        let refusal = Greeting::parse(b"\xff\x10\x04Too many connections");
        assert!(matches!(refusal, Err(GreetingError::Refused(error)) if error.code == 1040));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Greeting::parse(&bytes);
            let mut v10 = vec![10];
            v10.extend_from_slice(&bytes);
            let _ = Greeting::parse(&v10);
        }
    }
}
