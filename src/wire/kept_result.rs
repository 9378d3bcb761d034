//! A text result that is kept whole, to be sent again: all of its rows or some.
//!
//! Knows where rows begin and end, and the first column of one. Must not know what the rows are about.

use super::{
    Capabilities, HEADER_LEN, Header, StatusFlags,
    packet::put_message,
    reader::{Reader, put_lenenc_bytes},
    resultset::column_type,
};

/// `SERVER_STATUS_…` that tell of the session rather than of the statement.
const OF_THE_SESSION: StatusFlags = StatusFlags::AUTOCOMMIT
    .union(StatusFlags::IN_TRANS)
    .union(StatusFlags::IN_TRANS_READONLY)
    .union(StatusFlags::NO_BACKSLASH_ESCAPES)
    .union(StatusFlags::ANSI_QUOTES);

/// `MYSQL_TYPE_LONG`: four bytes in binary rows.
const LONG: u8 = 3;
/// First byte of the packet that ends the columns or the rows.
const EOF: u8 = 0xfe;
/// An OK without text and trackers: two counts that are 0, status, warnings.
const PLAIN_OK: usize = 7;
/// Where its status is: behind the first byte and the warnings, or behind two counts that are 0 (an OK).
const STATUS_AT: usize = 3;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowEncoding {
    /// As they came, in reply to a text.
    Text,
    /// In reply to a prepared statement. All columns must be strings or four-byte integers, none NULL.
    Binary,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptResult {
    /// The number of columns, their definitions, perhaps an EOF.
    head: Vec<Vec<u8>>,
    rows: Vec<Vec<u8>>,
    end: Vec<u8>,
}

impl KeptResult {
    /// Reads a reply to `COM_QUERY` that a connection with these capabilities sent; none if it is no single result of
    /// short packets.
    #[must_use]
    pub fn read(reply: &[u8], capabilities: Capabilities) -> Option<Self> {
        let mut packets = packets(reply)?;
        let mut end = packets.pop().filter(|end| is_end(end))?;
        // What the session's state was then is of no interest any more.
        end.truncate(PLAIN_OK);
        let mut counts = Reader::new(packets.first()?);
        let columns = usize::try_from(counts.lenenc()?).ok().filter(|columns| *columns > 0)?;
        // With MariaDB's cache of metadata a byte says whether definitions follow.
        let defined = if counts.u8() == Some(0) { 0 } else { columns };
        let eof = usize::from(!capabilities.contains(Capabilities::DEPRECATE_EOF));
        let head = 1 + defined + eof;
        let rows = (packets.len() >= head).then(|| packets.split_off(head))?;
        Some(KeptResult { head: packets, rows, end })
    }

    /// The first column of each row.
    pub fn first_columns(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.iter().map(|row| Reader::new(row).lenenc_bytes().unwrap_or_default())
    }

    /// Puts other values in the rows whose first column `is_meant`.
    pub fn replace_rows(&mut self, is_meant: fn(&[u8]) -> bool, values: &[&[u8]]) {
        for row in &mut self.rows {
            if Reader::new(row).lenenc_bytes().is_some_and(is_meant) {
                row.clear();
                for value in values {
                    put_lenenc_bytes(row, value);
                }
            }
        }
    }

    /// Appends the result from sequence number `seq` on, with the rows whose numbers `keep` wants, and the session's
    /// flags as they are now.
    pub fn put(
        &self,
        out: &mut Vec<u8>,
        mut seq: u8,
        status: StatusFlags,
        encoding: RowEncoding,
        keep: impl Fn(usize) -> bool,
    ) {
        let rows = self.rows.iter().enumerate().filter(|(at, _)| keep(*at)).map(|(_, row)| row);
        for packet in &self.head {
            seq = put_message(out, seq, &with_status(packet, status));
        }
        for row in rows {
            seq = match encoding {
                RowEncoding::Text => put_message(out, seq, row),
                RowEncoding::Binary => put_message(out, seq, &self.binary(row)),
            };
        }
        put_message(out, seq, &with_status(&self.end, status));
    }
}

impl KeptResult {
    /// `page_protocol_binary_resultset`: a zero, the bits of what is NULL (two are reserved), the values.
    fn binary(&self, row: &[u8]) -> Vec<u8> {
        let types: Vec<u8> = self.head.iter().filter_map(|packet| column_type(packet).map(|(kind, _)| kind)).collect();
        let mut out = vec![0; 1 + (types.len() + 2).div_ceil(8)];
        let mut columns = Reader::new(row);
        for kind in types {
            let value = columns.lenenc_bytes().unwrap_or_default();
            let number = (kind == LONG).then(|| std::str::from_utf8(value).ok()?.parse::<u32>().ok()).flatten();
            match number {
                Some(number) => out.extend_from_slice(&number.to_le_bytes()),
                None => put_lenenc_bytes(&mut out, value),
            }
        }
        out
    }
}

fn packets(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    while let Some(header) = Header::parse(bytes) {
        let payload = bytes.get(HEADER_LEN..header.total()).filter(|_| !header.is_continued())?;
        found.push(payload.to_vec());
        bytes = &bytes[header.total()..];
    }
    bytes.is_empty().then_some(found)
}

/// `page_protocol_basic_eof_packet`, or the OK that stands for it.
fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&EOF) && packet.len() > STATUS_AT + 1
}

