//! The client's login (`page_protocol_connection_phase_packets_protocol_handshake_response`), `COM_CHANGE_USER`
//! (`page_protocol_com_change_user`) and the switch of the authentication plugin.

use super::{
    Capabilities, Extensions,
    greeting::Salt,
    reader::{Reader, put_lenenc_bytes},
};

/// First byte of an authentication switch request.
pub const AUTH_SWITCH: u8 = 0xfe;
/// First byte of more authentication data.
pub const AUTH_MORE_DATA: u8 = 0x01;
/// Length of the packet by which a client asks for TLS before its login.
pub const SSL_REQUEST_LEN: usize = 32;

/// What a client says to log in, or to change its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// What the client wants and can do.
    pub capabilities: Capabilities,
    /// What it wants of MariaDB's besides.
    pub extensions: Extensions,
    /// The longest packet that the client takes; told to members as it is.
    pub max_packet: u32,
    /// The client's collation. A login has room for the low byte only, a change of user for both.
    pub collation: u16,
    /// The account's name, as bytes in the client's character set.
    pub user: Vec<u8>,
    /// The response to the greeting's salt.
    pub response: Vec<u8>,
    /// The database to start in.
    pub database: Option<Vec<u8>>,
    /// The plugin that made the response.
    pub plugin: Option<String>,
    /// Connection attributes, still encoded.
    pub attributes: Option<Vec<u8>>,
}

/// What the first packet of a client turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstPacket {
    /// A login.
    Login(Login),
    /// A request for TLS.
    SslRequest,
}

/// The packet is no login of protocol 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed login packet")]
pub struct MalformedLogin;

impl FirstPacket {
    /// Reads the client's first packet.
    pub fn parse(payload: &[u8]) -> Result<Self, MalformedLogin> {
        let capabilities = Reader::new(payload).u32().map(Capabilities::from_bits_retain).ok_or(MalformedLogin)?;
        if !capabilities.contains(Capabilities::PROTOCOL_41) {
            return Err(MalformedLogin);
        }
        if capabilities.contains(Capabilities::SSL) && payload.len() == SSL_REQUEST_LEN {
            return Ok(FirstPacket::SslRequest);
        }
        Login::parse(payload).map(FirstPacket::Login).ok_or(MalformedLogin)
    }
}

impl Login {
    fn parse(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let capabilities = Capabilities::from_bits_retain(reader.u32()?);
        let max_packet = reader.u32()?;
        let collation = u16::from(reader.u8()?);
        reader.bytes(19)?;
        let extended = Extensions::from_bits_truncate(reader.u32()?);
        let is_mariadb = !capabilities.contains(Capabilities::LONG_PASSWORD);
        let extensions = if is_mariadb { extended } else { Extensions::empty() };
        let user = reader.nul_bytes()?.to_vec();
        let response = if capabilities.contains(Capabilities::PLUGIN_AUTH_LENENC_DATA) {
            reader.lenenc_bytes()?.to_vec()
        } else if capabilities.contains(Capabilities::SECURE_CONNECTION) {
            let len = usize::from(reader.u8()?);
            reader.bytes(len)?.to_vec()
        } else {
            reader.nul_bytes()?.to_vec()
        };
        let database =
            if capabilities.contains(Capabilities::CONNECT_WITH_DB) { Some(tail_string(&mut reader)) } else { None };
        let plugin = read_plugin(&mut reader, capabilities);
        let attributes = if capabilities.contains(Capabilities::CONNECT_ATTRS) && !reader.is_empty() {
            Some(reader.lenenc_bytes()?.to_vec())
        } else {
            None
        };
        let database = database.filter(|name| !name.is_empty());
        Some(Login { capabilities, extensions, max_packet, collation, user, response, database, plugin, attributes })
    }

    /// Reads `COM_CHANGE_USER` behind its command byte; what it does not say is as in the first login.
    #[must_use]
    pub fn parse_change_user(argument: &[u8], first: &Login) -> Option<Self> {
        let mut reader = Reader::new(argument);
        let user = reader.nul_bytes()?.to_vec();
        let len = usize::from(reader.u8()?);
        let response = reader.bytes(len)?.to_vec();
        let database = Some(tail_string(&mut reader)).filter(|name| !name.is_empty());
        let collation = match reader.u16() {
            Some(id) => id,
            None => first.collation,
        };
        let plugin = read_plugin(&mut reader, first.capabilities);
        Some(Login { collation, user, response, database, plugin, ..first.clone() })
    }

