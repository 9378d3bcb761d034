//! The value of a user variable as a literal that gives another connection the same: type, character set and all.
//!
//! Knows how servers show the types of user variables. Must not know why a value is carried.

use crate::backend::{Connection, QueryError, ResultSet};

/// The longest value that is read, in bytes; longer ones stay where they are.
const LONGEST: usize = 16 * 1024;

/// What a connection says of a user variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// This literal gives another connection the same.
    Literal(Vec<u8>),
    /// Nothing has made it. `MariaDB` does not tell that from one that is `NULL`.
    Absent,
    /// It is too long, or of an odd type.
    Unreadable,
}

/// Asks for the value of `name` (with its `@`, quoted as it was written).
pub(super) async fn read(connection: &mut Connection, name: &[u8]) -> Result<Value, QueryError> {
    let Ok(name) = std::str::from_utf8(name) else { return Ok(Value::Unreadable) };
    let sql =
        format!("SELECT {name}, HEX(LEFT({name}, {LONGEST})), CHARSET({name}), COLLATION({name}), LENGTH({name})");
    let answer = connection.query(&sql).await?;
    if is_absent(&answer) {
        return Ok(Value::Absent);
    }
    Ok(literal(&answer).map_or(Value::Unreadable, Value::Literal))
}

/// `MySQL` gives a variable that nothing has made a type which no other has (seen on 9.7).
fn is_absent(answer: &ResultSet) -> bool {
    /// `MYSQL_TYPE_VAR_STRING`
    const VAR_STRING: u8 = 253;
    let row = answer.rows.first();
    let is_null = row.is_some_and(|row| row.first().is_some_and(Option::is_none));
    is_null && answer.column_type(0) == Some(VAR_STRING)
}

/// From the answer: the value, its bytes in hexadecimal, character set, collation, length.
fn literal(answer: &ResultSet) -> Option<Vec<u8>> {
    /// `enum_field_types`.
    const DOUBLE: u8 = 5;
    const LONGLONG: u8 = 8;
    const NEWDECIMAL: u8 = 246;
    let row = answer.rows.first()?;
    let kind = answer.column_type(0)?;
    let text = |at: usize| row.get(at)?.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let value = match (kind, row.first()?) {
        (LONGLONG, value) => {
            let number = value.as_deref().map_or(Some("NULL"), |bytes| std::str::from_utf8(bytes).ok())?;
            format!("CAST({number} AS {})", if answer.is_unsigned(0)? { "UNSIGNED" } else { "SIGNED" })
        }
        (NEWDECIMAL, None) => "CAST(NULL AS DECIMAL(65, 30))".to_owned(),
        (NEWDECIMAL, Some(_)) => {
            let digits = text(0)?;
            let scale = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            format!("CAST({digits} AS DECIMAL(65, {scale}))")
        }
        (DOUBLE, None) => "NULL + 0e0".to_owned(),
        (DOUBLE, Some(_)) => {
            let digits = text(0)?;
            if digits.contains('e') { digits.to_owned() } else { format!("{digits}e0") }
        }
        // What has a character set was given it by a string, or by an assignment that failed.
        (_, None) => match (text(2), text(3)) {
            (Some(character_set), Some(collation)) if character_set != "binary" => {
                format!("CONVERT(NULL USING {character_set}) COLLATE {collation}")
            }
            _ => "NULL".to_owned(),
        },
        (_, Some(_)) => {
            let length: usize = text(4)?.parse().ok()?;
            let (hex, character_set, collation) = (text(1)?, text(2)?, text(3)?);
            // `LEFT` counts characters: what is longer in bytes than could be read is left alone.
            if hex.len() != length * 2 {
                return None;
            }
            // `binary` is a keyword, and its only collation.
            if character_set == "binary" {
                format!("_binary X'{hex}'")
            } else {
                format!("_{character_set} X'{hex}' COLLATE {collation}")
            }
        }
    };
    Some(value.into_bytes())
}