fn with_status(packet: &[u8], status: StatusFlags) -> Vec<u8> {
    let mut packet = packet.to_vec();
    // A definition begins with the catalog's name, a number of columns is small: neither looks like this.
    if is_end(&packet)
        && let Some([low, high]) = packet.get_mut(STATUS_AT..STATUS_AT + 2)
    {
        let was = StatusFlags::from_bits_retain(u16::from_le_bytes([*low, *high]));
        let now = was
            .difference(OF_THE_SESSION.union(StatusFlags::SESSION_STATE_CHANGED))
            .union(status.intersection(OF_THE_SESSION));
        [*low, *high] = now.bits().to_le_bytes();
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [&[u8]; 3] = [b"\x04Note\x03100\x01a", b"\x05Error\x041064\x01b", b"\x07Warning\x041292\x01c"];

    fn reply(packets: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        packets.iter().fold(1, |seq, packet| put_message(&mut out, seq, packet));
        out
    }

    #[test]
    fn some_rows_are_sent_again_with_the_flags_of_now() {
        let definition: &[u8] = b"\x03def...";
        let ended = |low: u8| [0xfe, 0, 0, low, 0];
        for (capabilities, eof) in [(Capabilities::empty(), true), (Capabilities::DEPRECATE_EOF, false)] {
            let build = |status: u8, rows: &[&[u8]]| {
                let end = ended(status);
                let mut all: Vec<&[u8]> = vec![b"\x03", definition, definition, definition];
                all.extend(eof.then_some(&end[..]));
                all.extend(rows);
                all.push(&end);
                reply(&all)
            };
            let kept = KeptResult::read(&build(2, &ROWS), capabilities).unwrap();
            assert_eq!(kept.first_columns().collect::<Vec<_>>(), [&b"Note"[..], b"Error", b"Warning"]);
            let mut out = Vec::new();
            kept.put(&mut out, 1, StatusFlags::IN_TRANS, RowEncoding::Text, |at| at == 1);
            assert_eq!(out, build(1, &ROWS[1..2]));
        }
    }

    #[test]
    fn what_is_no_result_is_not_kept() {
        let empty = Capabilities::empty();
        for bytes in [&b""[..], b"\x01", &reply(&[b"\xff\x10\x04#42000x"]), &reply(&[b"\x00\x00\x00\x02\x00\x00\x00"])]
        {
            assert_eq!(KeptResult::read(bytes, empty), None);
        }
        let cut = reply(&[b"\x03", b"x", b"\xfe\x00\x00\x02\x00"]);
        assert_eq!(KeptResult::read(&cut, empty), None);
    }
}
