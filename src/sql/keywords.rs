//! The words that say something wherever they stand in a statement, told from all others by their last four letters.
//!
//! Must not know what stands around a word.

use super::statement::Facts;

const KEYWORDS: [&str; 14] = [
    "from",
    "table",
    "with",
    "share",
    "update",
    "delete",
    "insert",
    "replace",
    "lock",
    "into",
    "procedure",
    "value",
    "nextval",
    "currval",
];

/// The last four letters of each keyword, each at a place of its own.
static ENDINGS: [u32; SLOTS] = endings();
const SLOTS: usize = 16;

const fn endings() -> [u32; SLOTS] {
    let mut table = [0; SLOTS];
    let mut i = 0;
    while i < KEYWORDS.len() {
        let last = KEYWORDS[i].as_bytes().last_chunk();
        assert!(last.is_some(), "a keyword has four letters");
        if let Some(last) = last {
            let ending = u32::from_le_bytes(*last);
            assert!(table[slot(ending)] == 0, "another multiplier is needed");
            table[slot(ending)] = ending;
        }
        i += 1;
    }
    table
}

/// The multiplier was searched for: it gives every ending a slot of its own.
const fn slot(ending: u32) -> usize {
    (ending.wrapping_mul(0x0016_f3d9) >> 28) as usize
}

/// Whether the word of four bytes or more that ends at `end` may be a keyword. Nearly all others are told apart here.
#[inline]
pub(super) fn may_end(text: &[u8], end: usize) -> bool {
    let last = text.get(end.wrapping_sub(4)..).and_then(|last| last.first_chunk());
    last.is_some_and(|last: &[u8; 4]| {
        let ending = u32::from_le_bytes(*last) | 0x2020_2020;
        ENDINGS[slot(ending)] == ending
    })
}

/// What a word says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Nothing,
    /// This, wherever it stands.
    Fact(Facts),
    /// It depends on the tokens around.
    InContext,
}

/// The weight of a word.
pub(super) fn weight(word: &[u8]) -> Weight {
    let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
    match word.len() {
        4 if is("from") => Weight::Fact(Facts::READS_TABLES),
        5 if is("table") => Weight::Fact(Facts::READS_TABLES),
        4 if is("with") => Weight::Fact(Facts::WITH),
        _ if KEYWORDS.iter().any(|known| is(known)) => Weight::InContext,
        _ => Weight::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_is_told_from_its_ending_in_any_case() {
        let may_be = |word: &str| may_end(word.as_bytes(), word.len());
        for keyword in KEYWORDS {
            assert!(may_be(keyword) && may_be(&keyword.to_uppercase()), "{keyword}");
            assert_ne!(weight(keyword.as_bytes()), Weight::Nothing, "{keyword}");
        }
        assert!(!may_be("orders") && !may_be("for") && may_be("some_date"));
        assert_eq!(weight(b"some_date"), Weight::Nothing);
    }
}
