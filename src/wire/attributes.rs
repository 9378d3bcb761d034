//! Query attributes: named values that a client sends along with a statement (`CLIENT_QUERY_ATTRIBUTES`), in front of
//! the text of `COM_QUERY` (`page_protocol_com_query`) and behind the parameters of `COM_STMT_EXECUTE`
//! (`page_protocol_com_stmt_execute`).
//!
//! Knows how long every value is, and reads those that are texts. Must not know what any attribute means.

use super::{Capabilities, Command, HEADER_LEN, command, reader::Reader};

/// What stands in front of a text without attributes: no parameters, one set of them.
const NOTHING: [u8; 2] = [0, 1];
/// Offset of the flags in the payload of `COM_STMT_EXECUTE`.
const FLAGS_AT: usize = 5;
/// In the flags of `COM_STMT_EXECUTE`: the number of parameters is told although the statement has none.
const PARAMETER_COUNT_AVAILABLE: u8 = 8;

/// How parameters are laid out on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Without attributes.
    #[default]
    Plain,
    /// With their number in front, and a name behind each type.
    Named,
}

impl Layout {
    /// The layout on a connection that has agreed on these capabilities.
    #[must_use]
    pub const fn of(capabilities: Capabilities) -> Layout {
        if capabilities.contains(Capabilities::QUERY_ATTRIBUTES) { Layout::Named } else { Layout::Plain }
    }
}

/// What stands in front of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front<'a> {
    /// Offset of the text.
    pub text_at: usize,
    /// The value of the attribute that was asked for.
    pub found: Option<&'a [u8]>,
}

/// Why it cannot be said where the text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// The bytes end before the attributes do.
    Truncated,
    /// A type, a length or a number that this program does not know how to read as every server does.
    Odd,
}

/// Reads what stands in front of the text in the argument of a `COM_QUERY` with attributes. Of several attributes of the
/// `wanted` name (in any case) the first counts.
pub fn in_front<'a>(argument: &'a [u8], wanted: &[u8]) -> Result<Front<'a>, Unclear> {
    if argument.starts_with(&NOTHING) {
        return Ok(Front { text_at: NOTHING.len(), found: None });
    }
    let mut reader = Reader::new(argument);
    let count = number(&mut reader)?;
    if number(&mut reader)? != 1 {
        return Err(Unclear::Odd);
    }
    let found = if count == 0 { None } else { values(&mut reader, count, 0, wanted)? };
    Ok(Front { text_at: argument.len() - reader.rest().len(), found })
}

/// The text of an attribute of a `COM_STMT_EXECUTE` (its whole payload), of a statement with so many parameters of its
/// own. `None` also for what cannot be read.
#[must_use]
pub fn of_execution<'a>(payload: &'a [u8], params: u16, wanted: &[u8]) -> Option<&'a [u8]> {
    let mut reader = parameters(payload, params)?;
    let count = number(&mut reader).ok()?;
    if count <= usize::from(params) {
        return None;
    }
    values(&mut reader, count, usize::from(params), wanted).ok()?
}

/// The parameters of a `COM_STMT_EXECUTE` with attributes, from their number on; `None` if it has none.
pub(super) fn parameters(payload: &[u8], params: u16) -> Option<Reader<'_>> {
    const PARAMETERS_AT: usize = 10;
    let told = params > 0 || payload.get(FLAGS_AT)? & PARAMETER_COUNT_AVAILABLE != 0;
    payload.get(PARAMETERS_AT..).filter(|_| told).map(Reader::new)
}

/// A length or a number in its shortest form or one that every server reads alike.
pub(super) fn number(reader: &mut Reader<'_>) -> Result<usize, Unclear> {
    match reader.rest().first() {
        None => Err(Unclear::Truncated),
        Some(0xfb | 0xfe | 0xff) => Err(Unclear::Odd),
        Some(_) => reader.lenenc().and_then(|number| usize::try_from(number).ok()).ok_or(Unclear::Truncated),
    }
}

fn text<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Unclear> {
    let len = number(reader)?;
    reader.bytes(len).ok_or(Unclear::Truncated)
}

/// A type and a name.
fn definition<'a>(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8]), Unclear> {
    /// Of the second byte; the others mean nothing yet.
    const UNSIGNED: u8 = 0x80;
    let [kind, flags] = *reader.bytes(2).and_then(<[u8]>::first_chunk).ok_or(Unclear::Truncated)?;
    let name = text(reader)?;
    if flags & !UNSIGNED == 0 { Ok((kind, name)) } else { Err(Unclear::Odd) }
}

/// NULL bitmap, types with names, values: reads them all. Attributes are those from `own` on.
fn values<'a>(reader: &mut Reader<'a>, count: usize, own: usize, wanted: &[u8]) -> Result<Option<&'a [u8]>, Unclear> {
    let nulls = reader.bytes(count.div_ceil(8)).ok_or(Unclear::Truncated)?;
    if reader.u8().ok_or(Unclear::Truncated)? == 0 {
        return Err(Unclear::Odd);
    }
    let mut definitions = *reader;
    for _ in 0..count {
        definition(reader)?;
    }
    let mut found = None;
    for at in 0..count {
        let (kind, name) = definition(&mut definitions)?;
        let is_null = nulls.get(at / 8).is_some_and(|bits| bits >> (at % 8) & 1 == 1);
        if is_null {
            continue;
        }
        let value = value(reader, kind)?;
        if found.is_none() && at >= own && is_text(kind) && name.eq_ignore_ascii_case(wanted) {
            found = Some(value);
        }
    }
    Ok(found)
}

/// `VARCHAR`, the `BLOB`s, `VAR_STRING`, `STRING`.
const fn is_text(kind: u8) -> bool {
    matches!(kind, 15 | 249..=254)
}

/// A value (`page_protocol_binary_resultset`, `sect_protocol_binary_resultset_row_value`).
pub(super) fn value<'a>(reader: &mut Reader<'a>, kind: u8) -> Result<&'a [u8], Unclear> {
    let len = match kind {
        1 => 1,     // TINY
        2 => 2,     // SHORT
        3 | 4 => 4, // LONG, FLOAT
        5 | 8 => 8, // DOUBLE, LONGLONG
        // DECIMAL, TIMESTAMP, DATE, TIME, DATETIME, NEWDECIMAL
        0 | 7 | 10..=12 | 246 => return text(reader),
        kind if is_text(kind) => return text(reader),
        _ => return Err(Unclear::Odd),
    };
    reader.bytes(len).ok_or(Unclear::Truncated)
}

/// A `COM_QUERY` of the proxy's own as a connection with this layout wants it: it has no attributes. Other messages stay
/// as they are (`None`).
#[must_use]
pub fn without_any(message: &[u8], layout: Layout) -> Option<Vec<u8>> {
    let text = message.get(HEADER_LEN..).filter(|_| layout == Layout::Named)?.strip_prefix(&[Command::Query as u8])?;
    Some(command::message(Command::Query, &[&NOTHING, text].concat()))
}

#[cfg(test)]
#[path = "attributes_tests.rs"]
mod tests;
