//! OK packets with their session trackers (`page_protocol_basic_ok_packet`), and EOF packets
//! (`page_protocol_basic_eof_packet`).

use super::{
    Capabilities, StatusFlags,
    packet::put_message,
    reader::{Reader, put_lenenc, put_lenenc_bytes},
};

/// First byte of an OK packet.
pub const OK: u8 = 0x00;
/// First byte of an EOF packet, and of the OK packet that closes rows when EOF is deprecated.
pub const EOF: u8 = 0xfe;

/// An OK packet, borrowed from its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OkPacket<'a> {
    /// 0x00, or 0xFE at the end of rows.
    pub first: u8,
    /// Rows changed (or found).
    pub affected_rows: u64,
    /// The id that `AUTO_INCREMENT` gave.
    pub last_insert_id: u64,
    /// What the server says of the session.
    pub status: StatusFlags,
    /// Number of warnings.
    pub warnings: u16,
    /// Human-readable text.
    pub info: &'a [u8],
    /// The session trackers, still encoded.
    pub state: &'a [u8],
}

/// One tracked change of the session (`enum_session_state_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracked<'a> {
    /// A system variable and its new value.
    Variable {
        /// Its name.
        name: &'a [u8],
        /// Its value as text; NULL is empty.
        value: &'a [u8],
    },
    /// The default database.
    Schema(&'a [u8]),
    /// Something of the session changed (true) that the other trackers may not tell.
    StateChange(bool),
    /// The GTIDs of what the statement committed.
    Gtids(&'a [u8]),
    /// Transaction characteristics, transaction state and what is not known here.
    Other {
        /// Its type.
        kind: u8,
        /// Its data.
        data: &'a [u8],
    },
}

/// That a session's state has changed, as one of several results told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateTold {
    /// The first result that it may be said of: rows that end with a classic EOF leave it to the next OK.
    pub first: u16,
    /// The last.
    pub last: u16,
    /// A tracker in the same packet named what has changed.
    pub named: bool,
}

/// A tracked change of the session, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A system variable has a new value (empty: NULL).
    Variable(Vec<u8>, Vec<u8>),
    /// The default database.
    Schema(Vec<u8>),
    /// GTIDs of what was committed.
    Gtids(Vec<u8>),
    /// Something changed that the others may not tell.
    State,
}

impl<'a> OkPacket<'a> {
    /// Reads an OK payload as a connection with these capabilities sends it.
    #[must_use]
    pub fn parse(payload: &'a [u8], capabilities: Capabilities) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let first = reader.u8()?;
        let affected_rows = reader.lenenc()?;
        let last_insert_id = reader.lenenc()?;
        let status = StatusFlags::from_bits_retain(reader.u16()?);
        let warnings = reader.u16()?;
        let (info, state) = if capabilities.contains(Capabilities::SESSION_TRACK) {
            // With the capability the text has a length, but a server leaves it out when there is nothing to say.
            let info = if reader.is_empty() { &[][..] } else { reader.lenenc_bytes()? };
            let tracked = status.contains(StatusFlags::SESSION_STATE_CHANGED) && !reader.is_empty();
            (info, if tracked { reader.lenenc_bytes()? } else { &[][..] })
        } else {
            (text_to_the_end(reader), &[][..])
        };
        Some(OkPacket { first, affected_rows, last_insert_id, status, warnings, info, state })
    }

    /// The tracked changes; stops at the first malformed one.
    pub fn tracked(&self) -> impl Iterator<Item = Tracked<'a>> {
        let mut reader = Reader::new(self.state);
        std::iter::from_fn(move || {
            let kind = reader.u8()?;
            let data = reader.lenenc_bytes()?;
            let mut inner = Reader::new(data);
            Some(match kind {
                0 => Tracked::Variable { name: inner.lenenc_bytes()?, value: inner.lenenc_bytes()? },
                1 => Tracked::Schema(inner.lenenc_bytes()?),
                2 => Tracked::StateChange(data == b"1"),
                3 => {
                    inner.u8()?; // encoding specification, always 0
                    Tracked::Gtids(inner.lenenc_bytes()?)
                }
                kind => Tracked::Other { kind, data },
            })
        })
    }

    /// Appends the packet as a client with `capabilities` wants it, with the trackers that `keep` lets through.
    pub fn put(&self, out: &mut Vec<u8>, seq: u8, capabilities: Capabilities, keep: impl Fn(&Tracked<'_>) -> bool) {
        self.put_tracking(out, seq, capabilities, self.tracked().filter(keep));
    }

    /// Appends the packet as a client with `capabilities` wants it, with these trackers in place of its own.
    pub fn put_tracking<'b>(
        &self,
        out: &mut Vec<u8>,
        seq: u8,
        capabilities: Capabilities,
        tracked: impl Iterator<Item = Tracked<'b>>,
    ) {
        let mut state = Vec::new();
        if capabilities.contains(Capabilities::SESSION_TRACK) {
            tracked.for_each(|tracked| put_tracked(&mut state, tracked));
        }
        let mut status = self.status;
        status.set(StatusFlags::SESSION_STATE_CHANGED, !state.is_empty());
        let mut payload = Vec::with_capacity(32 + self.info.len() + state.len());
        payload.push(self.first);
        put_lenenc(&mut payload, self.affected_rows);
        put_lenenc(&mut payload, self.last_insert_id);
        payload.extend_from_slice(&status.bits().to_le_bytes());
        payload.extend_from_slice(&self.warnings.to_le_bytes());
        // Servers give the text a length also where the manual says that it goes to the packet's end.
        if !self.info.is_empty() || !state.is_empty() {
            put_lenenc_bytes(&mut payload, self.info);
        }
        if !state.is_empty() {
            put_lenenc_bytes(&mut payload, &state);
        }
        put_message(out, seq, &payload);
    }

    /// An OK of the proxy's own.
    #[must_use]
    pub const fn plain(status: StatusFlags) -> OkPacket<'static> {
        OkPacket { first: OK, affected_rows: 0, last_insert_id: 0, status, warnings: 0, info: &[], state: &[] }
    }
}

