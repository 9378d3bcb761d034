//! Small text results: those that the proxy answers itself, and those that it asks for itself
//! (`page_protocol_com_query_response_text_resultset`).

use super::{
    Capabilities, Extensions, StatusFlags,
    ok::{EOF, OkPacket, put_eof},
    packet::put_message,
    reader::{Reader, put_lenenc, put_lenenc_bytes},
};

/// Type of a column that the proxy sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ColumnType {
    /// `BIGINT UNSIGNED NOT NULL`.
    Unsigned,
    /// `INT UNSIGNED NOT NULL`.
    UnsignedInt,
    /// `VARCHAR` in utf8mb4.
    #[default]
    Text,
}

/// A result of the proxy's own.
#[derive(Clone, Debug, Default)]
pub struct TextResult {
    columns: Vec<(Vec<u8>, ColumnType)>,
    rows: Vec<Vec<Option<Vec<u8>>>>,
}

impl TextResult {
    /// With these columns and no rows yet.
    #[must_use]
    pub fn new(columns: &[(&[u8], ColumnType)]) -> Self {
        TextResult { columns: columns.iter().map(|(name, kind)| (name.to_vec(), *kind)).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    #[must_use]
    pub fn row(mut self, values: &[Option<&[u8]>]) -> Self {
        self.rows.push(values.iter().map(|value| value.map(<[u8]>::to_vec)).collect());
        self
    }

    /// Appends the packets as a client with `capabilities` wants them; the first has sequence number `seq`.
    pub fn put(
        &self,
        out: &mut Vec<u8>,
        mut seq: u8,
        (capabilities, extensions): (Capabilities, Extensions),
        status: StatusFlags,
    ) {
        let deprecate_eof = capabilities.contains(Capabilities::DEPRECATE_EOF);
        let mut payload = Vec::new();
        put_lenenc(&mut payload, self.columns.len() as u64);
        seq = put_message(out, seq, &payload);
        for (name, kind) in &self.columns {
            seq = put_message(out, seq, &column_definition(name, *kind, extensions));
        }
        if !deprecate_eof {
            put_eof(out, seq, status, 0);
            seq = seq.wrapping_add(1);
        }
        for row in &self.rows {
            payload.clear();
            for value in row {
                match value {
                    Some(bytes) => put_lenenc_bytes(&mut payload, bytes),
                    None => payload.push(0xfb),
                }
            }
            seq = put_message(out, seq, &payload);
        }
        if deprecate_eof {
            OkPacket { first: EOF, ..OkPacket::plain(status) }.put(out, seq, capabilities, |_| false);
        } else {
            put_eof(out, seq, status, 0);
        }
    }
}

/// `page_protocol_com_query_response_text_resultset_column_definition`.
fn column_definition(name: &[u8], kind: ColumnType, extensions: Extensions) -> Vec<u8> {
    // Collation, display length, protocol type, flags.
    let (collation, len, protocol_type, flags): (u16, u32, u8, u16) = match kind {
        ColumnType::Unsigned => (63, 21, 0x08, 0x00a1),
        ColumnType::UnsignedInt => (63, 10, 0x03, 0x00a1),
        ColumnType::Text => (45, 4 * 1024, 0xfd, 0),
    };
    let mut out = Vec::new();
    put_lenenc_bytes(&mut out, b"def");
    for part in [b"".as_slice(), b"", b"", name, b""] {
        put_lenenc_bytes(&mut out, part);
    }
    if extensions.contains(Extensions::EXTENDED_METADATA) {
        put_lenenc_bytes(&mut out, b"");
    }
    out.push(0x0c);
    out.extend_from_slice(&collation.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
    out.push(protocol_type);
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&[0, 0, 0]);
    out
}

/// The name of a column, from its definition.
#[must_use]
pub fn column_name(payload: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(payload);
    for _catalog_schema_table_original in 0..4 {
        reader.lenenc_bytes()?;
    }
    reader.lenenc_bytes()
}

/// The values of a text row.
#[must_use]
pub fn text_row(payload: &[u8], columns: usize) -> Option<Vec<Option<Vec<u8>>>> {
    let mut reader = Reader::new(payload);
    (0..columns).map(|_| reader.text_column().map(|value| value.map(<[u8]>::to_vec))).collect()
}

/// The protocol type and the flags of a column, from its definition.
#[must_use]
pub fn column_type(payload: &[u8]) -> Option<(u8, u16)> {
    let mut reader = Reader::new(payload);
    for _catalog_schema_tables_and_names in 0..6 {
        reader.lenenc_bytes()?;
    }
    let _length_collation_and_display = reader.bytes(1 + 2 + 4)?;
    Some((reader.u8()?, reader.u16()?))
}

/// The first two bits of a binary row's NULL bitmap are reserved.
const RESERVED: usize = 2;

/// Whether the column of this number is NULL, by the bitmap of a binary row.
pub(super) fn is_null_at(nulls: &[u8], at: usize) -> bool {
    nulls.get((at + RESERVED) / 8).is_some_and(|bits| bits & (1 << ((at + RESERVED) % 8)) != 0)
}

/// The values of a binary row as text, for columns that are integers or strings; `None` for others
/// (`page_protocol_binary_resultset`).
#[must_use]
pub fn binary_row(payload: &[u8], types: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let mut reader = Reader::new(payload.strip_prefix(&[0])?);
    let nulls = reader.bytes((types.len() + RESERVED).div_ceil(8))?;
    (0..types.len())
        .map(|at| if is_null_at(nulls, at) { Some(None) } else { binary_value(&mut reader, types[at]).map(Some) })
        .collect()
}

fn binary_value(reader: &mut Reader<'_>, protocol_type: u8) -> Option<Vec<u8>> {
    let number = match protocol_type {
        0x01 => i64::from(reader.u8()?.cast_signed()),
        0x02 | 0x0d => i64::from(reader.u16()?.cast_signed()),
        0x03 | 0x09 => i64::from(reader.u32()?.cast_signed()),
        0x08 => i64::from_le_bytes(*reader.bytes(8)?.first_chunk()?),
        0x0f | 0xf6..=0xfe => return reader.lenenc_bytes().map(<[u8]>::to_vec),
        _ => return None,
    };
    Some(number.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{
        Header,
        response::{Need, Response, Shape},
    };

    #[test]
    fn a_result_of_our_own_is_a_reply_that_ends() {
        let result = TextResult::new(&[(b"id", ColumnType::Unsigned), (b"name", ColumnType::Text)])
            .row(&[Some(b"7"), None])
            .row(&[Some(b"8"), Some(b"x")]);
        for capabilities in [Capabilities::empty(), Capabilities::DEPRECATE_EOF] {
            let mut out = Vec::new();
            result.put(&mut out, 1, (capabilities, Extensions::empty()), StatusFlags::AUTOCOMMIT);
            let mut response = Response::new(Shape::Results, capabilities);
            let mut rest = out.as_slice();
            let mut names = Vec::new();
            while let Some(header) = Header::parse(rest) {
                let payload = &rest[4..header.total()];
                if response.on_header(header, payload.first().copied()) == Need::Whole {
                    response.on_payload(payload).unwrap();
                } else if let Some(name) = column_name(payload).filter(|_| payload.starts_with(b"\x03def")) {
                    names.push(name.to_vec());
                }
                rest = &rest[header.total()..];
            }
            assert!(response.is_done() && rest.is_empty());
            assert_eq!(names, [b"id".to_vec(), b"name".to_vec()]);
        }
    }

    #[test]
    fn a_client_that_reads_extended_metadata_gets_the_field_empty() {
        let plain = column_definition(b"id", ColumnType::Unsigned, Extensions::empty());
        let extended = column_definition(b"id", ColumnType::Unsigned, Extensions::EXTENDED_METADATA);
        let at = plain.len() - 13;
        assert_eq!(plain[at], 0x0c);
        assert_eq!(extended, [&plain[..at], &[0], &plain[at..]].concat());
    }

    #[test]
    fn rows_are_read() {
        assert_eq!(text_row(b"\x01a\xfb\x00", 3), Some(vec![Some(b"a".to_vec()), None, Some(vec![])]));
        assert_eq!(text_row(b"\x05a", 1), None);
    }

    #[test]
    fn binary_rows_are_read() {
        let text = |value: &str| Some(value.as_bytes().to_vec());
        let types = [0x03, 0xfd, 0x08];
        let row = b"\0\x00\xff\xff\xff\xff\x03Rex\x07\0\0\0\0\0\0\0";
        assert_eq!(binary_row(row, &types), Some(vec![text("-1"), text("Rex"), text("7")]));
        assert_eq!(binary_row(b"\0\x08\x05\0\0\0\x01\0\0\0\0\0\0\0", &types), Some(vec![text("5"), None, text("1")]));
        assert_eq!(binary_row(b"\0\x00\x05", &types), None);
        assert_eq!(binary_row(b"\0\x00\0\0\0\0", &[0x04]), None);
        assert_eq!(
            column_type(&column_definition(b"id", ColumnType::Unsigned, Extensions::empty())),
            Some((0x08, 0x00a1))
        );
    }
}
