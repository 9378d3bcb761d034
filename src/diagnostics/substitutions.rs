//! Numbers in a statement's text in place of what it asks of the statement before.
//!
//! Knows how to write them so that the result has the same columns. Must not know where the numbers come from.

use super::questions::{Conditions, Number, ShowConditions, numbers, show_conditions};
use crate::{
    sql::Dialect,
    wire::{
        Command, HEADER_LEN,
        attributes::{Layout, in_front},
        command::message,
    },
};

/// The longest name of a column, in bytes of ASCII.
const LONGEST_NAME: usize = 64;

/// Substitutions that must stand in a statement's text in place of those that it asks for, as no connection can be made to say
/// them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Substitutions {
    /// `ROW_COUNT()`
    pub row_count: Option<i64>,
    /// `FOUND_ROWS()`
    pub found_rows: Option<u64>,
    /// `@@warning_count` and `@@error_count`.
    pub conditions: Option<(u64, u64)>,
}

impl Substitutions {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Substitutions::default()
    }

    /// The message with numbers in place of what it asks for; attributes in front of the text stay.
    #[must_use]
    pub fn in_place(&self, written: &[u8], dialect: Dialect, layout: Layout) -> Vec<u8> {
        let argument = written.get(HEADER_LEN + 1..).unwrap_or_default();
        let text_at = match layout {
            Layout::Plain => 0,
            Layout::Named => in_front(argument, b"").map_or(0, |front| front.text_at),
        };
        let (attributes, sql) = argument.split_at(text_at);
        let text = self.in_text(sql, dialect);
        message(Command::Query, &[attributes, &text].concat())
    }

    /// The text with numbers in place of what it asks for.
    #[must_use]
    pub fn in_text(&self, sql: &[u8], dialect: Dialect) -> Vec<u8> {
        if let (Some((warnings, errors)), Some(ShowConditions::Count(of))) =
            (self.conditions, show_conditions(sql, dialect))
        {
            let (count, name) = match of {
                Conditions::All => (warnings, "@@session.warning_count"),
                Conditions::Errors => (errors, "@@session.error_count"),
            };
            return format!("SELECT {} AS `{name}`", unsigned(count, name)).into_bytes();
        }
        let mut out = Vec::with_capacity(sql.len() + 64);
        let mut at = 0;
        for asked in numbers(sql, dialect) {
            let original = asked.span.of(sql);
            let Some(value) = self.value(asked.number, &String::from_utf8_lossy(original)) else { continue };
            out.extend_from_slice(sql.get(at..asked.span.start as usize).unwrap_or_default());
            out.extend_from_slice(value.as_bytes());
            // Servers name no column by more.
            if asked.is_column && original.len() <= LONGEST_NAME {
                out.extend_from_slice(b" AS `");
                out.extend(
                    original
                        .iter()
                        .flat_map(|byte| if *byte == b'`' { b"``".as_slice() } else { std::slice::from_ref(byte) }),
                );
                out.push(b'`');
            }
            at = asked.span.end as usize;
        }
        out.extend_from_slice(sql.get(at..).unwrap_or_default());
        out
    }

    /// An expression that has the value, and of which the servers make the same column as of the `original`.
    fn value(&self, number: Number, original: &str) -> Option<String> {
        let signed = |value: i64| format!("IF(1,{value},{original})");
        match number {
            Number::RowCount => self.row_count.map(signed),
            Number::FoundRows => self.found_rows.map(|found| signed(found.cast_signed())),
            Number::WarningCount => self.conditions.map(|(warnings, _)| unsigned(warnings, original)),
            Number::ErrorCount => self.conditions.map(|(_, errors)| unsigned(errors, original)),
        }
    }
}

fn unsigned(value: u64, original: &str) -> String {
    format!("IF(1,CAST({value} AS UNSIGNED),{original})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_place_of_what_is_asked_behind_any_attributes() {
        let numbers = Substitutions { row_count: Some(3), ..Substitutions::default() };
        let replaced = |argument: &[u8], layout: Layout| {
            let message = numbers.in_place(&message(Command::Query, argument), Dialect::default(), layout);
            message[HEADER_LEN + 1..].to_vec()
        };
        let expected = b"SELECT IF(1,3,ROW_COUNT()) AS `ROW_COUNT()`";
        assert_eq!(replaced(b"SELECT ROW_COUNT()", Layout::Plain), expected);
        let front = b"\x01\x01\x00\x01\xfe\x00\x01n\x0bROW_COUNT()";
        let with_attributes = [&front[..], b"SELECT ROW_COUNT()"].concat();
        assert_eq!(replaced(&with_attributes, Layout::Named), [&front[..], expected].concat());
    }

    #[test]
    fn only_what_is_known_is_replaced() {
        let numbers = Substitutions { row_count: None, found_rows: Some(7), conditions: Some((2, 1)) };
        let replaced = |sql: &str| String::from_utf8(numbers.in_text(sql.as_bytes(), Dialect::default())).unwrap();
        assert_eq!(
            replaced("SELECT ROW_COUNT(), FOUND_ROWS() AS f, @@local.`error_count`"),
            "SELECT ROW_COUNT(), IF(1,7,FOUND_ROWS()) AS f, IF(1,CAST(1 AS UNSIGNED),@@local.`error_count`) AS \
             `@@local.``error_count```"
        );
        assert_eq!(
            replaced("show count(*) warnings;"),
            "SELECT IF(1,CAST(2 AS UNSIGNED),@@session.warning_count) AS `@@session.warning_count`"
        );
        assert_eq!(replaced("SHOW WARNINGS"), "SHOW WARNINGS");
    }
}
