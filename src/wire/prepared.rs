//! Prepared statements on the wire: what of `COM_STMT_EXECUTE` depends on the connection
//! (`page_protocol_com_stmt_execute`).

use super::reader::{Reader, put_lenenc_bytes};

/// Offset of the statement id in the payload of every `COM_STMT_…` command, behind the command byte.
pub const STATEMENT_ID_AT: usize = 1;
/// Offset of the NULL bitmap in `COM_STMT_EXECUTE`: command, id, flags, iteration count.
const BITMAP_AT: usize = 10;

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

/// The parameter types of `COM_STMT_EXECUTE`: sent, or left out because they are those of the execution before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterTypes<'a> {
    /// The statement has no parameters.
    None,
    /// Two bytes for each parameter.
    Sent(&'a [u8]),
    /// Left out; they go in at this offset of the payload, and the byte before it must become 1.
    LeftOut {
        /// Offset of the first byte behind `new_params_bind_flag`.
        at: usize,
    },
}

/// Finds the parameter types; `None` for a malformed payload.
#[must_use]
pub fn parameter_types(payload: &[u8], params: u16) -> Option<ParameterTypes<'_>> {
    let params = usize::from(params);
    if params == 0 {
        return Some(ParameterTypes::None);
    }
    let flag_at = BITMAP_AT + params.div_ceil(8);
    match payload.get(flag_at)? {
        1 => Some(ParameterTypes::Sent(payload.get(flag_at + 1..flag_at + 1 + 2 * params)?)),
        _ => Some(ParameterTypes::LeftOut { at: flag_at + 1 }),
    }
}

/// The payload with the types put in where they were left out.
#[must_use]
pub fn with_types(payload: &[u8], at: usize, types: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + types.len());
    out.extend_from_slice(&payload[..at]);
    if let Some(flag) = out.last_mut() {
        *flag = 1;
    }
    out.extend_from_slice(types);
    out.extend_from_slice(&payload[at..]);
    out
}

/// The argument of a `COM_STMT_EXECUTE` whose parameters are all strings.
#[must_use]
pub fn execute_with_strings(statement_id: u32, parameters: &[&[u8]]) -> Vec<u8> {
    /// `MYSQL_TYPE_VAR_STRING`, signed.
    const STRING: [u8; 2] = [0xfd, 0];
    let mut out = statement_id.to_le_bytes().to_vec();
    out.push(0);
    out.extend_from_slice(&1u32.to_le_bytes());
    if parameters.is_empty() {
        return out;
    }
    out.resize(out.len() + parameters.len().div_ceil(8), 0);
    out.push(1);
    out.extend(parameters.iter().flat_map(|_| STRING));
    for value in parameters {
        put_lenenc_bytes(&mut out, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn types_are_found_and_put_in() {
        let sent = b"\x17\x01\0\0\0\0\x01\0\0\0\x00\x01\x08\x00\x05\0\0\0\0\0\0\0";
        assert_eq!(parameter_types(sent, 1), Some(ParameterTypes::Sent(&[8, 0])));
        let left_out = b"\x17\x01\0\0\0\0\x01\0\0\0\x00\x00\x05\0\0\0\0\0\0\0";
        let Some(ParameterTypes::LeftOut { at }) = parameter_types(left_out, 1) else { panic!() };
        assert_eq!(with_types(left_out, at, &[8, 0]), sent);
    }

    #[test]
    fn strings_are_sent_with_their_types() {
        let mut payload = vec![0x17];
        payload.extend(execute_with_strings(9, &[b"Rex", b"1"]));
        assert_eq!(statement_id(&payload), Some(9));
        assert!(!asks_for_cursor(&payload));
        assert_eq!(parameter_types(&payload, 2), Some(ParameterTypes::Sent(&[0xfd, 0, 0xfd, 0])));
        assert!(payload.ends_with(b"\x03Rex\x011"));
        assert_eq!(execute_with_strings(1, &[]).len(), 9);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..64), params: u16) {
            if let Some(ParameterTypes::LeftOut { at }) = parameter_types(&payload, params) {
                let _ = with_types(&payload, at, &[1, 2]);
            }
            let _ = statement_id(&payload);
        }
    }
}
