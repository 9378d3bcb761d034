//! Columns of a result in which connections' ids stand, and rows with other ids in their place
//! (`page_protocol_com_query_response_text_resultset_column_definition`, `page_protocol_binary_resultset`).
//!
//! Knows which columns of the servers' own tables hold ids, and how rows are written. Must not know whose an id is.

use super::{
    reader::{Reader, put_lenenc_bytes},
    resultset::is_null_at,
};

/// Of a column's flags: its numbers have no sign.
const UNSIGNED: u16 = 32;
/// From the end of a definition, of which nothing stands behind the fixed part: type, flags, decimals, two zeros.
const TYPE_FROM_END: usize = 6;
/// Likewise: the length of the fixed part, which stands in front of it.
const FIXED_FROM_END: usize = 13;
const FIXED: u8 = 0x0c;

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// The id of a connection.
    Id,
    /// Where the connection of the row comes from, with its port.
    Host,
    /// The same without the port.
    HostAlone,
    /// Something else.
    Other,
}

/// A column of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// What stands in it.
    pub holds: Holds,
    /// Its type (`enum_field_types`).
    pub kind: u8,
}

/// What a row shows of a connection in place of what the member knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The id.
    pub id: u32,
    /// Address and port.
    pub host: String,
    /// The address.
    pub host_alone: String,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// In reply to a text.
    Text,
    /// In reply to a prepared statement.
    Binary,
}

impl Column {
    /// Reads a definition; what cannot be read holds something else.
    #[must_use]
    pub fn read(definition: &[u8]) -> Column {
        let kind = fixed_part(definition).map_or(0, |at| definition[at + FIXED_FROM_END - TYPE_FROM_END]);
        Column { holds: holds(definition, kind).unwrap_or(Holds::Other), kind }
    }
}

/// Where the fixed part begins, with its length.
fn fixed_part(definition: &[u8]) -> Option<usize> {
    let at = definition.len().checked_sub(FIXED_FROM_END)?;
    (definition[at] == FIXED).then_some(at)
}

fn holds(definition: &[u8], kind: u8) -> Option<Holds> {
    let mut reader = Reader::new(definition);
    let _catalog = reader.lenenc_bytes()?;
    let schema = reader.lenenc_bytes()?;
    let (_alias, table) = (reader.lenenc_bytes()?, reader.lenenc_bytes()?);
    let (name, original) = (reader.lenenc_bytes()?, reader.lenenc_bytes()?);
    // A result that was put together in a temporary table names no schema.
    let of_servers = ["", "information_schema", "performance_schema", "sys"];
    if !among(schema, &of_servers) {
        return None;
    }
    let column = if original.is_empty() { name } else { original };
    let ids = ["id", "processlist_id", "trx_mysql_thread_id", "conn_id", "waiting_pid", "blocking_pid"];
    let is_id = among(column, &ids) || (among(column, &["thread_id"]) && among(table, &["metadata_lock_info"]));
    Some(match () {
        // Integers of any length, or DECIMAL behind a UNION.
        () if is_id && matches!(kind, 1..=3 | 8 | 9 | 246) => Holds::Id,
        () if among(column, &["host"]) => Holds::Host,
        () if among(column, &["processlist_host"]) => Holds::HostAlone,
        () => Holds::Other,
    })
}

fn among(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// The definition of a column of ids, whose numbers have no sign, whatever the member's own column has.
pub fn without_sign(definition: &mut [u8]) {
    let Some(at) = fixed_part(definition) else { return };
    let at = at + FIXED_FROM_END - TYPE_FROM_END + 1;
    if let Some([low, high]) = definition.get_mut(at..at + 2) {
        [*low, *high] = (u16::from_le_bytes([*low, *high]) | UNSIGNED).to_le_bytes();
    }
}

/// The row as it is to be shown; none if it stays as it is, or cannot be read.
pub fn shown<'a>(
    row: &[u8],
    columns: &[Column],
    encoding: Encoding,
    of: impl Fn(u32) -> Option<&'a Shown>,
) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Text => shown_text(row, columns, of),
        Encoding::Binary => shown_binary(row, columns, of),
    }
}

