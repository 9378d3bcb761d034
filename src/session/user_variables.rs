//! The user variables that a session has set, as far as they can be set again on another connection.

/// How much is remembered for one session, in variables and in bytes.
const MOST_VARIABLES: usize = 64;
const MOST_BYTES: usize = 8 * 1024;

/// What is known of a variable's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserValue {
    /// The text of a literal, as the client wrote it.
    Literal(Box<[u8]>),
    /// A value that only its connection knows.
    Other,
    /// A value that its connection can be asked for: `NULL` of the type that such a value had.
    Unread,
    /// The same of a string that was written under another character set or SQL mode.
    Doubted(Box<[u8]>),
}

/// `NULL` of the type of a string in the connection's character set.
const TYPED_STRING: &[u8] = b"CAST(NULL AS CHAR)";

/// Names (compared without regard to case) and what is known of their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserVariables {
    values: Vec<(Box<[u8]>, UserValue)>,
}

/// Why a variable could not be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The servers take no longer names.
const LONGEST_NAME: usize = 64;

/// The name in `@name`, without sign and quotes; none if it is hard to compare (escapes, letters beyond ASCII) or too long.
fn plain_name(variable: &[u8]) -> Option<&[u8]> {
    let name = variable.strip_prefix(b"@")?;
    let name = match name {
        [open @ (b'\'' | b'"' | b'`'), inner @ .., close] if open == close => inner,
        _ => name,
    };
    let odd = |byte: &u8| !byte.is_ascii() || matches!(byte, b'\\' | b'\'' | b'"' | b'`');
    (name.len() <= LONGEST_NAME && !name.iter().any(odd)).then_some(name)
}

impl UserVariables {
    /// Whether none is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether a statement that names `variable` (with its `@`) reads the same on any connection that has the literals.
    #[must_use]
    pub fn is_replayable(&self, variable: &[u8]) -> bool {
        let Some(name) = plain_name(variable) else { return self.values.is_empty() };
        self.find(name).is_none_or(|(_, value)| value.text().is_some())
    }

    /// A variable that is made now, if there is none yet; its connection can be asked for its value.
    ///
    /// # Errors
    /// Like [`set`](Self::set).
    pub fn make(&mut self, variable: &[u8]) -> Result<(), Full> {
        let name = plain_name(variable).ok_or(Full)?;
        if self.find(name).is_some() { Ok(()) } else { self.know(variable, UserValue::Unread) }
    }

    /// Whether any holds a value that only its connection knows.
    #[must_use]
    pub fn has_other(&self) -> bool {
        self.values.iter().any(|(_, value)| value.text().is_none())
    }

    /// Those that must be asked for, as `@name`.
    pub fn unread(&self) -> impl Iterator<Item = Vec<u8>> {
        let unread = self.values.iter().filter(|(_, value)| matches!(value, UserValue::Unread | UserValue::Doubted(_)));
        unread.map(|(name, _)| [b"@`", &**name, b"`"].concat())
    }

    /// Those whose values only their connection knows, as `@name`.
    pub fn unknown(&self) -> impl Iterator<Item = Vec<u8>> {
        let unknown = self.values.iter().filter(|(_, value)| value.text().is_none());
        unknown.map(|(name, _)| [b"@`", &**name, b"`"].concat())
    }

    fn find(&self, name: &[u8]) -> Option<&(Box<[u8]>, UserValue)> {
        self.values.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Remembers a value.
    ///
    /// # Errors
    /// [`Full`] when there are too many or the name is hard to compare: then the session must keep its connection.
    pub fn set(&mut self, variable: &[u8], value: UserValue) -> Result<(), Full> {
        let value = match plain_name(variable).and_then(|name| self.find(name)) {
            _ if !value.is_null() => value,
            Some((_, known)) => known.as_null(),
            None => UserValue::Literal(b"NULL"[..].into()),
        };
        self.know(variable, value)
    }

    /// The same for a value that a member has told, with its type.
    ///
    /// # Errors
    /// Like [`set`](Self::set).
    pub fn know(&mut self, variable: &[u8], value: UserValue) -> Result<(), Full> {
        let name = plain_name(variable).ok_or(Full)?;
        let others = self.values.iter().filter(|(known, _)| !known.eq_ignore_ascii_case(name));
        let bytes: usize = others.map(|(known, value)| known.len() + value.len()).sum();
        let fits = bytes + name.len() + value.len() <= MOST_BYTES;
        // What there is no room for is left to its connection.
        let value = if fits { value } else { UserValue::Other };
        if let Some((_, known)) = self.values.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            *known = value;
        } else {
            if self.values.len() >= MOST_VARIABLES {
                return Err(Full);
            }
            self.values.push((name.into(), value));
        }
        Ok(())
    }

    /// Whether all that a `SET` of this text may set can be remembered.
    #[must_use]
    pub fn has_room(&self, sql: &[u8]) -> bool {
        let bytes: usize = self.values.iter().map(|(name, value)| name.len() + value.len()).sum();
        let more = sql.split(|&byte| byte == b'@').count();
        bytes + sql.len() <= MOST_BYTES && self.values.len() + more <= MOST_VARIABLES
    }

