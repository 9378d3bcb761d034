//! Hints in comments: `proxy:primary` and `proxy:replica`.

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

/// The hint that a comment's content is, if it is one and nothing else.
pub(super) fn in_comment(content: &[u8]) -> Option<Hint> {
    let content = content.trim_ascii();
    let (word, rest) = content.split_at_checked(5)?;
    if !word.eq_ignore_ascii_case(b"proxy") {
        return None;
    }
    Hint::from_name(rest.trim_ascii_start().strip_prefix(b":")?)
}
