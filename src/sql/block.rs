//! Sixty-four bytes at a time: which of them are of which class, as bits.
//!
//! Bit `i` of a map speaks of byte `i`. Knows bytes alone: whether one stands in a string is for
//! [`skim`](super::skim) to say.

use wide::u8x16;

/// The number of bytes that are looked at together.
pub(super) const BLOCK: usize = 64;
/// The number that one instruction looks at.
const LANE: usize = 16;

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
    /// `"` `` ` `` `#` `$` `(` `-` `/` `:` `;` `@` `\`. To be found fast, `%` and `&` are among them.
    pub(super) special: u64,
}

impl Block {
    /// The block of `sql` that begins at `base`; behind the end of the text there are zeros.
    #[inline]
    pub(super) fn at(sql: &[u8], base: usize) -> Block {
        let rest = sql.get(base..).unwrap_or_default();
        match rest.first_chunk() {
            Some(whole) => Block::of::<4, BLOCK>(whole),
            None if rest.len() <= LANE => Block::last::<1, LANE>(sql, rest),
            None if rest.len() <= 2 * LANE => Block::last::<2, { 2 * LANE }>(sql, rest),
            None => Block::last::<4, BLOCK>(sql, rest),
        }
    }

    /// The block of the last bytes of `sql`: seen together with those before them, if there are any, since bytes
    /// copied to a place of their own would have to be waited for.
    #[inline]
    fn last<const N: usize, const M: usize>(sql: &[u8], rest: &[u8]) -> Block {
        match sql.last_chunk() {
            Some(last) => Block::of::<N, M>(last).without_first(M - rest.len()),
            None => Block::of::<N, M>(&padded(rest)),
        }
    }

    fn without_first(self, bytes: usize) -> Block {
        let rest = |bits: u64| bits.checked_shr(bytes as u32).unwrap_or(0);
        Block {
            word: rest(self.word),
            digit: rest(self.digit),
            dot: rest(self.dot),
            quote: rest(self.quote),
            special: rest(self.special),
        }
    }

    /// The backslashes of that block, of which only strings ask.
    #[inline]
    pub(super) fn backslashes(sql: &[u8], base: usize) -> u64 {
        let rest = sql.get(base..).unwrap_or_default();
        let lanes = rest.first_chunk::<BLOCK>().map_or_else(|| lanes(&padded::<BLOCK>(rest)), lanes);
        map::<4>(&lanes, |lane| is(lane, b'\\'))
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

    #[inline]
    fn of<const N: usize, const M: usize>(bytes: &[u8; M]) -> Block {
        let lanes: [u8x16; N] = lanes(bytes);
        let digit = map(&lanes, |lane| within(lane, b'0', b'9'));
        let quote = map(&lanes, |lane| is(lane, b'\''));
        Block {
            // A byte above 0x7F has the highest bit itself.
            word: digit | map(&lanes, |lane| letter(lane) | lane | is(lane, b'_')),
            digit,
            dot: map(&lanes, |lane| is(lane, b'.')),
            quote,
            special: map(&lanes, special) & !quote,
        }
    }
}

/// Up to as many bytes, with zeros behind.
#[inline]
fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

#[inline]
fn lanes<const N: usize, const M: usize>(bytes: &[u8; M]) -> [u8x16; N] {
    let chunks = bytes.as_chunks::<LANE>().0;
    std::array::from_fn(|lane| u8x16::new(chunks[lane]))
}

/// The highest bit of what `class` makes of each byte.
#[inline]
fn map<const N: usize>(lanes: &[u8x16; N], class: impl Fn(u8x16) -> u8x16) -> u64 {
    let mut bits = 0;
    for (at, lane) in lanes.iter().enumerate() {
        bits |= u64::from(class(*lane).to_bitmask()) << (LANE * at);
    }
    bits
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
    dash_or_slash | colon_or_semicolon | at_or_backtick | is(bytes, b'\\') | within(bytes, b'"', b'(')
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
                assert_eq!(Block::backslashes(&bytes, 0), is(byte == b'\\'), "{byte}");
                assert_eq!(block.special, is(b"\"`#$%&(@-/:;\\".contains(&byte)), "{byte}");
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
