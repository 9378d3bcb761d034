//! What each byte may begin, as a table: the lexer's first question about any byte.

/// The class of a byte outside strings and comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// A letter, `_`, `$` or a byte of a non-ASCII letter.
    Letter,
    Digit,
    /// `$`: a letter, but at the start of a word perhaps the start of a dollar-quoted text.
    Dollar,
    /// White space.
    Space,
    Dot,
    /// Any other byte: a token of its own.
    Punctuation,
    /// `'`, `"` or a backtick.
    Quote,
    At,
    /// `/`, `-` or `#`, which may open a comment.
    Comment,
}

/// The class of every byte.
pub(super) type Classes = [Class; 256];

/// For character sets in which every byte above 0x7F belongs to a letter.
pub(super) static ASCII_SAFE: Classes = classes(false);
/// For latin1 and its like: 0xA0 is white space.
pub(super) static LATIN1: Classes = classes(true);

const fn classes(latin1: bool) -> Classes {
    let mut table = [Class::Punctuation; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r' => Class::Space,
            0xa0 if latin1 => Class::Space,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff => Class::Letter,
            b'$' => Class::Dollar,
            b'0'..=b'9' => Class::Digit,
            b'\'' | b'"' | b'`' => Class::Quote,
            b'@' => Class::At,
            b'.' => Class::Dot,
            b'/' | b'-' | b'#' => Class::Comment,
            _ => Class::Punctuation,
        };
        byte += 1;
    }
    table
}

impl Class {
    /// Whether the byte may stand inside a word.
    pub(super) const fn in_word(self) -> bool {
        // The three that come first.
        self as u8 <= Class::Dollar as u8
    }
}

/// Whether a word is `SELECT`, in any case: the most frequent one is compared at once.
#[inline]
pub(super) fn is_select(word: [u8; 6]) -> bool {
    let number = |[a, b, c, d, e, f]: [u8; 6]| u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    number(word) | number([b' '; 6]) == number(*b"select")
}
