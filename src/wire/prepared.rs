//! Prepared statements on the wire: what of `COM_STMT_EXECUTE` depends on the connection
//! (`page_protocol_com_stmt_execute`).

use std::borrow::Cow;

use super::attributes::{self, Layout};
use super::reader::{Reader, put_lenenc, put_lenenc_bytes};

/// Offset of the statement id in the payload of every `COM_STMT_…` command, behind the command byte.
pub const STATEMENT_ID_AT: usize = 1;
/// Offset of the NULL bitmap in `COM_STMT_EXECUTE`: command, id, flags, iteration count.
pub(super) const BITMAP_AT: usize = 10;

/// The statement id of a `COM_STMT_…` payload (command byte included).
#[must_use]
pub fn statement_id(payload: &[u8]) -> Option<u32> {
    Reader::new(payload.get(STATEMENT_ID_AT..)?).u32()
}

/// Writes another statement id into the payload.
pub fn put_statement_id(payload: &mut [u8], id: u32) {
    if let Some(bytes) = payload.get_mut(STATEMENT_ID_AT..STATEMENT_ID_AT + 4) {
        bytes.copy_from_slice(&id.to_le_bytes());
    }
}

/// Whether `COM_STMT_EXECUTE` asks for a cursor.
#[must_use]
pub fn asks_for_cursor(payload: &[u8]) -> bool {
    payload.get(5).is_some_and(|flags| flags & 0x07 != 0)
}

/// The types of the statement's own parameters in `COM_STMT_EXECUTE`: sent, or left out because they are those of the
/// execution before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterTypes<'a> {
    /// The statement has no parameters, or the client tells of fewer than it has: the server's error.
    None,
    /// Two bytes for each parameter.
    Sent(Cow<'a, [u8]>),
    /// Left out; they go in at this offset of the payload, and the byte before it must become 1.
    LeftOut {
        /// Offset of the first byte behind `new_params_bind_flag`.
        at: usize,
    },
}

/// Finds the parameter types; `None` for a malformed payload.
#[must_use]
pub fn parameter_types(payload: &[u8], params: u16, layout: Layout) -> Option<ParameterTypes<'_>> {
    let params = usize::from(params);
    if params == 0 {
        return Some(ParameterTypes::None);
    }
    if layout == Layout::Named {
        return named_types(payload, params);
    }
    let flag_at = BITMAP_AT + params.div_ceil(8);
    match payload.get(flag_at)? {
        0 => Some(ParameterTypes::LeftOut { at: flag_at + 1 }),
        _ => Some(ParameterTypes::Sent(payload.get(flag_at + 1..flag_at + 1 + 2 * params)?.into())),
    }
}

/// With attributes there may be more parameters than the statement's own, and then their types may not be left out.
fn named_types(payload: &[u8], params: usize) -> Option<ParameterTypes<'_>> {
    let mut reader = Reader::new(payload.get(BITMAP_AT..)?);
    let count = attributes::number(&mut reader).ok()?;
    if count < params {
        return Some(ParameterTypes::None);
    }
    reader.bytes(count.div_ceil(8))?;
    if reader.u8()? == 0 {
        return (count == params).then_some(ParameterTypes::LeftOut { at: payload.len() - reader.rest().len() });
    }
    let mut types = Vec::with_capacity(2 * params);
    for _ in 0..params {
        types.extend_from_slice(reader.bytes(2)?);
        reader.lenenc_bytes()?;
    }
    Some(ParameterTypes::Sent(types.into()))
}

/// The payload with the types put in where they were left out; in [`Layout::Named`] the parameters have no names.
#[must_use]
pub fn with_types(payload: &[u8], at: usize, types: &[u8], layout: Layout) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + types.len() * 2);
    out.extend_from_slice(&payload[..at]);
    if let Some(flag) = out.last_mut() {
        *flag = 1;
    }
    put_types(&mut out, types.chunks(2), layout);
    out.extend_from_slice(&payload[at..]);
    out
}