    /// The literals, as pairs of name (without `@`, to be quoted with backticks) and text, to be set elsewhere.
    pub fn literals(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.values.iter().filter_map(|(name, value)| value.text().map(|text| (&**name, text)))
    }

    /// The session's character sets or SQL mode have changed: strings as they were written would mean something else.
    pub fn doubt_strings(&mut self) {
        for (_, value) in &mut self.values {
            if let UserValue::Literal(text) = value
                && is_plain_string(text)
            {
                *value = UserValue::Doubted(std::mem::take(text));
            }
        }
    }

    /// It does not exist where it was asked for.
    pub fn forget(&mut self, variable: &[u8]) {
        let Some(name) = plain_name(variable) else { return };
        self.values.retain(|(known, value)| !known.eq_ignore_ascii_case(name) || value.text().is_some());
    }

    /// Its connection has been asked in vain.
    pub fn cannot_be_read(&mut self, variable: &[u8]) {
        let Some(name) = plain_name(variable) else { return };
        let found = self.values.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name));
        match found.map(|(_, value)| value) {
            Some(value @ UserValue::Unread) => *value = UserValue::Other,
            Some(value @ UserValue::Doubted(_)) => {
                // What was written is more likely to be right than nothing, unless the SQL mode decides where it ends.
                let text = value.text().unwrap_or_default();
                let ends_anywhere = text.contains(&b'\\') || text.contains(&b'"');
                *value = UserValue::Literal(if ends_anywhere { b"NULL"[..].into() } else { text.into() });
            }
            _ => {}
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.values.clear();
    }
}

impl UserValue {
    fn is_null(&self) -> bool {
        matches!(self, UserValue::Literal(text) if is_untyped_null(text))
    }

    /// What the variable is once it is set to `NULL`: both servers keep the type that it had.
    fn as_null(&self) -> Self {
        let Some(text) = self.text() else { return UserValue::Unread };
        let typed: &[u8] = match NumberType::of(text) {
            Some(NumberType::Signed) => b"CAST(NULL AS SIGNED)",
            Some(NumberType::Unsigned) => b"CAST(NULL AS UNSIGNED)",
            Some(NumberType::Decimal) => b"CAST(NULL AS DECIMAL(65, 30))",
            Some(NumberType::Double) => b"NULL + 0e0",
            None => match text.first() {
                Some(b'n' | b'N') if text.eq_ignore_ascii_case(b"null") => b"NULL",
                // `N'…'` has a character set of its own.
                Some(b'n' | b'N') => return UserValue::Unread,
                // Its character set is the connection's, as that of what is said in its place.
                _ if is_plain_string(text) => TYPED_STRING,
                // `X'41'`, `0x41`: like what has never had another value.
                Some(b'x' | b'X' | b'b' | b'B' | b'0') => b"NULL",
                _ => return UserValue::Unread,
            },
        };
        UserValue::Literal(typed.into())
    }

    /// What is said to set it elsewhere.
    fn text(&self) -> Option<&[u8]> {
        match self {
            UserValue::Literal(text) | UserValue::Doubted(text) => Some(text),
            UserValue::Other | UserValue::Unread => None,
        }
    }

    fn len(&self) -> usize {
        self.text().map_or(0, <[u8]>::len)
    }
}

/// Whether a literal is a `NULL` that leaves a variable the type it had.
pub(super) fn is_untyped_null(literal: &[u8]) -> bool {
    let mut text = literal.trim_ascii();
    while let Some(inner) = text.strip_prefix(b"(").and_then(|it| it.strip_suffix(b")")) {
        text = inner.trim_ascii();
    }
    text.eq_ignore_ascii_case(b"null")
}

/// Whether a literal is a string without an introducer (`_latin1'x'`, `X'41'`), perhaps signed or in parentheses, or has
/// the type of one.
pub(super) fn is_plain_string(literal: &[u8]) -> bool {
    if literal == TYPED_STRING {
        return true;
    }
    let start = literal.iter().find(|byte| !byte.is_ascii_whitespace() && **byte != b'(');
    matches!(start, Some(b'\'' | b'"' | b'n' | b'N')) && !literal.to_ascii_lowercase().starts_with(b"null")
}

/// The type of a variable with a number in it, or with none that was a number before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberType {
    Signed,
    Unsigned,
    Decimal,
    Double,
}

