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
}

/// Names (compared without regard to case) and what is known of their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserVariables {
    values: Vec<(Box<[u8]>, UserValue)>,
}

/// Why a variable could not be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The name in `@name`, without sign and quotes; none if it is hard to compare (escapes, letters beyond ASCII).
fn plain_name(variable: &[u8]) -> Option<&[u8]> {
    let name = variable.strip_prefix(b"@")?;
    let name = match name {
        [open @ (b'\'' | b'"' | b'`'), inner @ .., close] if open == close => inner,
        _ => name,
    };
    let odd = |byte: &u8| !byte.is_ascii() || matches!(byte, b'\\' | b'\'' | b'"' | b'`');
    (!name.iter().any(odd)).then_some(name)
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
        self.find(name).is_none_or(|(_, value)| *value != UserValue::Other)
    }

    /// Whether any holds a value that only its connection knows.
    #[must_use]
    pub fn has_other(&self) -> bool {
        self.values.iter().any(|(_, value)| *value == UserValue::Other)
    }

    fn find(&self, name: &[u8]) -> Option<&(Box<[u8]>, UserValue)> {
        self.values.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Remembers a value.
    ///
    /// # Errors
    /// [`Full`] when there is no room or the name is hard to compare: then the session must keep its connection.
    pub fn set(&mut self, variable: &[u8], value: UserValue) -> Result<(), Full> {
        let name = plain_name(variable).ok_or(Full)?;
        if let Some((_, known)) = self.values.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            *known = value;
        } else {
            if self.values.len() >= MOST_VARIABLES {
                return Err(Full);
            }
            self.values.push((name.into(), value));
        }
        let bytes: usize = self.values.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MOST_BYTES { Err(Full) } else { Ok(()) }
    }

    /// The literals, as pairs of name (without `@`, to be quoted with backticks) and text, to be set elsewhere.
    pub fn literals(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.values.iter().filter_map(|(name, value)| match value {
            UserValue::Literal(text) => Some((&**name, &**text)),
            UserValue::Other => None,
        })
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.values.clear();
    }
}

impl UserValue {
    fn len(&self) -> usize {
        match self {
            UserValue::Literal(text) => text.len(),
            UserValue::Other => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(UserVariables::default().set(b"@a", UserValue::Literal(vec![b'1'; 10_000].into())), Err(Full));
    }
}
