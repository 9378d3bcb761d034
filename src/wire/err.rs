//! ERR packets (`page_protocol_basic_err_packet`).

use super::packet::put_message;

/// First byte of an ERR packet.
pub const ERR: u8 = 0xff;

/// An error as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// The error's number.
    pub code: u16,
    /// Five characters.
    pub state: [u8; 5],
    /// The text, in UTF-8.
    pub message: String,
}

/// For a line of the log: what a client has put into the text (its name, say) cannot begin another line.
impl std::fmt::Display for SqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.state.escape_ascii(), self.message_for_log())
    }
}

impl SqlError {
    /// An error that the proxy itself gives; the text gets the prefix that says so.
    #[must_use]
    pub fn proxy(code: u16, state: [u8; 5], text: &str) -> Self {
        SqlError { code, state, message: format!("mysql-proxy: {text}") }
    }

    /// The text without anything that would end a line or move a terminal's cursor.
    #[must_use]
    pub fn message_for_log(&self) -> std::borrow::Cow<'_, str> {
        if !self.message.contains(char::is_control) {
            return self.message.as_str().into();
        }
        let escaped = |char: char| {
            let plain = (!char.is_control()).then_some(char);
            plain.into_iter().chain(char.is_control().then(|| char.escape_default()).into_iter().flatten())
        };
        self.message.chars().flat_map(escaped).collect::<String>().into()
    }

    /// Reads an ERR packet's payload. Errors before the login lack the SQL state; they get `HY000`.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (&first, rest) = payload.split_first()?;
        let (code, rest) = rest.split_first_chunk::<2>()?;
        if first != ERR {
            return None;
        }
        let (state, text) = match rest.split_first() {
            Some((b'#', tail)) => tail.split_first_chunk::<5>().map_or((*b"HY000", tail), |(s, t)| (*s, t)),
            _ => (*b"HY000", rest),
        };
        Some(SqlError { code: u16::from_le_bytes(*code), state, message: String::from_utf8_lossy(text).into_owned() })
    }

    /// The code alone, without reading the text.
    #[must_use]
    pub fn code_of(payload: &[u8]) -> Option<u16> {
        match payload {
            [ERR, low, high, ..] => Some(u16::from_le_bytes([*low, *high])),
            _ => None,
        }
    }

    /// Appends the ERR packet.
    pub fn put(&self, out: &mut Vec<u8>, seq: u8) {
        let mut payload = vec![ERR];
        payload.extend_from_slice(&self.code.to_le_bytes());
        payload.push(b'#');
        payload.extend_from_slice(&self.state);
        payload.extend_from_slice(self.message.as_bytes());
        put_message(out, seq, &payload);
    }
}
