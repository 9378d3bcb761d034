//! `routing.trusted_functions`: stored functions that only read.

use crate::sql::Span;

/// The names, `function` or `schema.function`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedFunctions {
    names: Vec<Box<[u8]>>,
}

impl TrustedFunctions {
    /// From the configuration's names.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> TrustedFunctions {
        let mut names: Vec<Box<[u8]>> = names
            .into_iter()
            .map(|name| name.as_ref().trim().to_ascii_lowercase().into_bytes().into_boxed_slice())
            .filter(|name| !name.is_empty())
            .collect();
        names.sort();
        names.dedup();
        TrustedFunctions { names }
    }

    /// Whether a call, as written (`f`, `` `app` . `f` ``), is of a trusted function. A name without a schema trusts
    /// the function in every schema.
    #[must_use]
    pub fn contains(&self, call: Span, sql: &[u8]) -> bool {
        if self.names.is_empty() {
            return false;
        }
        let written = call.of(sql);
        // Comments and doubled quotes in a name are nobody's habit: they are left to the primary.
        let plain: Vec<u8> = written
            .iter()
            .filter(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'`' | b'"'))
            .map(u8::to_ascii_lowercase)
            .collect();
        let name = plain.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        self.has(&plain) || self.has(name)
    }

    fn has(&self, name: &[u8]) -> bool {
        self.names.binary_search_by(|known| (**known).cmp(name)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_a_schema() {
        let trusted = TrustedFunctions::new(["Total", "app.price"]);
        let has = |call: &str| trusted.contains(Span::new(0, call.len()), call.as_bytes());
        assert!(has("total"));
        assert!(has("app . `TOTAL`"));
        assert!(has("App.Price"));
        assert!(!has("price"));
        assert!(!has("other.price"));
    }
}