fn shown_text<'a>(row: &[u8], columns: &[Column], of: impl Fn(u32) -> Option<&'a Shown>) -> Option<Vec<u8>> {
    let mut reader = Reader::new(row);
    let mut values = Vec::with_capacity(columns.len());
    for _ in columns {
        values.push(reader.text_column()?);
    }
    let shown = |column: &Column, value: Option<&[u8]>| {
        value.filter(|_| column.holds == Holds::Id).and_then(|value| of(digits(value)?))
    };
    // The host belongs to the first of the row's ids.
    let first = columns.iter().zip(&values).find(|(column, _)| column.holds == Holds::Id);
    let whose = first.and_then(|(column, value)| shown(column, *value));
    let mut changed = false;
    let mut out = Vec::with_capacity(row.len() + 32);
    for (column, value) in columns.iter().zip(values) {
        let Some(value) = value else {
            out.push(0xfb);
            continue;
        };
        let other = match column.holds {
            Holds::Id => shown(column, Some(value)).map(|shown| shown.id.to_string()),
            Holds::Host => whose.map(|shown| shown.host.clone()),
            Holds::HostAlone => whose.map(|shown| shown.host_alone.clone()),
            Holds::Other => None,
        };
        changed |= other.is_some();
        put_lenenc_bytes(&mut out, other.as_deref().map_or(value, str::as_bytes));
    }
    changed.then_some(out)
}

fn digits(value: &[u8]) -> Option<u32> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn shown_binary<'a>(row: &[u8], columns: &[Column], of: impl Fn(u32) -> Option<&'a Shown>) -> Option<Vec<u8>> {
    let mut reader = Reader::new(row.strip_prefix(&[0])?);
    let nulls = reader.bytes((columns.len() + 2).div_ceil(8))?;
    let mut values = Vec::with_capacity(columns.len());
    for (at, column) in columns.iter().enumerate() {
        values.push(if is_null_at(nulls, at) { None } else { Some(binary_value(&mut reader, column.kind)?) });
    }
    let shown = |column: &Column, value: Option<&[u8]>| {
        value.filter(|_| column.holds == Holds::Id).and_then(|value| of(binary_id(value, column.kind)?))
    };
    let first = columns.iter().zip(&values).find(|(column, _)| column.holds == Holds::Id);
    let whose = first.and_then(|(column, value)| shown(column, *value));
    let mut changed = false;
    let mut out = row.get(..=nulls.len())?.to_vec();
    for (column, value) in columns.iter().zip(values) {
        let Some(value) = value else { continue };
        let other = match column.holds {
            Holds::Id => shown(column, Some(value)).map(|shown| binary(shown.id, value, column.kind)),
            Holds::Host => whose.map(|shown| text(&shown.host)),
            Holds::HostAlone => whose.map(|shown| text(&shown.host_alone)),
            Holds::Other => None,
        };
        changed |= other.is_some();
        out.extend_from_slice(other.as_deref().unwrap_or(value));
    }
    changed.then_some(out)
}

fn text(value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 1);
    put_lenenc_bytes(&mut out, value.as_bytes());
    out
}

/// The bytes of a value, with its length where that stands in front
/// (`page_protocol_binary_resultset`, `sect_protocol_binary_resultset_row_value`).
fn binary_value<'a>(reader: &mut Reader<'a>, kind: u8) -> Option<&'a [u8]> {
    let fixed = match kind {
        1 => 1,
        2 | 13 => 2,
        3 | 4 | 9 => 4,
        5 | 8 => 8,
        _ => {
            let whole = reader.rest();
            reader.lenenc_bytes()?;
            return whole.get(..whole.len() - reader.rest().len());
        }
    };
    reader.bytes(fixed)
}

fn binary_id(value: &[u8], kind: u8) -> Option<u32> {
    match kind {
        3 | 9 => value.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)),
        8 => u32::try_from(u64::from_le_bytes(*value.first_chunk()?)).ok(),
        246 => digits(Reader::new(value).lenenc_bytes()?),
        _ => None,
    }
}

