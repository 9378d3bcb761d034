//! The values in a `COM_STMT_EXECUTE` (`page_protocol_com_stmt_execute`): numbers that are to be read, or to be others.
//!
//! Knows where each value is. Must not know what any of them means.

use super::attributes::{self, Layout};
use super::prepared::{BITMAP_AT, ParameterTypes, parameter_types};
use super::reader::{Reader, put_lenenc_bytes};

/// One value that is not NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    kind: u8,
    /// Offset in the payload; of a text, of its length.
    at: usize,
    len: usize,
}

/// The statement's own parameters, whose types must be sent along; none for NULL. `None` for what cannot be read.
#[must_use]
pub fn parameters(payload: &[u8], params: u16, layout: Layout) -> Option<Vec<Option<Parameter>>> {
    let ParameterTypes::Sent(types) = parameter_types(payload, params, layout)? else { return None };
    let mut reader = Reader::new(payload.get(BITMAP_AT..)?);
    let params = usize::from(params);
    let count = if layout == Layout::Named { attributes::number(&mut reader).ok()? } else { params };
    let nulls = reader.bytes(count.div_ceil(8))?;
    reader.u8()?;
    for _ in 0..count {
        reader.bytes(2)?;
        if layout == Layout::Named {
            reader.lenenc_bytes()?;
        }
    }
    let mut found = Vec::with_capacity(params);
    for (number, kind) in types.chunks(2).filter_map(<[u8]>::first).enumerate() {
        if nulls.get(number / 8)? >> (number % 8) & 1 == 1 {
            found.push(None);
            continue;
        }
        let before = reader.rest().len();
        attributes::value(&mut reader, *kind).ok()?;
        let len = before - reader.rest().len();
        found.push(Some(Parameter { kind: *kind, at: payload.len() - before, len }));
    }
    Some(found)
}

impl Parameter {
    /// Its value, if that is a whole number without a sign, or a text of digits.
    #[must_use]
    pub fn number(&self, payload: &[u8]) -> Option<u64> {
        let bytes = payload.get(self.at..self.at + self.len)?;
        match self.kind {
            3 => bytes.first_chunk().map(|bytes| u64::from(u32::from_le_bytes(*bytes))),
            8 => bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)),
            0 | 15 | 246 | 249..=254 => std::str::from_utf8(Reader::new(bytes).lenenc_bytes()?).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// The payload with another number in its place; those behind it move.
    #[must_use]
    pub fn with_number(&self, payload: &[u8], number: u32) -> Vec<u8> {
        let mut out = payload.get(..self.at).unwrap_or_default().to_vec();
        match self.kind {
            3 => out.extend_from_slice(&number.to_le_bytes()),
            8 => out.extend_from_slice(&u64::from(number).to_le_bytes()),
            _ => put_lenenc_bytes(&mut out, number.to_string().as_bytes()),
        }
        out.extend_from_slice(payload.get(self.at + self.len..).unwrap_or_default());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn execution(layout: Layout) -> Vec<u8> {
        let mut out = vec![0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0];
        if layout == Layout::Named {
            out.push(4);
        }
        out.extend_from_slice(&[0b0100, 1]);
        for kind in [8, 253, 3, 3] {
            out.extend_from_slice(&[kind, 0]);
            if layout == Layout::Named {
                out.push(0);
            }
        }
        out.extend_from_slice(&2_155_872_257_u64.to_le_bytes());
        out.extend_from_slice(b"\x02ab");
        out.extend_from_slice(&77_u32.to_le_bytes());
        out
    }

    #[test]
    fn numbers_are_read_and_replaced() {
        for layout in [Layout::Plain, Layout::Named] {
            let payload = execution(layout);
            let found = parameters(&payload, 4, layout).unwrap();
            let numbers: Vec<_> = found.iter().map(|it| it.and_then(|it| it.number(&payload))).collect();
            assert_eq!(numbers, [Some(2_155_872_257), None, None, Some(77)]);
            let other = found[0].unwrap().with_number(&payload, 5);
            let again = parameters(&other, 4, layout).unwrap();
            assert_eq!(again[0].unwrap().number(&other), Some(5));
            assert_eq!(again[3].unwrap().number(&other), Some(77));
            let text = found[1].unwrap().with_number(&payload, 12345);
            let again = parameters(&text, 4, layout).unwrap();
            assert_eq!(again[1].unwrap().number(&text), Some(12345));
            assert_eq!(again[3].unwrap().number(&text), Some(77));
            for len in 0..payload.len() {
                assert_eq!(parameters(&payload[..len], 4, layout), None);
            }
        }
    }
}