    /// The payload of the packet that asks for TLS in front of this login: what both have in common
    /// (`page_protocol_connection_phase_packets_protocol_ssl_request`).
    #[must_use]
    pub fn encode_ssl_request(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&self.capabilities.bits().to_le_bytes());
        out.extend_from_slice(&self.max_packet.to_le_bytes());
        out.push(self.collation as u8);
        out.extend_from_slice(&[0; 19]);
        out.extend_from_slice(&self.extensions.bits().to_le_bytes());
        out
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.encode_ssl_request();
        out.extend_from_slice(&self.user);
        out.push(0);
        if self.capabilities.contains(Capabilities::PLUGIN_AUTH_LENENC_DATA) {
            put_lenenc_bytes(&mut out, &self.response);
        } else {
            out.push(self.response.len() as u8);
            out.extend_from_slice(&self.response);
        }
        if self.capabilities.contains(Capabilities::CONNECT_WITH_DB) {
            out.extend_from_slice(self.database.as_deref().unwrap_or_default());
            out.push(0);
        }
        if self.capabilities.contains(Capabilities::PLUGIN_AUTH) {
            out.extend_from_slice(self.plugin.as_deref().unwrap_or_default().as_bytes());
            out.push(0);
        }
        if self.capabilities.contains(Capabilities::CONNECT_ATTRS) {
            put_lenenc_bytes(&mut out, self.attributes.as_deref().unwrap_or_default());
        }
        out
    }
}

impl Login {
    /// `COM_CHANGE_USER` behind its command byte.
    #[must_use]
    pub fn encode_change_user(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&self.user);
        out.push(0);
        out.push(self.response.len() as u8);
        out.extend_from_slice(&self.response);
        out.extend_from_slice(self.database.as_deref().unwrap_or_default());
        out.push(0);
        out.extend_from_slice(&self.collation.to_le_bytes());
        if self.capabilities.contains(Capabilities::PLUGIN_AUTH) {
            out.extend_from_slice(self.plugin.as_deref().unwrap_or_default().as_bytes());
            out.push(0);
        }
        if self.capabilities.contains(Capabilities::CONNECT_ATTRS) {
            put_lenenc_bytes(&mut out, self.attributes.as_deref().unwrap_or_default());
        }
        out
    }
}

/// A string that ends with NUL or, from some clients, with the packet.
fn tail_string(reader: &mut Reader<'_>) -> Vec<u8> {
    match reader.nul_bytes() {
        Some(name) => name.to_vec(),
        None => reader.bytes(reader.rest().len()).unwrap_or_default().to_vec(),
    }
}

fn read_plugin(reader: &mut Reader<'_>, capabilities: Capabilities) -> Option<String> {
    if !capabilities.contains(Capabilities::PLUGIN_AUTH) || reader.is_empty() {
        return None;
    }
    Some(String::from_utf8_lossy(&tail_string(reader)).into_owned()).filter(|name| !name.is_empty())
}

/// The payload that asks the client for another plugin
/// (`page_protocol_connection_phase_packets_protocol_auth_switch_request`).
#[must_use]
pub fn auth_switch(plugin: &str, salt: &Salt) -> Vec<u8> {
    let mut out = vec![AUTH_SWITCH];
    out.extend_from_slice(plugin.as_bytes());
    out.push(0);
    out.extend_from_slice(salt);
    out.push(0);
    out
}

/// Reads an authentication switch request: the plugin and its data without the closing NUL.
#[must_use]
pub fn parse_auth_switch(payload: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut reader = Reader::new(payload.strip_prefix(&[AUTH_SWITCH])?);
    let plugin = String::from_utf8_lossy(reader.nul_bytes()?).into_owned();
    let data = reader.rest();
    Some((plugin, data.strip_suffix(&[0]).unwrap_or(data).to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn login() -> Login {
        Login {
            capabilities: Capabilities::PROTOCOL_41
                | Capabilities::SECURE_CONNECTION
                | Capabilities::PLUGIN_AUTH
                | Capabilities::CONNECT_WITH_DB
                | Capabilities::CONNECT_ATTRS,
            extensions: Extensions::EXTENDED_METADATA,
            max_packet: 1 << 24,
            collation: 45,
            user: b"app".to_vec(),
            response: vec![1; 20],
            database: Some(b"shop".to_vec()),
            plugin: Some("mysql_native_password".into()),
            attributes: Some(b"\x03_os\x05Linux".to_vec()),
        }
    }

    #[test]
    fn a_login_round_trips() {
        assert_eq!(FirstPacket::parse(&login().encode()), Ok(FirstPacket::Login(login())));
    }

    #[test]
    fn a_tls_request_is_told_from_a_login() {
        let capabilities = Capabilities::PROTOCOL_41 | Capabilities::SSL;
        let request = Login { capabilities, ..login() }.encode_ssl_request();
        assert_eq!(request.len(), SSL_REQUEST_LEN);
        assert_eq!(FirstPacket::parse(&request), Ok(FirstPacket::SslRequest));
    }

    #[test]
    fn a_change_of_user_keeps_what_it_does_not_say() {
        let changed = Login::parse_change_user(b"bob\0\x02xyother\0", &login()).unwrap();
        assert_eq!((changed.user.as_slice(), changed.collation), (b"bob".as_slice(), 45));
        assert_eq!(changed.database.as_deref(), Some(b"other".as_slice()));
    }

    #[test]
    fn a_change_of_user_round_trips() {
        let first = Login { user: b"other".to_vec(), collation: 8, ..login() };
        for collation in [45, 303] {
            let login = Login { collation, ..login() };
            assert_eq!(Login::parse_change_user(&login.encode_change_user(), &first), Some(login));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = FirstPacket::parse(&bytes);
            let _ = Login::parse_change_user(&bytes, &login());
            let _ = parse_auth_switch(&bytes);
        }
    }
}