fn binary(id: u32, value: &[u8], kind: u8) -> Vec<u8> {
    match kind {
        3 | 9 => id.to_le_bytes().to_vec(),
        8 => u64::from(id).to_le_bytes().to_vec(),
        246 => text(&id.to_string()),
        _ => value.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn definition(schema: &str, table: &str, name: &str, original: &str, kind: u8) -> Vec<u8> {
        let mut out = Vec::new();
        for part in ["def", schema, "alias", table, name, original] {
            put_lenenc_bytes(&mut out, part.as_bytes());
        }
        out.extend_from_slice(&[FIXED, 63, 0, 10, 0, 0, 0, kind, 0x80, 0, 0, 0, 0]);
        out
    }

    #[test]
    fn columns_are_known_by_their_table_and_name() {
        for (schema, table, name, original, kind, holds) in [
            ("", "", "Id", "", 8, Holds::Id),
            ("", "", "Host", "", 253, Holds::Host),
            ("information_schema", "PROCESSLIST", "x", "ID", 8, Holds::Id),
            ("information_schema", "INNODB_TRX", "t", "trx_mysql_thread_id", 8, Holds::Id),
            ("performance_schema", "threads", "processlist_host", "PROCESSLIST_HOST", 253, Holds::HostAlone),
            ("performance_schema", "threads", "thread_id", "THREAD_ID", 8, Holds::Other),
            ("information_schema", "METADATA_LOCK_INFO", "THREAD_ID", "THREAD_ID", 8, Holds::Id),
            ("sys", "processlist", "conn_id", "conn_id", 8, Holds::Id),
            ("", "", "id", "ID", 246, Holds::Id),
            ("app", "t", "id", "id", 8, Holds::Other),
            ("information_schema", "PROCESSLIST", "ID", "TIME", 3, Holds::Other),
            ("information_schema", "INNODB_FOREIGN", "ID", "ID", 253, Holds::Other),
        ] {
            let mut definition = definition(schema, table, name, original, kind);
            assert_eq!(Column::read(&definition), Column { holds, kind }, "{schema}.{table}.{original}");
            without_sign(&mut definition);
            assert_eq!(definition[definition.len() - 5], 0xa0);
        }
        assert_eq!(Column::read(b"").holds, Holds::Other);
    }

    fn lena() -> Shown {
        Shown { id: 0x8010_0001, host: "10.0.0.7:4711".into(), host_alone: "10.0.0.7".into() }
    }

    #[test]
    fn rows_are_shown_with_other_ids_and_hosts() {
        let lena = lena();
        let of = |id| (id == 7).then_some(&lena);
        let column = |holds, kind| Column { holds, kind };
        let columns = [column(Holds::Id, 8), column(Holds::Other, 253), column(Holds::Host, 253), column(Holds::Id, 3)];
        let row = |id: &str| [&[id.len() as u8], id.as_bytes(), b"\x01x\x03h:1\xfb"].concat();
        let shown_row = shown(&row("7"), &columns, Encoding::Text, of).unwrap();
        assert_eq!(shown_row, [b"\x0a2148532225\x01x\x0d10.0.0.7:4711\xfb".as_slice()].concat());
        assert_eq!(shown(&row("8"), &columns, Encoding::Text, of), None);
        assert_eq!(shown(b"\x09x", &columns, Encoding::Text, of), None);

        let binary = |id: u64| [&[0, 0][..], &id.to_le_bytes(), b"\x01x\x03h:1", &[7, 0, 0, 0]].concat();
        let expected =
            [&[0, 0][..], &u64::from(lena.id).to_le_bytes(), b"\x01x\x0d10.0.0.7:4711", &lena.id.to_le_bytes()];
        assert_eq!(shown(&binary(7), &columns, Encoding::Binary, of), Some(expected.concat()));
        let second = [&[0, 0][..], &8u64.to_le_bytes(), b"\x01x\x03h:1", &lena.id.to_le_bytes()].concat();
        assert_eq!(shown(&binary(8), &columns, Encoding::Binary, of), Some(second));
    }

    proptest! {
        #[test]
        fn arbitrary_rows_never_panic(row in proptest::collection::vec(any::<u8>(), 0..60), kind: u8, binary: bool) {
            let lena = lena();
            let columns = [Column::read(&row), Column { holds: Holds::Id, kind }, Column { holds: Holds::Host, kind: 253 }];
            let encoding = if binary { Encoding::Binary } else { Encoding::Text };
            let _ = shown(&row, &columns, encoding, |_| Some(&lena));
        }
    }
}
