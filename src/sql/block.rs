//! Sixty-four bytes at a time: which of them are of which class, as bits.
//!
//! Bit `i` of a map speaks of byte `i`. Knows bytes alone: whether one stands in a string is for
//! [`skim`](super::skim) to say.

use wide::u8x16;

/// The number of bytes that are looked at together.
pub(super) const BLOCK: usize = 64;

/// The classes of a block's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Letters, digits, `_` and everything above 0x7F: what a word is made of, but for `$`.
    pub(super) word: u64,
    /// Digits, which are in `word` as well.
    pub(super) digit: u64,
    pub(super) dot: u64,
    /// `'`
    pub(super) quote: u64,
    /// What may begin something else than a word, a number, a string or one byte of punctuation:
    /// `"` `` ` `` `#` `$` `(` `-` `/` `:` `;` `@`. To be found fast, `%` and `&` are among them.
    pub(super) special: u64,
}

impl Block {
    /// The block of `sql` that begins at `base`; behind the end of the text there are zeros.
    #[inline]
    pub(super) fn at(sql: &[u8], base: usize) -> Block {
        Block::of(&Lanes::at(sql, base))
    }

    /// For character sets in which 0xA0 is white space.
    pub(super) fn without_0xa0(mut self, sql: &[u8], base: usize) -> Block {
        for (at, byte) in sql.iter().skip(base).take(BLOCK).enumerate() {
            if *byte == 0xa0 {
                self.word &= !(1 << at);
            }
        }
        self
    }

    fn of(lanes: &Lanes) -> Block {
        let digit = lanes.map(|lane| within(lane, b'0', b'9'));
        let quote = lanes.map(|lane| is(lane, b'\''));
        Block {
            // A byte above 0x7F has the highest bit itself.
            word: digit | lanes.map(|lane| letter(lane) | lane | is(lane, b'_')),
            digit,
            dot: lanes.map(|lane| is(lane, b'.')),
            quote,
            special: lanes.map(special) & !quote,
        }
    }
}

/// The backslashes of a block, of which only strings ask.
#[cold]
pub(super) fn backslashes(sql: &[u8], base: usize) -> u64 {
    Lanes::at(sql, base).map(|lane| is(lane, b'\\'))
}

/// A block's bytes, sixteen by sixteen.
struct Lanes([u8x16; 4]);

impl Lanes {
    #[inline]
    fn at(sql: &[u8], base: usize) -> Lanes {
        let rest = sql.get(base..).unwrap_or_default();
        if let Some(whole) = rest.first_chunk::<BLOCK>() {
            return Lanes::of(whole);
        }
        let mut padded = [0; BLOCK];
        padded[..rest.len()].copy_from_slice(rest);
        Lanes::of(&padded)
    }

    #[inline]
    fn of(bytes: &[u8; BLOCK]) -> Lanes {
        let lanes = &bytes.as_chunks::<16>().0;
        Lanes([lanes[0], lanes[1], lanes[2], lanes[3]].map(u8x16::new))
    }

    /// The highest bit of what `class` makes of each byte.
    #[inline]
    fn map(&self, class: impl Fn(u8x16) -> u8x16) -> u64 {
        let [a, b, c, d] = self.0.map(|lane| u64::from(class(lane).to_bitmask()));
        a | b << 16 | c << 32 | d << 48
    }
}

#[inline]
fn is(bytes: u8x16, byte: u8) -> u8x16 {
    bytes.simd_eq(u8x16::splat(byte))
}

/// Two bytes that differ in one bit; `high` is the one that has it.
#[inline]
fn either(bytes: u8x16, bit: u8, high: u8) -> u8x16 {
    is(bytes | u8x16::splat(bit), high)
}

#[inline]
fn letter(bytes: u8x16) -> u8x16 {
    within(bytes | u8x16::splat(0x20), b'a', b'z')
}

#[inline]
fn special(bytes: u8x16) -> u8x16 {
    let dash_or_slash = either(bytes, 0x02, b'/');
    let colon_or_semicolon = either(bytes, 0x01, b';');
    let at_or_backtick = either(bytes, 0x20, b'`');
    dash_or_slash | colon_or_semicolon | at_or_backtick | within(bytes, b'"', b'(')
}

/// The bytes from `low` to `high`: moved down to zero, they are their own minimum with the width.
#[inline]
fn within(bytes: u8x16, low: u8, high: u8) -> u8x16 {
    let moved = bytes - u8x16::splat(low);
    moved.min(u8x16::splat(high - low)).simd_eq(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_of_its_class() {
        for byte in 0..=u8::MAX {
            for at in 0..BLOCK {
                let mut bytes = [b' '; BLOCK];
                bytes[at] = byte;
                let block = Block::at(&bytes, 0);
                let is = |class: bool| u64::from(class) << at;
                assert_eq!(block.word, is(byte.is_ascii_alphanumeric() || byte == b'_' || byte > 0x7f), "{byte}");
                assert_eq!(block.digit, is(byte.is_ascii_digit()), "{byte}");
                assert_eq!(block.dot, is(byte == b'.'), "{byte}");
                assert_eq!(block.quote, is(byte == b'\''), "{byte}");
                assert_eq!(backslashes(&bytes, 0), is(byte == b'\\'), "{byte}");
                assert_eq!(block.special, is(b"\"`#$%&(@-/:;".contains(&byte)), "{byte}");
            }
        }
    }

    #[test]
    fn behind_the_end_there_is_nothing() {
        assert_eq!(Block::at(b"ab", 0).word, 0b11);
        assert_eq!(Block::at(b"ab", 2), Block::default());
        assert_eq!(Block::at(b"ab", 9), Block::default());
        assert_eq!(Block::at(b"a\xa0b", 0).without_0xa0(b"a\xa0b", 0).word, 0b101);
    }
}
