//! Hints in comments: `proxy:primary`, `proxy:replica` and `proxy:after=TOKEN`.

use super::span::Span;

/// Where the client asks a statement to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// `proxy:primary`
    Primary,
    /// `proxy:replica`
    Replica,
}

impl Hint {
    /// The value of the query attribute `proxy.route`, or what follows `proxy:` in a comment.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Hint> {
        let name = name.trim_ascii();
        if name.eq_ignore_ascii_case(b"primary") {
            Some(Hint::Primary)
        } else if name.eq_ignore_ascii_case(b"replica") {
            Some(Hint::Replica)
        } else {
            None
        }
    }
}

/// What comments in one place ask for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes {
    pub(super) hint: Option<Hint>,
    /// The token in `proxy:after=TOKEN`.
    pub(super) after: Option<Span>,
}

impl Wishes {
    /// Whether nothing was asked for.
    pub(super) const fn is_empty(&self) -> bool {
        self.hint.is_none() && self.after.is_none()
    }

    /// Reads a comment, which stands in `sql`; the first wish of a kind counts.
    pub(super) fn note(&mut self, sql: &[u8], comment: Span) {
        let Some(wish) = wish_in(comment.of(sql)) else { return };
        match after(wish) {
            Some(token) => self.after = self.after.or(Some(place_of(token, sql))),
            None => self.hint = self.hint.or(Hint::from_name(wish)),
        }
    }

    /// These, and of `other` what is not among them.
    pub(super) fn or(self, other: Self) -> Self {
        Wishes { hint: self.hint.or(other.hint), after: self.after.or(other.after) }
    }
}

/// What follows `proxy:` in a comment that says this and nothing else.
fn wish_in(content: &[u8]) -> Option<&[u8]> {
    let (word, rest) = content.trim_ascii().split_at_checked(5)?;
    if !word.eq_ignore_ascii_case(b"proxy") {
        return None;
    }
    rest.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii)
}

/// The token, which may be empty: a wrong one.
fn after(wish: &[u8]) -> Option<&[u8]> {
    let (word, rest) = wish.split_at_checked(5)?;
    let value = rest.trim_ascii_start().strip_prefix(b"=")?;
    word.eq_ignore_ascii_case(b"after").then(|| value.trim_ascii())
}

/// Where a part of `sql` stands in it.
fn place_of(part: &[u8], sql: &[u8]) -> Span {
    let start = (part.as_ptr() as usize).saturating_sub(sql.as_ptr() as usize);
    Span::new(start, start + part.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_asks_for_one_thing_at_most() {
        for (comment, hint, token) in [
            ("proxy:primary", Some(Hint::Primary), None),
            (" PROXY : replica ", Some(Hint::Replica), None),
            ("proxy:after=v1.0.m.0-1-7", None, Some("v1.0.m.0-1-7")),
            (" proxy: AFTER = a b ", None, Some("a b")),
            ("proxy:after=", None, Some("")),
            ("proxy:after", None, None),
            ("proxy:afterwards=x", None, None),
            ("my proxy:after=x", None, None),
            ("proxy", None, None),
        ] {
            let sql = format!("/*{comment}*/ SELECT 1");
            let mut wishes = Wishes::default();
            wishes.note(sql.as_bytes(), Span::new(2, 2 + comment.len()));
            assert_eq!(wishes.hint, hint, "{comment}");
            let found = wishes.after.map(|token| token.of(sql.as_bytes()));
            assert_eq!(found, token.map(str::as_bytes), "{comment}");
        }
    }
}