fn put_types<'a>(out: &mut Vec<u8>, types: impl Iterator<Item = &'a [u8]>, layout: Layout) {
    for kind in types {
        out.extend_from_slice(kind);
        if layout == Layout::Named {
            put_lenenc_bytes(out, b"");
        }
    }
}

/// The argument of a `COM_STMT_EXECUTE` whose parameters are all strings.
#[must_use]
pub fn execute_with_strings(statement_id: u32, parameters: &[&[u8]], layout: Layout) -> Vec<u8> {
    /// `MYSQL_TYPE_VAR_STRING`, signed.
    const STRING: [u8; 2] = [0xfd, 0];
    let mut out = statement_id.to_le_bytes().to_vec();
    out.push(0);
    out.extend_from_slice(&1u32.to_le_bytes());
    if parameters.is_empty() {
        return out;
    }
    if layout == Layout::Named {
        put_lenenc(&mut out, parameters.len() as u64);
    }
    out.resize(out.len() + parameters.len().div_ceil(8), 0);
    out.push(1);
    put_types(&mut out, parameters.iter().map(|_| &STRING[..]), layout);
    for value in parameters {
        put_lenenc_bytes(&mut out, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LAYOUTS: [Layout; 2] = [Layout::Plain, Layout::Named];

    #[test]
    fn types_are_found_and_put_in() {
        let sent = b"\x17\x01\0\0\0\0\x01\0\0\0\x00\x01\x08\x00\x05\0\0\0\0\0\0\0";
        let left_out = b"\x17\x01\0\0\0\0\x01\0\0\0\x00\x00\x05\0\0\0\0\0\0\0";
        let named = b"\x17\x01\0\0\0\0\x01\0\0\0\x01\x00\x01\x08\x00\x00\x05\0\0\0\0\0\0\0";
        let named_left_out = b"\x17\x01\0\0\0\0\x01\0\0\0\x01\x00\x00\x05\0\0\0\0\0\0\0";
        for (layout, sent, left_out) in
            [(Layout::Plain, &sent[..], &left_out[..]), (Layout::Named, &named[..], &named_left_out[..])]
        {
            assert_eq!(parameter_types(sent, 1, layout), Some(ParameterTypes::Sent([8, 0][..].into())));
            let Some(ParameterTypes::LeftOut { at }) = parameter_types(left_out, 1, layout) else { panic!() };
            assert_eq!(with_types(left_out, at, &[8, 0], layout), sent);
        }
    }

    #[test]
    fn types_of_attributes_are_not_the_statements() {
        let mut payload = b"\x17\x01\0\0\0\0\x01\0\0\0\x02\x00\x01".to_vec();
        let flag_at = payload.len() - 1;
        payload.extend(b"\x03\x80\x00\xfd\x00\x01n\x05\0\0\0\x01v");
        let sent = Some(ParameterTypes::Sent([3, 0x80][..].into()));
        assert_eq!(parameter_types(&payload, 1, Layout::Named), sent);
        assert_eq!(parameter_types(&payload, 3, Layout::Named), Some(ParameterTypes::None));
        // An attribute's type cannot be left out.
        payload[flag_at] = 0;
        assert_eq!(parameter_types(&payload, 1, Layout::Named), None);
    }

    #[test]
    fn strings_are_sent_with_their_types() {
        for layout in LAYOUTS {
            let mut payload = vec![0x17];
            payload.extend(execute_with_strings(9, &[b"Rex", b"1"], layout));
            assert_eq!(statement_id(&payload), Some(9));
            assert!(!asks_for_cursor(&payload));
            let types = parameter_types(&payload, 2, layout);
            assert_eq!(types, Some(ParameterTypes::Sent([0xfd, 0, 0xfd, 0][..].into())));
            assert!(payload.ends_with(b"\x03Rex\x011"));
            assert_eq!(execute_with_strings(1, &[], layout).len(), 9);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..64), params: u16) {
            for layout in LAYOUTS {
                if let Some(ParameterTypes::LeftOut { at }) = parameter_types(&payload, params, layout) {
                    let _ = with_types(&payload, at, &[1, 2], layout);
                }
            }
            let _ = statement_id(&payload);
        }
    }
}