/// The text that ends a packet: servers give it a length, the manual does not.
fn text_to_the_end(mut reader: Reader<'_>) -> &[u8] {
    let rest = reader.rest();
    reader.lenenc_bytes().filter(|_| reader.is_empty()).unwrap_or(rest)
}

fn put_tracked(out: &mut Vec<u8>, tracked: Tracked<'_>) {
    let mut data = Vec::new();
    let kind = match tracked {
        Tracked::Variable { name, value } => {
            put_lenenc_bytes(&mut data, name);
            put_lenenc_bytes(&mut data, value);
            0
        }
        Tracked::Schema(name) => {
            put_lenenc_bytes(&mut data, name);
            1
        }
        Tracked::StateChange(changed) => {
            data.push(if changed { b'1' } else { b'0' });
            2
        }
        Tracked::Gtids(gtids) => {
            data.push(0);
            put_lenenc_bytes(&mut data, gtids);
            3
        }
        Tracked::Other { kind, data: raw } => {
            data.extend_from_slice(raw);
            kind
        }
    };
    out.push(kind);
    put_lenenc_bytes(out, &data);
}

/// Status and warnings of a classic EOF packet.
#[must_use]
pub fn parse_eof(payload: &[u8]) -> Option<(u16, StatusFlags)> {
    match payload {
        [EOF, w0, w1, s0, s1, ..] => {
            Some((u16::from_le_bytes([*w0, *w1]), StatusFlags::from_bits_retain(u16::from_le_bytes([*s0, *s1]))))
        }
        _ => None,
    }
}

/// Appends a classic EOF packet.
pub fn put_eof(out: &mut Vec<u8>, seq: u8, status: StatusFlags, warnings: u16) {
    let ([low, high], [few, many]) = (status.bits().to_le_bytes(), warnings.to_le_bytes());
    put_message(out, seq, &[EOF, few, many, low, high]);
}

#[cfg(test)]
mod tests {
    use super::*;

    // As MariaDB 10.11 answered `SET NAMES latin1`.
    const SET_NAMES: &[u8] = b"\x00\x00\x00\x02@\x00\x00\x00b\x00\x1c\x14character_set_client\x06latin1\x00 \x18character_set_connection\x06latin1\x00\x1d\x15character_set_results\x06latin1\x02\x011";

    #[test]
    fn trackers_are_read() {
        let ok = OkPacket::parse(SET_NAMES, Capabilities::SESSION_TRACK).unwrap();
        let tracked: Vec<_> = ok.tracked().collect();
        assert_eq!(tracked.len(), 4);
        assert_eq!(tracked[0], Tracked::Variable { name: b"character_set_client", value: b"latin1" });
        assert_eq!(tracked[3], Tracked::StateChange(true));
    }

    #[test]
    fn a_client_without_trackers_gets_an_ok_without_them() {
        let ok = OkPacket::parse(SET_NAMES, Capabilities::SESSION_TRACK).unwrap();
        let mut out = Vec::new();
        ok.put(&mut out, 1, Capabilities::empty(), |_| true);
        assert_eq!(out, b"\x07\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00");
    }

    #[test]
    fn a_client_with_trackers_gets_those_it_may_see() {
        let ok = OkPacket::parse(SET_NAMES, Capabilities::SESSION_TRACK).unwrap();
        let mut out = Vec::new();
        ok.put(&mut out, 1, Capabilities::SESSION_TRACK, |_| true);
        assert_eq!(&out[4..], SET_NAMES);
        out.clear();
        ok.put(&mut out, 1, Capabilities::SESSION_TRACK, |tracked| matches!(tracked, Tracked::StateChange(_)));
        assert_eq!(&out[4..], b"\x00\x00\x00\x02@\x00\x00\x00\x03\x02\x011");
    }

    #[test]
    fn trackers_that_are_not_known_here_pass() {
        // As MySQL 9.7 answers BEGIN.
        let begin = b"\x00\x00\x00\x03@\x00\x00\x00\x0b\x05\t\x08T_______";
        let ok = OkPacket::parse(begin, Capabilities::SESSION_TRACK).unwrap();
        let mut out = Vec::new();
        ok.put(&mut out, 1, Capabilities::SESSION_TRACK, |_| true);
        assert_eq!(&out[4..], begin);
    }

    #[test]
    fn the_text_has_a_length_with_and_without_trackers() {
        let with_length = b"\x00\x01\x00\x02\x00\x00\x00\x05hello";
        let ok = OkPacket::parse(with_length, Capabilities::SESSION_TRACK).unwrap();
        assert_eq!(ok.info, b"hello");
        let mut out = Vec::new();
        ok.put(&mut out, 1, Capabilities::empty(), |_| true);
        // As MariaDB 10.11 and MySQL 9.7 send it to a client without trackers.
        assert_eq!(&out[4..], with_length);
        assert_eq!(OkPacket::parse(with_length, Capabilities::empty()).unwrap().info, b"hello");
        let to_the_end = b"\x00\x01\x00\x02\x00\x00\x00hello";
        assert_eq!(OkPacket::parse(to_the_end, Capabilities::empty()).unwrap().info, b"hello");
    }
}