impl NumberType {
    /// Of a literal, or of what was put in its place to be set elsewhere.
    fn of(literal: &[u8]) -> Option<Self> {
        let text = literal.to_ascii_lowercase();
        if let Some(cast) = text.strip_prefix(b"cast(") {
            return match cast {
                _ if cast.ends_with(b" as signed)") => Some(NumberType::Signed),
                _ if cast.ends_with(b" as unsigned)") => Some(NumberType::Unsigned),
                _ if cast.ends_with(b"))") => Some(NumberType::Decimal),
                _ => None,
            };
        }
        if text == b"null + 0e0" {
            return Some(NumberType::Double);
        }
        let number = text.trim_ascii_start();
        let number = number.strip_prefix(b"(").and_then(|inner| inner.strip_suffix(b")")).unwrap_or(number);
        let number = number.trim_ascii();
        if matches!(number, b"true" | b"false") {
            return Some(NumberType::Signed);
        }
        let digits = number.strip_prefix(b"-").or_else(|| number.strip_prefix(b"+")).unwrap_or(number).trim_ascii();
        let is_number = digits.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.')
            && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-'));
        match digits {
            _ if !is_number => None,
            _ if digits.contains(&b'e') => Some(NumberType::Double),
            _ if digits.contains(&b'.') => Some(NumberType::Decimal),
            _ => {
                let value = std::str::from_utf8(digits).ok()?.parse::<u64>();
                Some(match value {
                    Ok(value) if i64::try_from(value).is_ok() => NumberType::Signed,
                    Ok(_) => NumberType::Unsigned,
                    Err(_) => NumberType::Decimal,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_to_null_keeps_its_type() {
        let null_behind = |before: &str| {
            let mut variables = UserVariables::default();
            for literal in [before, "NULL", "null"] {
                variables.set(b"@x", UserValue::Literal(literal.as_bytes().into())).unwrap();
            }
            let text = variables.literals().next().map(|(_, text)| String::from_utf8_lossy(text).into_owned());
            text.unwrap_or_else(|| "?".into())
        };
        for (before, expected) in [
            ("5", "CAST(NULL AS SIGNED)"),
            ("-(5)", "?"),
            ("_latin1'a'", "?"),
            ("(7)", "CAST(NULL AS SIGNED)"),
            ("TRUE", "CAST(NULL AS SIGNED)"),
            ("18446744073709551615", "CAST(NULL AS UNSIGNED)"),
            ("-1.50", "CAST(NULL AS DECIMAL(65, 30))"),
            ("1e3", "NULL + 0e0"),
            ("CAST(5 AS UNSIGNED)", "CAST(NULL AS UNSIGNED)"),
            ("CAST(1.5 AS DECIMAL(65, 1))", "CAST(NULL AS DECIMAL(65, 30))"),
            ("'5'", "CAST(NULL AS CHAR)"),
            ("('5')", "CAST(NULL AS CHAR)"),
            ("X'41'", "NULL"),
            ("0x41", "NULL"),
            ("NULL", "NULL"),
            ("( (null))", "NULL"),
        ] {
            assert_eq!(null_behind(before), expected, "{before}");
        }
        let mut variables = UserVariables::default();
        variables.set(b"@x", UserValue::Other).unwrap();
        variables.set(b"@x", UserValue::Literal(b"NULL"[..].into())).unwrap();
        assert!(variables.has_other());
        assert_eq!(variables.unread().collect::<Vec<_>>(), [b"@`x`"]);
        variables.know(b"@`x`", UserValue::Literal(b"NULL"[..].into())).unwrap();
        assert!(!variables.has_other());
    }

    #[test]
    fn strings_are_asked_for_when_the_character_set_has_changed() {
        let mut variables = UserVariables::default();
        for (name, literal) in [
            ("@a", "'x'"),
            ("@b", "X'41'"),
            ("@c", "N'x'"),
            ("@d", "NULL"),
            ("@e", "5"),
            ("@f", "_latin1'x'"),
            ("@g", "(\"x\")"),
        ] {
            variables.set(name.as_bytes(), UserValue::Literal(literal.as_bytes().into())).unwrap();
        }
        variables.doubt_strings();
        assert_eq!(variables.unread().collect::<Vec<_>>(), [b"@`a`", b"@`c`", b"@`g`"]);
        assert!(!variables.has_other(), "what was written is carried until it has been asked for");
        variables.know(b"@`a`", UserValue::Literal(b"_latin1 X'78' COLLATE latin1_bin"[..].into())).unwrap();
        variables.cannot_be_read(b"@`c`");
        assert_eq!(variables.unread().collect::<Vec<_>>(), [b"@`g`"]);
    }

    #[test]
    fn names_are_compared_without_case_and_quotes() {
        let mut variables = UserVariables::default();
        assert!(variables.is_replayable(b"@x"));
        assert!(variables.set(b"@`X`", UserValue::Literal(b"1"[..].into())).is_ok());
        assert!(variables.is_replayable(b"@x"));
        assert!(variables.set(b"@x", UserValue::Other).is_ok());
        assert!(!variables.is_replayable(b"@'x'"));
        assert!(variables.is_replayable(b"@y"));
        assert_eq!(variables.set("@é".as_bytes(), UserValue::Other), Err(Full));
    }

    #[test]
    fn memory_is_bounded() {
        let mut variables = UserVariables::default();
        let results: Vec<_> = (0..100).map(|i| variables.set(format!("@v{i}").as_bytes(), UserValue::Other)).collect();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), MOST_VARIABLES);
        let mut variables = UserVariables::default();
        assert_eq!(variables.set(b"@a", UserValue::Literal(vec![b'1'; 10_000].into())), Ok(()));
        assert!(variables.has_other() && variables.literals().next().is_none(), "it is not kept");
        variables.set(b"@a", UserValue::Literal(b"1"[..].into())).unwrap();
        assert!(!variables.has_other(), "a short literal can be carried again");
    }
}
